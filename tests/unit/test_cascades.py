from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from sync.apply.cascades import Cascade, cascades, follow, renamed
from sync.mapping.image import Image, join_value
from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock
from sync.mapping.model import Mapping
from sync.mapping.tables import table_plans

COLUMNS = {"boxes": ["id"], "items": ["id", "box"], "notes": ["id", "item"], "people": ["id", "boss"]}
KEYS = {"items": ("box", "boxes"), "notes": ("item", "items"), "people": ("boss", "people")}


def made(connector: str = "mariadb", rules: dict[str, str] | None = None, left_out: str = "") -> tuple[Lock, Any]:
    rules = rules or {}
    locked = {
        f"shop.{table}": LockTable(
            key=("id",),
            columns={each: LockColumn(type="int(11)") for each in columns},
            foreign_keys=tuple(
                ForeignKey(columns=(column,), table=parent, references=("id",), on_delete=rules.get(table, "cascade"))
                for column, parent in [KEYS[table]]
            )
            if table in KEYS
            else (),
        )
        for table, columns in COLUMNS.items()
    }
    lock = Lock(sources={"shop": SourceLock(connector=connector, tables=locked)})
    mapping = Mapping.model_validate(
        {
            "version": 1,
            "name": "shop",
            "source": {"connector": connector, "url": "x", "schema": "shop"},
            "tables": {
                table: {"columns": {each: {} for each in columns if each != left_out}}
                for table, columns in COLUMNS.items()
            },
            "documents": {"d": {"root": "boxes"}},
        }
    )
    return lock, table_plans(mapping, lock)


class Stored:
    def __init__(self, tables: Any, **rows: list[Image]) -> None:
        self.tables, self.rows, self.asked = tables, rows, 0

    def find(self, table: str, columns: tuple[str, ...], values: Collection[str]) -> list[tuple[str, Image]]:
        self.asked += 1
        plan = self.tables[table]
        return [(str(r["id"]), r) for r in self.rows.get(table, []) if join_value(plan, columns, r) in values]


def effects(*changed: tuple[str, Image, Image | None], rules: dict[str, str] | None = None, **rows: Any) -> list[Any]:
    lock, tables = made(rules=rules)
    stored = Stored(tables, **rows)
    return [(e.table, e.key, e.new) for e in follow(cascades(lock, tables), tables, changed, stored.find)]


def test_the_plan_names_what_hangs_on_each_table() -> None:
    lock, tables = made(rules={"notes": "set null", "people": "restrict"})
    assert cascades(lock, tables) == {
        "boxes": (Cascade("boxes", ("id",), "items", ("box",), "cascade", ""),),
        "items": (Cascade("items", ("id",), "notes", ("item",), "set null", ""),),
    }


@pytest.mark.parametrize("connector", ["postgres"])
def test_a_database_whose_log_says_everything_needs_none(connector: str) -> None:
    assert cascades(*made(connector)) == {}
    assert cascades(None, made()[1]) == {}


def test_a_foreign_key_on_a_column_that_is_not_mapped_is_left_out() -> None:
    assert "boxes" not in cascades(*made(left_out="box"))


def test_a_deleted_row_takes_its_children_and_theirs_along() -> None:
    found = effects(
        ("boxes", {"id": 1}, None),
        items=[{"id": 10, "box": 1}, {"id": 11, "box": 2}],
        notes=[{"id": 100, "item": 10}, {"id": 101, "item": 11}],
    )
    assert found == [("items", "10", None), ("notes", "100", None)]


def test_set_null_leaves_the_child_and_ends_there() -> None:
    found = effects(
        ("boxes", {"id": 1}, None),
        rules={"items": "set null"},
        items=[{"id": 10, "box": 1}],
        notes=[{"id": 100, "item": 10}],
    )
    assert found == [("items", "10", {"id": 10, "box": None})]


def test_a_change_that_leaves_the_referenced_columns_alone_moves_nothing() -> None:
    assert effects(("boxes", {"id": 1}, {"id": 1}), items=[{"id": 10, "box": 1}]) == []


def test_a_cycle_ends() -> None:
    people = [{"id": 1, "boss": 2}, {"id": 2, "boss": 1}, {"id": 3, "boss": 2}]
    found = effects(("people", people[0], None), people=people)
    assert found[0] == ("people", "2", None)
    assert sorted(key for _, key, _ in found) == ["1", "2", "3"]


def test_a_row_that_two_parents_take_is_taken_once() -> None:
    found = effects(("boxes", {"id": 1}, None), ("boxes", {"id": 1}, None), items=[{"id": 10, "box": 1}])
    assert found == [("items", "10", None)]


def test_a_changed_key_is_followed_by_the_rows_that_hold_it() -> None:
    _, tables = made()
    stored = Stored(tables, items=[{"id": 10, "box": 1}, {"id": 11, "box": 3}])
    plan = {"boxes": (Cascade("boxes", ("id",), "items", ("box",), "cascade", "cascade"),)}
    (effect,) = follow(plan, tables, [("boxes", {"id": 1}, {"id": 2})], stored.find)
    assert (effect.new, renamed(tables, effect)) == ({"id": 10, "box": 2}, "10")
    plan = {"boxes": (Cascade("boxes", ("id",), "items", ("box",), "cascade", "set null"),)}
    (effect,) = follow(plan, tables, [("boxes", {"id": 1}, {"id": 2})], stored.find)
    assert effect.new == {"id": 10, "box": None}


def test_a_null_reference_joins_nothing_and_is_not_asked_for() -> None:
    lock, tables = made()
    stored = Stored(tables, items=[{"id": 10, "box": None}])
    assert follow(cascades(lock, tables), tables, [("boxes", {"id": None}, None)], stored.find) == []
    assert stored.asked == 0
