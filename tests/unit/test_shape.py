"""What of a live table is no longer as mapped, and whether its rows may have changed without a word in the log."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from connectors.captured import CapturedTable
from connectors.postgres.shape import Marks, unsaid, without_members
from connectors.shape import drifted
from sync.mapping.alike import reads_alike
from sync.mapping.lock import LockColumn, LockTable, SourceLock

TABLE = CapturedTable("public", "orders", ("id",), {"id": None, "total": None}, ("mail",))
COLUMNS = {name: LockColumn(type=kind) for name, kind in {"id": "integer", "total": "numeric(8,2)"}.items()}
LOCKED = LockTable(key=("id",), columns={**COLUMNS, "mail": LockColumn(type="text")})


def lock(table: LockTable | None) -> SourceLock:
    return SourceLock(connector="postgres", tables={"public.orders": table} if table else {})


def said(now: LockTable | None, before: LockTable = LOCKED) -> str | None:
    return drifted([TABLE], lock(before), lock(now)).get("public.orders")


def with_columns(**columns: Any) -> LockTable:
    return LOCKED.model_copy(update={"columns": {**LOCKED.columns, **columns}})


def without(name: str, **more: LockColumn) -> LockTable:
    return LOCKED.model_copy(update={"columns": {n: c for n, c in LOCKED.columns.items() if n != name} | more})


def test_what_the_mapping_does_not_capture_may_come_go_and_change() -> None:
    assert said(LOCKED) is None
    assert said(with_columns(extra=LockColumn(type="text"))) is None
    assert said(without("mail")) is None
    assert said(with_columns(mail=LockColumn(type="integer"))) is None


def test_a_table_that_is_gone_and_a_column_that_is_gone_are_named() -> None:
    assert said(None) == "table public.orders is gone from the database (dropped or renamed)"
    assert said(without("total", totals=LockColumn(type="numeric(8,2)"))) == (
        "table public.orders has changed: column total is gone (dropped or renamed; the nearest is totals)"
    )


def test_another_type_is_told_where_it_reads_otherwise() -> None:
    assert said(with_columns(total=LockColumn(type="numeric(12,2)"))) is None
    assert said(with_columns(total=LockColumn(type="text"), id=LockColumn(type="bigint"))) == (
        "table public.orders has changed: column id is now bigint, and was integer;"
        " column total is now text, and was numeric(8,2)"
    )


def test_another_key_and_a_lost_one_are_told() -> None:
    wider = LOCKED.model_copy(update={"key": ("id", "total")})
    assert said(wider) == "table public.orders has changed: the primary key is now (id, total), and was (id)"
    lost = LOCKED.model_copy(update={"key": ()})
    assert said(lost) == "table public.orders has changed: it has no primary key any more, and was (id)"


def test_a_column_that_became_generated_is_told() -> None:
    assert "column total is generated now" in str(
        said(with_columns(total=LockColumn(type="numeric(8,2)", generated=True)))
    )


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("integer", "smallint", True),
        ("integer", "bigint", False),
        ("integer", "text", False),
        ("text", "character varying(20)", True),
        ("text", "character(20)", False),
        ("text", "mood", True),
        ("text", "uuid", False),
        ("text", "bytea", False),
        ("numeric(8,2)", "numeric(12,2)", True),
        ("numeric(8,2)", "numeric(8,3)", False),
        ("numeric", "numeric(8,2)", False),
        ("real", "double precision", False),
        ("timestamp without time zone", "timestamp with time zone", False),
        ("timestamp(3) with time zone", "timestamp with time zone", True),
        ("integer[]", "smallint[]", True),
        ("integer[]", "text[]", False),
        ("integer", "integer[]", False),
        ("datetime(6)", "datetime", True),
        ("datetime", "timestamp", False),
        ("longtext", "blob", False),
        ("varbinary(9)", "blob", True),
        ("int(11)", "int(10) unsigned", True),
    ],
)
def test_types_that_read_alike(one: str, other: str, alike: bool) -> None:
    assert reads_alike(one, other) is alike
    assert reads_alike(other, one) is alike


PLAIN = Marks("public.orders", 1, False, 10, {"id": "5", "total": "5", "mail": "5"}, {"1": 100}, ["1"])
PARTITIONED = replace(PLAIN, partitioned=True, files={"2": 100, "3": 101}, filled=["2"])


def test_a_table_that_only_lives_has_nothing_unsaid() -> None:
    assert unsaid(TABLE, PLAIN, replace(PLAIN, filled=[])) is None
    assert unsaid(TABLE, PLAIN, replace(PLAIN, files={"1": 200})) is None, "VACUUM FULL, TRUNCATE"
    renamed = replace(PLAIN, columns={"id": "5", "total": "9", "mail": "5"})
    assert unsaid(TABLE, PLAIN, renamed) is None, "SET NOT NULL, SET STATISTICS"
    unmapped = replace(PLAIN, columns={"id": "5", "total": "5", "mail": "9"}, files={"1": 200})
    assert unsaid(TABLE, PLAIN, unmapped) is None, "a retyped column that is not captured"


def test_rewriting_a_captured_column_leaving_the_publication_or_being_made_anew_is_unsaid() -> None:
    rewritten = replace(PLAIN, columns={"id": "5", "total": "9", "mail": "5"}, files={"1": 200})
    assert "rewritten by an ALTER TABLE" in str(unsaid(TABLE, PLAIN, rewritten))
    assert "was not published for a while" in str(unsaid(TABLE, PLAIN, replace(PLAIN, member=11)))
    assert "was made anew" in str(unsaid(TABLE, PLAIN, replace(PLAIN, oid=7, member=12)))


def test_what_a_backfill_changes_in_the_publication_is_not_unsaid_and_all_else_is() -> None:
    marks = without_members(json.dumps({"public.orders": asdict(PLAIN)}))
    kept = Marks(**json.loads(str(marks))["public.orders"])
    assert unsaid(TABLE, kept, replace(PLAIN, member=11)) is None
    assert "was made anew" in str(unsaid(TABLE, kept, replace(PLAIN, oid=7, member=12)))
    assert without_members(None) is None


def test_partitions_that_come_with_rows_go_or_get_another_file_are_unsaid() -> None:
    def now(**changes: Any) -> str | None:
        return unsaid(TABLE, PARTITIONED, replace(PARTITIONED, **changes))

    assert now(filled=["2", "3"]) is None, "rows that came through the root"
    assert now(files={"2": 100, "3": 101, "4": 102}) is None, "a new one, empty"
    assert "with rows in it was attached" in str(now(files={"2": 100, "3": 101, "4": 102}, filled=["2", "4"]))
    assert "was detached or dropped" in str(now(files={"2": 100}))
    assert "was truncated or rewritten" in str(now(files={"2": 100, "3": 900}))
