"""① apply, first step: the changes of a batch folded into row images, with what foreign keys do beside the log."""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import Connection

from connectors.change import Change, Operation
from sync.apply.cascades import Effect, follow, renamed
from sync.apply.raising import Touched
from sync.apply.rows import Rows
from sync.errors import Undecodable
from sync.mapping.image import Image, image, join_value, key_of
from sync.mapping.plan import TablePlan
from sync.state.owed import Raise

At = tuple[str, str]  # table, row key


class Fold:
    """A batch's changes, folded: for each touched row its image before the batch and after it.

    What foreign keys do beside the log is folded in where it happened. ``store`` is called with the fold when that
    made it large: it must write what the fold holds, which then forgets it.
    """

    def __init__(self, rows: Rows, connection: Connection, store: Callable[[Fold], None] | None = None) -> None:
        self._rows, self._connection, self._store = rows, connection, store
        self.before: dict[At, Image | None] = {}
        self.after: dict[At, Image | None] = {}
        self.why: dict[At, Raise] = {}
        self.shown: set[At] = set()  # also rows whose image did not change, for the sweep
        self.only_read: set[At] = set()  # no change named them, a snapshot did
        self.whole: set[At] = set()  # nothing of them was left out, so that no earlier change matters
        self._changed: set[At] = set()
        self._held: dict[tuple[str, tuple[str, ...]], dict[str, set[str]]] = {}  # row keys by what the fold's rows hold

    def load(self, changes: Collection[tuple[TablePlan, Change]]) -> None:
        """Read the stored images of every row that the changes name: one query a table."""
        wanted: dict[str, set[str]] = {}
        for table, change in changes:
            for raw in (change.key, change.old_key, change.new_key):
                key = None if raw is None else key_of(table, image(table, raw, self._rows.max_text_bytes))
                if key is not None and (table.name, key) not in self.before:
                    wanted.setdefault(table.name, set()).add(key)
        for name, keys in wanted.items():
            self._read(name, keys)

    def _read(self, table: str, keys: Collection[str]) -> None:
        found = self._rows.find(self._connection, table, keys)
        for key in keys:
            self._take((table, key), found.get(key))

    def _take(self, at: At, stored: Image | None) -> None:
        """Begin with a row as it is stored."""
        self.before[at] = self.after[at] = stored
        self._hold(at, stored)

    def _now(self, at: At) -> Image | None:
        if at not in self.after:
            self._read(at[0], [at[1]])
        return self.after[at]

    def add(self, table: TablePlan, change: Change, why: Raise) -> None:
        """Fold one change in; ``why`` says the operation. Raises Undecodable for a change without a usable key."""
        limit = self._rows.max_text_bytes
        key = None if change.key is None else key_of(table, image(table, change.key, limit))
        if key is None:
            raise Undecodable(f"{table.name}: a change without a key", advice="Give the table a primary key.")
        at = (table.name, key)
        stored = self._now(at)
        self._rows.lately.advance(why.committed_at)
        self._note(at, change)
        if change.operation is Operation.delete:
            self._delete(table, at, stored, change, why)
            return
        new = image(table, change.after or {}, limit)
        # What Debezium did not send (unchanged TOAST, a column not captured yet) stays as it is stored.
        new = {**stored, **new} if stored else new
        if change.incremental and (at in self._rows.lately or self._outdated(table, new)):
            self.shown.add(at)
            return
        self._put(at, new, why)
        # A snapshot shows children as they are, and a row that is created anew had none.
        if stored is not None and (change.operation is Operation.update or change.old_key is not None):
            self._follow(at, stored, new, why)

    def _note(self, at: At, change: Change) -> None:
        if change.operation is not Operation.read:
            self._changed.add(at)
            self._rows.lately.note(at, change.committed_at)
            self.only_read.discard(at)
        elif at not in self._changed:
            self.only_read.add(at)
        if not change.unsent:
            self.whole.add(at)

    def _outdated(self, table: TablePlan, row: Image) -> bool:
        """Whether a row was read before a foreign key took it away or changed it, and is shown only now.

        An incremental snapshot leaves out what the log changed meanwhile; of these rows the log says nothing. But they
        point at a row that is not there any more.
        """
        plan = self._rows.registered.plan
        for cascade in plan.points_at.get(table.name, ()):
            parent = plan.tables[cascade.parent]
            pointed = {name: row.get(own) for name, own in zip(cascade.references, cascade.columns, strict=True)}
            key = key_of(parent, pointed)  # None too where another unique key than the primary one is referred to
            if key is not None and self._now((parent.name, key)) is None:
                return True
        return False

    def _delete(self, table: TablePlan, at: At, stored: Image | None, change: Change, why: Raise) -> None:
        if stored is None:
            return
        successor: Image | None = None
        if change.new_key is not None:
            # The create that follows may omit unchanged TOAST: the row goes on under its new key.
            renamed = image(table, change.new_key, self._rows.max_text_bytes)
            new_key = key_of(table, renamed)
            if new_key is not None:
                self._now((table.name, new_key))
                self._put((table.name, new_key), successor := {**stored, **renamed}, why)
        self._put(at, None, why)
        self._follow(at, stored, successor, why)

    def _follow(self, at: At, old: Image, new: Image | None, why: Raise) -> None:
        """Carry out what foreign keys did with this change, each row before the next is looked for."""
        plan = self._rows.registered.plan
        if at[0] not in plan.cascades:
            return
        because = Raise(why.sequence, why.committed_at, f"with {at[0]} {at[1]}")
        for effect in follow(plan.cascades, plan.tables, (at[0], old, new), self._hanging):
            self._carry_out(effect, because)

    def _carry_out(self, effect: Effect, why: Raise) -> None:
        at, key = (effect.table, effect.key), renamed(self._rows.registered.plan.tables, effect)
        if key is None or key == effect.key:
            self._put(at, effect.new, why)
            return
        self._put(at, None, why)
        self._now((effect.table, key))
        self._put((effect.table, key), effect.new, why)

    def _hanging(
        self, table: str, columns: tuple[str, ...], values: Collection[str], after: str
    ) -> tuple[list[tuple[str, Image]], str | None]:
        """A page of the rows whose columns join by one of these values, as they now stand (`cascades.Find`)."""
        if self._store is not None and len(self.after) >= self._rows.page:
            self._store(self)
            for each in (self.before, self.after, self.why, self.shown, self.only_read, self.whole, self._held):
                each.clear()
        stored = self._rows.hanging(self._connection, table, columns, values, after)
        for key, row in stored:
            if (table, key) not in self.after:
                self._take((table, key), row)
        keys = dict.fromkeys(key for key, _ in stored)
        if not after:  # those that the batch itself made point here
            held = self._holding(table, columns)
            keys |= dict.fromkeys(key for value in values for key in held.get(value, ()))
        wanted, plan = set(values), self._rows.registered.plan.tables[table]
        found = [(key, self.after[table, key]) for key in keys]
        rows = [(key, row) for key, row in found if row is not None and join_value(plan, columns, row) in wanted]
        return rows, stored[-1][0] if len(stored) >= self._rows.page else None

    def _holding(self, table: str, columns: tuple[str, ...]) -> dict[str, set[str]]:
        """Row keys by the join values that the fold's rows have, or had: made when it is first asked for."""
        held = self._held.get((table, columns))
        if held is None:
            held = self._held[table, columns] = {}
            for at, row in self.after.items():
                if at[0] == table:
                    self._hold(at, row)
        return held

    def _hold(self, at: At, row: Image | None) -> None:
        if row is None or not self._held:
            return
        for (table, columns), held in self._held.items():
            if table == at[0]:
                value = join_value(self._rows.registered.plan.tables[table], columns, row)
                if value is not None:
                    held.setdefault(value, set()).add(at[1])

    def _put(self, at: At, new: Image | None, why: Raise) -> None:
        self.before.setdefault(at, None)
        self.after[at] = new
        self._hold(at, new)
        if at not in self.why:
            cause = f"{at[0]} {at[1]} {why.cause}"
            self.why[at] = Raise(why.sequence, why.committed_at, cause)
        self.shown.add(at)

    def touched(self) -> dict[str, list[Touched]]:
        """The rows whose image differs from before the batch, by table."""
        result: dict[str, list[Touched]] = {}
        for at, new in self.after.items():
            old = self.before[at]
            if old != new:
                result.setdefault(at[0], []).append(Touched(at[0], at[1], old, new, self.why[at]))
        return result
