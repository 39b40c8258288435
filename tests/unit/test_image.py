"""The same row gives the same image, whether Debezium, psycopg or a person wrote it."""

from __future__ import annotations

import ipaddress
import json
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.range import Range

from sync.mapping.image import captured, image, join_value, key_of
from sync.mapping.plan import TablePlan
from tests.support.plans import column_plan, lock_of, plan_of

ENVELOPES = Path(__file__).parent / "fixtures" / "envelopes"


def table(words: dict[str, Any], database_type: str | None = None) -> TablePlan:
    return column_plan(words, database_type).tables["items"]


def seen(of: TablePlan, value: Any) -> Any:
    return image(of, {"id": 1, "value": value}, 1000)["value"]


BIG = 2**70
SAME: list[tuple[str, Any, list[Any]]] = [
    # (database type, image, [Debezium, psycopg, as a DBA writes it …])
    ("integer", 7, [7, "7", 7.0, Decimal(7)]),
    ("bigint", 2**63 - 1, [2**63 - 1, str(2**63 - 1)]),
    ("numeric(30,0)", str(BIG), [str(BIG), Decimal(BIG), BIG]),
    ("numeric(10,2)", "489.5", ["489.50", Decimal("489.50"), 489.5, "489.5"]),
    ("numeric", "NaN", ["NAN", Decimal("NaN"), "NaN", float("nan")]),
    ("numeric", "Infinity", ["POSITIVE_INFINITY", Decimal("Infinity")]),
    ("double precision", 0.1, [0.1, "0.1"]),
    ("double precision", 1.0, [1.0, 1]),
    ("double precision", "-Infinity", ["-Infinity", float("-inf")]),
    ("real", 1.1, [1.1, 1.100000023841858]),
    ("boolean", True, [True, "true", "t"]),
    ("text", "a b ", ["a b "]),
    ("text", "602", ["602", 602]),
    ("character(4)", "AB", ["AB  ", "AB"]),
    ("uuid", "b68a35a7-17ad-35b3-af2a-ae46edb4545a",
     ["b68a35a7-17ad-35b3-af2a-ae46edb4545a", uuid.UUID("b68a35a7-17ad-35b3-af2a-ae46edb4545a")]),
    ("date", "2026-03-01", ["2026-03-01Z", date(2026, 3, 1), "2026-03-01"]),
    ("time without time zone", "12:30:15.5", ["12:30:15.5Z", time(12, 30, 15, 500_000)]),
    ("timestamp without time zone", "2026-03-01T09:00:00.123456Z",
     ["2026-03-01T09:00:00.123456Z", datetime(2026, 3, 1, 9, 0, 0, 123_456), "2026-03-01T09:00:00.123456"]),
    ("timestamp with time zone", "2026-03-01T08:00:00Z",
     ["2026-03-01T08:00:00.000000Z", datetime(2026, 3, 1, 8, tzinfo=UTC), "2026-03-01T09:00:00+01:00"]),
    ("timestamp with time zone", "infinity", ["infinity"]),
    ("interval", "P1DT3H", ["P0Y0M1DT3H0M0S", timedelta(days=1, hours=3)]),
    ("jsonb", {"a": [1, None]}, ['{"a": [1, null]}', {"a": [1, None]}]),
    ("bytea", "q6ur", ["q6ur", b"\xab\xab\xab", memoryview(b"\xab\xab\xab")]),
    ("bit(4)", "0101", ["BQ==", "0101"]),
    ("integer[]", [5, None, 6], [[5, None, 6], ["5", None, "6"]]),
    ("numeric[]", ["1.5"], [["1.50"], [Decimal("1.50")]]),
    ("text[]", ["a", "b"], [["a", "b"], ("a", "b")]),
    ("int4range", "[1,10)", ["[1,10)", Range(1, 10)]),
    ("daterange", "[2026-01-01,)", ["[2026-01-01,)", Range(date(2026, 1, 1), None)]),
    ("inet", "10.0.0.1", ["10.0.0.1", ipaddress.IPv4Address("10.0.0.1")]),
    ("money", "1234.5", ["1234.50", "$1,234.50"]),
]  # fmt: skip


