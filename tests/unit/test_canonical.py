"""One text per value, whichever source and type it came from."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.mapping.canonical import canonical, key_text, number_text
from sync.mapping.moments import date_text, interval_text, interval_words, time_text, timestamp_text


@pytest.mark.parametrize("value", [1, 1.0, "1", "1.00", "01", "+1", " 1 ", "1E0", Decimal("1.000"), True])
def test_every_form_of_one_is_one(value: Any) -> None:
    assert canonical(value, "decimal") == "1"
    assert canonical(value, "integer") == "1"


def test_text_keeps_its_zeros() -> None:
    assert canonical("01.00", "text") == "01.00"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-0", "0"), ("-0.00", "0"), (0.1, "0.1"), (1e22, "10000000000000000000000"), ("1e-7", "0.0000001"),
        ("NAN", "NaN"), ("NaN", "NaN"), (float("nan"), "NaN"), ("POSITIVE_INFINITY", "Infinity"),
        ("NEGATIVE_INFINITY", "-Infinity"), (Decimal("-Infinity"), "-Infinity"), (2**70, str(2**70)),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
    ],
)  # fmt: skip
def test_numbers_have_neither_exponents_nor_trailing_zeros(value: Any, text: str) -> None:
    assert number_text(value) == text


def test_a_short_text_cannot_become_a_gigantic_number() -> None:
    assert number_text("1e999999999") is None
    assert canonical("1e999999999", "decimal") == "1e999999999"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_canonical_number_is_the_number(value: Decimal) -> None:
    text = number_text(value)
    if text is not None:
        assert Decimal(text) == value
        assert number_text(text) == text


@pytest.mark.parametrize("value", [True, "t", "true", "YES", 1, "1"])
def test_booleans_are_words(value: Any) -> None:
    assert canonical(value, "boolean") == "true"
    assert canonical(False, "boolean") == "false"


def test_null_and_what_was_cut_equal_nothing() -> None:
    assert canonical(None, "text") is None
    assert canonical({"$cut": 5_000_000}, "text") is None


def test_padding_of_char_columns_does_not_count() -> None:
    assert canonical("AB  ", "text", "character(4)") == "AB"
    assert canonical("AB  ", "text", "character varying(4)") == "AB  "


def test_uuids_compare_in_lower_case() -> None:
    text = "B68A35A7-17AD-35B3-AF2A-AE46EDB4545A"
    assert canonical(text, "text", "uuid") == canonical(uuid.UUID(text), "text") == text.lower()


def test_normalise_joins_two_spellings_of_one_key() -> None:
    assert canonical(" ab-1 ", "text", None, ("trim", "upper")) == "AB-1"
    assert canonical("+39 06 123", "text", None, ("digits",)) == "3906123"


def test_what_normalising_empties_joins_nothing() -> None:
    assert canonical("n/a", "text", None, ("digits",)) is None


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-01T09:00:00Z", "2026-03-01T09:00:00.000000Z", "2026-03-01T09:00:00", "2026-03-01 09:00:00+00",
        "2026-03-01T10:00:00+01:00", "2026-03-01T09:00Z", datetime(2026, 3, 1, 9), datetime(2026, 3, 1, 9, tzinfo=UTC),
        datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=1))),
    ],
)  # fmt: skip
def test_every_form_of_an_instant_is_one_text(value: Any) -> None:
    assert timestamp_text(value) == "2026-03-01T09:00:00Z"


def test_fractions_lose_their_trailing_zeros_only() -> None:
    assert timestamp_text("2026-03-01T09:00:00.120000Z") == "2026-03-01T09:00:00.12Z"
    assert timestamp_text(datetime(2026, 3, 1, 9, 0, 0, 120_000)) == "2026-03-01T09:00:00.12Z"
    assert timestamp_text("0001-01-01T00:00:00Z") == timestamp_text(datetime(1, 1, 1)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("value", ["infinity", "+294247-01-10T04:00:25.2Z"])
def test_debeziums_endless_instants_are_infinity(value: str) -> None:
    assert timestamp_text(value) == "infinity"


def test_debeziums_beginningless_instants_are_minus_infinity() -> None:
    assert timestamp_text("-290308-12-21T19:59:27.6Z") == "-infinity"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-03-01Z", "2026-03-01"), ("2026-03-01", "2026-03-01"), (date(2026, 3, 1), "2026-03-01"),
        ("-0043-03-15Z", "-0043-03-15"), ("+292278994-08-16Z", "infinity"), ("+292269055-12-02Z", "-infinity"),
        ("-5877611-06-21Z", "infinity"), ("-5877611-06-22Z", "-infinity"), ("soon", None),
    ],
)  # fmt: skip
def test_dates_as_debezium_writes_them(value: Any, text: str | None) -> None:
    assert date_text(value) == text


def test_times_of_day_lose_the_zone_they_do_not_have() -> None:
    assert time_text("12:30:15.5Z") == "12:30:15.5"
    assert time_text("12:30:15.500000+02:00", zoned=True) == "10:30:15.5Z"


def test_intervals_keep_months_and_lose_empty_parts() -> None:
    assert interval_text("P0Y1M2DT0H0M0S") == "P1M2D"
    assert interval_text("P0Y0M0DT3H4M5.5S") == interval_text(timedelta(hours=3, minutes=4, seconds=5.5))
    assert interval_text("P0Y0M0DT0H0M0S") == interval_text(timedelta()) == "PT0S"
    assert interval_text("P0Y0M0DT0H0M-1S") == interval_text(timedelta(seconds=-1)) == "PT-1S"
    assert interval_words("P1M2DT3H") == "1 month 2 days 3 hours"


def test_one_value_is_its_own_key() -> None:
    assert key_text(["7"]) == "7"
    assert key_text(["K3"]) == "K3"


def test_several_values_are_a_json_array() -> None:
    assert key_text(["7", "2"]) == "[7,2]"
    assert key_text(["K3", "2"]) == '["K3",2]'
    assert key_text(["007", "1.50", "-0.5", '"']) == '["007","1.50",-0.5,"\\""]'


def test_digits_of_other_scripts_are_text() -> None:
    assert key_text(["٣", "2"]) == '["٣",2]'


parts = st.lists(st.one_of(st.text(max_size=5), st.integers().map(str), st.sampled_from(["1.0", "-0", "[7,2]"])))


@given(parts, parts)
def test_no_two_keys_of_a_table_share_a_text(one: list[str], other: list[str]) -> None:
    if len(one) == len(other) > 0 and one != other:
        assert key_text(one) != key_text(other)


@given(parts.filter(lambda values: len(values) > 1))
def test_a_key_of_several_columns_is_json(values: list[str]) -> None:
    assert len(orjson.loads(key_text(values))) == len(values)
