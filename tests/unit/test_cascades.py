from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from sync.apply.cascades import Effect, Plan, follow, renamed
from sync.mapping.cascades import Cascade, cascades
from sync.mapping.image import Image, join_value
from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock
from sync.mapping.model import Column, Mapping
from sync.mapping.plan import plan
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
    return lock, table_plans(mapping_of(connector, left_out), lock)


def mapping_of(connector: str, left_out: str = "") -> Mapping:
    return Mapping.model_validate(
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


class Stored:
    """Rows as they now stand: what follows is carried out before more is looked for. Two rows are a page."""

    def __init__(self, tables: Any, **rows: list[Image]) -> None:
        self.tables, self.asked = tables, 0
        self.rows = {(table, str(row["id"])): row for table, found in rows.items() for row in found}

    def find(
        self, table: str, columns: tuple[str, ...], values: Collection[str], after: str
    ) -> tuple[list[tuple[str, Image]], str | None]:
        self.asked += 1
        plan = self.tables[table]
        found = sorted((key, row) for (name, key), row in self.rows.items() if name == table and key > after)
        page = [(key, row) for key, row in found if join_value(plan, columns, row) in values][:2]
        return page, page[-1][0] if len(page) == 2 else None

    def follow(self, hanging: Plan, *changed: tuple[str, Image, Image | None]) -> list[Effect]:
        effects = []
        for table, old, new in changed:
            self.rows.pop((table, str(old["id"])), None)
            for effect in follow(hanging, self.tables, (table, old, new), self.find):
                del self.rows[effect.table, effect.key]
                if effect.new is not None:
                    self.rows[effect.table, str(effect.new["id"])] = effect.new
                effects.append(effect)
        return effects


def effects(*changed: tuple[str, Image, Image | None], rules: dict[str, str] | None = None, **rows: Any) -> list[Any]:
    lock, tables = made(rules=rules)
    stored = Stored(tables, **rows)
    return [(e.table, e.key, e.new) for e in stored.follow(cascades(lock, tables), *changed)]


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
    assert sorted(key for _, key, _ in found) == ["2", "3"]


def test_a_row_that_two_parents_take_is_taken_once() -> None:
    found = effects(("boxes", {"id": 1}, None), ("boxes", {"id": 1}, None), items=[{"id": 10, "box": 1}])
    assert found == [("items", "10", None)]


def test_a_changed_key_is_followed_by_the_rows_that_hold_it() -> None:
    _, tables = made()
    items = [{"id": 10, "box": 1}, {"id": 11, "box": 3}]
    plan = {"boxes": (Cascade("boxes", ("id",), "items", ("box",), "cascade", "cascade"),)}
    (effect,) = Stored(tables, items=items).follow(plan, ("boxes", {"id": 1}, {"id": 2}))
    assert (effect.new, renamed(tables, effect)) == ({"id": 10, "box": 2}, "10")
    plan = {"boxes": (Cascade("boxes", ("id",), "items", ("box",), "cascade", "set null"),)}
    (effect,) = Stored(tables, items=items).follow(plan, ("boxes", {"id": 1}, {"id": 2}))
    assert effect.new == {"id": 10, "box": None}


def test_a_null_reference_joins_nothing_and_is_not_asked_for() -> None:
    lock, tables = made()
    stored = Stored(tables, items=[{"id": 10, "box": None}])
    assert stored.follow(cascades(lock, tables), ("boxes", {"id": None}, None)) == []
    assert stored.asked == 0


def test_more_children_than_a_page_holds_are_all_found_with_theirs() -> None:
    items = [{"id": number, "box": 1} for number in range(10, 17)]
    notes = [{"id": 100 + number, "item": item["id"]} for number, item in enumerate(items)]
    found = effects(("boxes", {"id": 1}, None), items=items, notes=notes)
    assert {key for table, key, new in found if table == "items" and new is None} == {str(i["id"]) for i in items}
    assert {key for table, key, new in found if table == "notes" and new is None} == {str(n["id"]) for n in notes}
    assert len(found) == 14


def test_values_that_only_the_mapping_takes_for_equal_are_not_the_foreign_keys() -> None:
    """`normalise` is how documents join; the database compares what it holds."""
    lock, tables = made()
    tables["items"].columns["box"] = replace(
        tables["items"].columns["box"], kind="text", column=Column(normalise=["upper"])
    )
    stored = Stored(tables, items=[{"id": 10, "box": "A"}, {"id": 11, "box": "a"}])
    found = stored.follow(cascades(lock, tables), ("boxes", {"id": "a"}, None))
    assert [effect.key for effect in found] == ["11"]


def test_the_plan_has_a_version_of_its_own_for_every_rule() -> None:
    versions = set()
    for rules in ({"items": "cascade"}, {"items": "set null"}, {"items": "restrict", "notes": "no action"}):
        lock, _ = made(rules=rules)
        versions.add(plan(mapping_of("mariadb"), lock).version)
    assert len(versions) == 3
