"""① apply: what a statement of MariaDB's or MySQL's log did to a mapped table, told by where it stands in line."""

from __future__ import annotations

from connectors.captured import CapturedTable, captured
from connectors.change import SchemaChange
from connectors.shape import drifted
from sync.apply.statements import altered, restructured
from sync.mapping.alike import reads_alike
from sync.mapping.lock import LockColumn, LockTable, SourceLock
from sync.state.registry import Registered


class Statements:
    """Compares what statements leave behind with the mapping of one source."""

    def __init__(self, registered: Registered, source: str) -> None:
        self._tables = {each.name: each for each in captured(registered.plan.mapping, registered.lock, source)}
        self._lock = registered.lock.sources.get(source) if registered.lock else None

    def wrong(self, name: str, record: SchemaChange) -> str | None:
        """Why the table can no longer be read as mapped, in words: a column or its key is another one.

        What the connector takes for a column's type is not the catalogue's word for it: types are left to that.
        """
        there = record.definitions.get(name)
        if there is None or record.shown:
            return None
        known = self._known(name)
        columns = {column: known.columns.get(column, type_) for column, type_ in there.columns.items()}
        now = SourceLock(connector="", tables={name: LockTable(key=there.key, columns=columns)})
        return drifted([self._tables[name]], self._lock, now).get(name)

    def unsaid(self, name: str, record: SchemaChange) -> str | None:
        """Why the table may have rows or values by now that no change showed, in words."""
        table, known = self._tables[name], self._known(name)
        generated = any(known.columns[each].generated for each in table.columns if each in known.columns)
        if altered(record, table.columns) or (generated and restructured(record)):
            return f"table {name} was changed by a statement that shows no rows"
        if record.kind == "CREATE" and not record.shown and self._retyped(table, record):
            return f"table {name} was made anew with other types"
        return None

    def _retyped(self, table: CapturedTable, record: SchemaChange) -> bool:
        """Whether a column's type seems to be another one; only the catalogue knows."""
        there, known = record.definitions.get(table.name), self._known(table.name)
        return there is not None and any(
            name not in there.columns or not reads_alike(column.type, there.columns[name].type)
            for name, column in known.columns.items()
            if name in table.columns
        )

    def _known(self, name: str) -> LockTable:
        found = self._lock.tables.get(name) if self._lock else None
        return found or LockTable(columns={each: LockColumn(type="") for each in self._tables[name].columns})
