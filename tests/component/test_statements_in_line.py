"""Statements of MariaDB's log through apply: what stays as mapped, what is parked, what is read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors.change import SchemaChange
from sync.errors import Gap
from sync.mapping.lock import LockColumn, LockTable
from sync.state.registry import SOURCE
from tests.support.airline import first_rows, lock
from tests.support.world import World

TABLE = "public.flights"
LOCKED = lock().sources["airline"].tables[TABLE]


@pytest.fixture
def loaded(world: World) -> World:
    world.log.snapshot(first_rows())
    world.settle()
    return world


def statement(
    world: World, text: str, there: LockTable | None = LOCKED, kind: str = "ALTER", *, shown: bool = False
) -> None:
    world.log._add(
        SchemaChange,
        committed_at=5,
        statement=text,
        tables=(TABLE,),
        kind=kind,
        shown=shown,
        definitions={TABLE: there} if there else {},
    )


def with_columns(columns: dict[str, LockColumn], **more: Any) -> LockTable:
    return LOCKED.model_copy(update={"columns": columns, **more})


def marks(world: World, *written: dict[str, Any]) -> Any:
    with world.state.write() as connection:
        for one in written:
            connection.execute(update(SOURCE).values(shape_marks=json.dumps(one)))
        text = connection.execute(select(SOURCE.c.shape_marks)).scalar_one()
    return json.loads(text) if text else None


def test_a_statement_about_a_column_that_is_not_mapped_changes_nothing(loaded: World) -> None:
    there = with_columns({**LOCKED.columns, "extra": LockColumn(type="int")})
    statement(loaded, "alter table flights add column extra int default 5", there)
    statement(loaded, "alter table flights add index (note), comment 'modify note'")
    loaded.settle()
    assert loaded.document("7").parked is None


@pytest.mark.parametrize("text", ["modify note varchar(9)", "drop note, add note text", "truncate partition p1"])
def test_a_statement_that_may_have_changed_values_is_a_gap(loaded: World, text: str) -> None:
    statement(loaded, f"alter table flights {text}")
    with pytest.raises(Gap, match=r"public\.flights was changed by a statement that shows no rows"):
        loaded.apply()


def test_a_column_or_key_that_is_another_one_parks_in_line_and_at_once(loaded: World) -> None:
    text = loaded.texts["7", 0]
    columns = {name: each for name, each in LOCKED.columns.items() if name != "status_cd"}
    there = with_columns({**columns, "status": LockColumn(type="varchar(3)")})
    statement(loaded, "alter table flights rename column status_cd to status", there)
    loaded.settle()
    assert "column status_cd is gone (dropped or renamed; the nearest is status)" in loaded.document("7").parked
    assert loaded.texts["7", 0] == text
    statement(loaded, "alter table flights add column status_cd int")
    loaded.settle()  # no gap: the look at the catalogue finds that it is as it was


def test_another_key_parks_too(loaded: World) -> None:
    there = with_columns(LOCKED.columns, key=("flight_id", "flight_no"))
    statement(loaded, "alter table flights drop primary key, add key (flight_id, flight_no)", there)
    loaded.settle()
    assert "the primary key is now (flight_id, flight_no)" in loaded.document("7").parked


def test_a_table_made_anew_is_empty_and_read_again_where_its_types_may_be_others(loaded: World) -> None:
    statement(loaded, "drop table flights", None, "DROP")
    statement(loaded, "create table flights (…)", LOCKED, "CREATE")
    loaded.settle()
    assert loaded.document("7").parked is None
    assert "cancelled" not in loaded.texts["7", 0]
    retyped = with_columns({**LOCKED.columns, "flight_no": LockColumn(type="int(11)")})
    statement(loaded, "create or replace table flights (…)", retyped, "CREATE")
    with pytest.raises(Gap, match=r"public\.flights was made anew with other types"):
        loaded.apply()


def test_what_a_statement_said_is_not_taken_for_unsaid(loaded: World) -> None:
    marks(loaded, {TABLE: {"made": "1"}, "public.tickets": {"made": "1"}})
    statement(loaded, "drop table flights", None, "DROP")
    loaded.settle()
    assert marks(loaded).keys() == {TABLE, "public.tickets"}, "another table may take its name without a word"
    statement(loaded, "alter table flights comment 'x'")
    loaded.settle()
    assert marks(loaded).keys() == {"public.tickets"}


def test_what_a_snapshot_says_of_a_table_leaves_it_in_the_marks(loaded: World) -> None:
    """Made anew right after the snapshot, and before the next look, it would go unnoticed."""
    marks(loaded, {TABLE: {"made": "1"}})
    statement(loaded, "create table flights (flight_id int primary key)", kind="CREATE", shown=True)
    loaded.apply()
    assert marks(loaded).keys() == {TABLE}
