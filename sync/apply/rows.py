"""① apply, into the state: row images and references as they are stored."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, bindparam, delete, select, update

from sync.apply.lately import Lately
from sync.apply.raising import Touched
from sync.mapping.image import Image, join_value
from sync.state.database import State
from sync.state.prepared import among
from sync.state.registry import REFERENCE, ROW, Registered

if TYPE_CHECKING:
    from sync.apply.fold import Fold

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
HANGING = 2_000  # rows that hang on a foreign key, taken at a time
_HANGING = (
    select(ROW.c.key, ROW.c.image)
    .join(REFERENCE, (REFERENCE.c.row_key == ROW.c.key) & (ROW.c.table_id == bindparam("t")))
    .where(REFERENCE.c.lookup_id == bindparam("l"), among(REFERENCE.c.value, "values"))
    .where(REFERENCE.c.row_key > bindparam("after"))
    .order_by(REFERENCE.c.row_key)
    .limit(bindparam("page"))
)


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

    page = HANGING

    def __init__(self, state: State, registered: Registered, max_text_bytes: int) -> None:
        self.registered, self.max_text_bytes = registered, max_text_bytes
        self.lately = Lately()
        put = state.insert(ROW)
        self._put = state.prepare(
            put.on_conflict_do_update(
                index_elements=["table_id", "key"], set_={"image": put.excluded.image, "seen": put.excluded.seen}
            )
        )
        self._refer = state.prepare(state.insert(REFERENCE).on_conflict_do_nothing())
        self._find, self._drop = state.prepare(_FIND), state.prepare(_DELETE_ROW)
        self._see = state.prepare(_SEEN)
        self._hanging = state.prepare(_HANGING)
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

    def hanging(
        self, connection: Connection, table: str, columns: tuple[str, ...], values: Collection[str], after: str
    ) -> list[tuple[str, Image]]:
        """(row key, stored image), up to a page behind row key ``after``, of rows whose columns join by a value."""
        number = self.registered.lookups[table, columns].id
        if number is None:  # the columns are the table's key
            return sorted(self.find(connection, table, [value for value in values if value > after]).items())
        at = {"t": self.registered.tables[table], "l": number}
        parameters = {**at, "values": list(values), "after": after, "page": self.page}
        return [(key, orjson.loads(text)) for key, text in self._hanging.run(connection, parameters)]

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
