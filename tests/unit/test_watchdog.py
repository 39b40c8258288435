"""A consumer that is stuck is crashed by its watchdog, and the worker makes one anew: without time passing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sync.errors import Fenced, Gap, HeadraceError, StateUnreachable, WeaviateRefused
from sync.settings import Settings
from sync.state.registry import Registered, forget
from sync.worker.app import SourceApp
from sync.worker.lanes import Lanes
from sync.worker.service import Worker
from tests.support.world import World

LOOKS = 60  # in a second of the app's own clock each


class Watched(SourceApp):
    """A source's app that no Kafka knows. Its clock goes on by a second at each look; after ``LOOKS`` it is told to
    stop."""

    look_every = 0.0

    def __init__(self, directory: Path, *, partitions: set[str], alone: bool = True, behind: bool = False) -> None:
        self.now = 1000.0
        self.asked: list[bool] = []  # whether the partition was said to be ours, each time it was asked
        self.busy_until = self.fetches_until = self.rebalances_until = 0.0

        async def is_behind(ours: bool) -> bool:
            self.asked.append(ours)
            return behind

        super().__init__(
            "watched",
            source="airline",
            kafka="127.0.0.1:1",
            topic="watched",
            start_offset=None,  # type: ignore[arg-type]
            handle=None,  # type: ignore[arg-type]
            lanes=Lanes(lambda: False),
            behind=is_behind,
            alone=alone,
            datadir=str(directory),
        )
        self.consumer = SimpleNamespace(assignment=lambda: partitions)  # type: ignore[assignment]

    def clock(self) -> float:
        return self.now

    @property
    def should_stop(self) -> bool:
        """Asked once a look."""
        self.now += 1.0
        self.applying = self.now < self.busy_until
        self.rebalancing = self.now < self.rebalances_until
        if self.now < self.fetches_until:
            self.heard()
        return self.now > 1000.0 + LOOKS

    def watch(self) -> float:
        """Watch it; returns after how many seconds it crashed."""

        async def watch() -> None:
            await self._watch()

        asyncio.run(asyncio.wait_for(watch(), 30))
        return self.now - 1000.0


def test_a_consumer_that_fetches_and_has_its_partition_is_left_alone(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    app.fetches_until = 2000.0
    app.watch()
    assert app.crash_reason is None
    assert app.asked == [], "nobody asks Kafka about a source whose heartbeats come"


def test_a_consumer_without_its_partition_is_crashed_in_time(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set())
    took = app.watch()
    assert "no assignment" in str(app.crash_reason)
    assert app.stuck_after < took < app.stuck_after + 3


def test_a_consumer_that_is_not_connected_has_no_partition(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set())
    app.consumer = None  # type: ignore[assignment]
    app.watch()
    assert "no assignment" in str(app.crash_reason)


def test_an_endless_rebalance_is_no_assignment_and_a_short_one_is_nothing(tmp_path: Path) -> None:
    short, endless = (Watched(tmp_path, partitions={"tp"}) for _ in range(2))
    short.rebalances_until, endless.rebalances_until = 1000.0 + short.stuck_after, 2000.0
    short.watch()
    assert short.crash_reason is None
    endless.watch()
    assert "endless rebalance" in str(endless.crash_reason)


def test_a_worker_beside_others_may_have_no_partition_and_asks_for_it(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set(), alone=False)
    app.watch()
    assert app.crash_reason is None
    assert app.asked, "whether anybody fetches is asked all the same"
    assert not any(app.asked), "it is asked as one whose partition it is not"


def test_records_that_are_not_fetched_crash_the_consumer_in_time(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    took = app.watch()
    assert "not fetched" in str(app.crash_reason)
    assert app.asked == [True]
    assert app.stuck_after < took < app.stuck_after + 3


def test_a_quiet_source_is_asked_about_again_and_again_and_left_alone(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=False)
    app.watch()
    assert app.crash_reason is None
    assert len(app.asked) == LOOKS // (app.stuck_after + 1)


def test_what_is_being_applied_for_long_is_no_silence(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    app.busy_until = 2000.0
    app.watch()
    assert app.crash_reason is None


# -- made anew ---------------------------------------------------------------------------------------


class App:
    """A source's app as far as the worker looks after it."""

    def __init__(self, reason: BaseException | None = None) -> None:
        self.crash_reason, self.source_name, self.conf = reason, "airline", SimpleNamespace(id="airline")
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True


class Reviver(Worker):
    """A worker whose apps are as they are told to be; ``done`` says what it did, in order."""

    def __init__(self, world: World, *apps: App) -> None:
        super().__init__(Settings(_env_file=None), lambda _: None)
        self.state = world.state
        self._apps = {"airline": cast(Any, list(apps))}
        self.made = App()
        self.done: list[str] = []

    async def _wait_for_kafka(self, stopping: asyncio.Event) -> None:
        self.done.append("waited for Kafka")

    async def _start_app(self, mapping: Registered, source: str) -> SourceApp:
        assert all(app.stopped for app in self.apps if app.crash_reason), "two apps of one source at once"
        self.done.append(f"started {mapping.name}.{source}")
        return self.made  # type: ignore[return-value]

    @property
    def apps(self) -> list[Any]:
        return list(self._apps["airline"])

    def revive(self, *, stopping: bool = False) -> None:
        async def revive() -> None:
            told = asyncio.Event()
            if stopping:
                told.set()
            await self._revive(told)

        asyncio.run(revive())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.state.close()


@pytest.mark.parametrize(
    "reason",
    [RuntimeError("no assignment"), Gap("the log has a gap"), Fenced("another applies"), StateUnreachable("away")],
    ids=lambda each: type(each).__name__,
)
def test_the_app_of_a_source_that_crashed_is_made_anew_in_its_place(world: World, reason: BaseException) -> None:
    well, crashed, other = App(), App(reason), App()
    worker = Reviver(world, well, crashed, other)
    worker.revive()
    assert worker.apps == [well, worker.made, other]
    assert worker.done == ["waited for Kafka", "started airline.airline"]
    assert (well.stopped, crashed.stopped, other.stopped) == (False, True, False)
    worker.revive()
    assert worker.apps == [well, worker.made, other], "the new one has not crashed"


@pytest.mark.parametrize("reason", [WeaviateRefused("refused"), HeadraceError("for good")], ids=str)
def test_what_a_new_app_would_meet_again_ends_the_worker(world: World, reason: HeadraceError) -> None:
    worker = Reviver(world, App(reason))
    with pytest.raises(type(reason), match=str(reason)):
        worker.revive()
    assert worker.done == []


def test_an_app_of_a_mapping_that_was_removed_is_not_made_anew(world: World) -> None:
    crashed = App(Fenced("its mapping was removed"))
    worker = Reviver(world, crashed)
    with world.state.write() as connection:
        forget(connection, "airline")
    worker.revive()
    assert worker.apps == [crashed]
    assert worker.done == ["waited for Kafka"]


def test_nothing_is_made_anew_while_the_worker_stops(world: World) -> None:
    crashed = App(RuntimeError("no assignment"))
    worker = Reviver(world, crashed)
    worker.revive(stopping=True)
    assert worker.apps == [crashed]
    assert worker.done == []
