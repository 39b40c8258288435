"""All tables read again by `headrace backfill`: how fast, and what fresh changes notice meanwhile."""

from __future__ import annotations

import time

from bench import generator
from bench.course import Course
from bench.entries import latencies, since
from bench.figures import Figure, Goal, percentile, spread
from bench.rig import MAPPING

TIMES = 2
FRESH = 20.0  # changes per second
AROUND = 1.0  # seconds of changes before each and after


def measure(course: Course) -> list[Figure]:
    """Nothing differs, so nothing is written: what is measured is the reading, and who has to wait for it."""
    rig = course.rig
    rig.settle()
    course.say(f"backfill of {rig.sizes.rows:,} rows while {FRESH:.0f} changes/s go on")
    before = rig.last_entry()
    wanted = generator.keys(min(4_000, rig.sizes.bookings), rig.sizes.bookings, seed=course.next_seed())
    took: list[float] = []
    with generator.beside(rig.url, FRESH, wanted) as sent:
        for _ in range(TIMES):
            time.sleep(AROUND)
            began = time.monotonic()
            rig.children.call("backfill", MAPPING)
            took.append(time.monotonic() - began)
        time.sleep(AROUND)
    rig.settle()
    waited = latencies(since(rig, before), sent, by_any_write=True)
    return [
        Figure("backfill of all tables", rig.sizes.rows / max(took), "rows/s", details={"seconds": took}),
        Figure(
            f"fresh changes meanwhile ({FRESH:.0f}/s), p99",
            percentile(waited, 99),
            "ms",
            Goal("at most", 40),
            course.latency_floor,
            spread(waited),
            waited,
        ),
    ]
