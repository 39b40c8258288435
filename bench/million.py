"""A first load of a million rows beside one of a hundred thousand: memory, and documents per second."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.figures import Figure, Goal
from bench.first_load import MB, owed
from bench.memory import GROWTH, scaled
from bench.recording import completed, record
from bench.rig import Say, rig

ROWS = 1_000_000
PATIENCE = 3600.0  # seconds


@dataclass(frozen=True)
class Done:
    """``rate`` in documents/s from the snapshot's end to the last write; ``peak`` in bytes."""

    rows: int
    documents: int
    rate: float
    peak: int


def measure(say: Say, *, quick: bool) -> list[Figure]:
    """The same airline ten times as large: narrow rows, made up. The ledger does not keep so many writes."""
    rows = ROWS // 10 if quick else ROWS
    few, many = _load(rows // 10, say), _load(rows, say)
    details = {"rows": many.rows, "documents": many.documents}
    return [
        Figure(
            f"worker memory with {many.rows:,} rows, peak",
            many.peak / MB,
            "MB",
            Goal("at most", GROWTH),
            few.peak / MB,
            details,
        ),
        Figure(f"first load of {many.rows:,} rows", many.rate, "documents/s", Goal("at least", 1), few.rate, details),
    ]


def _load(rows: int, say: Say) -> Done:
    with rig(scaled(rows), say) as made:
        record(made, completed, keep=False, patience=PATIENCE)
        say("first load")
        made.start_worker()
        made.await_(lambda: made.source().loaded, "COMPLETED", patience=PATIENCE, every=0.2)
        began = time.monotonic()
        made.await_(lambda: owed(made) == 0, "the first load to end", patience=PATIENCE, every=0.5)
        documents = made.sizes.bookings + made.sizes.flights
        return Done(made.sizes.rows, documents, documents / (time.monotonic() - began), made.worker_peak())
