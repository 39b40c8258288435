"""Beside the worker's stages: a source's live tables compared with those for which its mapping was applied.

PostgreSQL writes no DDL into its log. A column that is renamed is missing from the next record, which ① apply notices;
a column of another type, a table that is gone, or rows that came with a partition show in the catalogue alone. Of
MariaDB's statements ① apply takes what they say; here shows what they do not.
What cannot be read as mapped is noted, and its documents are parked; what only changed in silence is read again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from connectors.captured import CapturedTable, captured
from connectors.database import Database
from connectors.names import Names, names
from connectors.registration import source_database
from connectors.shape import Shape, wrong
from sync.apply.raising import Raising
from sync.apply.shapes import note_drift
from sync.apply.snapshots import Snapshot
from sync.state import drift
from sync.state.backfills import under_way
from sync.state.database import State
from sync.state.owed import Raise
from sync.state.raises import Raises
from sync.state.registry import SOURCE, Registered, load, next_sequence
from sync.worker.beside import Beside, each
from sync.worker.continuity import note_gap

LOOK_EVERY = 3.0  # seconds
AT_MOST_EVERY = 60.0  # seconds between two snapshots because a table is as it was; doubled each time


class Schema(Beside):
    """A thread that looks at the tables of every applied mapping.

    ``say`` hears what it finds; ``on_gap``, in this thread, of a mapping's source that must be read again, and why.
    Of several workers only the one looks that ``leads``. ``publishing`` is held by who changes a publication.
    """

    def __init__(
        self,
        state: State,
        say: Callable[[str], None],
        on_gap: Callable[[str, str, str], None],
        leads: Callable[[], bool] = lambda: True,
        publishing: threading.Lock | None = None,
    ) -> None:
        super().__init__("schema", LOOK_EVERY, leads)
        self._publishing = publishing or threading.Lock()
        self._state, self._say, self._on_gap = state, say, on_gap
        self._again: dict[tuple[int, str], tuple[float, float]] = {}  # (source, table): not before, and the next pause

    def _look(self) -> None:
        self.look()

    def look(self) -> None:
        """One look at every source. Raises of one whose database does not answer, at the end: the connector says so."""
        with self._state.read() as connection:
            numbers = connection.execute(select(SOURCE.c.id)).scalars().all()
        each(numbers, self._look_at)

    def _source(self, number: int) -> tuple[Any, Registered] | None:
        """The source with its mapping; None where it was removed, or is to be read again in any case."""
        one = select(SOURCE).where(SOURCE.c.id == number, SOURCE.c.snapshot_due.is_(False))
        with self._state.read() as connection:
            source = connection.execute(one).one_or_none()
            return (source, load(connection, source.mapping)) if source is not None else None

    def _look_at(self, number: int) -> None:
        if (known := self._source(number)) is None:
            return
        source, registered = known
        one = _Source.of(registered, source)
        shape = one.database.shape(one.names, one.tables, source.shape_marks, source.committed_at)
        lock = registered.lock.sources.get(source.name) if registered.lock else None
        found = wrong(one.tables, lock, shape)
        with self._publishing:
            # A backfill has tables published in its own way; what happened meanwhile is found when it has ended.
            if self._is_backfilled(number):
                self._note(registered, source, found)
                return
            # `headrace remove` drops the publication when the state has forgotten the source.
            if shape.mend and self._source(number) is not None:
                marks = one.mend(shape)
                name = one.names.publication
                self._say(f"{source.mapping}.{source.name}: publication {name} is as it should be again")
            else:
                marks = shape.marks
            self._note(registered, source, found)
            self._read_again(registered, source, found, shape.unsaid)
            self._keep(source, marks)

    def _keep(self, source: Any, marks: str | None) -> None:
        if marks != source.shape_marks:
            # Not where a gap was noted: a source that is read again gets marks of the moment before its snapshot.
            # Nor where a statement has come meanwhile, which takes its table out of them.
            same = update(SOURCE).where(
                SOURCE.c.id == source.id,
                SOURCE.c.epoch == source.epoch,
                SOURCE.c.shape_marks.is_not_distinct_from(source.shape_marks),
            )
            with self._state.write() as connection:
                connection.execute(same.values(shape_marks=marks))

    def _is_backfilled(self, number: int) -> bool:
        with self._state.read() as connection:
            snapshot = connection.execute(select(SOURCE.c.snapshot).where(SOURCE.c.id == number)).scalar()
            told = any(each.claimed_at is not None for each in under_way(connection, [number]))
        return told or Snapshot.from_json(snapshot).backfilling

    def _note(self, registered: Registered, source: Any, found: dict[str, str]) -> None:
        called = drift.tables_called(registered, source.name, found)
        if not called.keys() - drift.noted(source.drift).keys():
            return
        with self._state.write() as connection:
            sequence = next_sequence(self._state, connection, registered.name, 1)
            why = Raise(sequence, time.time_ns() // 1000, "a table has changed")
            raising = Raising(registered, Raises(self._state))
            new = note_drift(connection, raising, source.id, called, why)
        for table in new:
            self._say(f"{source.mapping}.{source.name}: {called[table]}; documents that read it are parked")
        if new and not source.loaded:
            # The snapshot that is under way was begun with this table, and may fail for it.
            self._gap(source, called[new[0]])

    def _read_again(self, registered: Registered, source: Any, found: dict[str, str], unsaid: dict[str, str]) -> None:
        """Where rows changed in silence, or a table that could not be read can be again."""
        with self._state.read() as connection:
            noted = drift.of_mapping(connection, registered.name)
        now = drift.tables_called(registered, source.name, found)
        mended = [t.name for t in registered.tables_of(source.name) if t.name in noted and t.name not in now]
        mended = [table for table in mended if self._due(source.id, table)]
        reasons = [reason for table, reason in unsaid.items() if table not in found]
        reasons += [f"table {registered.plan.tables[table].database_name} is as it was" for table in mended]
        if not reasons:
            return
        self._gap(source, reasons[0], mended)

    def _gap(self, source: Any, reason: str, mended: Collection[str] = ()) -> None:
        note_gap(self._state, source.id, reason, source.epoch)
        if mended:
            with self._state.write() as connection:
                drift.forget(connection, source.id, mended)
        self._on_gap(source.mapping, source.name, reason)

    def _due(self, source_id: int, table: str) -> bool:
        """Records that lack what the catalogue has must not have the source read again and again."""
        now = time.monotonic()
        not_before, pause = self._again.get((source_id, table), (now, AT_MOST_EVERY))
        if now < not_before:
            return False
        self._again[source_id, table] = now + pause, pause * 2
        return True


@dataclass(frozen=True)
class _Source:
    """What a look needs of a source."""

    database: Database
    names: Names
    tables: tuple[CapturedTable, ...]

    @classmethod
    def of(cls, registered: Registered, source: Any) -> _Source:
        mapping = registered.plan.mapping
        tables = captured(mapping, registered.lock, source.name)
        return cls(source_database(mapping, source.name), names(mapping, source.name), tables)

    def mend(self, shape: Shape) -> str | None:
        """Make again what the connector needs of the tables that are there; returns marks taken afterwards."""
        there = [table for table in self.tables if table.name in shape.catalogue.tables]
        if there:
            self.database.prepare(self.names, there)
        return self.database.shape(self.names, self.tables, None).marks
