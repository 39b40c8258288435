"""When a connector is started again, and when silence means nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connectors.positions import Look
from connectors.status import Status, Task
from sync.errors import KafkaUnreachable, SourceUnreachable
from sync.settings import Settings
from sync.state import drift
from sync.state.registry import SOURCE, forget
from sync.worker import connectors
from sync.worker.connectors import AT_MOST_EVERY, EXAMINE_EVERY, SILENT_AFTER, Connectors
from tests.support.airline import first_rows
from tests.support.world import World


class Fakes:
    """Kafka, Connect and the database as the watch sees them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.end, self.state, self.failed = 7, "RUNNING", False
        self.kafka, self.database = True, True
        self.lost: str | None = None
        self.trace = ""
        self.replaced: str | None = None
        self.marks: list[str | None] = []
        self.restarts: list[str] = []
        self.gaps: list[tuple[str, str, str]] = []
        self.said: list[str] = []
        monkeypatch.setattr(connectors, "Topics", lambda _: SimpleNamespace(end=self._end))
        monkeypatch.setattr(connectors, "Connect", lambda *_, **__: self)
        database = SimpleNamespace(emit=self._emit, lost=lambda _: self.lost, replaced=self._replaced)
        monkeypatch.setattr(connectors, "source_database", lambda *_: database)

    def __enter__(self) -> Fakes:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _end(self, _: str) -> int:
        if not self.kafka:
            raise KafkaUnreachable("away")
        return self.end

    def _emit(self, _: str) -> None:
        if not self.database:
            raise SourceUnreachable("away")

    def _replaced(self, _: object, __: object, marks: str | None) -> Look:
        self.marks.append(marks)
        return Look(self.replaced, f"look {len(self.marks)}")

    def status(self, _: str) -> Any:
        task = Task(0, "FAILED" if self.failed else "RUNNING", self.trace)
        return Status(self.state, "", (task,))

    def restart(self, name: str) -> None:
        self.restarts.append(name)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    return Fakes(monkeypatch)


@pytest.fixture
def watch(fakes: Fakes, world: World) -> Connectors:
    world.log.snapshot(first_rows())
    world.settle()
    fakes.end = len(world.log.records)  # nothing is there that was not applied
    return Connectors(world.state, Settings(), fakes.said.append, lambda *gap: fakes.gaps.append(gap))


def test_one_that_says_running_and_sends_nothing_is_a_gap(watch: Connectors, fakes: Fakes) -> None:
    """Started again it would go on behind what it may have skipped."""
    watch.look(0)
    watch.look(SILENT_AFTER - 1)
    assert fakes.gaps == []
    watch.look(SILENT_AFTER)
    assert fakes.restarts == []
    assert [reason.endswith("says RUNNING and has sent nothing for 20 s") for _, _, reason in fakes.gaps] == [True]


def test_one_that_sends_is_left_alone(watch: Connectors, fakes: Fakes) -> None:
    for second in range(60):
        fakes.end += 1
        watch.look(second)
    assert fakes.restarts == []
    assert fakes.gaps == []


def test_it_is_not_started_again_at_once_and_each_time_later(watch: Connectors, fakes: Fakes) -> None:
    fakes.failed = True
    for second in range(0, int(5 + 3.5 * AT_MOST_EVERY)):
        watch.look(second)
    assert len(fakes.restarts) == 3


def test_a_failed_one_is_started_again_sooner(watch: Connectors, fakes: Fakes) -> None:
    fakes.failed = True
    watch.look(0)
    watch.look(5)
    assert len(fakes.restarts) == 1


def test_silence_means_nothing_while_kafka_is_away(watch: Connectors, fakes: Fakes) -> None:
    watch.look(0)
    fakes.kafka = False
    with pytest.raises(KafkaUnreachable):
        watch.look(100)
    fakes.kafka = True
    watch.look(101)
    assert fakes.restarts == []


def test_what_is_away_is_said_once_and_that_the_log_comes_in_again(
    watch: Connectors, fakes: Fakes, world: World
) -> None:
    watch.look(0)
    fakes.kafka = False
    for now in (100, 110, 120):
        with pytest.raises(KafkaUnreachable):
            watch.look(now)
    assert fakes.said == ["airline.airline: nothing comes in; away"]
    fakes.kafka = True
    watch.look(121)
    assert len(fakes.said) == 1  # that Kafka answers does not say that changes come
    world.log.change("bookings", "u", first_rows()["bookings"][0])
    world.settle()
    watch.look(122)
    assert fakes.said[1:] == ["airline.airline: its log comes in again"]


