"""PostgreSQL's heartbeats name each other: one that does not follow the last applied is of a restored database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from connectors.change import Message
from connectors.names import HEARTBEAT_PREFIX
from sync.errors import Gap
from sync.state.registry import SOURCE
from sync.worker.continuity import note_gap
from tests.support.airline import BOOKING, FLIGHT, first_rows
from tests.support.world import World


@pytest.fixture
def beating(world: World) -> World:
    """A source that is applied up to heartbeat "two"."""
    world.log.snapshot(first_rows())
    beat(world, None, "one")
    beat(world, "one", "two")
    world.settle()
    return world


def beat(world: World, before: str | None, token: str, content: str = "") -> None:
    content = content or json.dumps([world.applier.own_name, before, token])
    position = (world.log.committed_to, 1000 + len(world.log.records))
    name = f"b{len(world.log.records)}:1"
    world.log._add(
        Message,
        committed_at=1,
        prefix=HEARTBEAT_PREFIX,
        content=content,
        database_position=position,
        transaction=name,
    )
    world.log.end(name)


def test_heartbeats_that_follow_each_other_are_no_gap(beating: World) -> None:
    beating.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    beat(beating, "two", "three")
    beating.settle()
    assert beating.applier.progress.heartbeat == "three"
    assert "cancelled" in beating.texts["7", 0]


@pytest.mark.parametrize(("before", "what"), [("one", "an older copy"), (None, "a database without the row")])
def test_one_that_does_not_follow_the_last_is_a_gap_and_nothing_of_its_batch_is_applied(
    beating: World, before: str | None, what: str
) -> None:
    beating.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    beat(beating, before, "other")
    offset = beating.applier.progress.offset
    with pytest.raises(Gap, match="restored to an earlier point"):
        beating.settle()
    beating.restart()
    assert (beating.applier.progress.offset, beating.applier.progress.heartbeat) == (offset, "two")


@pytest.mark.parametrize("first", [0, 2, 4])
def test_heartbeats_that_a_killed_connect_sends_again_are_no_gap(beating: World, first: int) -> None:
    beat(beating, "two", "three")
    beating.settle()
    sent = beating.log.records[-6:][first:]
    for record in sent:
        beating.log.records.append(replace(record, offset=len(beating.log.records)))
    beat(beating, "three", "four")
    beating.settle()
    assert beating.applier.progress.heartbeat == "four"


def test_a_worker_killed_at_any_record_finds_no_gap(beating: World) -> None:
    for before, token in (("two", "three"), ("three", "four")):
        beat(beating, before, token)
    while beating.taken < len(beating.log.records):
        beating.apply(upto=beating.taken + 1)
        beating.restart()
    assert beating.applier.progress.heartbeat == "four"


def test_the_first_one_after_a_snapshot_or_a_gap_is_believed(beating: World) -> None:
    beating.log.snapshot(first_rows())
    beat(beating, "elsewhere", "five")
    beating.settle()
    assert beating.applier.progress.heartbeat == "five"
    note_gap(beating.state, beating.applier.source_id, "restored", 1)
    with beating.state.read() as connection:
        assert connection.execute(SOURCE.select()).one().heartbeat is None


def test_those_of_another_source_in_the_same_log_say_nothing(beating: World) -> None:
    for before, token in ((None, "A"), ("A", "B"), ("lost", "C")):
        beat(beating, before, token, json.dumps(["airline2.airline", before, token]))
    beat(beating, "two", "three")
    beating.settle()
    assert beating.applier.progress.heartbeat == "three"


CONTENTS: Sequence[str] = ("2026-11-22 05:00:00.1+00", "registered", "[1]", '["airline.airline", null, 7]', '{"a": 1}')


@pytest.mark.parametrize("content", CONTENTS)
def test_one_that_names_no_other_says_nothing(beating: World, content: str) -> None:
    """The row that is made with MariaDB's table, and those of a connector that an older version registered."""
    beat(beating, None, "", content)
    beating.log.commit(("bookings", "u", {**BOOKING, "pnr": "AFTER1"}))
    beat(beating, "two", "three")
    beating.settle()
    assert "AFTER1" in beating.texts["7", 0]
