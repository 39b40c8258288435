"""Rows that break others: each reads as the mapping language says, or parks its own document; all others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.pipeline import Pipeline, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

MAPPING = """
version: 1
name: airline
source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}
tables:
  bookings:
    key: id
    columns:
      id: {label: number, type: integer}
      body: {label: note, type: text}
      amount: {label: amount, type: decimal, unit: EUR}
      until: {label: valid until, type: timestamp}
      code: {label: code, type: text, values: {A: alpha, B: beta}}
documents:
  booking:
    root: bookings
    title: "Note {{ id }}"
    text: "{{ body }} | {{ amount }} | {{ until }} | {{ code }}{% if id.number == 13 %}{{ 1 / 0 }}{% endif %}"
    filters: [code]
"""

ROWS = {
    1: ("'plain'", "1.5", "'2026-04-02T10:15:00Z'", "'A'"),
    2: ("null", "null", "null", "null"),
    3: ("E'tab\\tand control \\x01'", "'NaN'", "'infinity'", "'A'"),
    4: ("'emoji 🛫🧳 and עברית, العربية'", "99999999999999999999.123", "'-infinity'", "'B'"),
    5: ("repeat('word ', 200000)", "0", "'2026-04-02T10:15:00Z'", "'A'"),  # 1 MB of text
    6: ("repeat('0123456789', 500000)", "0", "'2026-04-02T10:15:00Z'", "'A'"),  # 5 MB in one row
    7: ("'a code without words'", "1", "'2026-04-02T10:15:00Z'", "'?'"),
    13: ("'its template raises'", "1", "'2026-04-02T10:15:00Z'", "'A'"),
    14: ("'the last one'", "1", "'2026-04-02T10:15:00Z'", "'B'"),
}


@pytest.fixture
def notes(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(stack, tmp_path, mapping=MAPPING)
    made.create_database()
    try:
        made.sql("create table bookings (id int primary key, body text, amount numeric, until timestamptz, code text)")
        made.apply()
        made.start_worker()
        made.wait_loaded()
        yield made
    finally:
        made.close()


def test_awkward_rows_read_as_the_language_says_or_are_parked_alone(notes: Pipeline) -> None:
    for number, values in ROWS.items():
        notes.sql(f"insert into bookings values ({number}, {', '.join(values)})")
    wait_until("the last row", lambda: ("14", 0) in notes.objects(), 90, every=0.5)
    wait_until("the rest", lambda: notes.statuses()["booking"].owed == 0, 90, every=0.5)
    texts = notes.objects()
    first = {key: text for (key, chunk), text in texts.items() if chunk == 0}
    assert first["1"] == "Note 1\nplain | 1.5 EUR | 2 April 2026, 10:15 UTC | alpha"
    assert first["2"] == "Note 2\nnot recorded | not recorded | not recorded | not recorded"
    assert first["3"] == "Note 3\ntab\tand control \x01 | not a number | no end | alpha"
    assert "emoji 🛫🧳 and עברית, العربية" in first["4"]
    assert "99,999,999,999,999,999,999.123 EUR" in first["4"]
    assert "no beginning" in first["4"]
    assert len([key for key, _ in texts if key == "5"]) > 100
    assert set(first) == {"1", "2", "3", "4", "5", "14"}
    assert notes.statuses()["booking"].parked == 3
    listed = json.loads(notes.command("deadletters", "list", notes.name, "--json", check=False).stdout)
    reasons = {one["key"]: one["reason"] for one in listed}
    assert reasons.keys() == {"6", "7", "13"}
    assert "HEADRACE_MAX_TEXT_BYTES" in reasons["6"]
    assert 'column "code"' in reasons["7"]
    assert "a calculation has no result" in reasons["13"]
    said = " ".join(notes.command("status", notes.name).stdout.split())
    for key, reason in reasons.items():
        assert f"{notes.name}.booking {key}, since" in said
        assert reason in said
    waited = notes.command("wait", notes.name, "--timeout", "20s", check=False)
    assert waited.returncode == 1


def test_a_parked_document_is_built_when_its_row_is_mended(notes: Pipeline) -> None:
    notes.sql("insert into bookings values (7, 'x', 1, '2026-04-02T10:15:00Z', '?')")
    wait_until("the parked document", lambda: notes.statuses()["booking"].parked == 1)
    notes.sql("update bookings set code = 'A' where id = 7")
    notes.wait()
    assert notes.statuses()["booking"].parked == 0
    assert notes.objects()["7", 0].endswith("alpha")


def test_a_large_value_that_did_not_change_is_kept_though_the_log_does_not_say_it_again(notes: Pipeline) -> None:
    """PostgreSQL leaves out what it stores beside the row, and Debezium sends a placeholder for it."""
    notes.sql("alter table bookings alter column body set storage external")
    words = [f"word{number}" for number in range(500)]
    notes.sql(f"insert into bookings (id, body, amount, code) values (21, '{' '.join(words)}', 1, 'A')")
    notes.wait()
    before = whole_text(notes, "21")
    assert set(words) <= set(before.split())
    notes.sql("update bookings set amount = 2 where id = 21")
    notes.wait()
    assert whole_text(notes, "21") == before.replace("| 1 EUR |", "| 2 EUR |") != before


def whole_text(notes: Pipeline, key: str) -> str:
    """A document's chunks one after the other."""
    return " ".join(text for (one, _), text in sorted(notes.objects().items()) if one == key)
