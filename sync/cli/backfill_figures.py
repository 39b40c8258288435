"""What `headrace backfill` shows of one moment, as numbers: rows of the estimated, rate, time left; pure functions."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sync.cli.status import ago

if TYPE_CHECKING:
    from sync.state.backfills import Backfill

WINDOW = 15.0  # seconds that a rate is taken over: it must follow a connector that was away, and not jump
AT_LEAST = 1.0  # seconds before a rate is more than a guess


class Pace:
    """How fast a count has grown lately."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, now: float, done: int) -> float | None:
        """A second's growth, None while it is too early to tell. ``now`` is in seconds by any clock that goes on."""
        if not done or (self._seen and done < self._seen[-1][1]):
            self._seen.clear()  # it has not begun, or began anew
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW:
            self._seen.popleft()
        began, before = self._seen[0]
        return (done - before) / (now - began) if now - began >= AT_LEAST else None


@dataclass(frozen=True, slots=True)
class Figures:
    """Rows of tables that are read, or documents that are built of them. ``outcome`` is None while it goes on."""

    of: str
    unit: str
    done: int
    total: int
    rate: float | None
    outcome: str | None = None

    @property
    def left(self) -> float | None:
        """Seconds that it takes yet, at this rate; None where nobody knows, as when there is more than estimated."""
        if self.outcome is not None:
            return 0.0
        return (self.total - self.done) / self.rate if self.rate and self.done < self.total else None

    @property
    def rate_text(self) -> str:
        return "" if self.rate is None or self.outcome is not None else f"{self.rate:,.0f}/s"

    @property
    def left_text(self) -> str:
        if self.outcome is not None or self.left is None:
            return ""
        return f"{self.left:.0f} s left" if self.left < 60 else f"{ago(self.left)} left"

    def line(self, mapping: str) -> str:
        """One line for a pipe."""
        parts = [f"{self.done:,} of {self.total:,} {self.unit}", self.rate_text, self.left_text, self.outcome or ""]
        return f"{mapping}: {self.of}: {', '.join(filter(None, parts))}"


def of_reading(one: Backfill, rows: int, rate: float | None) -> Figures:
    """How far a backfill has read. What it counts at its beginning is an estimate: rows come and go meanwhile."""
    total = rows if one.outcome is not None else max(one.total, rows)
    return Figures(named(one.tables), "rows", rows, total, rate, one.outcome)


def of_documents(owed: int, most: int, rate: float | None) -> Figures:
    """How many of the documents that it found changed are built: ``most`` were owed at once so far."""
    return Figures("documents", "documents", most - owed, most, rate)


def result(mapping: str, one: Backfill) -> str:
    """What one that is complete came to."""
    gone = f", {one.removed:,} of them gone at the source" if one.removed else ""
    differed = one.changed + one.removed
    return f"{mapping}: {', '.join(one.tables)}: {one.rows:,} rows read, {differed:,} were not as stored{gone}"


def as_json(mapping: str, source: str, one: Backfill, figures: Figures, owed: int, silent: float) -> dict[str, Any]:
    """One line of progress for a program; nothing was heard of the source for ``silent`` seconds."""
    left = figures.left
    return {
        "mapping": mapping,
        "source": source,
        "tables": list(one.tables),
        "rows": figures.done,
        "total": figures.total,
        "rows_per_second": None if figures.rate is None else round(figures.rate, 1),
        "seconds_left": None if left is None else round(left, 1),
        "documents_owed": owed,
        "silent_seconds": round(max(0.0, silent), 1),
        "outcome": one.outcome,
    }


def named(tables: tuple[str, ...]) -> str:
    return tables[0] if len(tables) == 1 else f"{tables[0]} and {len(tables) - 1} more"
