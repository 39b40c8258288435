"""Commit → searchable at a steady rate: from COMMIT's return to the return of the write, checked in Weaviate."""

from __future__ import annotations

from dataclasses import dataclass

from bench import generator
from bench.course import Course
from bench.entries import latencies, since
from bench.figures import Figure, Goal, NotMeasured, percentile, spread
from bench.reader import Reader
from bench.rig import Rig


@dataclass(frozen=True)
class Measured:
    """``samples`` and ``seen`` (by the reader, on a sample) are in ms."""

    load: generator.Load
    samples: list[float]
    seen: list[float]

    def details(self) -> dict[str, object]:
        return {
            "rate_reached": round(self.load.reached, 1),
            "commits_late_p99_ms": round(percentile([one.late / 1000 for one in self.load.sent], 99), 2),
            "read_back": len(self.seen),
            "read_back_p50_ms": round(percentile(self.seen, 50), 2) if self.seen else None,
            **spread(self.samples),
        }


def at_rate(rig: Rig, rate: float, seconds: float, seed: int, *, patience: float = 120.0) -> Measured:
    """Changes at ``rate`` for ``seconds``, each of another booking; one in a hundred is read back, at least a few."""
    rig.settle()
    count = int(rate * seconds)
    before = rig.last_entry()
    with Reader(rig, one_in=min(100, max(1, count // 10))) as reader:
        load = generator.run(rig.url, rate, generator.keys(count, rig.sizes.bookings, seed=seed), heard=reader.watch)
        rig.settle(patience)
    return Measured(load, latencies(since(rig, before), load.sent), reader.seen)


def measure(course: Course) -> list[Figure]:
    floor = course.latency_floor
    figures: list[Figure] = []
    for rate, whole in ((20, 20.0), (200, 30.0)):
        course.say(f"commit → searchable at {rate} changes/s")
        found = at_rate(course.rig, rate, course.seconds(whole), course.next_seed())
        if not found.load.kept_up:
            raise NotMeasured(f"{found.load.reached:.0f} commits/s instead of {rate}: the source was too slow")
        details = {**found.details(), **course.floor_details()}
        name = f"commit → searchable at {rate} changes/s"
        figures.append(
            Figure(
                f"{name}, p50", percentile(found.samples, 50), "ms", Goal("at most", 2), floor, details, found.samples
            )
        )
        if rate == 200:
            figures.append(Figure(f"{name}, p99", percentile(found.samples, 99), "ms", Goal("at most", 12), floor))
    return figures
