"""① apply: whether a record still carries the columns that the mapping reads.

A column that was renamed or dropped at the source is simply missing from the next record, as is one that the
publication no longer lists. Merged with the stored row it would go on reading as it was, for ever and in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection

from connectors.change import Change
from sync.apply.raising import Raising
from sync.mapping.plan import TablePlan
from sync.state import drift
from sync.state.owed import Priority, Raise


class Shapes:
    """Looks at each shape of record once: what costs every record is one look into a set."""

    def __init__(self) -> None:
        self._right: set[tuple[str, tuple[str, ...], tuple[str, ...], frozenset[str]]] = set()

    def wrong(self, table: TablePlan, change: Change) -> str | None:
        """What the record lacks of its table, in words; None where it has all, or no key (which apply refuses)."""
        if change.key is None:
            return None
        shape = (table.name, tuple(change.key), tuple(change.after or ()), change.unsent)
        if shape in self._right:
            return None
        reason = _wrong(table, change.key, None if change.after is None else {*change.after, *change.unsent})
        if reason is None:
            self._right.add(shape)
        return reason


def _wrong(table: TablePlan, key: Collection[str], columns: Collection[str] | None) -> str | None:
    wanted = [table.columns[name].database_name for name in table.key]
    if set(key) != set(wanted):
        return f"the key of {table.database_name} is now ({', '.join(key)}), and was ({', '.join(wanted)})"
    missing = [] if columns is None else [name for _, name, _ in table.readers if name not in columns]
    if not missing:
        return None
    several = f"columns {', '.join(missing)} come" if len(missing) > 1 else f"column {missing[0]} comes"
    return f"table {table.database_name} has changed: its {several} no longer (dropped, renamed or not published)"


def note_drift(
    connection: Connection, raising: Raising, source_id: int, found: Mapping[str, str], why: Raise
) -> list[str]:
    """Note tables that cannot be read as mapped; owed, every document that reads them is parked with the reason.

    Noted once: returns the tables that are new.
    """
    new = drift.note(connection, source_id, found)
    for table in new:
        raising.raise_all(connection, table, why, Priority.fan_out)
    return new
