"""Raises that are not in Weaviate as they were written: owed again, though nothing of theirs has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, Connection, update

from sync.state.owed import Priority, Raise
from sync.state.raises import as_it_is
from sync.state.registry import DOCUMENT


def write_anew(connection: Connection, type_id: int, keys: Collection[str] | None, why: Raise) -> None:
    """Owe these known documents of a type, or all of them, whatever their texts are."""
    mine: list[ColumnElement[bool]] = [DOCUMENT.c.type_id == type_id]
    if keys is not None:
        mine.append(DOCUMENT.c.key.in_(list(keys)))
    connection.execute(update(DOCUMENT).where(*mine).values(digest=None, **as_it_is(why, Priority.backfill)))


def expect_chunks(connection: Connection, type_id: int, chunks: Mapping[str, int]) -> None:
    """Weaviate holds that many chunks of these documents: their next write takes away what is too much."""
    for key, count in chunks.items():
        connection.execute(
            update(DOCUMENT)
            .where(DOCUMENT.c.type_id == type_id, DOCUMENT.c.key == key, DOCUMENT.c.sent_chunks < count)
            .values(sent_chunks=count)
        )
