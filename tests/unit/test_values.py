"""How values read: words for codes, numbers with units, instants in their zone, and never a private one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BuildError, MappingError
from sync.mapping.build import Builder
from sync.mapping.image import captured
from tests.support.plans import build_one, column_plan, plan_of, reads

EUR = {"unit": "EUR", "scale": 0.01}
READS: list[tuple[dict[str, Any], str | None, Any, str]] = [
    # (the column's words, database type, value, reads as)
    (EUR, None, 48950, "489.50 EUR"),
    (EUR, "integer", 48950, "489.50 EUR"),
    (EUR, "bigint", 5, "0.05 EUR"),
    (EUR, "numeric(12,1)", "12345678.5", "123,456.785 EUR"),
    (EUR, "integer", -5, "-0.05 EUR"),
    ({"unit": "nautical miles"}, None, 3720, "3,720 nautical miles"),
    ({"unit": "kg"}, "numeric(5,2)", "23.5", "23.50 kg"),
    ({"unit": "kg"}, "numeric", "23.50", "23.5 kg"),
    ({"unit": "kg"}, "double precision", 0.1, "0.1 kg"),
    ({"unit": "kg"}, "numeric", "NAN", "not a number"),
    ({"scale": 1000}, "integer", 7, "7,000"),
    ({"decimals": 1}, "numeric", "2.25", "2.3"),
    ({"decimals": 0}, "numeric", "1234.5", "1,235"),
    ({"decimals": 2}, "numeric", "-0.001", "0.00"),
    ({}, "integer", 2026, "2026"),
    ({}, "bigint", 9223372036854775807, "9223372036854775807"),
    ({}, "numeric(10,2)", "1234.5", "1234.50"),
    ({}, "numeric", "12345678901234567890.123456789", "12345678901234567890.123456789"),
    ({}, "numeric", "POSITIVE_INFINITY", "no end"),
    ({}, "real", 1e22, "10000000000000000000000"),
    ({}, "boolean", True, "yes"),
    ({}, "boolean", False, "no"),
    ({"values": {"true": "confirmed", "false": "open"}}, "boolean", True, "confirmed"),
    ({"values": {"ON": "on time", "NO": "none"}}, None, "ON", "on time"),
    ({"values": {"1": "first"}}, "numeric(3,1)", "1.0", "first"),
    ({"values": {"01": "first"}}, "integer", 1, "first"),
    ({"values": {"A": "active"}}, "character(3)", "A  ", "active"),
    ({"values": {"A": "active"}, "unknown": "keep"}, None, "Z", "Z"),
    ({"values": {"A": "active", "B": "blue"}}, "text[]", ["A", "B"], "active, blue"),
    ({}, "date", "2026-03-01Z", "1 March 2026"),
    ({"format": "%d.%m.%Y"}, "date", "2026-03-01Z", "01.03.2026"),
    ({}, "date", "-0043-03-15Z", "-0043-03-15"),
    ({}, "date", "infinity", "no end"),
    ({"open": "for ever"}, "date", "infinity", "for ever"),
    ({}, "date", "-infinity", "no beginning"),
    ({}, "time without time zone", "10:15:00Z", "10:15"),
    ({}, "time without time zone", "10:15:30Z", "10:15:30"),
    ({}, "time with time zone", "12:15:00+02:00", "10:15 UTC"),
    ({"type": "timestamp"}, None, "2026-04-02T10:15:00Z", "2 April 2026, 10:15 UTC"),
    ({"timezone": "Europe/Rome"}, "timestamp with time zone", "2026-04-02T10:15:00Z", "2 April 2026, 12:15 CEST"),
    ({"timezone": "Europe/Rome"}, "timestamp with time zone", "2026-01-02T23:15:00Z", "3 January 2026, 00:15 CET"),
    ({"timezone": "America/Sao_Paulo"}, "timestamp with time zone", "2026-01-02T23:15:00Z",
     "2 January 2026, 20:15 UTC-03"),
    ({"stored_in": "Europe/Rome"}, "timestamp without time zone", "2026-04-02T10:15:00", "2 April 2026, 08:15 UTC"),
    ({"stored_in": "Europe/Rome", "timezone": "Europe/Rome"}, "timestamp without time zone", "2026-04-02T10:15:00",
     "2 April 2026, 10:15 CEST"),
    # A column that carries its zone is not reinterpreted.
    ({"stored_in": "Europe/Rome"}, "timestamp with time zone", "2026-04-02T10:15:00Z", "2 April 2026, 10:15 UTC"),
    ({"format": "%Y-%m-%d %H:%M:%S"}, "timestamp with time zone", "2026-04-02T10:15:07Z", "2026-04-02 10:15:07"),
    ({}, "timestamp with time zone", "infinity", "no end"),
    ({}, "timestamp without time zone", "9999-12-31T23:59:59Z", "31 December 9999, 23:59 UTC"),
    ({}, "interval", "P0Y1M2DT0H0M0S", "1 month 2 days"),
    ({}, "jsonb", '{"city": "Rome", "tags": ["a", 1, true, null]}', "city Rome, tags a, 1, yes, not recorded"),
    ({"fields": {"address.city": "city", "zip": "postcode"}}, "jsonb", '{"address": {"city": "Rome"}, "zip": "1"}',
     "city Rome, postcode 1"),
    ({}, "integer[]", [3, None, 5], "3, not recorded, 5"),
    ({}, "date[]", ["2026-03-01Z"], "1 March 2026"),
    ({}, "text", "مرحبا 🛫\tx", "مرحبا 🛫\tx"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "database_type", "value", "text"), READS)
def test_values_read_as_the_mapping_says(
    words: dict[str, Any], database_type: str | None, value: Any, text: str
) -> None:
    assert reads(column_plan(words, database_type), value) == text


@pytest.mark.parametrize("kind", ["integer", "numeric", "text", "boolean", "date", "jsonb", "text[]", None])
def test_null_reads_as_the_mapping_says(kind: str | None) -> None:
    assert reads(column_plan({}, kind), None) == "not recorded"
    assert reads(column_plan({"empty": "none", "unit": "kg"}, kind), None) == "none"


def test_an_unknown_code_parks_the_document_without_naming_the_code() -> None:
    made = column_plan({"values": {"A": "active"}}, "text")
    with pytest.raises(BuildError, match='"value" of table "items" holds a code that `values` does not list') as caught:
        reads(made, "SECRET")
    assert "SECRET" not in str(caught.value) + caught.value.advice


def test_units_and_zones_may_stand_in_the_row() -> None:
    money = column_plan({"unit": {"column": "currency"}, "decimals": 2}, "numeric", currency={})
    assert reads(money, "1234.5", currency="CHF") == "1,234.50 CHF"
    assert reads(money, "1234.5", currency=None) == "1,234.50"
    worded = column_plan({"unit": {"column": "u"}}, "integer", u={"values": {"K": "kg"}})
    assert reads(worded, 5, u="K") == "5 kg"
    local = column_plan({"timezone": {"column": "tz"}}, "timestamp with time zone", tz={})
    assert reads(local, "2026-04-02T10:15:00Z", tz="Asia/Tokyo") == "2 April 2026, 19:15 JST"
    assert reads(local, "2026-04-02T10:15:00Z", tz=None) == "2 April 2026, 10:15 UTC"
    with pytest.raises(BuildError, match="a time zone that does not exist"):
        reads(local, "2026-04-02T10:15:00Z", tz="Mars/Base")


def test_zones_and_unit_columns_that_do_not_exist_are_refused_before_any_document() -> None:
    for words in ({"timezone": "Europe/Room"}, {"unit": {"column": "gone"}}):
        made = column_plan({"type": "timestamp" if "timezone" in words else "integer", **words})
        with pytest.raises(MappingError, match=r"no time zone|no captured column"):
            Builder(made, made.documents["item"])


def test_private_values_read_as_they_were_captured() -> None:
    masked, hashed = column_plan({"pii": "name"}, "text"), column_plan({"pii": "document"}, "text")
    of = masked.tables["items"]
    assert reads(masked, captured(of, {"value": "Maria"})["value"]) == "M."
    assert reads(masked, "") == ""
    assert reads(hashed, "5f2a") == "5f2a"
    # A mask of a number column leaves a character; it is read as that.
    assert reads(column_plan({"pii": "name"}, "date"), "2") == "2."


CODES = """
tables:
  bookings:
    key: id
    columns: {id: {}, status: {values: {table: codes, code: cd, words: txt, where: {domain: S}}, unknown: UNKNOWN}}
