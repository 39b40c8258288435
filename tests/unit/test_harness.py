"""A mapping's own tests: what they say when they fail."""

from __future__ import annotations

from typing import Any

import pytest

from sync.mapping.harness import Result, run
from sync.mapping.plan import plan
from tests.support.plans import mapping_of

SHOP = """
privacy: {name: mask, contact: drop, document: hash}
tables:
  orders:
    key: id
    columns:
      id: {type: integer}
      status: {values: {N: new, P: paid}}
      who: {pii: name}
      email: {pii: contact}
      passport: {pii: document}
      gone_at: {type: timestamp}
      total: {type: integer, unit: EUR, scale: 0.01}
  lines: {key: [order_id, no], columns: {order_id: {}, no: {}}}
documents:
  order:
    root: orders
    where: {gone_at: null}
    with: {lines: {many: lines, by: order_id, order: no}}
    title: Order {{ id }}
    text: "Order {{ id }} is {{ status }}, by {{ who }}, {{ passport }}, {{ total }}"
    filters: [status, total, gone_at, {numbers: lines.no}]
tests: []
"""
ORDER = {"id": 1, "status": "N", "who": "Maria Rossi", "email": "m@x.it", "passport": "YA1", "total": 150}


def outcome(expect: dict[str, Any], *, given: dict[str, Any] | None = None, **test: Any) -> Result:
    content = {"name": "t", "document": "order", "given": given or {"orders": [ORDER]}, "expect": expect, **test}
    mapping = mapping_of(SHOP)
    made = plan(mapping.model_validate({**mapping.model_dump(by_alias=True), "tests": [content]}), None)
    (result,) = run(made)
    return result


PASSING: list[dict[str, Any]] = [
    {"contains": ["is new", "by M.", "1.50 EUR"], "absent": ["Rossi", "m@x.it", "YA1"]},
    {"filters": {"status": "new", "total": "1.50", "gone_at": None, "numbers": None}},
]


@pytest.mark.parametrize("expect", PASSING)
def test_what_holds_passes(expect: dict[str, Any]) -> None:
    result = outcome(expect)
    assert result.passed, result.problems
    assert result.text.startswith("Order 1 is new, by M., ")


FAILING: list[tuple[dict[str, Any], str]] = [
    ({"contains": ["is paid"]}, 'expected the text to contain "is paid"'),
    ({"absent": ["by M"]}, 'expected "by M" to be absent'),
    ({"absent": ["new"]}, 'expected "new" to be absent'),
    ({"equals": "Order 1"}, "- Order 1"),
    ({"no_document": True}, "expected no document, but one was built"),
    ({"filters": {"total": 2}}, 'expected filter "total" to be 2, found 1.5'),
    ({"filters": {"totl": 2}}, 'no filter "totl" (nearest: "total")'),
]


@pytest.mark.parametrize(("expect", "problem"), FAILING)
def test_what_does_not_hold_fails_and_shows_what_was_found(expect: dict[str, Any], problem: str) -> None:
    result = outcome(expect)
    assert not result.passed
    assert problem in "\n".join(result.problems)


def test_every_failed_expectation_is_named() -> None:
    assert len(outcome({"contains": ["a b", "c d"], "absent": ["Order"]}).problems) == 3


def test_a_root_that_where_rejects_has_no_document() -> None:
    gone = {"orders": [{**ORDER, "gone_at": "2026-01-01"}]}
    assert outcome({"no_document": True}, given=gone).passed
    assert 'no "order" document was built' in outcome({}, given=gone).problems[0]


def test_with_several_roots_the_test_says_which() -> None:
    two = {"orders": [ORDER, {**ORDER, "id": 2, "status": "P"}]}
    assert "say which one with `key:`" in outcome({"contains": ["paid"]}, given=two).problems[0]
    assert outcome({"contains": ["paid"]}, given=two, key=2).passed
    assert outcome({"contains": ["paid"]}, given=two, key={"id": "2"}).passed
    assert outcome({"no_document": True}, given=two, key=3).passed
    assert "the key of" in outcome({}, given=two, key=[1, 2]).problems[0]


PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"ordrs": [ORDER]}, 'no table "ordrs" (nearest: "orders")'),
    ({"orders": [{**ORDER, "statu": 1}]}, 'no column "statu" (nearest: "status")'),
    ({"orders": [ORDER, ORDER]}, "have the same key"),
    ({"orders": [{"status": "N"}]}, "lacks its key (id)"),
    ({"orders": []}, "give one"),
    ({"orders": [{**ORDER, "status": "Z"}]}, "the document is parked: "),
]


@pytest.mark.parametrize(("given", "problem"), PROBLEMS)
def test_given_rows_that_make_no_sense_are_named(given: dict[str, Any], problem: str) -> None:
    result = outcome({"contains": ["x"]}, given=given)
    assert not result.passed
    assert problem in result.problems[0]


def test_what_a_test_does_not_give_is_null() -> None:
    assert outcome({"contains": ["not recorded"]}, given={"orders": [{"id": 1}]}).passed


def test_lists_are_compared_in_order() -> None:
    given = {"orders": [ORDER], "lines": [{"order_id": 1, "no": n} for n in (2, 1)]}
    assert outcome({"filters": {"numbers": [1, 2]}}, given=given).passed
    assert not outcome({"filters": {"numbers": [2, 1]}}, given=given).passed
