"""A mapping's own words as documents: what a table, a code and a term mean."""

from __future__ import annotations

from sync.mapping.terms import terms
from tests.support.plans import plan_of

SHOP = """
terms: {PNR: six-character booking reference}
privacy: {name: mask}
tables:
  bookings:
    key: id
    description: one reservation
    synonyms: [reservation]
    columns:
      id: {}
      bag_wt: {label: checked baggage, unit: kg, empty: none}
      status: {values: {CX: cancelled, ON: on time}}
      kind: {values: {table: codes, code: cd, words: txt}}
      who: {pii: name}
      email: {pii: contact, values: {A: secret}}
documents: {booking: {root: bookings}}
"""


def test_there_is_one_document_per_term_table_and_value_list() -> None:
    found = {term.key: term for term in terms(plan_of(SHOP))}
    assert list(found) == ["term:PNR", "table:bookings", "values:bookings.status", "values:bookings.kind"]
    assert found["term:PNR"].text == "PNR: six-character booking reference"
    assert found["values:bookings.status"].text == (
        "Codes of status (bookings.status).\nCX means cancelled.\nON means on time."
    )
    assert "table codes" in found["values:bookings.kind"].text


def test_a_table_says_its_synonyms_columns_and_units_and_hides_what_is_dropped() -> None:
    text = {term.key: term.text for term in terms(plan_of(SHOP))}["table:bookings"]
    assert text.splitlines()[:2] == ["bookings: one reservation.", "Also called reservation."]
    assert 'checked baggage (column bag_wt); in kg; empty reads as "none".' in text
    assert "only the first character is kept" in text
    assert "email" not in text


def test_the_same_mapping_has_the_same_terms() -> None:
    assert terms(plan_of(SHOP)) == terms(plan_of(SHOP))
