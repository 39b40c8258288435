"""Tables that are no longer as the mapping was applied for them: noted with the reason, until they are read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import orjson
from sqlalchemy import Connection, select, update

from sync.mapping.plan import DocumentPlan
from sync.state.registry import SOURCE, Registered

CURE = (
    "Its documents keep their former text. Mend the mapping, then `headrace lint --live --accept`, `headrace remove`"
    " and `headrace apply`; or change the table back: it is then read again by itself."
)


def noted(text: str | None) -> dict[str, str]:
    """The mapping's table → why it cannot be read, from a source's ``drift``."""
    return orjson.loads(text) if text else {}


def of_document(document: DocumentPlan | None, drift: Mapping[str, str]) -> str | None:
    """Why documents of this type cannot be built, or None; the terminology reads no rows."""
    if not drift or document is None:
        return None
    return next((drift[node.table] for node in document.nodes() if node.table in drift), None)


def of_mapping(connection: Connection, mapping: str) -> dict[str, str]:
    """What is noted of all sources of a mapping."""
    found = connection.execute(select(SOURCE.c.drift).where(SOURCE.c.mapping == mapping, SOURCE.c.drift.is_not(None)))
    return {table: reason for text in found.scalars() for table, reason in noted(text).items()}


def note(connection: Connection, source_id: int, found: Mapping[str, str]) -> list[str]:
    """Note these tables of a source beside those noted before, whose reasons stay; returns those that are new."""
    before = noted(connection.execute(select(SOURCE.c.drift).where(SOURCE.c.id == source_id)).scalar_one())
    new = [table for table in found if table not in before]
    if new:
        _write(connection, source_id, {**found, **before})
    return new


def forget(connection: Connection, source_id: int, tables: Collection[str]) -> None:
    """These tables are as they should be, and are read again."""
    before = noted(connection.execute(select(SOURCE.c.drift).where(SOURCE.c.id == source_id)).scalar_one())
    _write(connection, source_id, {table: reason for table, reason in before.items() if table not in tables})


def unmark(connection: Connection, source_id: int, table: str) -> None:
    """What the last look saw of a table (by its database name) is over: a statement said what became of it."""
    text = connection.execute(select(SOURCE.c.shape_marks).where(SOURCE.c.id == source_id)).scalar_one()
    marks = orjson.loads(text) if text else {}
    if marks.pop(table, None) is not None:
        connection.execute(
            update(SOURCE).where(SOURCE.c.id == source_id).values(shape_marks=orjson.dumps(marks).decode())
        )


def _write(connection: Connection, source_id: int, drift: Mapping[str, str]) -> None:
    text = orjson.dumps(drift, option=orjson.OPT_SORT_KEYS).decode() if drift else None
    connection.execute(update(SOURCE).where(SOURCE.c.id == source_id).values(drift=text))


def tables_called(registered: Registered, source: str, found: Mapping[str, str]) -> dict[str, str]:
    """What is said of the database's tables, by the mapping's names for them."""
    return {
        table.name: found[table.database_name] for table in registered.tables_of(source) if table.database_name in found
    }
