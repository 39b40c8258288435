"""What the service works by: tables with kinds and keys, documents as trees, one version for one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync.errors import MappingError
from sync.mapping.kinds import kind_of_type
from sync.mapping.plan import Plan, pascal, plan
from tests.support.plans import lock_of, mapping_of, plan_of

SHOP = """
tables:
  orders:
    key: order_id
    columns: {order_id: {}, customer_id: {}, status_cd: {values: {N: new}}, shop: {}, no: {}}
  customers: {key: customer_id, columns: {customer_id: {}, name: {}}}
  lines: {key: [order_id, line_no], columns: {order_id: {}, line_no: {}, product: {}}}
  invoices: {key: [shop, no], columns: {shop: {}, no: {}, total: {}}}
documents:
  purchase_order:
    root: orders
    where: {status_cd: [N, P]}
    with:
      customer: {one: customers, by: customer_id}
      lines: {many: lines, by: order_id, order: [-line_no], limit: 5}
      invoice: {one: invoices, by: {no: no, shop: shop}}
    filters: [status_cd, customer.name, {products: lines.product}]
"""


def test_a_document_is_a_tree_of_tables_with_the_columns_that_pair() -> None:
    root, customer, lines, invoice = plan_of(SHOP).documents["purchase_order"].nodes()
    assert (root.kind, root.path, root.table, root.where) == ("root", "", "orders", {"status_cd": ["N", "P"]})
    assert (customer.kind, customer.path) == ("one", "customer")
    assert (customer.parent_columns, customer.child_columns) == (("customer_id",), ("customer_id",))
    assert (lines.parent_columns, lines.child_columns) == (("order_id",), ("order_id",))
    assert (lines.order, lines.limit) == (("-line_no",), 5)
    # Written the other way round, still the invoice's key in its own order: it is looked up by key.
    assert (invoice.parent_columns, invoice.child_columns) == (("shop", "no"), ("shop", "no"))
    assert invoice.of.is_key(invoice.child_columns)


def test_only_joins_that_are_no_key_need_an_index() -> None:
    assert plan_of(SHOP).joins == {"orders": (), "customers": (), "lines": (("order_id",),), "invoices": ()}


def test_collections_begin_with_a_capital() -> None:
    made = plan_of(SHOP)
    assert made.documents["purchase_order"].collection == "PurchaseOrder"
    assert made.terms_collection == "ShopTerms"
    assert pascal("seat_map") == "SeatMap"
    assert plan_of(SHOP.replace("root: orders", "root: orders\n    collection: Orders")).documents[
        "purchase_order"
    ].collection == "Orders"  # fmt: skip


def test_a_change_finds_its_table_by_source_and_database_name() -> None:
    made = plan_of(SHOP)
    assert made.table_of("shop", "public.orders") is made.tables["orders"]
    assert made.table_of("shop", "other.orders") is None
    assert made.table_of("elsewhere", "public.orders") is None


def test_schemas_and_names_of_the_database_are_the_databases() -> None:
    made = plan_of(
        """
        tables: {items: {table: "Weird Name", schema: Sales, key: id, columns: {id: {}}}}
        documents: {item: {root: items}}
        """
    )
    assert made.tables["items"].database_name == "Sales.Weird Name"


def test_tables_of_several_sources_say_which() -> None:
    text = """
    source: null
    sources: {crm: {connector: mariadb, schema: shop}, files: {connector: s3, bucket: b}}
    tables:
      items: {source: crm, key: id, columns: {id: {}}}
      manuals: {source: files, key: path, columns: {path: {}}}
    documents: {item: {root: items}}
    """
    made = plan_of(text)
    assert [(t.source, t.database_name) for t in made.tables.values()] == [("crm", "shop.items"), ("files", "manuals")]
    with pytest.raises(MappingError, match=r'"crn".*nearest: "crm"'):
        plan_of(text.replace("source: crm", "source: crn"))
    with pytest.raises(MappingError, match="say which `source:`"):
        plan_of(text.replace("source: crm, ", ""))


TYPES = {"order_id": "bigint", "customer_id": "integer", "status_cd": "character(1)", "shop": "text", "no": "integer"}


def test_key_and_kinds_come_from_the_lock() -> None:
    lock = lock_of({"orders": ("order_id", TYPES), "lines": ("line_no order_id", {"line_no": "integer"})})
    made = plan_of(SHOP.replace("    key: order_id\n", ""), lock)
    assert made.tables["orders"].key == ("order_id",)
    assert made.tables["orders"].columns["order_id"].kind == "integer"
    # The mapping may list the key in another order; lists of `by` pair in the primary key's.
    assert made.tables["lines"].key == ("line_no", "order_id")


def test_a_table_without_key_is_named_where_the_lock_knows_none() -> None:
    with pytest.raises(MappingError, match='table "orders" has no key'):
        plan_of(SHOP.replace("    key: order_id\n", ""), lock_of({"orders": ("", TYPES)}))


def test_without_lock_a_missing_key_is_guessed_from_the_relations() -> None:
    made = plan_of(SHOP.replace("customers: {key: customer_id,", "customers: {"))
    assert made.tables["customers"].key == ("customer_id",)


def test_a_key_column_that_is_not_listed_is_refused() -> None:
    lock = lock_of({"orders": ("secret_id", {**TYPES, "secret_id": "integer"})})
    with pytest.raises(MappingError, match='"secret_id" is not listed'):
        plan_of(SHOP.replace("    key: order_id\n", ""), lock)


@pytest.mark.parametrize(
    ("database_type", "kind"),
    [
        ("bigint", "integer"), ("int(11) unsigned", "integer"), ("numeric(10,2)", "decimal"), ("real", "decimal"),
        ("timestamp(3) without time zone", "timestamp"), ("datetime(6)", "timestamp"), ("date", "date"),
        ("time with time zone", "time"), ("jsonb", "json"), ("hstore", "json"), ("text[]", "list"),
        ("character varying(20)", "text"), ("uuid", "text"), ("mood", "text"), ("bit(1)", "boolean"),
        ("bit(4)", "text"), ("tinyint(1)", "boolean"), ("tinyint(4)", "integer"), ("interval", "text"),
    ],
)  # fmt: skip
def test_database_types_have_kinds(database_type: str, kind: str) -> None:
    assert kind_of_type(database_type) == kind


BROKEN = [
    ("root: orders", "root: ordrs", 'no table "ordrs".*nearest: "orders"'),
    ("one: customers, by: customer_id", "one: customer, by: customer_id", 'no table "customer"'),
    ("by: customer_id}", "by: custmer_id}", 'no column "custmer_id".*nearest: "customer_id"'),
    ("by: customer_id}", "by: [customer_id, shop]}", r'the key of "customers" has 1 \(customer_id\)'),
    ("{one: customers, by", "{one: customers, many: lines, by", "either `one:` or `many:`"),
    ("order: [-line_no]", "order: [-line]", 'no column "line".*nearest: "line_no"'),
    ("where: {status_cd: [N, P]}", "where: {status: 1}", 'no column "status".*nearest: "status_cd"'),
    ("where: {status_cd: [N, P]}", "where: {no: {gtt: 1}}", 'no "gtt".*nearest: "gt"'),
    ("customer.name", "customer.nam", 'no column "nam".*nearest: "name"'),
    ("customer.name", "customer", "names a relation|no column"),
    ("customer.name", "shop.name", '"shop" of "orders" has no parts'),
    ("name: {}}}", "name: {pii: x}}}", "is dropped"),
    ("key: customer_id", "key: customer_no", 'no column "customer_no"'),
]


@pytest.mark.parametrize(("old", "new", "message"), BROKEN)
def test_what_makes_no_sense_is_named_with_the_nearest_that_does(old: str, new: str, message: str) -> None:
    assert old in SHOP
    with pytest.raises(MappingError, match=message):
        plan_of(SHOP.replace(old, new))


def version(text: str, lock: Any = None) -> str:
    made: Plan = plan(mapping_of(text), lock)
    return made.version


def test_the_version_follows_the_meaning_and_nothing_else() -> None:
    tests = "tests: [{name: n, document: purchase_order, given: {}, expect: {no_document: true}}]"
    assert version(SHOP) == version(SHOP) == version(SHOP + tests)
    assert version(SHOP) == version("# a comment\n" + SHOP.replace("root: orders", "root: 'orders'"))
    assert version(SHOP) != version(SHOP.replace("N: new", "N: brand new"))
    said = SHOP.replace("customer_id: {}, status_cd", "customer_id: {empty: not recorded}, status_cd")
    assert version(SHOP) != version(said), "what stands for NULL by default is not said in sentences"
    assert len(version(SHOP)) == 12
    assert int(version(SHOP), 16) >= 0


def test_the_version_follows_the_types_of_mapped_columns_only() -> None:
    lock = lock_of({"orders": ("order_id", TYPES)})
    assert version(SHOP, lock) != version(SHOP, lock_of({"orders": ("order_id", {**TYPES, "no": "text"})}))
    assert version(SHOP, lock) == version(SHOP, lock_of({"orders": ("order_id", {**TYPES, "unlisted": "text"})}))


CODES = """
tables:
  bookings: {key: id, columns: {id: {}, status: {values: {table: codes, code: cd, words: txt, where: {domain: S}}}}}