@pytest.mark.parametrize(("database_type", "expected", "forms"), SAME, ids=[case[0] for case in SAME])
def test_one_row_has_one_image_whichever_way_it_came(database_type: str, expected: Any, forms: list[Any]) -> None:
    of = table({}, database_type)
    for form in forms:
        found = seen(of, form)
        assert (found, type(found)) == (expected, type(expected)), f"from {form!r}"


@pytest.mark.parametrize("forms", [("489.50", Decimal("489.50")), (7, 7), ("x", "x"), (True, True)])
def test_without_lock_and_type_both_ways_still_agree(forms: tuple[Any, Any]) -> None:
    of = table({})
    assert seen(of, forms[0]) == seen(of, forms[1]) == forms[0]


def test_an_unlisted_column_is_not_in_the_image() -> None:
    assert image(table({}), {"id": 1, "value": "x", "secret": "y"}, 1000) == {"id": 1, "value": "x"}


def test_a_column_that_was_not_sent_is_absent_and_not_null() -> None:
    of = table({})
    assert image(of, {"id": 1}, 1000) == {"id": 1}
    assert image(of, {"id": 1, "value": None}, 1000) == {"id": 1, "value": None}


def test_a_dropped_column_is_not_stored_even_where_it_arrives() -> None:
    of = column_plan({}, None, gone={"pii": "a class that privacy does not list"}).tables["items"]
    assert image(of, {"id": 1, "value": "x", "gone": "m@x.it"}, 1000) == {"id": 1, "value": "x"}


def test_a_text_that_is_too_long_is_cut_to_its_size_in_bytes() -> None:
    of = table({}, "text")
    assert seen(of, "é" * 500) == "é" * 500
    assert seen(of, "é" * 501) == {"$cut": 1002}
    assert seen(table({}, "jsonb"), json.dumps({"a": "x" * 1001})) == {"$cut": 1002}


def test_only_the_listed_fields_of_a_json_column_are_stored() -> None:
    of = table({"fields": {"address.city": "city", "tags.0": "first tag", "age": "age"}}, "jsonb")
    stored = seen(of, '{"address": {"city": "Rome", "street": "Corso"}, "tags": ["x", "y"], "phone": "1"}')
    assert stored == {"address.city": "Rome", "tags.0": "x", "age": None}


def test_json_holds_nothing_that_cannot_be_stored() -> None:
    stored = seen(table({}, "json"), '{"lone": "\\ud800", "huge": 1180591620717411303424, "far": 1e999}')
    assert orjson.loads(orjson.dumps(stored)) == {"lone": "?", "huge": "1180591620717411303424", "far": "Infinity"}


def test_json_stands_in_the_order_in_which_the_state_gives_it_back() -> None:
    """So that `headrace show`, which asks the database, reads as what is written."""
    seen_now = seen(table({}, "json"), '{"n": 3, "city": {"zip": 1, "name": "Rome"}}')
    assert json.dumps(seen_now) == '{"city": {"name": "Rome", "zip": 1}, "n": 3}'
    listed = seen(table({"fields": {"n": "n", "city": "city"}}, "json"), '{"n": 3, "city": "Rome"}')
    assert json.dumps(listed) == '{"city": "Rome", "n": 3}'


def test_a_json_column_that_holds_no_json_is_kept_as_text() -> None:
    assert seen(table({}, "json"), "{broken") == "{broken"


def test_json_nested_deeper_than_any_encoder_goes_is_kept_as_text() -> None:
    for depth in (300, 100_000):
        text = "[" * depth + "]" * depth
        stored = image(table({}, "jsonb"), {"id": 1, "value": text}, 1_000_000)["value"]
        assert stored == text
    assert seen(table({}, "jsonb"), "[" * 50 + "]" * 50) != "[" * 50 + "]" * 50


def test_awkward_database_names_become_the_mappings_names() -> None:
    of = plan_of(
        """
        tables: {items: {key: id, columns: {id: {column: "Id.x"}, size: {column: "Größe (cm)"}}}}
        documents: {item: {root: items}}
        """
    ).tables["items"]
    assert image(of, {"Id.x": 1, "Größe (cm)": "klein"}, 1000) == {"id": 1, "size": "klein"}