def test_silence_means_nothing_while_the_database_is_away(watch: Connectors, fakes: Fakes) -> None:
    fakes.database = False
    watch.look(0)
    with pytest.raises(SourceUnreachable):
        watch.look(100)
    fakes.database = True
    watch.look(101)  # the connector, too, has only now found it again
    assert fakes.restarts == []
    assert fakes.gaps == []


def test_a_stopped_connector_stays_stopped(watch: Connectors, fakes: Fakes) -> None:
    fakes.state = "STOPPED"
    watch.look(0)
    watch.look(100)
    assert fakes.restarts == []


def test_one_whose_slot_is_gone_is_a_gap_and_not_started_again(watch: Connectors, fakes: Fakes) -> None:
    fakes.failed, fakes.lost = True, "slot headrace_x is gone"
    watch.look(0)
    watch.look(5)
    assert fakes.restarts == []
    assert [reason for _, _, reason in fakes.gaps] == ["slot headrace_x is gone"]


def test_one_whose_offset_the_database_no_longer_has_is_a_gap_and_not_started_again(
    watch: Connectors, fakes: Fakes
) -> None:
    fakes.failed = True
    fakes.trace = "io.debezium.DebeziumException: … but this is no longer available on the server. Reconfigure …"
    watch.look(0)
    watch.look(5)
    assert fakes.restarts == []
    assert len(fakes.gaps) == 1


def test_a_table_that_ends_each_snapshot_is_left_out_of_the_next_one(
    watch: Connectors, fakes: Fakes, world: World
) -> None:
    fakes.failed = True
    fakes.trace = "DDL statement couldn't be parsed. Please … with the statement 'CREATE TABLE `bookings` (\n `x` odd"
    watch.look(0)
    watch.look(5)  # the gap; that was of a statement, or of a snapshot which somebody asked for

    def noted() -> dict[str, str]:
        with world.state.read() as connection:
            return drift.of_mapping(connection, world.applier.registered.name)

    assert noted() == {}
    with world.state.write() as connection:
        connection.execute(SOURCE.update().values(snapshot_due=False, loaded=False))
    watch.look(10)
    watch.look(15)
    assert list(noted()) == ["bookings"]
    assert "the connector cannot read how it is made" in noted()["bookings"]
    assert len(fakes.gaps) >= 2


def test_one_that_was_started_again_and_then_fails_for_good_is_a_gap_at_once(watch: Connectors, fakes: Fakes) -> None:
    fakes.failed = True
    watch.look(0)
    watch.look(5)
    assert len(fakes.restarts) == 1
    fakes.end += 1  # it sends again
    watch.look(6)
    fakes.trace = "io.debezium.DebeziumException: … but this is no longer available on the server. Reconfigure …"
    watch.look(12)
    assert len(fakes.gaps) == 1
    assert len(fakes.restarts) == 1


def test_silence_means_nothing_to_a_worker_that_was_frozen_itself(
    watch: Connectors, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(connectors, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    for clock[0] in (100.0, 102.0, 104.0, 135.0, 137.0):
        watch._look()
    assert fakes.gaps == []
    for clock[0] in (139.0, 143.0, 147.0, 151.0, 155.0, 157.0):
        watch._look()
    assert len(fakes.gaps) == 1


def test_a_log_that_was_replaced_behind_a_connector_that_sends_is_a_gap(watch: Connectors, fakes: Fakes) -> None:
    watch.look(0)
    watch.look(EXAMINE_EVERY - 1)
    fakes.end += 1
    watch.look(EXAMINE_EVERY)
    assert fakes.marks == [None, "look 1"]
    assert fakes.gaps == []
    fakes.end += 1
    fakes.replaced = "slot headrace_x was dropped and made again"
    watch.look(2 * EXAMINE_EVERY)
    assert [reason for _, _, reason in fakes.gaps] == ["slot headrace_x was dropped and made again"]
    watch.look(3 * EXAMINE_EVERY)
    assert len(fakes.gaps) == 1
    assert fakes.marks == [None, "look 1", "look 2"]


def test_a_mapping_removed_while_it_is_looked_at_does_not_end_the_watch(
    watch: Connectors, fakes: Fakes, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = world.state.read

    def removed_after_the_first() -> Any:
        nonlocal reads
        reads += 1
        if reads == 2:
            with world.state.write() as connection:
                forget(connection, "airline")
        return read()

    monkeypatch.setattr(world.state, "read", removed_after_the_first)
    watch.look(0)
    assert reads == 2
    assert fakes.marks == []
