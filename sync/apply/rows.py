"""① apply, first step: the changes of a batch folded into row images and references."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from connectors.change import Change, Operation
from sync.apply.raising import Touched
from sync.errors import Undecodable
from sync.mapping.image import Image, image, join_value, key_of
from sync.mapping.plan import TablePlan
from sync.state.database import State
from sync.state.documents import Raise
from sync.state.prepared import among
from sync.state.registry import REFERENCE, ROW, Registered

_FIND = select(ROW.c.key, ROW.c.image).where(ROW.c.table_id == bindparam("t"), among(ROW.c.key, "keys"))
_ONE = (ROW.c.table_id == bindparam("b_t"), ROW.c.key == bindparam("b_k"))
_DELETE_ROW = delete(ROW).where(*_ONE)
_SEEN = update(ROW).where(*_ONE).values(seen=bindparam("b_s"))
_DELETE_REFERENCE = delete(REFERENCE).where(
    REFERENCE.c.lookup_id == bindparam("b_l"),
    REFERENCE.c.value == bindparam("b_v"),
    REFERENCE.c.row_key == bindparam("b_k"),
)
PAGE = 10_000


class Fold:
    """A batch's changes, folded: for each touched row its image before the batch and after it."""

    def __init__(self, rows: Rows, connection: Connection) -> None:
        self._rows, self._connection = rows, connection
        self.before: dict[tuple[str, str], Image | None] = {}
        self.after: dict[tuple[str, str], Image | None] = {}
        self.why: dict[tuple[str, str], Raise] = {}
        self.shown: set[tuple[str, str]] = set()  # also rows whose image did not change, for the sweep
        self.only_read: set[tuple[str, str]] = set()  # no change named them, a snapshot did
        self.whole: set[tuple[str, str]] = set()  # nothing of them was left out, so that no earlier change matters
        self._changed: set[tuple[str, str]] = set()

    def load(self, changes: Collection[tuple[TablePlan, Change]]) -> None:
        """Read the stored images of every row that the changes name: one query a table."""
        wanted: dict[str, set[str]] = {}
        for table, change in changes:
            for raw in (change.key, change.old_key, change.new_key):
                key = None if raw is None else key_of(table, image(table, raw, self._rows.max_text_bytes))
                if key is not None and (table.name, key) not in self.before:
                    wanted.setdefault(table.name, set()).add(key)
        for name, keys in wanted.items():
            found = self._rows.find(self._connection, name, keys)
            for key in keys:
                self.before[name, key] = self.after[name, key] = found.get(key)

    def add(self, table: TablePlan, change: Change, why: Raise) -> None:
        """Fold one change in; ``why`` says the operation. Raises Undecodable for a change without a usable key."""
        limit = self._rows.max_text_bytes
        key = None if change.key is None else key_of(table, image(table, change.key, limit))
        if key is None:
            raise Undecodable(f"{table.name}: a change without a key", advice="Give the table a primary key.")
        at = (table.name, key)
        stored = self.after.get(at)
        self._note(at, change)
        if change.operation is Operation.delete:
            self._delete(table, at, stored, change, why)
            return
        new = image(table, change.after or {}, limit)
        # What Debezium did not send (unchanged TOAST, a column not captured yet) stays as it is stored.
        self._put(at, {**stored, **new} if stored else new, why)

    def _note(self, at: tuple[str, str], change: Change) -> None:
        if change.operation is not Operation.read:
            self._changed.add(at)
            self.only_read.discard(at)
        elif at not in self._changed:
            self.only_read.add(at)
        if not change.unsent:
            self.whole.add(at)

    def _delete(self, table: TablePlan, at: tuple[str, str], stored: Image | None, change: Change, why: Raise) -> None:
        if stored is None:
            return
        if change.new_key is not None:
            # The create that follows may omit unchanged TOAST: the row goes on under its new key.
            renamed = image(table, change.new_key, self._rows.max_text_bytes)
            new_key = key_of(table, renamed)
            if new_key is not None:
                self._put((table.name, new_key), {**stored, **renamed}, why)
        self._put(at, None, why)

    def _put(self, at: tuple[str, str], new: Image | None, why: Raise) -> None:
        self.before.setdefault(at, None)
        self.after[at] = new
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


