"""① apply, alone: real recorded records through decoding and into a state of their own; and through Kafka and Faust."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.course import Course
from bench.figures import Figure, Goal
from bench.recording import completed, is_change, up_to_now
from bench.rig import MAPPING, Rig
from connectors.postgres.address import Address
from sync.apply.apply import Applier
from sync.mapping.lock import Lock
from sync.state.database import State
from sync.state.registry import MAPPING as MAPPINGS
from sync.state.registry import register
from sync.worker.intake import Intake

FETCHED = 4_000  # records that one fetch brings under load
IN_ONE_TRANSACTION = 500  # rows
GOAL = Goal("at least", 10_000)


def measure(course: Course) -> list[Figure]:
    """The worker is stopped meanwhile: applying is measured alone, then with everything that goes with it."""
    rig = course.rig
    course.say("apply: a backlog of changes")
    rig.settle()
    rig.stop_worker()
    at = rig.source().offset_
    changed = _touch_all_tickets(rig)
    records = up_to_now(rig).records
    first_end = next(n for n, raw in enumerate(records) if completed(raw)) + 1
    second_start = next(n for n, raw in enumerate(records) if raw.offset > at)
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        intake = _intake(rig, Path(folder))
        shown, middle = records[:first_end], records[first_end:second_start]
        streamed = records[second_start:]
        snapshot_rate = _changes(shown) / _timed(intake.take, shown)
        _timed(intake.take, middle)
        streamed_rate = _changes(streamed) / _timed(intake.take, streamed)
        intake.applier.state.close()
    course.say("apply: the same backlog through Kafka and Faust, documents being written meanwhile")
    through = _through_faust(rig, at, records[-1].offset) * _changes(streamed) / len(streamed)
    details = {"records": len(streamed), "row_changes": changed}
    return [
        Figure("apply: row changes of a snapshot into state", snapshot_rate, "changes/s", GOAL),
        Figure("apply: streamed row changes into state", streamed_rate, "changes/s", GOAL, details=details),
        Figure("apply: the same through Kafka and Faust, while documents are written", through, "changes/s"),
    ]


def _touch_all_tickets(rig: Rig) -> int:
    """Change a mapped column of every ticket, in transactions of ordinary size."""
    done = 0
    with Address(rig.url).connect() as connection:
        step = max(1, IN_ONE_TRANSACTION * rig.sizes.bookings // rig.sizes.tickets)
        for start in range(1, rig.sizes.bookings + 1, step):
            done += connection.execute(
                "update tickets set bag_wt = coalesce(bag_wt, 10) + 0.5 where booking_id >= %s and booking_id < %s",
                [start, start + step],
            ).rowcount
    return done


def _intake(rig: Rig, folder: Path) -> Intake:
    """A fresh state with the same mapping, and the worker's own intake before it."""
    with rig.state.read() as connection:
        row = connection.execute(select(MAPPINGS).where(MAPPINGS.c.name == MAPPING)).one()
    state = State(f"sqlite:///{folder / 'state.db'}")
    with state.write() as connection:
        lock = Lock.model_validate_json(row.lock) if row.lock else None
        topics: dict[str, tuple[str, str | None]] = {
            source: (topic, None) for source, topic in rig.registered.topics.items()
        }
        registered = register(connection, rig.registered.plan.mapping, lock, topics)
    source = next(iter(registered.sources))
    intake = Intake(Applier(state, registered, source, max_text_bytes=rig.settings.max_text_bytes), lambda: None)
    intake.begin()
    return intake


def _timed(take: Callable[[Sequence[Any]], None], records: Sequence[Any]) -> float:
    began = time.perf_counter()
    for start in range(0, len(records), FETCHED):
        take(records[start : start + FETCHED])
    return time.perf_counter() - began


def _changes(records: Sequence[Any]) -> int:
    return sum(map(is_change, records))


def _through_faust(rig: Rig, first: int, last: int) -> float:
    """Records/s of the worker from its first step on a backlog to its last."""
    rig.start_worker()

    def moved() -> tuple[float, int] | None:
        offset = rig.source().offset_
        return (time.perf_counter(), offset) if offset > first else None

    began, at = rig.await_(moved, "the worker to begin with the backlog", every=0.005)
    rig.await_(lambda: rig.source().offset_ >= last, "the backlog to be applied", every=0.005)
    took = time.perf_counter() - began
    rig.settle()
    return (last - at) / took
