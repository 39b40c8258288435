"""① apply: a batch of records into the state, in one transaction with the position it brings the source to."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from connectors.change import (
    Broken,
    Change,
    Message,
    Record,
    SchemaChange,
    SnapshotNotice,
    Truncate,
)
from connectors.heartbeats import read as heartbeat
from connectors.names import HEARTBEAT_PREFIX, MARKER_PREFIX, names
from connectors.positions import below, of_earlier_transaction
from sync.apply.altered import Statements
from sync.apply.backfills import Backfilling
from sync.apply.deadletters import DeadLetters
from sync.apply.fold import Fold
from sync.apply.progress import Progress, Standing, read_back, read_progress
from sync.apply.raising import Raising, Touched
from sync.apply.rows import Rows, split
from sync.apply.shapes import Shapes, note_drift
from sync.apply.snapshots import INCREMENTAL, INITIAL
from sync.apply.statements import dropped
from sync.apply.sweep import read_whole, sweep
from sync.apply.transactions import opened
from sync.errors import Fenced, Gap, Undecodable
from sync.mapping.plan import TablePlan
from sync.state.database import State
from sync.state.drift import of_mapping, unmark
from sync.state.owed import Priority, Raise
from sync.state.raises import Raises
from sync.state.registry import MARKER, Registered, next_sequence


class Applier:
    """Applies one source's records. Not for use by two threads at once."""

    def __init__(self, state: State, registered: Registered, source: str, *, max_text_bytes: int) -> None:
        self.state, self.registered, self.source = state, registered, source
        self.source_id = registered.sources[source]
        self.raises = Raises(state)
        self.rows = Rows(state, registered, max_text_bytes)
        self.raising = Raising(registered, self.raises)
        self.shapes, self.statements = Shapes(), Statements(registered, source)
        self._standing = Standing(state, self.source_id)
        self.letters = DeadLetters(registered, source, max_text_bytes)
        self.backfilling = Backfilling(self.source_id)
        self.own_name = names(registered.plan.mapping, source).prefix
        self._tables = {table.database_name: table for table in registered.tables_of(source)}
        self.progress = self.reload()

    def reload(self) -> Progress:
        """Read how far the source is applied; to be called on every assignment."""
        with self.state.read() as connection:
            self.progress = read_progress(connection, self.source_id)
        return self.progress

    def apply(self, records: Sequence[Record], last_hash: str | None = None) -> Progress:
        """Apply ``records``, all of them or none. Raises Fenced when another worker moved the source on."""
        expected = self.progress
        batch = _Batch(self, read_back(expected), records)
        with self.letters.kept_in_step(), self.state.write() as connection:
            if not self._standing.found(connection, expected):
                name = f"{self.registered.name}.{self.source}"
                raise Fenced(f"{name}: another worker applied past {expected.position}")
            self.letters.refresh(connection)
            batch.run(connection)
            batch.progress.last_hash = last_hash or expected.last_hash
            self._standing.move(connection, batch.progress, batch.last_sequence)
            self.state.announce(connection)
        self.progress = batch.progress
        return self.progress

    def table(self, database_name: str) -> TablePlan | None:
        return self._tables.get(database_name)


