"""The run: what its measurements share. The floors come once, at the moment when nothing else goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bench import floors
from bench.figures import Figure, percentile
from bench.rig import Rig, Say


@dataclass
class Course:
    """One run on one rig. ``quick`` makes everything shorter, and the figures rougher."""

    rig: Rig
    say: Say
    quick: bool
    kafka: list[float]  # ms from commit to Kafka, measured before the worker ran
    seed: int = 100

    def seconds(self, whole: float) -> float:
        return max(4.0, whole / 4) if self.quick else whole

    def next_seed(self) -> int:
        self.seed += 1
        return self.seed

    @cached_property
    def inserts(self) -> floors.Inserts:
        """Bare ``insert_many`` of what the first load wrote; asked for first while the worker has nothing to do."""
        self.say("floor: bare insert_many of the same objects")
        objects = floors.stored(self.rig, [kind.collection for kind in self.rig.registered.kinds.values() if kind.plan])
        return floors.inserts(self.rig, objects)

    @property
    def latency_floor(self) -> float:
        """ms: commit to Kafka p50 + one-object ``insert_many`` of a changed vector p50."""
        return percentile(self.kafka, 50) + self.inserts.one_p50

    def floor_details(self) -> dict[str, Any]:
        return {
            "commit_to_kafka_p50_ms": round(percentile(self.kafka, 50), 2),
            "insert_one_p50_ms": round(self.inserts.one_p50, 2),
        }

    def floor_figures(self) -> list[Figure]:
        bare = self.inserts
        return [
            Figure("floor: commit → Kafka, p50", percentile(self.kafka, 50), "ms", samples=self.kafka),
            Figure("floor: insert_many of one changed object, p50", bare.one_p50, "ms", samples=bare.one),
            Figure("floor: insert_many of new objects, batches of 500", bare.new, "objects/s"),
            Figure("floor: insert_many of changed vectors, batches of 500", bare.changed, "objects/s"),
        ]
