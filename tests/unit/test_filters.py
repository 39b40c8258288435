"""What a RAG app filters by: exact, typed as declared, NULL absent, a list through `many`."""

from __future__ import annotations

from typing import Any

import pytest

from sync.errors import BuildError
from tests.support.plans import build_one, column_plan, lock_of, plan_of

TYPED: list[tuple[dict[str, Any], str | None, Any, str, Any]] = [
    # (the column's words, database type, value, property's type, property)
    ({}, "text", "AZ 602", "text", "AZ 602"),
    ({}, "character(4)", "AB  ", "text", "AB"),
    ({}, "integer", 7, "int", 7),
    ({}, "bigint", 2**53 + 1, "text", "9007199254740993"),
    ({}, "numeric(20,0)", "9007199254740993", "text", "9007199254740993"),
    ({"unit": "EUR", "scale": 0.01}, "bigint", 48950, "number", 489.5),
    ({"scale": 0.01}, "integer", 48950, "number", 489.5),
    ({}, "numeric(10,2)", "489.50", "number", 489.5),
    ({}, "numeric", "NAN", "number", None),
    ({}, "double precision", "Infinity", "number", None),
    ({}, "boolean", False, "bool", False),
    ({}, "date", "2026-03-01Z", "date", "2026-03-01T00:00:00Z"),
    ({}, "date", "infinity", "date", None),
    ({}, "timestamp with time zone", "2026-03-01T10:00:00.5+01:00", "date", "2026-03-01T09:00:00.500000Z"),
    ({"stored_in": "Europe/Rome"}, "timestamp without time zone", "2026-03-01T10:00:00", "date",
     "2026-03-01T09:00:00Z"),
    ({}, "timestamp with time zone", "-infinity", "date", None),
    ({}, "time without time zone", "10:15:00Z", "text", "10:15:00"),
    ({"values": {"G": "Gold"}}, "text", "G", "text", "Gold"),
    ({"values": {"G": "Gold"}, "unknown": "keep"}, "text", "Z", "text", "Z"),
    ({"values": {"1": "first"}}, "integer", 1, "text", "first"),
    ({"pii": "document"}, "text", "5f2a", "text", "5f2a"),
    ({}, "text[]", ["a", "b", "a", None], "text", ["a", "b"]),
    ({}, "integer[]", [1, 2], "int", [1, 2]),
    ({}, "text[]", [], "text", None),
    ({}, None, 7, "text", "7"),
    ({"type": "integer"}, None, 7, "int", 7),
]  # fmt: skip


@pytest.mark.parametrize(("words", "database_type", "value", "kind", "expected"), TYPED)
def test_properties_have_their_columns_type(
    words: dict[str, Any], database_type: str | None, value: Any, kind: str, expected: Any
) -> None:
    made = column_plan(words, database_type)
    (found,) = made.documents["item"].properties
    assert (found.name, found.type, found.path) == ("value", kind, "value")
    assert found.many == (database_type or "").endswith("[]")
    built = build_one(made, {"items": [{"id": 1, "value": value}]}, "1")
    assert built.properties == ({} if expected is None else {"value": expected})
    assert not isinstance(expected, bool) or built.properties["value"] is expected


@pytest.mark.parametrize("database_type", ["text", "integer", "numeric", "boolean", "date", "jsonb", "text[]"])
def test_null_is_absent(database_type: str) -> None:
    built = build_one(column_plan({}, database_type), {"items": [{"id": 1, "value": None}]}, "1")
    assert built.properties == {}


def test_an_integer_that_weaviate_would_round_parks_and_says_what_to_do() -> None:
    with pytest.raises(BuildError, match="cannot hold exactly") as caught:
        build_one(column_plan({"type": "integer"}), {"items": [{"id": 1, "value": 2**53 + 1}]}, "1")
    assert "type: text" in caught.value.advice


SHOP = """
tables:
  orders: {key: id, columns: {id: {}, customer: {}, data: {type: json, fields: {address.city: city}}}}
  customers: {key: id, columns: {id: {}, tier: {label: loyalty tier, synonyms: [status], values: {G: Gold, S: Silver}}}}
  lines: {key: [order_id, no], columns: {order_id: {}, no: {}, product: {}, qty: {type: integer, unit: pieces}}}
  products: {key: id, columns: {id: {}, colour: {description: As painted.}}}
documents:
  order:
    root: orders
    text: "{{ id }}"
    with:
      customer: {one: customers, by: customer}
      lines: {many: lines, by: order_id, order: no, with: {product: {one: products, by: product}}}
    filters: [id, customer.tier, lines.qty, lines.product.colour, {town: data.address.city, first: lines.no}]
"""
ROWS: dict[str, list[dict[str, Any]]] = {
    "orders": [{"id": 1, "customer": 5, "data": {"address": {"city": "Rome"}}}, {"id": 2, "customer": 6, "data": None}],
    "customers": [{"id": 5, "tier": "G"}],
    "lines": [{"order_id": 1, "no": n, "product": p, "qty": q} for n, p, q in [(3, 1, 5), (1, 2, 5), (2, 1, None)]],
    "products": [{"id": 1, "colour": "red"}, {"id": 2, "colour": "blue"}],
}


def test_names_are_paths_or_the_mappings_own() -> None:
    found = plan_of(SHOP).documents["order"].properties
    assert [(p.name, p.many) for p in found] == [
        ("id", False), ("customer_tier", False), ("lines_qty", True), ("lines_product_colour", True), ("town", False),
        ("first", True),
    ]  # fmt: skip


def test_through_many_a_property_is_a_list_without_repetitions_in_the_rows_order() -> None:
    assert build_one(plan_of(SHOP), ROWS, "1").properties == {
        "id": "1", "customer_tier": "Gold", "lines_qty": [5.0], "lines_product_colour": ["blue", "red"],
        "town": "Rome", "first": ["1", "2", "3"],
    }  # fmt: skip
    assert build_one(plan_of(SHOP), ROWS, "2").properties == {"id": "2"}


def test_descriptions_carry_the_mappings_words() -> None:
    found = {p.name: p.description for p in plan_of(SHOP).documents["order"].properties}
    assert found["customer_tier"] == "customer: loyalty tier. also called status. one of: Gold, Silver"
    assert found["lines_qty"] == "lines: qty. in pieces"
    assert found["lines_product_colour"] == "lines product: colour. As painted"


def test_an_absent_column_parks_where_only_a_filter_reads_it() -> None:
    without = {"orders": [{"id": 1, "data": None}]}
    lock = lock_of({"orders": ("id", {"id": "integer"})})
    with pytest.raises(BuildError, match=r'column "customer" .* is not captured yet'):
        build_one(plan_of(SHOP.replace("filters: [id", "filters: [customer"), lock), without, "1")
