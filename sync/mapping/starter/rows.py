"""The rows of the one test that `headrace init` writes: made up, one per table, and pointing at each other."""

from __future__ import annotations

from typing import Any

from sync.mapping.kinds import bare, element_type, kind_of_type, width
from sync.mapping.starter.catalogue import FoundColumn, FoundTable
from sync.mapping.starter.documents import ProposedDocument

Rows = dict[str, dict[str, Any]]
_PERSONAL = {
    "name": "Maria Rossi",
    "personal": "Maria Rossi",
    "contact": "maria.rossi@example.com",
    "document": "YA1234567",
    "network": "192.0.2.7",
    "birth": "1980-05-17",
}


def made_up(document: ProposedDocument) -> Rows:
    """One row per table of the document, by the mapping's names; foreign keys hold the other row's key."""
    tables = {table.name: table for table in document.root.tables()}
    rows: Rows = {}
    for table in tables.values():
        _row(table, tables, rows)
    return rows


def _row(table: FoundTable, tables: dict[str, FoundTable], rows: Rows) -> dict[str, Any]:
    if table.name in rows:
        return rows[table.name]
    row = rows[table.name] = {
        column.name: _value(table, column, number) for number, column in enumerate(table.columns.values(), 1)
    }
    settled: set[str] = set()
    for link in table.parents:
        if link.parent is table:
            if not set(link.columns) & set(table.key) and all(table.columns[c].locked.nullable for c in link.columns):
                row |= dict.fromkeys(link.columns)  # a row that points at itself would be its own parent
        elif link.parent.name in tables:
            parent = _row(link.parent, tables, rows)
            for mine, theirs in zip(link.columns, link.references, strict=True):
                if mine not in settled:
                    row[mine] = parent[theirs]
                    settled.add(mine)
    return row


def _value(table: FoundTable, column: FoundColumn, number: int) -> Any:
    if column.codes:
        return column.codes[0]
    if column.pii is not None and column.kind == "text":
        return _cut(_PERSONAL[column.pii], column)
    return _of_kind(column.locked.type, column.kind, f"{column.label} {number}", column)


def _of_kind(database_type: str, kind: str, text: str, column: FoundColumn) -> Any:
    fixed: dict[str, Any] = {
        "integer": 7,
        "decimal": "12.5" if bare(database_type) != "money" else "$12.50",
        "boolean": True,
        "date": "2026-03-01",
        "time": "10:15:00",
        "timestamp": "2026-03-01T09:00:00Z",
    }
    if kind in fixed:
        return fixed[kind]
    if kind == "list":
        inner = element_type(database_type) or "text"
        return [_of_kind(inner, kind_of_type(inner), "first", column)]
    if bare(database_type) == "uuid":
        return "00000000-0000-4000-8000-000000000007"
    if bare(database_type) in ("inet", "cidr"):
        return "192.0.2.7"
    return _cut(text, column)


def _cut(text: str, column: FoundColumn) -> str:
    room = width(column.locked.type)
    return text[:room].strip() or "A" if room is not None and kind_of_type(column.locked.type) == "text" else text


def private_texts(document: ProposedDocument, rows: Rows) -> list[str]:
    """Made-up personal values that no document may show."""
    found: dict[str, None] = {}
    for table in document.root.tables():
        for column in table.columns.values():
            value = rows[table.name].get(column.name)
            if column.pii is not None and isinstance(value, str) and len(value) > 3:
                found[value] = None
    return list(found)