documents: {booking: {root: bookings}}
"""


def test_a_table_of_code_words_is_captured_though_no_one_listed_it() -> None:
    made = plan_of(CODES)
    codes = made.tables["codes"]
    assert (codes.database_name, codes.key, list(codes.columns)) == ("public.codes", ("domain", "cd"), [
        "domain", "cd", "txt"])  # fmt: skip
    node = made.documents["booking"].root.children[0]
    assert (node.kind, node.name, node.table, node.where) == ("codes", "#status", "codes", {"domain": "S"})
    assert (node.parent_columns, node.child_columns) == (("status",), ("cd",))


def test_a_table_of_code_words_is_captured_with_its_key() -> None:
    lock = lock_of({"codes": ("code_id", {"code_id": "integer", "cd": "text", "txt": "text", "domain": "text"}),
                    "bookings": ("id", {"id": "integer", "status": "text"})})  # fmt: skip
    assert plan_of(CODES, lock).tables["codes"].key == ("code_id",)
    assert "code_id" in plan_of(CODES, lock).tables["codes"].columns


def test_the_airline_that_ships_has_a_plan() -> None:
    from sync.mapping.load import load

    loaded = load(Path(__file__).parents[2] / "mappings" / "airline.yml")
    assert loaded.mapping is not None
    made = plan(loaded.mapping, loaded.lock)
    assert [node.path for node in made.documents["booking"].nodes()] == ["", "customer", "tickets", "tickets.flight"]
