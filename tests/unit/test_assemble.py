"""Documents gathered from rows: one look-up per place in the tree, the same tree as a naive reading of the mapping."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BuildError
from sync.mapping.assemble import Gathered, Many, MemoryRows, assemble
from tests.support.plans import Given, build_one, gather, plan_of

SHOP = """
tables:
  orders:
    key: id
    columns:
      id: {type: integer}
      customer: {type: integer}
      owner_type: {}
      owner_id: {type: integer}
      gone_at: {type: timestamp}
  customers: {key: id, columns: {id: {type: integer}, name: {}}}
  lines:
    key: [order_id, no]
    columns: {order_id: {type: integer}, no: {type: integer}, qty: {type: decimal}, note: {}, product: {}}
  prices: {key: id, columns: {id: {type: integer}, product: {}, valid_from: {type: date}, lang: {}}}
documents:
  order:
    root: orders
    where: {gone_at: null}
    with:
      customer: {one: customers, by: customer}
      owner: {one: customers, by: owner_id, when: {owner_type: Person}}
      lines:
        many: lines
        by: order_id
        order: [-qty]
        limit: 3
        with:
          price: {one: prices, by: {product: product}, order: [-valid_from], where: {lang: it}}
"""


def order(key: int, **others: Any) -> dict[str, Any]:
    return {"id": key, "customer": None, "owner_type": None, "owner_id": None, "gone_at": None, **others}


def line(order_id: int, no: int, qty: Any = 1, product: str | None = None) -> dict[str, Any]:
    return {"order_id": order_id, "no": no, "qty": qty, "note": None, "product": product}


def tree(gathered: Gathered | None) -> Gathered:
    assert gathered is not None
    return gathered


def many(gathered: Gathered | None, name: str) -> Many:
    relative = tree(gathered).relatives[name]
    assert isinstance(relative, Many)
    return relative


def keys(relation: Many) -> list[str]:
    return [row.key for row in relation.rows]


def test_a_parent_is_found_by_its_key_and_may_be_missing() -> None:
    made = plan_of(SHOP)
    orders = [order(1, customer=5), order(2, customer=6), order(3)]
    rows: Given = {"orders": orders, "customers": [{"id": 5, "name": "A"}]}
    customer = tree(gather(made, rows, "1")).relatives["customer"]
    assert isinstance(customer, Gathered)
    assert (customer.key, customer.image["name"]) == ("5", "A")
    assert tree(gather(made, rows, "2")).relatives["customer"] is None
    assert tree(gather(made, rows, "3")).relatives["customer"] is None


def test_the_root_must_exist_and_pass_its_where() -> None:
    made = plan_of(SHOP)
    rows: Given = {"orders": [order(1), order(2, gone_at="2026-01-01")]}
    assert gather(made, rows, "1") is not None
    assert gather(made, rows, "2") is None
    assert gather(made, rows, "3") is None


def test_order_is_typed_and_null_comes_last_in_both_directions() -> None:
    lines = [line(1, 1, "9"), line(1, 2, None), line(1, 3, "10.5"), line(1, 10, "9.0")]
    rows: Given = {"orders": [order(1)], "lines": lines}
    descending = plan_of(SHOP.replace("limit: 3", "limit: 9"))
    assert keys(many(gather(descending, rows, "1"), "lines")) == ["[1,3]", "[1,1]", "[1,10]", "[1,2]"]
    ascending = plan_of(SHOP.replace("[-qty]", "qty").replace("limit: 3", "limit: 9"))
    assert keys(many(gather(ascending, rows, "1"), "lines")) == ["[1,1]", "[1,10]", "[1,3]", "[1,2]"]


def test_limit_cuts_after_ordering_and_count_is_from_before() -> None:
    rows: Given = {"orders": [order(1)], "lines": [line(1, n, n) for n in range(1, 8)]}
    relation = many(gather(plan_of(SHOP), rows, "1"), "lines")
    assert (keys(relation), relation.count) == (["[1,7]", "[1,6]", "[1,5]"], 7)


def test_the_first_in_order_is_the_one() -> None:
    made = plan_of(SHOP)
    rows: Given = {
        "orders": [order(1)],
        "lines": [line(1, 1, product="P")],
        "prices": [
            {"id": 1, "product": "P", "valid_from": "2026-01-01", "lang": "it"},
            {"id": 2, "product": "P", "valid_from": "2026-03-01", "lang": "it"},
            {"id": 3, "product": "P", "valid_from": "2026-09-01", "lang": "de"},
        ],
    }
    price = many(gather(made, rows, "1"), "lines").rows[0].relatives["price"]
    assert isinstance(price, Gathered)
    assert price.key == "2"


def test_several_rows_where_one_is_meant_stop_that_document_only() -> None:
    made = plan_of(SHOP.replace(", order: [-valid_from], where: {lang: it}", ""))
    prices = [{"id": n, "product": "P", "valid_from": None, "lang": "it"} for n in (1, 2)]
    rows: Given = {"orders": [order(1), order(2)], "lines": [line(1, 1, product="P"), line(2, 1)], "prices": prices}
    with pytest.raises(BuildError, match=r'relation "lines.price" means one row of "prices" and finds 2'):
        build_one(made, rows, "1")
    assert build_one(made, rows, "2").text


def test_a_polymorphic_relation_is_followed_only_when_the_row_says_so() -> None:
    made = plan_of(SHOP)
    rows: Given = {
        "orders": [order(1, owner_type="Person", owner_id=5), order(2, owner_type="Company", owner_id=5)],
        "customers": [{"id": 5, "name": "A"}],
    }
    assert tree(gather(made, rows, "1")).relatives["owner"] is not None
    assert tree(gather(made, rows, "2")).relatives["owner"] is None


def test_a_condition_on_a_column_not_captured_yet_parks_instead_of_deleting() -> None:
    made = plan_of(SHOP)
    stored = {name: value for name, value in order(1).items() if name != "gone_at"}
    rows = MemoryRows(made, {"orders": [stored]})
    gathered = assemble(made, made.documents["order"], ["1"], rows)["1"]
    assert gathered is not None
    assert gathered.problem is not None
    assert 'column "gone_at" of table "orders" is not captured yet' in str(gathered.problem)


CONDITIONS = [
    ("{qty: 2}", [2]), ("{qty: '2.00'}", [2]), ("{qty: [1, 3]}", [1, 3]), ("{qty: null}", [4]),
    ("{qty: {not: null}}", [1, 2, 3]), ("{qty: {not: 2}}", [1, 3, 4]), ("{qty: {not: [2, 3]}}", [1, 4]),
    ("{qty: {gt: 1}}", [2, 3]), ("{qty: {gte: 2, lt: 3}}", [2]), ("{qty: {lte: 1.0}}", [1]),
    ("{qty: {in: [3, null]}}", [3, 4]), ("{qty: {gt: 1}, no: {not: 3}}", [2]), ("{no: [9, 4]}", [4]),
]  # fmt: skip


@pytest.mark.parametrize(("where", "expected"), CONDITIONS)
def test_conditions_compare_by_type(where: str, expected: list[int]) -> None:
    made = plan_of(SHOP.replace("order: [-qty]", f"order: no\n        where: {where}").replace("limit: 3", "limit: 9"))
    rows: Given = {"orders": [order(1)], "lines": [line(1, n, None if n == 4 else n) for n in (1, 2, 3, 4)]}
    assert keys(many(gather(made, rows, "1"), "lines")) == [f"[1,{n}]" for n in expected]


def test_instants_are_compared_and_ordered_as_instants() -> None:
    made = plan_of(
        """
        tables: {a: {key: id, columns: {id: {}}}, b: {key: id, columns: {id: {}, a: {}, at: {type: timestamp}}}}
        documents:
          a: {root: a, with: {bs: {many: b, by: a, order: -at, limit: 9, where: {at: {gt: "2026-01-01T01:00+01:00"}}}}}
        """
    )
    times = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", "infinity", "2026-01-01T00:00:01Z", None, "-infinity"]
    rows: Given = {"a": [{"id": 1}], "b": [{"id": n, "a": 1, "at": at} for n, at in enumerate(times)]}
    assert keys(many(gather(made, rows, "1"), "bs")) == ["2", "3", "1"]


def test_null_joins_nothing_not_even_null() -> None:
    made = plan_of(
        """
        tables: {a: {key: id, columns: {id: {}, x: {}}}, b: {key: id, columns: {id: {}, x: {}}}}
        documents: {a: {root: a, with: {bs: {many: b, by: {x: x}, order: id}}}}
        """
    )
    rows: Given = {"a": [{"id": 1, "x": None}], "b": [{"id": 2, "x": None}]}
    assert many(gather(made, rows, "1"), "bs").rows == []


def test_keys_of_different_types_and_spellings_join() -> None:
    made = plan_of(
        """
        tables:
          a: {key: id, columns: {id: {}, ref: {type: decimal}, code: {normalise: [trim, upper]}}}
          b: {key: id, columns: {id: {type: text}}}
          c: {key: code, columns: {code: {normalise: [trim, upper]}, word: {}}}
        documents: {a: {root: a, with: {b: {one: b, by: ref}, c: {one: c, by: code}}}}
        """
    )
    rows: Given = {"a": [{"id": 1, "ref": "7.00", "code": "ab "}], "b": [{"id": "7"}]}
    rows = {**rows, "c": [{"code": " Ab", "word": "x"}]}
    found = tree(gather(made, rows, "1")).relatives
    assert isinstance(found["b"], Gathered)
    # The row keeps its own key; only joins read it normalised.
    assert isinstance(found["c"], Gathered)
    assert found["c"].key == " Ab"


def test_a_root_whose_key_is_normalised_is_found_by_its_own_key() -> None:
    made = plan_of(
        """
        tables: {c: {key: code, columns: {code: {normalise: [upper]}}}}
        documents: {c: {root: c}}
        """
    )
    rows: Given = {"c": [{"code": "ab"}, {"code": "AB"}]}
    assert tree(gather(made, rows, "ab")).image == {"code": "ab"}
    assert tree(gather(made, rows, "AB")).image == {"code": "AB"}


def test_a_table_may_be_its_own_relative_as_deep_as_written() -> None:
    made = plan_of(
        """
        tables: {staff: {key: id, columns: {id: {}, boss: {}, name: {}}}}
        documents:
          person:
            root: staff
            with:
              boss: {one: staff, by: boss, with: {boss: {one: staff, by: boss}}}
              reports: {many: staff, by: boss, order: id}
            text: "{{ name }} < {{ boss.name }} < {{ boss.boss.name }} > {{ reports | join(', ', 'name') }}"
        """
    )
    staff = [{"id": 1, "boss": 1, "name": "A"}, {"id": 2, "boss": 1, "name": "B"}, {"id": 3, "boss": 2, "name": "C"}]
    assert build_one(made, {"staff": staff}, "3").text == "C < B < A >"
    assert build_one(made, {"staff": staff}, "1").text == "A < A < A > A, B"


class Counting:
    """Rows that count how often, and with how many values, they are asked."""

    def __init__(self, rows: MemoryRows) -> None:
        self.rows = rows
        self.asked: list[tuple[str, int]] = []

    def find(
        self, table: str, columns: tuple[str, ...], values: Collection[str]
    ) -> Mapping[str, Sequence[tuple[str, dict[str, Any]]]]:
        self.asked.append((table, len(values)))
        return self.rows.find(table, columns, values)


def test_a_batch_asks_once_per_place_in_the_tree() -> None:
    made = plan_of(SHOP)
    rows: Given = {
        "orders": [order(n, customer=n % 3) for n in range(50)],
        "customers": [{"id": n, "name": "x"} for n in range(3)],
        "lines": [line(n, 1, product="P") for n in range(50)],
        "prices": [],
    }
    counting = Counting(MemoryRows(made, rows))
    assemble(made, made.documents["order"], [str(n) for n in range(50)], counting)
    assert counting.asked == [("orders", 50), ("customers", 3), ("lines", 50), ("prices", 1)]


PLAN = plan_of(SHOP)
small = st.integers(0, 4)
orders = st.lists(st.tuples(small, st.none() | small), unique_by=lambda x: x[0], max_size=5)
lines = st.lists(st.tuples(small, small, st.none() | st.integers(-3, 3)), unique_by=lambda x: x[:2], max_size=14)


@given(orders, st.sets(small), lines, st.randoms())
def test_a_batch_gathers_what_reading_each_document_alone_gathers(
    orders: list[tuple[int, int | None]], customers: set[int], lines: list[tuple[int, int, int | None]], chance: Any
) -> None:
    made = PLAN
    given = {
        "orders": [order(key, customer=customer) for key, customer in orders],
        "customers": [{"id": key, "name": "x"} for key in customers],
        "lines": [line(*each) for each in lines],
        "prices": [],
    }
    shuffled = {name: chance.sample(rows, len(rows)) for name, rows in given.items()}
    wanted = [str(key) for key in range(5)]
    found = assemble(made, made.documents["order"], wanted, MemoryRows(made, shuffled))
    for key, customer in orders:
        gathered = tree(found[str(key)])
        relative = gathered.relatives["customer"]
        assert (relative is not None) == (customer in customers)
        mine = [(no, qty) for order_id, no, qty in lines if order_id == key]
        by_size = sorted(mine, key=lambda x: (x[1] is None, -(x[1] or 0), x[0]))
        relation = many(gathered, "lines")
        assert keys(relation) == [f"[{key},{no}]" for no, _ in by_size[:3]]
        assert relation.count == len(mine)
    assert [key for key in wanted if found[key] is None] == [
        key for key in wanted if int(key) not in {each for each, _ in orders}
    ]


def test_rows_without_a_key_are_refused() -> None:
    with pytest.raises(BuildError, match=r'table "orders" lacks its key \(id\)'):
        MemoryRows(plan_of(SHOP), {"orders": [{"id": None}]})
