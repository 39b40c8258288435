"""Documents that stand in Weaviate as they are wanted, for whoever compares them with what is found there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, not_, select

from sync.state.registry import CHUNK, DOCUMENT

# Neither owed, nor on its way, nor in doubt, nor parked with what an attempt may have left.
_SETTLED = and_(
    DOCUMENT.c.priority.is_(None), DOCUMENT.c.sent.is_(None), DOCUMENT.c.parked.is_(None), not_(DOCUMENT.c.doubtful)
)
_COLUMNS = (DOCUMENT.c.id, DOCUMENT.c.key, DOCUMENT.c.wanted, DOCUMENT.c.chunks, _SETTLED.label("settled"))


@dataclass(frozen=True, slots=True)
class Written:
    """A settled document: ``revision`` is what was wanted and confirmed, ``hashes`` are those of its chunks' texts."""

    id: int
    key: str
    revision: int
    chunks: int
    hashes: tuple[str, ...]


def page(
    connection: Connection, type_id: int, after: str | None, limit: int
) -> tuple[dict[str, Written | None], str | None]:
    """The next documents by key, None for one that is not settled; and the last key, None where that was the end."""
    further = [] if after is None else [DOCUMENT.c.key > after]
    found, keys = _read(connection, [DOCUMENT.c.type_id == type_id, *further], limit)
    return found, keys[-1] if len(keys) == limit else None


def known(connection: Connection, type_id: int, keys: Collection[str]) -> dict[str, Written | None]:
    """Those of these documents that there are, None for one that is not settled."""
    return _read(connection, [DOCUMENT.c.type_id == type_id, DOCUMENT.c.key.in_(list(keys))], None)[0]


def _read(
    connection: Connection, conditions: list[ColumnElement[bool]], limit: int | None
) -> tuple[dict[str, Written | None], list[str]]:
    """In one statement, and so of one moment."""
    chosen = select(*_COLUMNS).where(*conditions).order_by(DOCUMENT.c.key).limit(limit).subquery()
    mine = and_(CHUNK.c.document_id == chosen.c.id, CHUNK.c.number < chosen.c.chunks, chosen.c.settled)
    rows = connection.execute(
        select(chosen, CHUNK.c.hash).select_from(chosen.outerjoin(CHUNK, mine)).order_by(chosen.c.key, CHUNK.c.number)
    )
    hashes: dict[str, list[str]] = {}
    documents = {}
    for row in rows:
        documents[row.key] = row
        hashes.setdefault(row.key, []).extend([row.hash] if row.hash is not None else [])
    return {
        key: Written(row.id, key, row.wanted, row.chunks, tuple(hashes[key])) if row.settled else None
        for key, row in documents.items()
    }, list(documents)
