"""③ evidence: documents that could not be built and records that could not be applied, named wherever freshness is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from sync.state.registry import DEAD_LETTER, DOCUMENT, LEDGER, TYPE

SHOWN = 20
_STANDS = DEAD_LETTER.c.discarded.is_(None)
PARKED = DOCUMENT.c.parked.is_not(None) & DOCUMENT.c.discarded.is_(None)  # in the way of who waits
DISCARDED = DOCUMENT.c.discarded.is_not(None)


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
    discarded: str | None = None  # why, where somebody set it aside
    discarded_by: str | None = None
    discarded_at: float | None = None

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
    attempts: int = 1  # how often its row came in vain
    discarded: str | None = None  # why it does no harm any more
    discarded_by: str | None = None  # None where it settled itself
    discarded_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def unapplied(
    connection: Connection, mapping: str | None = None, *, limit: int = SHOWN, all_: bool = False
) -> Iterator[Unapplied]:
    """Records that could not be applied, of all mappings or of one, the newest first; at most ``limit``.

    ``all_``: those too that do no harm any more.
    """
    statement = select(DEAD_LETTER).order_by(~_STANDS, DEAD_LETTER.c.id.desc()).limit(limit)
    if not all_:
        statement = statement.where(_STANDS)
    if mapping is not None:
        statement = statement.where(DEAD_LETTER.c.mapping == mapping)
    for row in connection.execute(statement):
        at = f"{row.epoch}:{row.offset_}"
        yield Unapplied(
            row.mapping,
            row.source,
            at,
            row.reason,
            row.found_at,
            row.source_table,
            row.row_key,
            row.attempts,
            row.discarded,
            row.discarded_by,
            row.discarded_at,
        )


def count_unapplied(connection: Connection, mapping: str) -> int:
    """How many records of the mapping's topics could not be applied and were not discarded."""
    return int(
        connection.execute(
            select(func.count()).select_from(DEAD_LETTER).where(DEAD_LETTER.c.mapping == mapping, _STANDS)
        ).scalar_one()
    )


def count_discarded(connection: Connection, mapping: str | None = None) -> int:
    """How many documents somebody has set aside."""
    statement = select(func.count()).select_from(DOCUMENT).join(TYPE, TYPE.c.id == DOCUMENT.c.type_id).where(DISCARDED)
    if mapping is not None:
        statement = statement.where(TYPE.c.mapping == mapping)
    return int(connection.execute(statement).scalar_one())


def parked(
    connection: Connection,
    mapping: str | None = None,
    document: tuple[int, str] | None = None,
    *,
    limit: int = SHOWN,
    all_: bool = False,
) -> Iterator[Parked]:
    """Parked documents of all mappings, of one, or one document (type's number, key); at most ``limit``.

    ``all_``: those too that were discarded. One that is named is found in either case.
    """
    statement = _with_ledger().where(DOCUMENT.c.parked.is_not(None) if all_ or document is not None else PARKED)
    if mapping is not None:
        statement = statement.where(TYPE.c.mapping == mapping)
    if document is not None:
        statement = statement.where(DOCUMENT.c.type_id == document[0], DOCUMENT.c.key == document[1])
    for row in connection.execute(statement.limit(limit)):
        since_seconds = row.since / 1e6 if row.since else None
        yield Parked(
            row.mapping,
            row.name,
            row.key,
            row.parked,
            since_seconds,
            row.parked_at,
            max(1, row.attempts),
            row.discarded,
            row.discarded_by,
            row.discarded_at,
        )


def _with_ledger() -> Select[Any]:
    """Documents that are set aside, with what the ledger says of them; those in the way first."""
    mine = (LEDGER.c.type_id == DOCUMENT.c.type_id, LEDGER.c.key == DOCUMENT.c.key)
    other = LEDGER.c.outcome.not_in(("parked", "discarded"))
    settled = select(func.coalesce(func.max(LEDGER.c.id), 0)).where(*mine, other)
    in_vain = (*mine, LEDGER.c.outcome == "parked", LEDGER.c.id > settled.correlate(DOCUMENT).scalar_subquery())
    since = select(func.min(LEDGER.c.written_at)).where(*in_vain).correlate(DOCUMENT).scalar_subquery()
    attempts = select(func.count()).select_from(LEDGER).where(*in_vain).correlate(DOCUMENT).scalar_subquery()
    return (
        select(
            TYPE.c.mapping,
            TYPE.c.name,
            DOCUMENT.c.key,
            DOCUMENT.c.parked,
            since.label("since"),
            DOCUMENT.c.parked_at,
            attempts.label("attempts"),
            DOCUMENT.c.discarded,
            DOCUMENT.c.discarded_by,
            DOCUMENT.c.discarded_at,
        )
        .join(TYPE, TYPE.c.id == DOCUMENT.c.type_id)
        .order_by(DISCARDED, TYPE.c.mapping, TYPE.c.name, DOCUMENT.c.id)
    )
