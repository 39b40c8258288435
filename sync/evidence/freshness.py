"""③ evidence: how far what a reader finds is known to equal the source, per document type."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from sync.evidence.parked import DISCARDED, PARKED, count_unapplied
from sync.mapping.duration import seconds
from sync.mapping.model import Freshness
from sync.state.drift import CURE, of_document, of_mapping
from sync.state.owed import Priority
from sync.state.registry import APPLIED, DOCUMENT, SOURCE, TERMS, TYPE, DocumentKind, Registered, applied, load
from sync.state.trouble import shown

HEARD_AT_LEAST_EVERY = 10.0  # seconds; heartbeats come every second


@dataclass(frozen=True, slots=True)
class Status:
    """One document type now. ``lag_seconds`` is None where nothing is known; ``trouble``: what is in the way."""

    mapping: str
    document: str
    collection: str
    state: str  # catching up, fresh, late, stale, unknown
    owed: int
    parked: int
    documents: int
    objects: int
    position: str
    lag_seconds: float | None
    trouble: str | None = None
    discarded: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Source:
    loaded: bool
    heard_at: float
    committed_at: int
    position: str
    trouble: str | None


def statuses(connection: Connection, mapping: str | None = None) -> Iterator[Status]:
    """Every document type of every applied mapping, or of one."""
    for name in sorted(applied(connection)):
        if mapping is None or name == mapping:
            registered = load(connection, name)
            for kind in registered.kinds.values():
                yield status(connection, registered, kind)


def status(connection: Connection, registered: Registered, kind: DocumentKind) -> Status:
    counted = connection.execute(
        select(
            func.count().filter(DOCUMENT.c.priority.is_not(None)),
            func.count().filter(DOCUMENT.c.priority == int(Priority.backfill)),
            func.count().filter(PARKED),
            func.count().filter(DOCUMENT.c.chunks > 0),
            func.coalesce(func.sum(DOCUMENT.c.chunks), 0),
            func.min(DOCUMENT.c.owed_from).filter(DOCUMENT.c.priority < int(Priority.backfill)),
            func.count().filter(DISCARDED),
        ).where(DOCUMENT.c.type_id == kind.id)
    ).one()
    owed, backfill, parked, documents, objects, owed_from, discarded = counted
    source = _source(connection, registered, owed_from)
    trouble = source.trouble or connection.execute(select(TYPE.c.trouble).where(TYPE.c.id == kind.id)).scalar_one()
    lag = max(0.0, time.time() - source.committed_at / 1e6) if source.committed_at else None
    freshness = Freshness() if kind.plan is None else kind.plan.model.freshness
    if drift := of_document(kind.plan, of_mapping(connection, registered.name)):
        trouble = f"{drift}. {CURE}"
    unknown = bool(trouble) or count_unapplied(connection, registered.name) > 0
    catching_up = (not source.loaded and kind.name != TERMS) or backfill > 0
    return Status(
        mapping=registered.name,
        document=kind.name,
        collection=kind.alias,
        # Which documents a record that was not applied would have changed, nobody knows.
        state="unknown" if unknown else _word(source, lag, freshness, catching_up),
        owed=owed,
        parked=parked,
        documents=documents,
        objects=int(objects),
        position=source.position,
        lag_seconds=None if lag is None else round(lag, 3),
        trouble=trouble,
        discarded=discarded,
    )


def _source(connection: Connection, registered: Registered, owed_from: int | None) -> _Source:
    """The sources of a mapping as one: as loaded, as heard and as far as the least of them."""
    rows = connection.execute(select(SOURCE).where(SOURCE.c.mapping == registered.name).order_by(SOURCE.c.name)).all()
    marks = [_watermark(connection, row, owed_from) for row in rows]
    return _Source(
        loaded=all(row.loaded for row in rows),
        heard_at=min(row.heard_at for row in rows),
        committed_at=min(committed_at for _, committed_at in marks),
        position=" ".join(position for position, _ in marks),
        trouble="; ".join(filter(None, (shown(row.trouble) for row in rows))) or None,
    )


def _watermark(connection: Connection, source: Any, owed_from: int | None) -> tuple[str, int]:
    """Position and commit time (µs) up to which everything is visible: all that is applied below the oldest owed."""
    if owed_from is None:
        return f"{source.epoch}:{source.offset_}", source.committed_at
    before = connection.execute(
        select(APPLIED.c.offset_, APPLIED.c.committed_at)
        .where(APPLIED.c.source_id == source.id, APPLIED.c.sequence < owed_from)
        .order_by(APPLIED.c.sequence.desc())
        .limit(1)
    ).one_or_none()
    return (f"{source.epoch}:{before.offset_}", before.committed_at) if before else (f"{source.epoch}:-1", 0)


def _word(source: _Source, lag: float | None, freshness: Freshness, catching_up: bool) -> str:
    # Unknown comes first: what nobody has heard of must never look fresh, nor merely busy.
    if time.time() - source.heard_at > HEARD_AT_LEAST_EVERY:
        return "unknown"
    if catching_up:
        return "catching up"
    if lag is None:
        return "unknown"
    if lag > seconds(freshness.error_after):
        return "stale"
    return "late" if lag > seconds(freshness.warn_after) else "fresh"