def test_the_rows_debezium_really_sent_become_images() -> None:
    types = {
        "id": "integer", "number": "numeric", "real8": "double precision", "at": "timestamp with time zone",
        "local": "timestamp without time zone", "day": "date", "hour": "time without time zone", "span": "interval",
        "big": "bigint", "flag": "boolean", "words": "text",
    }  # fmt: skip
    columns = ", ".join(f"{name}: {{}}" for name in types)
    made = plan_of(
        f"tables: {{moments: {{columns: {{{columns}}}}}}}\ndocuments: {{moment: {{root: moments}}}}",
        lock_of({"moments": ("id", types)}),
    )
    rows: dict[int, dict[str, Any]] = {}
    for name in ("initial_snapshot", "values"):
        for record in json.loads((ENVELOPES / f"{name}.json").read_text()):
            value = json.loads(record["value"])
            if value.get("source", {}).get("table") == "moments" and value.get("after"):
                stored = image(made.tables["moments"], value["after"], 1000)
                rows[stored.pop("id")] = stored
    endless = {"number": "NaN", "real8": "NaN", "at": "infinity", "local": "-infinity", "day": "infinity"}
    for streamed_or_shown in (1, 101):
        assert {name: rows[streamed_or_shown][name] for name in endless} == endless
    assert (rows[4]["day"], rows[102]["day"], rows[4]["local"]) == ("-infinity", "-infinity", "infinity")
    assert rows[1]["span"] == "P1M2D"
    assert rows[2]["number"] == "1.5"
    assert rows[3]["number"] == "12345678901234567890.123456789"
    assert rows[5]["number"] == "-Infinity"
    assert rows[1]["words"] == "e\tx\nÄ 🛫 مرحبا"


def test_given_rows_are_treated_as_the_connector_would() -> None:
    of = column_plan({"pii": "name"}, None, token={"pii": "document"}, gone={"pii": "contact"}).tables["items"]
    raw = {"id": 1, "value": "Maria", "token": "YA1", "gone": "m@x.it"}
    # The token is the one that the recorded connector made of the same value with the same salt.
    recorded = "5232bbfb7d133139b73a6f75acd0c617914768ddc1dc95abd4e46eb79703ff32"
    assert captured(of, raw, "pepper, and salt.") == {"id": 1, "value": "M", "token": recorded}
    emoji = {"id": 1, "value": "\U0001f600x", "token": None}
    assert captured(of, emoji, "x")["value"] == "\ufffd"  # as the connector leaves it: half of it
    assert captured(of, {"id": 1, "value": None, "token": None}, "x") == {"id": 1, "value": None, "token": None}


def test_a_token_is_no_longer_than_its_column() -> None:
    of = column_plan({"pii": "document"}, "character varying(10)").tables["items"]
    assert len(captured(of, {"value": "YA1"}, "salt")["value"]) == 10


TICKETS = """
tables:
  tickets:
    key: [booking_id, seq_no]
    columns: {booking_id: {type: integer}, seq_no: {type: integer}, code: {normalise: [trim, upper]}}
documents: {ticket: {root: tickets}}
"""


def test_keys_and_join_values_are_canonical() -> None:
    of = plan_of(TICKETS).tables["tickets"]
    row = image(of, {"booking_id": "7", "seq_no": 2, "code": " ab "}, 1000)
    assert key_of(of, row) == "[7,2]"
    assert join_value(of, ("seq_no",), row) == "2"
    assert join_value(of, ("code",), row) == "AB"
    assert join_value(of, ("seq_no", "code"), row) == '[2,"AB"]'


def test_null_and_absent_join_nothing() -> None:
    of = plan_of(TICKETS).tables["tickets"]
    assert join_value(of, ("seq_no", "code"), {"seq_no": 2, "code": None}) is None
    assert join_value(of, ("seq_no", "code"), {"seq_no": 2}) is None
    assert key_of(of, {"booking_id": 7}) is None


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=9), st.decimals(),
    st.dates(), st.datetimes(), st.times(), st.timedeltas(), st.uuids(),
    st.recursive(
        st.text(max_size=3) | st.integers() | st.floats(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ),
)  # fmt: skip
TABLES = {name: table({}, name) for name in sorted({case[0] for case in SAME})} | {"unknown": table({})}


@given(st.sampled_from(sorted(TABLES)), values)
def test_whatever_arrives_the_image_is_json_and_reads_back_the_same(database_type: str, value: Any) -> None:
    of = TABLES[database_type]
    stored = image(of, {"id": 1, "value": value}, 100_000)
    again = orjson.loads(orjson.dumps(stored))
    assert again == stored
    assert key_of(of, again) == "1"
