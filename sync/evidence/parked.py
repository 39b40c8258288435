"""③ evidence: documents that could not be built and records that could not be applied, named wherever freshness is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from sync.state.registry import DEAD_LETTER, DOCUMENT, LEDGER, TYPE

SHOWN = 20
_STANDS = DEAD_LETTER.c.discarded.is_(None)


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked document. ``since`` is seconds since 1970, None where the ledger no longer says it."""

    mapping: str
    document: str
    key: str
    reason: str
    since: float | None
    position: str | None  # of its source: from the rows as they were there it could not be built
    attempts: int  # in vain, since it was last written

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A record of a source's topic that could not be applied: what it changed is not in any document."""

    mapping: str
    source: str
    position: str
    reason: str
    since: float
    table: str | None = None  # as far as the record tells
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def unapplied(connection: Connection, mapping: str | None = None, *, limit: int = SHOWN) -> Iterator[Unapplied]:
    """Records that could not be applied, of all mappings or of one, the newest first; at most ``limit``."""
    statement = select(DEAD_LETTER).where(_STANDS).order_by(DEAD_LETTER.c.id.desc()).limit(limit)
    if mapping is not None:
        statement = statement.where(DEAD_LETTER.c.mapping == mapping)
    for row in connection.execute(statement):
        at = f"{row.epoch}:{row.offset_}"
        yield Unapplied(row.mapping, row.source, at, row.reason, row.found_at, row.source_table, row.row_key)


def count_unapplied(connection: Connection, mapping: str) -> int:
    """How many records of the mapping's topics could not be applied and were not discarded."""
    return int(
        connection.execute(
            select(func.count()).select_from(DEAD_LETTER).where(DEAD_LETTER.c.mapping == mapping, _STANDS)
        ).scalar_one()
    )


def discard(connection: Connection, mapping: str, position: str, reason: str) -> int:
    """Take it that a record which could not be applied does no harm; returns how many stood at ``position``.

    ``position`` is ``epoch:offset`` as `headrace status` prints it. Raises ValueError where it is no position.
    """
    epoch, _, offset = position.partition(":")
    at = (DEAD_LETTER.c.epoch == int(epoch), DEAD_LETTER.c.offset_ == int(offset))
    return connection.execute(
        update(DEAD_LETTER).where(DEAD_LETTER.c.mapping == mapping, *at, _STANDS).values(discarded=reason)
    ).rowcount


def parked(
    connection: Connection, mapping: str | None = None, document: tuple[int, str] | None = None, *, limit: int = SHOWN
) -> Iterator[Parked]:
    """Parked documents of all mappings, of one, or one document (type's number, key); at most ``limit``."""
    mine = (LEDGER.c.type_id == DOCUMENT.c.type_id, LEDGER.c.key == DOCUMENT.c.key)
    settled = select(func.coalesce(func.max(LEDGER.c.id), 0)).where(*mine, LEDGER.c.outcome != "parked")
    in_vain = (*mine, LEDGER.c.outcome == "parked", LEDGER.c.id > settled.correlate(DOCUMENT).scalar_subquery())
    since = select(func.min(LEDGER.c.written_at)).where(*in_vain).correlate(DOCUMENT).scalar_subquery()
    attempts = select(func.count()).select_from(LEDGER).where(*in_vain).correlate(DOCUMENT).scalar_subquery()
    statement = (
        select(
            TYPE.c.mapping,
            TYPE.c.name,
            DOCUMENT.c.key,
            DOCUMENT.c.parked,
            since.label("since"),
            DOCUMENT.c.parked_at,
            attempts.label("attempts"),
        )
        .join(TYPE, TYPE.c.id == DOCUMENT.c.type_id)
        .where(DOCUMENT.c.parked.is_not(None))
        .order_by(TYPE.c.mapping, TYPE.c.name, DOCUMENT.c.id)
        .limit(limit)
    )
    if mapping is not None:
        statement = statement.where(TYPE.c.mapping == mapping)
    if document is not None:
        statement = statement.where(DOCUMENT.c.type_id == document[0], DOCUMENT.c.key == document[1])
    for row in connection.execute(statement):
        since_seconds = row.since / 1e6 if row.since else None
        yield Parked(row.mapping, row.name, row.key, row.parked, since_seconds, row.parked_at, max(1, row.attempts))
