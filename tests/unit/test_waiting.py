"""What a worker says of what is away: once, and not the same again and again."""

from __future__ import annotations

import logging

from sync.cli.run import Repeated
from sync.worker.waiting import Told


def test_what_is_away_is_told_once_and_so_is_its_return() -> None:
    said: list[str] = []
    told = Told(said.append)
    told.back("back")
    assert said == []
    for turn in range(3):
        told.away(f"away, look {turn}")
    for _ in range(3):
        told.back("back")
    told.away("away again")
    assert said == ["away, look 0", "back", "away again"]


def record(at: float, name: str = "aiokafka.conn", node: int = 1) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, "Unable to connect to node %s", (node,), None)
    made.created = at
    return made


def test_what_a_library_repeats_is_let_through_now_and_then_with_how_often_it_was_said() -> None:
    repeated = Repeated(every=30.0)
    through = [one for one in (record(float(second)) for second in range(61)) if repeated.filter(one)]
    assert [one.created for one in through] == [0.0, 30.0, 60.0]
    assert through[1].getMessage() == "Unable to connect to node 1 (and 29 times more before)"


def test_two_things_that_a_library_says_are_kept_apart_and_ours_are_never_held_back() -> None:
    repeated = Repeated(every=30.0)
    assert repeated.filter(record(0.0))
    assert repeated.filter(record(0.0, name="aiokafka.cluster"))
    assert all(repeated.filter(record(0.0, name="headrace.worker")) for _ in range(3))
