"""The highest rate of text-changing updates at which p99 stays within 250 ms, raised step by step."""

from __future__ import annotations

from bench.course import Course
from bench.figures import Figure, Goal, NotMeasured, percentile
from bench.latency import at_rate

LIMIT = 250.0  # ms, of the p99
STEPS = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.36, 0.43, 0.52, 0.62, 0.75, 0.90)  # of what bare insert_many does
SECONDS = 10.0


def measure(course: Course) -> list[Figure]:
    floor = course.inserts.changed
    best = 0.0
    steps: list[dict[str, object]] = []
    for share in STEPS:
        rate = share * floor
        if rate * course.seconds(SECONDS) > course.rig.sizes.bookings:
            steps.append({"rate": round(rate, 1), "gave_up": "too few bookings to change each of them once"})
            break
        course.say(f"highest rate: {rate:.0f} changes/s")
        try:
            found = at_rate(course.rig, rate, course.seconds(SECONDS), course.next_seed())
        except NotMeasured as exc:  # it does not catch up any more: that is the answer
            steps.append({"rate": round(rate, 1), "gave_up": str(exc)})
            break
        p99 = percentile(found.samples, 99)
        steps.append({"rate": round(found.load.reached, 1), "p50_ms": round(percentile(found.samples, 50), 1),
                      "p99_ms": round(p99, 1)})  # fmt: skip
        if p99 > LIMIT or not found.load.kept_up:
            break
        best = found.load.reached
    return [
        Figure(
            f"highest rate of changes with p99 ≤ {LIMIT:.0f} ms",
            best,
            "changes/s",
            Goal("at least", 0.25),
            floor,
            {"steps": steps},
        )
    ]