class _Batch:
    """One batch on its way into the state."""

    def __init__(self, applier: Applier, progress: Progress, records: Sequence[Record]) -> None:
        self.applier, self.progress, self.records = applier, progress, records
        self.pending: list[tuple[TablePlan, Change, Raise]] = []
        self.last_sequence = 0
        self.connection: Connection

    def run(self, connection: Connection) -> None:
        self.connection = connection
        first = next_sequence(self.applier.state, connection, self.applier.registered.name, len(self.records))
        self.last_sequence = first + len(self.records) - 1
        for sequence, record in enumerate(self.records, first):
            self._take(record, sequence)
        self._flush()
        self.progress.offset = self.records[-1].offset

    def _take(self, record: Record, sequence: int) -> None:
        if isinstance(record, Change | Truncate | Message | SchemaChange) and self._stale(record):
            return
        self.progress.open_transaction = opened(self.progress.open_transaction, record)
        if isinstance(record, Change):
            self._change(record, sequence)
        elif isinstance(record, Truncate):
            self._truncate(record, sequence)
        elif isinstance(record, Message):
            self._message(record, sequence)
        elif isinstance(record, SchemaChange):
            self._schema_change(record, sequence)
        elif isinstance(record, SnapshotNotice):
            self._notice(record, sequence)
        elif isinstance(record, Broken):
            plan = self.applier.table(record.table) if record.table else None
            self.applier.letters.set_aside(self.connection, self.progress.epoch, record, plan)

    def _stale(self, record: Change | Truncate | Message | SchemaChange) -> bool:
        """Whether this is sent again from below the highest database position applied.

        Two halves of a key change share one position, so an equal one passes, and so does one that cannot be
        compared (another server after a failover).
        """
        position = record.database_position
        if position is None:
            return False
        highest = self.progress.database_position
        if isinstance(record, Change) and record.incremental:
            return self._read_before(position, highest)
        if highest is not None and below(position, highest):
            return True
        if position[0]:  # without a commit it orders nothing
            self.progress.database_position = position
        return False

    def _read_before(self, position: tuple[int, ...], highest: tuple[int, ...] | None) -> bool:
        """Whether a row of an incremental snapshot was shown by a connector that lags behind another one.

        Such a row stands between transactions, at the end of the last one. A transaction that began before and
        commits after it has changes with a lower place: the row must not make them look stale.
        """
        if highest is None or not of_earlier_transaction(position, highest):
            return False
        self.progress.snapshot.doubt = "rows were shown that are older than what was applied"
        return True

    def _change(self, change: Change, sequence: int) -> None:
        committed_at = change.committed_at
        if change.incremental:
            if not self.progress.snapshot.show(change.table):
                return
            committed_at = self.progress.committed_at  # its own time is that of its being read, which commits nothing
        else:
            self._commit_time(change)
        table = self.applier.table(change.table)
        if table is None:
            return
        if drift := self.applier.shapes.wrong(table, change):
            self._note_drift(table, drift, sequence, committed_at)
            return
        self.pending.append((table, change, Raise(sequence, committed_at, change.operation.value)))

    def _commit_time(self, record: Record) -> None:
        self.progress.committed_at = max(self.progress.committed_at, record.committed_at)

    def _message(self, message: Message, sequence: int) -> None:
        self._commit_time(message)
        if message.prefix == MARKER_PREFIX:
            self.connection.execute(
                self.applier.state.insert(MARKER)
                .values(token=message.content, source_id=self.progress.id, sequence=sequence, seen_at=time.time())
                .on_conflict_do_nothing()
            )
        elif message.prefix == HEARTBEAT_PREFIX:
            self._heartbeat(message)

    def _heartbeat(self, message: Message) -> None:
        """Raises Gap where it does not follow the last one: PostgreSQL was restored, or the connector left some out."""
        if (found := heartbeat(message.content, self.applier.own_name)) is None:
            return
        if not found.follows(self.progress.heartbeat):
            raise Gap(
                f"{self.applier.registered.name}.{self.applier.source}: a heartbeat follows another one than the last"
                " applied: the database was restored to an earlier point"
            )
        self.progress.heartbeat = found.token

    def _truncate(self, truncate: Truncate, sequence: int) -> None:
        self._commit_time(truncate)
        self._empty(truncate.table, Raise(sequence, truncate.committed_at, "truncate"))

    def _empty(self, database_name: str, why: Raise) -> None:
        self.progress.snapshot.truncated(database_name)
        table = self.applier.table(database_name)
        if table is None:
            return
        self._flush()
        self.applier.rows.truncate(self.connection, table.name)
        if self.progress.loaded:
            why = Raise(why.sequence, why.committed_at, f"{table.name} {why.cause}")
            self.applier.raising.raise_all(self.connection, table.name, why, Priority.fan_out)

    def _schema_change(self, record: SchemaChange, sequence: int) -> None:
        """Raises Gap where a mapped table has rows by now that no change showed."""
        for name in record.tables:
            if dropped(record):
                self._empty(name, Raise(sequence, record.committed_at, "drop"))
            if (table := self.applier.table(name)) is None:
                continue
            if name in record.definitions and not record.shown:
                unmark(self.connection, self.progress.id, name)
            if wrong := self.applier.statements.wrong(name, record):
                self._note_drift(table, wrong, sequence, record.committed_at)
            elif (unsaid := self.applier.statements.unsaid(name, record)) and not self._is_noted(table):
                raise Gap(f"{self.applier.registered.name}.{self.applier.source}: {unsaid}")

    def _note_drift(self, table: TablePlan, wrong: str, sequence: int, committed_at: int) -> None:
        why = Raise(sequence, committed_at, f"{table.name} has changed")
        note_drift(self.connection, self.applier.raising, self.progress.id, {table.name: wrong}, why)

    def _is_noted(self, table: TablePlan) -> bool:
        """Whether it could not be read as mapped before: when it can be again, it is read again in any case."""
        return table.name in of_mapping(self.connection, self.applier.registered.name)

    def _flush(self) -> None:
        """Fold what is pending into rows and references, and owe the documents it touches."""
        if not self.pending:
            return
        fold = Fold(self.applier.rows, self.connection, self._store)
        fold.load([(table, change) for table, change, _ in self.pending])
        for table, change, why in self.pending:
            try:
                fold.add(table, change, why)
            except Undecodable as exc:
                record = Broken(change.offset, change.committed_at, str(exc))
                self.applier.letters.set_aside(self.connection, self.progress.epoch, record, table)
        self.pending = []
        self._store(fold)

    def _store(self, fold: Fold) -> None:
        applier, snapshot = self.applier, self.progress.snapshot
        touched = fold.touched()
        again = snapshot.under_way and snapshot.number > 1
        applier.rows.store(self.connection, fold, touched, snapshot.number, mark_shown=again)
        applier.letters.settle(self.connection, fold.whole)
        if self.progress.loaded:
            self._raise(touched, fold.only_read)
        else:
            applier.raising.ensure(self.connection, touched)

    def _raise(self, touched: dict[str, list[Touched]], only_read: set[tuple[str, str]]) -> None:
        """What a snapshot alone found changed lets changes pass."""
        changes, found = split(touched, only_read)
        self.progress.snapshot.changed += sum(map(len, found.values()))
        self.applier.raising.raise_touched(self.connection, changes)
        if found:
            self.applier.raising.raise_touched(self.connection, found, urgent=Priority.backfill)

    def _notice(self, notice: SnapshotNotice, sequence: int) -> None:
        self._flush()
        snapshot, backfilling = self.progress.snapshot, self.applier.backfilling
        if notice.kind == "STARTED" and notice.snapshot == INITIAL:
            # The log begins anew here: a database restored to an earlier point counts from there again.
            self.progress.database_position = self.progress.heartbeat = None
        if first := backfilling.first_heard(self.connection, snapshot, notice):
            snapshot.start(notice)
        complete = snapshot.notice(notice)
        if first or notice.kind == "STARTED":
            backfilling.started(self.connection, snapshot)
        elif notice.kind == "ABORTED":
            backfilling.stopped(self.connection, snapshot, notice)
        if complete:
            why = Raise(sequence, self.progress.committed_at or notice.committed_at, "snapshot")
            self._complete(notice, why)

    def _complete(self, notice: SnapshotNotice, why: Raise) -> None:
        applier, snapshot = self.applier, self.progress.snapshot
        if snapshot.kind == INCREMENTAL:
            applier.backfilling.completing(self.connection, snapshot)
        whole = read_whole(applier, snapshot)
        removed = sweep(applier, self.connection, self.progress, whole, why) if snapshot.number > 1 else 0
        applier.letters.read_again(self.connection, whole)
        if snapshot.kind == INITIAL and not self.progress.loaded:
            self.progress.loaded = True
            for kind in applier.raising.kinds:
                applier.raises.raise_all(self.connection, kind.id, why, Priority.backfill)
        elif snapshot.kind == INCREMENTAL:
            applier.backfilling.completed(self.connection, snapshot, notice, applier.registered, removed)
