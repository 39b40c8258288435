"""One measured figure, its floor, its goal, and whether it is reached; exact percentiles of raw samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


class NotMeasured(Exception):
    """A measurement that gave no figure; the text says what it waited for or what was wrong with it."""


@dataclass(frozen=True, slots=True)
class Goal:
    """``value`` must be at most (or at least) ``factor`` times the floor; with no floor, ``factor`` itself."""

    sense: Literal["at most", "at least"]
    factor: float

    def met(self, value: float, floor: float | None) -> bool:
        limit = self.limit(floor)
        return value <= limit if self.sense == "at most" else value >= limit

    def limit(self, floor: float | None) -> float:
        return self.factor if floor is None else self.factor * floor

    def __str__(self) -> str:
        return f"{'≤' if self.sense == 'at most' else '≥'} {self.factor:g}"


@dataclass(frozen=True)
class Figure:
    """A row of the table. ``samples`` are the raw values behind ``value``, in its unit."""

    name: str
    value: float
    unit: str
    goal: Goal | None = None
    floor: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[float] = ()

    @property
    def ratio(self) -> float | None:
        """How many times the floor the value is."""
        return self.value / self.floor if self.floor else None

    @property
    def passed(self) -> bool | None:
        """None where nothing is demanded: a floor, or a figure for information."""
        return None if self.goal is None else self.goal.met(self.value, self.floor)

    def to_json(self) -> dict[str, Any]:
        # Not dataclasses.asdict: it makes a Counter of pairs out of a Counter.
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": None if self.goal is None else str(self.goal) + ("" if self.floor is None else " × floor"),
            "floor": self.floor,
            "ratio": self.ratio,
            "passed": self.passed,
            "details": dict(self.details),
            "samples": list(self.samples),
        }


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that ``percent`` % of all do not exceed (nearest rank). Raises NotMeasured of none."""
    if not samples:
        raise NotMeasured("no samples")
    rank = -(-len(samples) * percent // 100)
    return sorted(samples)[max(0, int(rank) - 1)]


def spread(samples: Sequence[float]) -> dict[str, float]:
    """What is worth knowing of a distribution, rounded for reading."""
    return {
        "count": len(samples),
        **{f"p{percent:g}": round(percentile(samples, percent), 2) for percent in (50, 90, 95, 99, 99.9)},
        "max": round(max(samples), 2),
    }