documents: {booking: {root: bookings, text: "{{ status }} / {{ status.code }}", filters: [status]}}
"""


def test_words_of_codes_may_stand_in_a_table() -> None:
    made = plan_of(CODES.replace("UNKNOWN", "park"))
    codes = [{"domain": "S", "cd": "CX", "txt": "cancelled"}, {"domain": "T", "cd": "CX", "txt": "complex"}]
    built = build_one(made, {"bookings": [{"id": 1, "status": "CX"}], "codes": codes}, "1")
    assert built.text == "cancelled / CX"
    assert built.properties == {"status": "cancelled"}
    with pytest.raises(BuildError, match='a code that table "codes" has no words for'):
        build_one(made, {"bookings": [{"id": 1, "status": "ZZ"}], "codes": codes}, "1")
    kept = plan_of(CODES.replace("UNKNOWN", "keep"))
    assert build_one(kept, {"bookings": [{"id": 1, "status": "ZZ"}], "codes": codes}, "1").text == "ZZ / ZZ"
    nothing = build_one(made, {"bookings": [{"id": 1, "status": None}], "codes": codes}, "1")
    assert (nothing.text, nothing.properties) == ("not recorded / not recorded", {})


def test_two_rows_of_words_for_one_code_are_a_problem_of_that_document() -> None:
    listed = "  codes: {key: n, columns: {n: {}, cd: {}, txt: {}, domain: {}}}\ndocuments:"
    text = CODES.replace("UNKNOWN", "park").replace("documents:", listed)
    rows = {
        "bookings": [{"id": 1, "status": "CX"}, {"id": 2, "status": "ON"}],
        "codes": [{"n": n, "domain": "S", "cd": cd, "txt": "word"} for n, cd in enumerate(["CX", "CX", "ON"])],
    }
    with pytest.raises(BuildError, match='table "codes" has 2 rows for one code of column "status"'):
        build_one(plan_of(text), rows, "1")
    assert build_one(plan_of(text), rows, "2").text == "word / ON"


@given(st.integers(-(10**12), 10**12))
def test_cents_are_exact(cents: int) -> None:
    text = reads(CENTS, cents)
    assert text.endswith(" EUR")
    euros, cent = text.removesuffix(" EUR").replace(",", "").split(".")
    assert int(euros + cent) == cents
    assert len(cent) == 2


CENTS = column_plan(EUR, "bigint")
