"""What of a source's live tables is no longer as the mapping's lock has it, so that its changes cannot be read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from connectors.captured import CapturedTable
from sync.mapping.alike import reads_alike
from sync.mapping.lock import LockTable, SourceLock


@dataclass(frozen=True)
class Shape:
    """One look at a source's tables, all by "schema.table".

    ``unsaid``: tables whose rows may have changed without a word in the log, and why. ``mend``: what `prepare` made
    is no longer as it should be. ``marks`` is for the next look to compare with: JSON, an object by table. ``unread``:
    tables at which the connector would end, and why.
    """

    catalogue: SourceLock
    unsaid: dict[str, str] = field(default_factory=dict)
    mend: bool = False
    marks: str | None = None
    unread: dict[str, str] = field(default_factory=dict)


def wrong(tables: Sequence[CapturedTable], lock: SourceLock | None, shape: Shape) -> dict[str, str]:
    """As `drifted`, and what the connector cannot read at all."""
    return shape.unread | drifted(tables, lock, shape.catalogue)


def drifted(tables: Sequence[CapturedTable], lock: SourceLock | None, now: SourceLock) -> dict[str, str]:
    """Table → what is no longer as the mapping was applied for it; a table or column that it does not list is not."""
    found: dict[str, str] = {}
    for table in tables:
        there = now.tables.get(table.name)
        known = lock.tables.get(table.name) if lock else None
        if there is None:
            found[table.name] = f"table {table.name} is gone from the database (dropped or renamed)"
        elif reasons := list(_changes(table, known, there)):
            found[table.name] = f"table {table.name} has changed: {'; '.join(reasons)}"
    return found


def _changes(table: CapturedTable, known: LockTable | None, there: LockTable) -> Iterator[str]:
    for name in table.columns:
        column = there.columns.get(name)
        was = known.columns.get(name) if known else None
        if column is None:
            near = difflib.get_close_matches(name, [each for each in there.columns if each not in table.columns], n=1)
            yield f"column {name} is gone (dropped or renamed{'; the nearest is ' + near[0] if near else ''})"
        elif was is not None and not reads_alike(was.type, column.type):
            yield f"column {name} is now {column.type}, and was {was.type}"
        elif was is not None and column.generated and not was.generated:
            yield f"column {name} is generated now"
    if known is not None and known.key and set(known.key) != set(there.key):
        now = f"the primary key is now ({', '.join(there.key)})" if there.key else "it has no primary key any more"
        yield f"{now}, and was ({', '.join(known.key)})"
