"""The first load: from the moment the state says that the snapshot is complete to the last object's write."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import func, select

from bench.course import Course
from bench.entries import since
from bench.figures import Figure, Goal, NotMeasured
from bench.rig import Rig
from sync.state.registry import DOCUMENT, TERMS, TYPE

LOOK = 0.005  # seconds: how exactly the moment of COMPLETED is known
MB = 1e6


@dataclass(frozen=True)
class Loaded:
    """``seconds`` from COMPLETED applied to the last write. ``applied`` are records/s through Kafka and Faust."""

    objects: int
    documents: int
    seconds: float
    applied: float
    peak: int

    @property
    def rate(self) -> float:
        return self.objects / self.seconds


def load(rig: Rig, *, patience: float = 600.0) -> Loaded:
    """Start the worker on a topic that already holds the whole snapshot, and watch the state."""
    before = rig.last_entry()
    rig.start_worker()
    began, at = rig.await_(lambda: _moved(rig), "the worker to begin", every=LOOK)
    completed = rig.await_(lambda: rig.source().loaded and time.time_ns() // 1000, "COMPLETED", every=LOOK)
    applied = (rig.source().offset_ - at) / ((completed - began) / 1e6)
    rig.await_(lambda: owed(rig) == 0, "the first load to end", patience=patience, every=0.2)
    entries = [one for one in since(rig, before) if one.document != TERMS]
    if len({(one.document, one.key) for one in entries}) < rig.sizes.bookings or any(
        one.outcome == "parked" for one in entries
    ):
        raise NotMeasured("the first load did not write every booking")
    last = max(one.written_at for one in entries)
    objects = sum(one.chunks for one in entries if one.outcome == "written")
    return Loaded(objects, len(entries), (last - completed) / 1e6, applied, rig.worker_peak())


def _moved(rig: Rig) -> tuple[int, int] | None:
    """When (µs) the worker had applied something, and up to which offset."""
    offset = rig.source().offset_
    return (time.time_ns() // 1000, offset) if offset >= 0 else None


def owed(rig: Rig) -> int:
    """How many documents are not written yet."""
    with rig.state.read() as connection:
        return int(
            connection.execute(
                select(func.count())
                .select_from(DOCUMENT.join(TYPE, TYPE.c.id == DOCUMENT.c.type_id))
                .where(DOCUMENT.c.priority.is_not(None), TYPE.c.name != TERMS)
            ).scalar_one()
        )


def figures(course: Course, loaded: Loaded) -> list[Figure]:
    details = {"objects": loaded.objects, "documents": loaded.documents, "seconds": round(loaded.seconds, 2)}
    return [
        Figure(
            f"first load of {course.rig.sizes.bookings:,} bookings with {course.rig.sizes.tickets:,} tickets",
            loaded.rate,
            "objects/s",
            Goal("at least", 0.6),
            course.inserts.new,
            details,
        )
    ]
