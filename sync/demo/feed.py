"""③ evidence, as the demo shows it: what became of each commit, read from the state's ledger."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from sync.demo.traffic import Commit
from sync.evidence.freshness import Status, status
from sync.state.database import State
from sync.state.registry import DOCUMENT, LEDGER, SOURCE, TYPE, load

KEPT = 200  # changes
MINUTE = 60_000_000  # µs
COUNT_EVERY = 2_000_000  # µs: counting all documents takes far longer than reading the ledger's end


@dataclass
class Change:
    """A commit and what it did. Times are microseconds since 1970.

    ``outcomes`` counts (document type, outcome); ``written_at`` is when the last of its documents was searchable.
    """

    what: str
    rows: tuple[tuple[str, str], ...]
    began: int
    ended: int
    committed_at: int | None = None
    written_at: int | None = None
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    documents: list[tuple[str, str]] = field(default_factory=list)  # (type, key), the first few
    chunks: int = 0
    embedded: int = 0
    settled: bool = False

    @property
    def milliseconds(self) -> float | None:
        """From commit to the last of its documents searchable; None where it touched none."""
        if self.written_at is None or self.committed_at is None:
            return None
        return (self.written_at - self.committed_at) / 1000

    def take(self, row: Any) -> None:
        self.committed_at = row.committed_at
        self.written_at = max(self.written_at or 0, row.written_at)
        self.outcomes[row.name, row.outcome] += 1
        self.chunks += row.chunks
        self.embedded += row.embedded
        if len(self.documents) < 3:
            self.documents.append((row.name, row.key))


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands now: the statuses, and commit → searchable of the last minute in milliseconds."""

    statuses: tuple[Status, ...]
    p50: float | None
    p99: float | None
    settled: int  # documents settled in the last minute


class Feed:
    """Follows the ledger. Commits of the demo's own traffic are told by ``committed``; others are shown too."""

    def __init__(self, state: State, mapping: str) -> None:
        self._state, self._mapping = state, mapping
        self._lock = threading.Lock()
        self.changes: deque[Change] = deque(maxlen=KEPT)
        self._lags: deque[tuple[int, float]] = deque()
        self._statuses: tuple[Status, ...] = ()
        self._counted_at = 0
        with state.read() as connection:
            self._registered = load(connection, mapping)
            self._seen: int = connection.execute(select(func.coalesce(func.max(LEDGER.c.id), 0))).scalar_one()

    def committed(self, commit: Commit) -> None:
        """The traffic committed this; may be called from another thread."""
        with self._lock:
            self.changes.append(Change(commit.what, commit.rows, commit.began, commit.ended))

    def look(self, now: int) -> Standing:
        """Read what is new; ``now`` is microseconds since 1970. Statuses may be 2 s old. Raises StateUnreachable."""
        with self._state.read() as connection:
            rows = self._new_rows(connection)
            settled_to = self._settled_to(connection)
            if now - self._counted_at >= COUNT_EVERY:
                kinds = self._registered.kinds.values()
                self._statuses = tuple(status(connection, self._registered, kind) for kind in kinds)
                self._counted_at = now
        with self._lock:
            for row in rows:
                self._seen = row.id
                self._attribute(row)
                if row.committed_at and row.outcome != "parked":
                    self._lags.append((row.written_at, (row.written_at - row.committed_at) / 1000))
            for change in self.changes:
                change.settled = change.settled or change.ended < settled_to
        while self._lags and self._lags[0][0] < now - MINUTE:
            self._lags.popleft()
        lags = sorted(lag for _, lag in self._lags)
        return Standing(self._statuses, percentile(lags, 50), percentile(lags, 99), len(lags))

    def latest(self, count: int) -> list[Change]:
        """The last ``count`` changes, newest first."""
        with self._lock:
            return list(self.changes)[-count:][::-1]

    def take_settled(self) -> list[Change]:
        """Changes of which everything is known now, oldest first; each is returned once."""
        with self._lock:
            done: list[Change] = []
            while self.changes and self.changes[0].settled:
                done.append(self.changes.popleft())
            return done

    def _new_rows(self, connection: Connection) -> Sequence[Any]:
        return connection.execute(
            select(
                LEDGER.c.id,
                LEDGER.c.key,
                LEDGER.c.outcome,
                LEDGER.c.chunks,
                LEDGER.c.embedded,
                LEDGER.c.cause,
                LEDGER.c.committed_at,
                LEDGER.c.written_at,
                TYPE.c.name,
            )
            .join(TYPE, TYPE.c.id == LEDGER.c.type_id)
            .where(LEDGER.c.id > self._seen, TYPE.c.mapping == self._mapping)
            .order_by(LEDGER.c.id)
        ).all()

    def _settled_to(self, connection: Connection) -> int:
        """Everything committed before this time (µs) is applied, and nothing of it is owed any more."""
        applied: int = connection.execute(
            select(func.coalesce(func.min(SOURCE.c.committed_at), 0)).where(SOURCE.c.mapping == self._mapping)
        ).scalar_one()
        owed: int | None = connection.execute(
            select(func.min(DOCUMENT.c.owed_at))
            .join(TYPE, TYPE.c.id == DOCUMENT.c.type_id)
            .where(DOCUMENT.c.priority.is_not(None), TYPE.c.mapping == self._mapping)
        ).scalar_one()
        return applied if owed is None else min(applied, owed)

    def _attribute(self, row: Any) -> None:
        """Give a ledger entry to the commit in whose span it was committed."""
        if row.committed_at is None:
            return
        for change in reversed(self.changes):
            if change.began <= row.committed_at <= change.ended:
                change.take(row)
                return
        # Not the traffic's: somebody else commits in this database, by psql for one.
        table, _, rest = (row.cause or "?").partition(" ")
        other = Change("by somebody else", ((table, rest.rpartition(" ")[0]),), row.committed_at, row.committed_at)
        other.take(row)
        self.changes.append(other)


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value that ``percent`` % of ``ordered`` (ascending) do not exceed; None of none (nearest rank)."""
    if not ordered:
        return None
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