def split(
    touched: dict[str, list[Touched]], only_read: set[tuple[str, str]]
) -> tuple[dict[str, list[Touched]], dict[str, list[Touched]]]:
    """What changes touched, and what a snapshot alone found different."""
    if not only_read:
        return touched, {}
    changes: dict[str, list[Touched]] = {}
    found: dict[str, list[Touched]] = {}
    for table, rows in touched.items():
        for row in rows:
            (found if (table, row.key) in only_read else changes).setdefault(table, []).append(row)
    return changes, found


class Rows:
    """Row images and references of one mapping in the state."""

    def __init__(self, state: State, registered: Registered, max_text_bytes: int) -> None:
        self.registered, self.max_text_bytes = registered, max_text_bytes
        put = state.insert(ROW)
        self._put = state.prepare(
            put.on_conflict_do_update(
                index_elements=["table_id", "key"], set_={"image": put.excluded.image, "seen": put.excluded.seen}
            )
        )
        self._refer = state.prepare(state.insert(REFERENCE).on_conflict_do_nothing())
        self._find, self._drop = state.prepare(_FIND), state.prepare(_DELETE_ROW)
        self._see = state.prepare(_SEEN)
        self._unrefer = state.prepare(_DELETE_REFERENCE)
        self._lookups = {
            name: [(lookup.id, lookup.columns) for lookup in registered.lookups_of(name)] for name in registered.tables
        }

    def find(self, connection: Connection, table: str, keys: Collection[str]) -> dict[str, Image]:
        """Row key → stored image, for those that exist."""
        found: dict[str, Image] = {}
        pages = list(keys)
        for start in range(0, len(pages), PAGE):
            parameters = {"t": self.registered.tables[table], "keys": pages[start : start + PAGE]}
            for key, text in self._find.run(connection, parameters):
                found[key] = orjson.loads(text)
        return found

    def store(
        self, connection: Connection, fold: Fold, touched: dict[str, list[Touched]], seen: int, *, mark_shown: bool
    ) -> None:
        """Write what the fold changed; ``mark_shown`` also marks rows shown unchanged, lest they be swept."""
        puts: list[dict[str, Any]] = []
        deletes: list[dict[str, Any]] = []
        for name, rows in touched.items():
            number = self.registered.tables[name]
            for row in rows:
                if row.new is None:
                    deletes.append({"b_t": number, "b_k": row.key})
                else:
                    puts.append(_row(number, row.key, row.new, seen))
            self._refer_rows(connection, name, rows)
        if mark_shown:
            changed = {(row.table, row.key) for rows in touched.values() for row in rows}
            same = [at for at in fold.shown - changed if fold.after[at] is not None]
            if same:
                numbers = self.registered.tables
                self._see.run_many(connection, [{"b_t": numbers[t], "b_k": key, "b_s": seen} for t, key in same])
        if puts:
            self._put.run_many(connection, puts)
        if deletes:
            self._drop.run_many(connection, deletes)

    def _refer_rows(self, connection: Connection, name: str, rows: list[Touched]) -> None:
        table = self.registered.plan.tables[name]
        new: list[dict[str, Any]] = []
        old: list[dict[str, Any]] = []
        for lookup, columns in self._lookups[name]:
            for row in rows:
                before = None if row.old is None else join_value(table, columns, row.old)
                after = None if row.new is None else join_value(table, columns, row.new)
                if before == after:
                    continue
                if before is not None:
                    old.append({"b_l": lookup, "b_v": before, "b_k": row.key})
                if after is not None:
                    new.append({"lookup_id": lookup, "value": after, "row_key": row.key})
        if old:
            self._unrefer.run_many(connection, old)
        if new:
            self._refer.run_many(connection, new)

    def truncate(self, connection: Connection, table: str) -> None:
        """Every row of the table is gone."""
        connection.execute(delete(ROW).where(ROW.c.table_id == self.registered.tables[table]))
        numbers = [lookup for lookup, _ in self._lookups[table]]
        if numbers:
            connection.execute(delete(REFERENCE).where(REFERENCE.c.lookup_id.in_(numbers)))

    def unseen(self, connection: Connection, table: str, snapshot: int, limit: int) -> dict[str, Image]:
        """Rows that a completed snapshot did not show: they are gone at the source."""
        found = connection.execute(
            select(ROW.c.key, ROW.c.image)
            .where(ROW.c.table_id == self.registered.tables[table], ROW.c.seen < snapshot)
            .limit(limit)
        )
        return {key: orjson.loads(text) for key, text in found}


def _row(table: int, key: str, row: Image, seen: int) -> dict[str, Any]:
    return {
        "table_id": table,
        "key": key,
        "image": orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode(),
        "seen": seen,
    }
