"""The worker's memory: its peak with 10,000 bookings after all else, and with 200,000 rows after a first load."""

from __future__ import annotations

from bench.figures import Figure, Goal
from bench.first_load import MB, Loaded, load
from bench.recording import completed, record
from bench.rig import Say, rig
from sync.demo.airline import Sizes

LIMIT = 300.0  # MB
GROWTH = 1.15
ROWS = 200_000


def scaled(rows: int) -> Sizes:
    """An airline of about ``rows`` rows, its tables in the usual proportion."""
    usual = Sizes()
    share = rows / usual.rows
    return Sizes(*(round(count * share) for count in (usual.customers, usual.flights, usual.bookings, usual.tickets)))


def small(first: Loaded, peak: int) -> Figure:
    return Figure(
        "worker memory with 10,000 bookings, peak",
        max(first.peak, peak) / MB,
        "MB",
        Goal("at most", LIMIT),
        details={"after_first_load_mb": round(first.peak / MB, 1), "after_all_mb": round(peak / MB, 1)},
    )


def large(first: Loaded, say: Say, *, quick: bool) -> Figure:
    """A stack of its own with many more rows; compared after the first load of each, like with like."""
    sizes = scaled(ROWS // 2 if quick else ROWS)
    with rig(sizes, say) as big:
        record(big, completed, keep=False)
        say("first load of the large airline")
        found = load(big, patience=900.0)
    return Figure(
        f"worker memory with {sizes.rows:,} rows, peak",
        found.peak / MB,
        "MB",
        Goal("at most", GROWTH),
        first.peak / MB,
        {"documents": found.documents, "first_load_objects_per_s": round(found.rate)},
    )
