"""A document from its rows: exactly the example's text, the same bytes each time, parked where it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BuildError, MappingError
from sync.mapping.build import Builder, build
from sync.mapping.harness import run
from sync.mapping.load import load
from sync.mapping.plan import Plan, plan
from tests.support.plans import build_one, gather, plan_of

AIRLINE = Path(__file__).parents[2] / "mappings" / "airline.yml"
ROWS: dict[str, list[dict[str, Any]]] = {
    "bookings": [
        {"booking_id": 7, "pnr": "K3XQ2A", "customer_id": 1, "booked_at": "2026-03-01T09:00:00Z", "total_amt": 48950}
    ],
    "customers": [{"customer_id": 1, "full_name": "M", "passport_no": "5f2a", "tier_cd": "G"}],
    "tickets": [
        {"booking_id": 7, "seq_no": n, "flight_id": 40, "fare_cd": "J", "bag_wt": None if n == 1 else 23}
        for n in (2, 1)
    ],
    "flights": [
        {"flight_id": 40, "flight_no": "AZ 602", "origin": "FCO", "dest": "JFK", "std": "2026-04-02T10:15:00Z",
         "dist_nm": 3720, "status_cd": "CX"}
    ],
}  # fmt: skip
TEXT = """\
Booking K3XQ2A was made on 1 March 2026, 09:00 UTC by M.,
a Gold member, for 489.50 EUR.
Leg 1: flight AZ 602 from FCO to JFK,
2 April 2026, 10:15 UTC, 3,720 nautical miles, business class,
checked baggage none. Status: cancelled.
Leg 2: flight AZ 602 from FCO to JFK,
2 April 2026, 10:15 UTC, 3,720 nautical miles, business class,
checked baggage 23 kg. Status: cancelled."""


def airline(with_lock: bool = True) -> Plan:
    loaded = load(AIRLINE)
    assert loaded.mapping is not None
    return plan(loaded.mapping, loaded.lock if with_lock else None)


@pytest.mark.parametrize("with_lock", [True, False])
def test_a_booking_reads_as_the_example_says(with_lock: bool) -> None:
    made = airline(with_lock)
    built = build_one(made, ROWS, "7", "booking")
    assert built.title == "Booking K3XQ2A"
    # The lock knows a numeric(5,1), which the database itself shows as 23.0.
    text = TEXT.replace("23 kg", "23.0 kg") if with_lock else TEXT
    assert built.text == text
    assert built.chunks == (f"Booking K3XQ2A\n{text}",)
    assert built.properties == {
        "pnr": "K3XQ2A", "booked_at": "2026-03-01T09:00:00Z", "customer_tier_cd": "Gold"
    }  # fmt: skip


@pytest.mark.parametrize("with_lock", [True, False])
def test_the_mappings_own_tests_pass(with_lock: bool) -> None:
    results = run(airline(with_lock))
    assert results
    assert [result.problems for result in results] == [()] * len(results)


def test_two_builds_of_the_same_rows_are_equal_byte_for_byte() -> None:
    one = build_one(airline(), ROWS, "7", "booking")
    shuffled = {name: list(reversed(rows)) for name, rows in ROWS.items()}
    other = build_one(airline(), shuffled, "7", "booking")
    assert one == other
    assert len(one.digest) == 32


def changed(table: str, **values: Any) -> str:
    rows = {**ROWS, table: [{**ROWS[table][0], **values}, *ROWS[table][1:]]}
    return build_one(airline(), rows, "7", "booking").digest


def test_the_digest_follows_text_and_properties_and_nothing_else() -> None:
    same = build_one(airline(), ROWS, "7", "booking").digest
    assert changed("customers", passport_no="other") == same  # captured, and read by no one
    assert changed("customers", tier_cd="B") != same
    assert changed("flights", dist_nm=3721) != same
    # Seconds are in no text here, but they are in the property.
    assert changed("bookings", booked_at="2026-03-01T09:00:01Z") != same


def test_a_builder_is_made_once_and_a_thin_function_makes_it() -> None:
    made = airline()
    gathered = gather(made, ROWS, "7", "booking")
    assert gathered is not None
    document = made.documents["booking"]
    assert Builder(made, document).build(gathered) == build(made, document, gathered)


def test_a_problem_of_the_tree_is_the_documents_reason() -> None:
    made = airline()
    twice = {**ROWS, "customers": [*ROWS["customers"]]}
    gathered = gather(made, twice, "7", "booking")
    assert gathered is not None
    spoilt = type(gathered)(gathered.table, gathered.key, gathered.image, {}, BuildError("reason"))
    with pytest.raises(BuildError, match=r"^reason$"):
        Builder(made, made.documents["booking"]).build(spoilt)


PLAIN = """
privacy: {name: mask, document: hash}
tables:
  orders:
    key: id
    columns:
      id: {label: order number, say: false}
      placed_on: {type: date}
      total: {label: total price, type: integer, unit: EUR, scale: 0.01}
      note: {}
      bag: {label: bag, empty: none}
      who: {label: buyer, pii: name}
      passport: {pii: document}
      email: {pii: contact}
  lines: {key: [order_id, no], columns: {order_id: {say: false}, no: {label: line}, product: {}}}
documents:
  rush_order:
    root: orders
    with: {lines: {many: lines, by: order_id, order: no}}
"""


def test_without_a_template_every_row_is_a_sentence_of_its_labels() -> None:
    order: dict[str, Any] = {"id": 1, "placed_on": "2026-03-01", "total": 48950, "note": None, "bag": None}
    order |= {"who": "M", "passport": "x"}
    lines: list[dict[str, Any]] = [{"order_id": 1, "no": 2, "product": "pen"}]
    lines.append({"order_id": 1, "no": 1, "product": None})
    built = build_one(plan_of(PLAIN), {"orders": [order], "lines": lines}, "1")
    assert built.title == "Rush order 1"
    assert built.text == (
        "Rush order: placed on 1 March 2026; total price 489.50 EUR; bag none; buyer M.\n"
        "Lines: line 1.\n"
        "Lines: line 2; product pen."
    )


def test_a_broken_template_is_the_mappings_error() -> None:
    made = plan_of(PLAIN + '    text: "{{ note "\n')
    with pytest.raises(MappingError, match='text of document "rush_order", line 1'):
        Builder(made, made.documents["rush_order"])


def test_a_title_is_one_line() -> None:
    made = plan_of(PLAIN + '    title: "Order {{ note }}"\n')
    order = {"id": 1, "placed_on": None, "total": None, "note": "a\n b", "bag": None, "who": None, "passport": None}
    assert build_one(made, {"orders": [order]}, "1").title == "Order a b"


CUT = '\n    chunk: {max_tokens: 40, overlap: 0}\n    text: "{{ note }}"\n'


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_of_a_row_becomes_a_document(note: str) -> None:
    order = {"id": 1, "placed_on": None, "total": None, "note": note, "bag": None, "who": None, "passport": None}
    built = build_one(plan_of(PLAIN.rstrip() + CUT), {"orders": [order]}, "1")
    assert built.text == note.strip()
    assert orjson.loads(orjson.dumps(built.chunks)) == list(built.chunks)
