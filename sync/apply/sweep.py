"""① apply, after a whole snapshot: rows that it did not show are gone at the source, while nobody listened."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from sync.apply.fold import Fold
from sync.apply.snapshots import INCREMENTAL, Snapshot
from sync.state.owed import Priority, Raise

if TYPE_CHECKING:
    from sync.apply.apply import Applier
    from sync.apply.progress import Progress

PAGE = 5_000


def read_whole(applier: Applier, snapshot: Snapshot) -> set[str]:
    """The tables of which this snapshot has shown every row."""
    return {
        table.name for table in applier.registered.tables_of(applier.source) if snapshot.sweepable(table.database_name)
    }


def sweep(applier: Applier, connection: Connection, progress: Progress, tables: Collection[str], why: Raise) -> int:
    """Delete what the snapshot did not show as if its deletes had come; returns how many rows."""
    snapshot, removed = progress.snapshot, 0
    urgent = Priority.backfill if snapshot.kind == INCREMENTAL else Priority.fan_out
    for name in sorted(tables):
        while unseen := applier.rows.unseen(connection, name, snapshot.number, PAGE):
            fold = Fold(applier.rows, connection)
            for key, row in unseen.items():
                fold.before[name, key], fold.after[name, key] = row, None
                fold.why[name, key] = why
            touched = fold.touched()
            applier.rows.store(connection, fold, touched, snapshot.number, mark_shown=False)
            removed += len(unseen)
            if progress.loaded:
                applier.raising.raise_touched(connection, touched, urgent=urgent)
    return removed
