"""The starter mapping: whatever the catalogue, it lints without errors and its own test passes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.errors import MappingError
from sync.mapping.harness import run
from sync.mapping.lint import lint
from sync.mapping.load import Loaded, load
from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock
from sync.mapping.plan import plan
from sync.mapping.starter import starter
from sync.mapping.starter.guesses import ascii_name, privacy_class, singular, words


def table(key: str | tuple[str, ...], links: dict[str, str] | None = None, /, **columns: str | LockColumn) -> LockTable:
    """A table; ``links`` are its foreign keys, "column": "table.column"."""
    return LockTable(
        key=(key,) if isinstance(key, str) else key,
        columns={n: c if isinstance(c, LockColumn) else LockColumn(type=c) for n, c in columns.items()},
        foreign_keys=tuple(
            ForeignKey(columns=(column,), table=target.split(".")[0], references=(target.split(".")[1],))
            for column, target in (links or {}).items()
        ),
    )


def source(**tables: LockTable) -> SourceLock:
    return SourceLock(connector="postgres", tables={f"public.{name}": each for name, each in tables.items()})


SHOP = source(
    countries=table("code", code="character(2)", name="text"),
    customers=table(
        "id",
        {"country_code": "countries.code"},
        id="bigint",
        full_name="text",
        email="character varying(120)",
        phone="text",
        birth_date="date",
        country_code="character(2)",
        password_hash="text",
        preferences="jsonb",
        last_ip="inet",
    ),
    orders=table(
        "id",
        {"customer_id": "customers.id"},
        id="bigint",
        customer_id="bigint",
        status=LockColumn(type="order_status", values=("new", "in_transit", "NO")),
        total_cents="integer",
        placed_at="timestamp without time zone",
    ),
    items=table(
        ("order_id", "line"),
        {"order_id": "orders.id", "product_id": "products.id"},
        order_id="bigint",
        line="smallint",
        product_id="uuid",
        quantity="integer",
    ),
    products=table("id", id="uuid", name="text", price="numeric(10,2)", tags="text[]", photo="bytea"),
    audit=table((), at="timestamptz"),
)
AWKWARD = source(
    employees=table(
        "id", {"manager_id": "employees.id", "range": "loop.self"}, id="integer", manager_id="integer", name="text",
        range="integer", items="text", get="text",
    ),
    loop=table("self", self="integer", **{"Größe (cm)": "numeric", "not": "text", "No": "boolean", "_id": "text"}),
    airports=table("code", code="char(3)", city="text", opened="date", runways="integer"),
    flights=table(
        "no", {"origin": "airports.code", "dest": "airports.code"}, no="text", origin="char(3)", dest="char(3)",
        content="text", vector="text", id="integer", x_searchable="boolean",
    ),
    flights_terms=table("null", **{"null": "integer", "{{ x }}": "text", "a: b # c": "text", "quo\"te'": "text"}),
    profiles=table("employee_id", {"employee_id": "employees.id"}, employee_id="integer", motto="text"),
    members=table("email", email="text", joined="date"),
)  # fmt: skip


def checked(lock: SourceLock, name: str = "shop") -> Loaded:
    """The starter, read back; fails where it has an error or its test does not pass."""
    text = starter(lock, name, "SHOP_URL")
    loaded = load("-", text, lock=Lock(sources={name: lock}))
    assert [str(finding) for finding in lint(loaded) if finding.is_error] == [], text
    results = run(plan(loaded.accepted(), loaded.lock))
    assert [result.problems for result in results] == [()], text
    return loaded


@pytest.mark.parametrize("lock", [SHOP, AWKWARD], ids=["shop", "awkward"])
def test_a_starter_lints_without_errors_and_passes_its_own_test(lock: SourceLock) -> None:
    checked(lock)


def test_foreign_keys_become_parents_and_children() -> None:
    mapping = checked(SHOP).accepted()
    order = mapping.documents["order"]
    assert order.with_["customer"].one == "customers"
    assert order.with_["customer"].by == "customer_id"
    items = order.with_["items"]
    assert (items.many, items.by, items.order, items.limit) == ("items", "order_id", ("line",), 50)
    assert items.with_["product"].one == "products"


def test_details_and_lookups_are_no_documents_of_their_own() -> None:
    mapping = checked(SHOP).accepted()
    assert set(mapping.documents) == {"customer", "order", "product"}


def test_two_foreign_keys_to_one_table_are_two_relations() -> None:
    mapping = checked(AWKWARD).accepted()
    relations = mapping.documents["airport"].with_
    assert {name: relation.by for name, relation in relations.items()} == {
        "flights": "origin",
        "flights_by_dest": "dest",
    }
    assert {"origin", "dest"}.isdisjoint(mapping.documents["flight"].with_)


def test_a_child_that_can_only_be_one_is_one() -> None:
    mapping = checked(AWKWARD).accepted()
    profile = mapping.documents["employee"].with_["profile"]
    assert (profile.one, profile.by) == ("profiles", {"id": "employee_id"})


def test_a_table_that_points_at_itself_has_its_parent_under_another_name() -> None:
    mapping = checked(AWKWARD).accepted()
    assert mapping.documents["employee"].with_["manager"].by == "manager_id"


def test_a_parent_that_may_be_missing_leaves_no_trace_in_the_text() -> None:
    mapping = checked(AWKWARD).accepted()
    text = mapping.documents["employee"].text or ""
    assert "{% if manager %}\nManager {{ manager.id }}" in text
    assert all(line == "{% endif %}" for line in text.splitlines() if "endif" in line)


def test_an_enum_becomes_codes_with_words_to_review() -> None:
    mapping = checked(SHOP).accepted()
    assert mapping.tables["orders"].columns["status"].values == {"new": "new", "in_transit": "in transit", "NO": "no"}


def test_what_looks_personal_is_private_and_what_looks_secret_is_left_out() -> None:
    text = starter(SHOP, "shop", "SHOP_URL")
    columns = checked(SHOP).accepted().tables["customers"].columns
    private = {name: column.pii for name, column in columns.items() if column.pii}
    assert private == {
        "full_name": "name", "email": "contact", "phone": "contact", "birth_date": "birth", "last_ip": "network"
    }  # fmt: skip
    assert "password_hash" not in columns
    assert "preferences" not in columns
    assert "pii: contact}  # review" in text
    assert "# left out: password_hash: it looks like a secret" in text


def test_a_table_whose_key_looks_personal_or_that_has_none_is_left_out() -> None:
    text = starter(AWKWARD, "shop", "SHOP_URL") + starter(SHOP, "shop", "SHOP_URL")
    assert "# left out: public.members: its key email looks like personal data" in text
    assert "# left out: public.audit: it has no primary key" in text


def test_seen_codes_become_values_unless_the_column_is_personal() -> None:
    lock = source(flights=table("id", id="integer", status_cd="char(2)", surname="text"))
    samples = {"public.flights": {"status_cd": ["ON", "CX"], "surname": ["Li"], "id": ["1"]}}
    columns = load("-", starter(lock, "air", "X", samples)).accepted().tables["flights"].columns
    assert columns["status_cd"].values == {"CX": "cx", "ON": "on"}
    assert columns["surname"].values is None


def test_nothing_sampled_is_written_where_it_is_no_short_code() -> None:
    lock = source(notes=table("id", id="integer", body="text"))
    text = starter(lock, "notes", "X", {"public.notes": {"body": ["a diagnosis nobody may read"]}})
    assert "diagnosis" not in text


def test_the_made_up_private_values_are_tested_to_be_absent() -> None:
    expect = checked(SHOP).accepted().tests[0].expect
    assert "maria.rossi@example.com" in expect.absent
    assert "Maria Rossi" in expect.absent


def test_a_starter_is_the_same_each_time() -> None:
    assert starter(SHOP, "shop", "SHOP_URL") == starter(SHOP, "shop", "SHOP_URL")


@pytest.mark.parametrize("name", ["Shop", "1shop", "a-b", "", "x" * 41])
def test_a_name_that_no_mapping_may_have_is_refused(name: str) -> None:
    with pytest.raises(MappingError, match="cannot name a mapping"):
        starter(SHOP, name, "SHOP_URL")


def test_a_schema_without_a_table_to_map_says_why() -> None:
    with pytest.raises(MappingError, match=r"public\.audit: it has no primary key"):
        starter(source(audit=table((), at="date")), "shop", "SHOP_URL")
    with pytest.raises(MappingError, match="it has no tables"):
        starter(source(), "shop", "SHOP_URL")


def test_tables_of_another_schema_keep_it() -> None:
    lock = SourceLock(
        connector="postgres",
        tables={
            "public.a": table("id", id="integer"),
            "public.b": table("id", id="integer"),
            "crm.a": LockTable(
                key=("id",),
                columns={"id": LockColumn(type="integer"), "b_id": LockColumn(type="integer")},
                foreign_keys=(ForeignKey(columns=("b_id",), table="public.b", references=("id",)),),
            ),
        },
    )
    mapping = checked(lock).accepted()
    assert (mapping.tables["crm_a"].table, mapping.tables["crm_a"].schema_) == ("a", "crm")
    assert mapping.documents["crm_a"].with_["b"].one == "b"


@pytest.mark.parametrize(
    ("table_name", "column", "kind", "expected"),
    [
        ("customers", "name", "text", "name"), ("products", "name", "text", None), ("x", "surname", "text", "name"),
        ("x", "e_mail", "text", "contact"), ("x", "email_verified", "boolean", None), ("x", "ip", "text", "network"),
        ("x", "ship_to", "text", None), ("x", "client_ip", "inet", "network"), ("x", "zip", "integer", "contact"),
        ("x", "passportNo", "text", "document"), ("x", "dateOfBirth", "date", "birth"), 
        ("x", "iban", "text", "document"), ("x", "mail", "text", "contact"),
        ("x", "primary", "email_address", "contact"),
        ("x", "born", "date", "birth"),
        ("x", "first_name", "citext", "personal"), ("x", "page", "integer", None), ("x", "tip", "numeric", None),
    ],
)  # fmt: skip
def test_personal_data_is_guessed_by_name_and_type(
    table_name: str, column: str, kind: str, expected: str | None
) -> None:
    assert privacy_class(table_name, column, LockColumn(type=kind)) == expected


def test_words_and_names_are_made_of_database_names() -> None:
    assert [words(n) for n in ("customer_id", "orderDate", "Größe (cm)", "__")] == [
        "customer id", "order date", "größe cm", "value"
    ]  # fmt: skip
    assert [singular(n) for n in ("bookings", "countries", "classes", "boxes", "status", "addresses", "bus")] == [
        "booking", "country", "class", "box", "status", "address", "bus"
    ]  # fmt: skip
    assert [ascii_name(n) for n in ("Größe (cm)", "2nd", "日本", "orderDate")] == [
        "grosse_cm",
        "c_2nd",
        "c",
        "order_date",
    ]


TYPES = ["integer", "bigint", "text", "character(1)", "character varying(3)", "numeric(8,2)", "boolean", "date", "time",
         "timestamp without time zone", "timestamp with time zone", "uuid", "jsonb", "text[]", "integer[]", "inet",
         "bytea", "double precision", "money", "interval", "email_domain"]  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(["id", "name", "email", "customer_id", "code", "order", "user", "items", "range", "loop", "self",
                     "not", "Größe", "no", "yes", "null", "1", "content", "vector", "a b", "x_g1", "secret"]),
    st.text(min_size=1, max_size=8),
)  # fmt: skip


@st.composite
def catalogues(draw: st.DrawFn) -> SourceLock:
    tables: dict[str, LockTable] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        columns = {
            column: LockColumn(
                type=draw(st.sampled_from(TYPES)),
                nullable=draw(st.booleans()),
                values=tuple(draw(st.sampled_from([(), (), (), ("A", "no", " "), ("x: y", "#")]))),
            )
            for column in draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
        }
        key = draw(st.lists(st.sampled_from(sorted(columns)), max_size=2, unique=True))
        links: list[ForeignKey] = []
        for target_name, target in tables.items():
            mine = draw(st.lists(st.sampled_from(sorted(columns)), max_size=2, unique=True))
            theirs = draw(st.lists(st.sampled_from(sorted(target.columns)), max_size=2, unique=True))
            links.append(
                ForeignKey(
                    columns=tuple(mine),
                    table=target_name.rpartition(".")[2],
                    references=tuple(theirs),
                    on_delete=draw(st.sampled_from(["cascade", "no action"])),
                )
            )
        unique = draw(st.lists(st.sampled_from(sorted(columns)).map(lambda c: (c,)), max_size=1))
        schema = draw(st.sampled_from(["public", "public", "crm"]))
        tables[f"{schema}.{name.replace('.', '_')}"] = LockTable(
            key=tuple(key),
            unique=tuple(unique),
            columns=columns,
            foreign_keys=tuple(link for link in links if link.columns),
        )
    return SourceLock(connector="postgres", tables=tables)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(catalogues())
def test_any_catalogue_makes_a_starter_that_works(lock: SourceLock) -> None:
    try:
        checked(lock)
    except MappingError as error:
        assert "nothing in this schema can be mapped" in str(error)  # noqa: PT017
