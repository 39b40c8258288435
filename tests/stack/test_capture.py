"""Capture on the real PostgreSQL, Debezium and Kafka: from `register` to the records that come out, and away again."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from connectors import debezium
from connectors.change import Broken, Change, Message, Record, SnapshotNotice, TransactionEnd
from connectors.connect import Connect
from connectors.names import Names, names
from connectors.postgres import marker, slot
from connectors.postgres.address import Address
from connectors.postgres.database import Postgres
from connectors.registration import (
    Registration,
    preflight,
    register,
    resnapshot,
    source_database,
    unregister,
)
from connectors.topics import Topics
from sync.errors import (
    ConnectorFailed,
    ConnectRefused,
    KafkaError,
    KafkaUnreachable,
    PreflightFailed,
    SourceRefused,
    SourceUnreachable,
)
from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.settings import Settings
from tests.support.records import Log
from tests.support.stack import Stack

NUMBERS = itertools.count()
TABLES: dict[str, Any] = {
    "customers": {
        "key": "id",
        "columns": {"id": {}, "name": {"pii": "name"}, "mail": {"pii": "contact"}, "tier": {}},
    },
    "orders": {"key": ["id", "line"], "columns": {"id": {}, "line": {}, "customer": {}, "words": {}}},
}
SQL = """
create table customers (id int primary key, name text, mail text, tier text, secret text);
create table orders (id int, line int, customer int, words text, primary key (id, line));
insert into customers values (1, 'Maria', 'm@x', 'G', 'S3CRET'), (2, 'Zoë', null, null, 'S3CRET');
insert into orders values (7, 1, 1, 'seven one'), (7, 2, 1, null);
"""


@dataclass
class Source:
    """A database of its own with a mapping of its own, and what comes out of its topic."""

    mapping: Mapping
    settings: Settings
    connection: psycopg.Connection[Any]
    url: str
    said: list[str] = field(default_factory=list)

    @property
    def names(self) -> Names:
        return names(self.mapping, self.mapping.name)

    @property
    def database(self) -> Postgres:
        return Postgres(self.url)

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.connection.execute(statement)

    def lock(self) -> Lock:
        return Lock(sources={self.mapping.name: self.database.catalogue()})

    def register(self) -> Registration:
        return register(self.mapping, self.lock(), self.settings, self.said.append)[self.mapping.name]

    def with_tables(self, tables: dict[str, Any]) -> None:
        body = self.mapping.model_dump(by_alias=True) | {"tables": tables}
        self.mapping = Mapping.model_validate(body | {"documents": {"d": {"root": next(iter(tables))}}})

    def log(self) -> Log:
        return Log(self.settings.kafka, self.names.topic)

    def committed(self, log: Log) -> list[Record]:
        """Everything that comes out before a marker that is committed now."""
        token = uuid4().hex
        marker.emit(Address(self.url), token)
        return log.until(lambda record: isinstance(record, Message) and record.content == token)

    def finds(self, query: str, name: str) -> bool:
        return self.connection.execute(query, [name]).fetchone() is not None

    def left(self) -> dict[str, Any]:
        """What of this source is outside Headrace."""
        own, topics = self.names, Topics(self.settings.kafka)
        with Connect(self.settings.connect_url) as connect:
            connectors = own.connector in connect.names()
        return {
            "connector": connectors,
            "slot": slot.read(Address(self.url), own.slot) is not None,
            "publication": self.finds("select 1 from pg_publication where pubname = %s", own.publication),
            "signal table": self.finds("select 1 from pg_class where relname = %s", own.signal_table),
            "heartbeat table": self.finds("select 1 from pg_class where relname = %s", own.heartbeat_table),
            "schema": self.finds("select 1 from pg_namespace where nspname = %s", "headrace"),
            "topics": [each for each in (own.topic, own.signal_topic) if topics.topic_id(each)],
        }


NOTHING = {
    "connector": False,
    "slot": False,
    "publication": False,
    "signal table": False,
    "heartbeat table": False,
    "schema": False,
    "topics": [],
}
INSIDE = {"slot": True, "publication": True, "signal table": True, "heartbeat table": True, "schema": True}


@pytest.fixture
def source(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEADRACE_PRIVACY_SALT", "pepper")
    name = f"capture_{os.getpid()}_{next(NUMBERS)}"
    server = stack.env["POSTGRES_URL"]
    url = f"{server.rsplit('/', 1)[0]}/{name}"
    monkeypatch.setenv("CAPTURE_URL", url)
    mapping = Mapping.model_validate(
        {
            "version": 1,
            "name": name,
            "source": {"connector": "postgres", "url": "${CAPTURE_URL}", "schema": "public"},
            "privacy": {"name": "mask", "contact": "drop"},
            "tables": TABLES,
            "documents": {"d": {"root": "customers"}},
        }
    )
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name}")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL)
            made = Source(mapping, Settings(_env_file=None), connection, url)
            yield made
            unregister(made.mapping, made.settings)
        admin.execute(f"drop database if exists {name} with (force)")


def completed(record: Record) -> bool:
    return isinstance(record, SnapshotNotice) and record.kind == "COMPLETED"


def changes(records: list[Record]) -> list[Change]:
    return [record for record in records if isinstance(record, Change)]


def test_a_registered_source_shows_its_rows_then_every_change_in_the_order_of_the_log(source: Source) -> None:
    registered = source.register()
    assert registered.created
    assert registered.topic_id == Topics(source.settings.kafka).topic_id(registered.topic)
    with source.log() as log:
        shown = changes(log.until(completed))
        assert {(row.table, str(row.key)) for row in shown} == {
            ("public.customers", "{'id': 1}"),
            ("public.customers", "{'id': 2}"),
            ("public.orders", "{'id': 7, 'line': 1}"),
            ("public.orders", "{'id': 7, 'line': 2}"),
        }
        source.run(
            "begin; insert into orders values (8, 1, 2, 'x'); update customers set tier = 'S' where id = 2;"
            " delete from orders where line = 2; commit",
            "update orders set id = 9 where id = 8",
            "truncate orders",
        )
        records = source.committed(log)
    assert [(type(r).__name__, getattr(r, "operation", None)) for r in records if hasattr(r, "table")] == [
        ("Change", "c"), ("Change", "u"), ("Change", "d"), ("Change", "d"), ("Change", "c"), ("Truncate", None),
    ]  # fmt: skip
    ends = [r for r in records if isinstance(r, TransactionEnd)]
    first = changes(records)[0].transaction
    assert len({c.transaction for c in changes(records)[:3]}) == 1
    assert next(end.offset for end in ends if end.transaction == first) > changes(records)[2].offset
    assert not [r for r in records if isinstance(r, Broken)]


def test_nothing_that_is_not_listed_reaches_kafka_from_snapshot_or_log(source: Source) -> None:
    source.run(
        'create table "Customers" (id int primary key, tier text)', "insert into \"Customers\" values (1, 'S3CRET')"
    )
    source.register()
    with source.log() as log:
        log.until(completed)
        source.run(
            "insert into customers values (3, 'Anna', 'a@x', 'B', 'S3CRET')",
            "update customers set secret = 'S3CRET2'",
            "update \"Customers\" set tier = 'S3CRET3'",
            "select pg_logical_emit_message(true, 'others', 'S3CRET4')",
        )
        source.committed(log)
        everything = b"".join((key or b"") + (value or b"") for key, value in log.raw)
    for private in (b"S3CRET", b"UzNDUkVU", b"Maria", b"Anna", b"m@x", b"a@x"):
        assert private not in everything
    published = source.connection.execute(
        "select attnames from pg_publication_tables where schemaname = 'public' order by tablename"
    ).fetchall()
    assert published == [(["id", "name", "tier"],), (["id", "line", "customer", "words"],)]


def test_unregistering_leaves_nothing_and_may_be_done_again(source: Source) -> None:
    source.register()
    own = source.names
    assert source.left() == {"connector": True, **INSIDE, "topics": [own.topic]}
    removal = unregister(source.mapping, source.settings)
    assert removal.clean
    assert len(removal.done) == 6
    assert source.left() == NOTHING
    again = unregister(source.mapping, source.settings)
    assert (again.clean, again.done) == (True, [])


def test_a_registration_that_fails_late_leaves_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    right = debezium.configuration
    monkeypatch.setattr(
        debezium, "configuration", lambda *args, **more: right(*args, **more) | {"decimal.handling.mode": "nonsense"}
    )
    with pytest.raises(ConnectRefused, match=r"decimal\.handling\.mode"):
        source.register()
    assert f"made publication {source.names.publication}" in source.said
    assert source.left() == NOTHING


def test_a_connector_that_fails_after_its_start_leaves_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.run('alter table customers add "Tier" text')  # Debezium refuses twins, and preflight would have said so
    monkeypatch.setattr("connectors.postgres.preflight.check_table", lambda *_: [])
    with pytest.raises(ConnectorFailed, match="differ only by case"):
        source.register()
    assert source.left() == NOTHING


def test_registering_again_changes_nothing_and_keeps_what_was_there(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = source.register()
    source.said.clear()
    again = source.register()
    assert (again.created, again.topic_id) == (False, first.topic_id)
    assert source.said == [f"connector {source.names.connector} runs"]
    right = debezium.configuration
    monkeypatch.setattr(
        debezium, "configuration", lambda *args, **more: right(*args, **more) | {"decimal.handling.mode": "nonsense"}
    )
    with pytest.raises(ConnectRefused):
        source.register()
    with source.log() as log:
        log.until(completed)
        source.run("update customers set tier = 'P' where id = 1")
        assert [c.after and c.after["tier"] for c in changes(source.committed(log))] == ["P"]


def test_a_column_that_is_mapped_later_is_captured_from_then_on(source: Source) -> None:
    source.register()
    tables = TABLES | {"customers": {"key": "id", "columns": {"id": {}, "tier": {}, "secret": {}}}}
    source.with_tables(tables)
    source.register()
    assert f"changed publication {source.names.publication}" in source.said
    with source.log() as log:
        log.until(completed)
        source.run("update customers set secret = 'now listed' where id = 1")
        (change,) = changes(source.committed(log))
    assert change.after == {"id": 1, "tier": "G", "secret": "now listed"}


def test_what_a_deleted_connector_left_does_not_make_the_next_one_begin_in_the_middle(source: Source) -> None:
    source.register()
    with Connect(source.settings.connect_url) as connect:
        connect.delete(source.names.connector)  # its offsets, its slot and its topics stay
    source.run("insert into customers values (3, 'x', 'x', 'x', 'x')")
    before = Topics(source.settings.kafka).end(source.names.topic)
    assert source.register().created
    with source.log() as log:
        log.until(lambda record: completed(record) and record.offset > before)
        shown = {str(c.key) for c in changes(log.records) if c.offset >= before and c.operation == "r"}
    assert "{'id': 3}" in shown
    assert len(shown) == 5


def test_a_new_snapshot_shows_everything_and_nothing_older_follows_it(source: Source) -> None:
    source.register()
    with source.log() as log:
        log.until(completed)
        for tier in range(50):
            source.run(f"update customers set tier = '{tier}'")
        resnapshot(source.mapping, source.mapping.name, source.settings)
        source.run("update customers set tier = 'last'")
        log.until(completed)
        after = changes(source.committed(log))
    rows = [c for c in changes(log.records) if c.operation == "r" and c.table == "public.customers"]
    assert len(rows) == 4
    assert {c.after and c.after["tier"] for c in after} <= {"last"}


def test_a_row_of_five_megabytes_and_the_changes_after_it_arrive(source: Source) -> None:
    source.register()
    with source.log() as log:
        log.until(completed)
        source.run(
            "insert into orders values (1, 1, 1, repeat('x', 5000000))", "insert into orders values (1, 2, 1, 'y')"
        )
        found = [len(str(c.after and c.after["words"])) for c in changes(source.committed(log))]
    assert found == [5_000_000, 1]


def test_a_database_that_is_gone_keeps_nothing_else_from_being_removed(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.register()
    monkeypatch.setenv("CAPTURE_URL", source.url.replace(source.mapping.name, "no_such_database"))
    removal = unregister(source.mapping, source.settings)
    assert not removal.clean
    assert len(removal.failed) == 1
    assert "no_such_database" in removal.failed[0]
    monkeypatch.setenv("CAPTURE_URL", source.url)
    assert source.left() == NOTHING | INSIDE
    assert unregister(source.mapping, source.settings).clean
    assert source.left() == NOTHING


def test_preflight_lists_everything_at_once_with_the_sql_that_mends_it(source: Source) -> None:
    source.run(
        "create table keyless (a int)",
        "create view looks as select 1 as id",
        "create unlogged table volatile (id int primary key)",
        "create table computed (id int primary key, twice int generated always as (id * 2) stored)",
    )
    tables = {
        "orderz": {"key": "id", "columns": {"id": {}}},
        "keyless": {"key": "a", "columns": {"a": {}}},
        "looks": {"key": "id", "columns": {"id": {}}},
        "volatile": {"key": "id", "columns": {"id": {}}},
        "computed": {"key": "id", "columns": {"id": {}, "twice": {}, "thrice": {}}},
    }
    source.with_tables(tables)
    (problems,) = preflight(source.mapping, None, source.settings).values()
    assert sorted((p.table, p.code) for p in problems) == [
        ("public.computed", "M219"),
        ("public.computed", "M222"),
        ("public.keyless", "M220"),
        ("public.looks", "M223"),
        ("public.orderz", "M218"),
        ("public.volatile", "M223"),
    ]
    assert "the nearest is public.orders" in next(p.message for p in problems if p.code == "M218")
    with pytest.raises(PreflightFailed) as caught:
        register(source.mapping, None, source.settings)
    assert all(problem.code in str(caught.value) for problem in problems)
    for statement in (p.sql for p in problems if p.sql):
        source.run(statement)
    assert {p.code for p in preflight(source.mapping, None, source.settings)[source.mapping.name]} == {
        "M218", "M219", "M222", "M223",
    }  # fmt: skip


def test_preflight_says_what_a_user_without_rights_lacks_and_its_sql_is_enough(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"poor_{source.mapping.name}"
    source.run(f"create role {role} login password 'poor'", "create schema headrace")
    poor = source.url.replace("postgres:postgres@", f"{role}:poor@")
    monkeypatch.setenv("CAPTURE_URL", poor)
    try:
        found = preflight(source.mapping, None, source.settings)[source.mapping.name]
        assert {problem.code for problem in found} == {"M214", "M215", "M216", "M241"}
        for problem in found:
            source.run(problem.sql)
        assert preflight(source.mapping, None, source.settings)[source.mapping.name] == []
        assert source.register().created
        assert unregister(source.mapping, source.settings).clean
    finally:
        source.run(f"reassign owned by {role} to postgres", f"drop owned by {role}", f"drop role {role}")


def test_names_that_belong_to_somebody_else_are_left_alone(source: Source) -> None:
    own = source.names
    source.run(f"create publication {own.publication} for table customers")
    source.run(f"select pg_create_logical_replication_slot('{own.slot}', 'pgoutput')")
    source.run("create schema headrace", f"create table headrace.{own.signal_table} (id int)")
    found = preflight(source.mapping, None, source.settings)[source.mapping.name]
    assert [problem.code for problem in found] == ["M217", "M217", "M217"]
    with pytest.raises(SourceRefused, match="is not Headrace's"):
        source.database.prepare(own, [])
    with pytest.raises(PreflightFailed):
        source.register()
    assert source.left() == NOTHING | INSIDE | {"heartbeat table": False}
    for problem in found:
        source.run(problem.sql)
    assert source.register().created


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("postgres:postgres@", "postgres:wrongpw@"), SourceRefused, "password"),
        (("capture_", "nowhere_"), SourceRefused, "does not exist"),
        ((":", ":"), SourceUnreachable, "does not answer"),
    ],
)
def test_a_database_that_refuses_is_told_from_one_that_is_not_there(
    source: Source, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], error: type[Exception], message: str
) -> None:
    url = source.url.replace(*change) if error is SourceRefused else "postgresql://postgres:wrongpw@127.0.0.1:1/x"
    monkeypatch.setenv("CAPTURE_URL", url)
    with pytest.raises(error, match=message) as caught:
        source_database(source.mapping, source.mapping.name).catalogue()
    assert "wrongpw" not in str(caught.value)


def test_a_marker_comes_out_after_all_that_was_committed_before_it(source: Source) -> None:
    source.register()
    with source.log() as log:
        log.until(completed)
        for number in range(20):
            source.run(f"insert into orders values (100, {number}, 1, '')")
            assert [c.key for c in changes(source.committed(log))] == [{"id": 100, "line": number}]


def test_the_slot_tells_how_much_log_it_holds_and_is_dropped_only_when_nobody_reads_it(source: Source) -> None:
    source.register()
    with source.log() as log:
        source.committed(log)  # it streams
    address, name = Address(source.url), source.names.slot
    found = slot.read(address, name)
    assert found is not None
    assert (found.active, found.plugin, found.lost) == (True, "pgoutput", False)
    assert (found.held_bytes or 0) >= 0
    with pytest.raises(SourceRefused, match="still read"):
        slot.drop(address, name, within=0.2)
    with Connect(source.settings.connect_url) as connect:
        connect.stop(source.names.connector)
    assert slot.drop(address, name) is True
    assert slot.drop(address, name) is False


def test_rows_are_found_by_any_spelling_of_a_value_and_never_by_sql_in_it(source: Source) -> None:
    source.run(
        'create table "Odd ""t""" ("K 1" uuid, b boolean, d date, n numeric, t text)',
        'insert into "Odd ""t""" values (gen_random_uuid(), true, date \'2026-01-02\', 1.50, $$it\'s %s$$)',
        """update "Odd ""t\""" set "K 1" = '11111111-1111-1111-1111-111111111111'""",
    )
    wanted = ["K 1", "t"]
    table = 'public.Odd "t"'
    find = source.database.find
    for columns, values in (
        (["K 1"], ["11111111-1111-1111-1111-111111111111"]),
        (["b", "d"], [True, "2026-01-02"]),
        (["n"], [1.5]),
        (["t"], ["it's %s"]),
    ):
        (row,) = find(table, columns, [values], wanted)
        assert row["t"] == "it's %s"
    assert find(table, ["K 1"], [["no uuid"], ["' or true --"], [None]], wanted) == []
    assert len(find(table, ["n"], [["no number"], ["1.50"], *([str(n)] for n in range(1000))], wanted)) == 1
    assert len(source.database.sample("public.orders", ["id"], 1)) == 1
    with pytest.raises(SourceRefused, match="does not exist"):
        find("public.nope", ["a"], [[1]], ["a"])


def test_the_catalogue_knows_keys_in_their_order_types_enums_and_foreign_keys(source: Source) -> None:
    source.run(
        "create type mood as enum ('sad', 'ok')",
        "create schema other",
        "create table other.parent (b int, a int, primary key (a, b), unique (b))",
        'create table child (id int primary key, "X" mood not null, a int, b int, c text collate "C",'
        " twice int generated always as (id * 2) stored,"
        " foreign key (a, b) references other.parent on delete cascade)",
    )
    found = source.database.catalogue(["public.child", "other.parent", "public.nope"]).tables
    assert set(found) == {"public.child", "other.parent"}
    assert found["other.parent"].key == ("a", "b")
    assert found["other.parent"].unique == (("b",),)
    child = found["public.child"]
    assert child.columns["X"].values == ("sad", "ok")
    assert (child.columns["X"].nullable, child.columns["twice"].generated) == (False, True)
    assert (child.columns["c"].type, child.columns["c"].collation) == ("text", "C")
    (key,) = child.foreign_keys
    assert (key.columns, key.table, key.references, key.on_delete) == (
        ("a", "b"),
        "other.parent",
        ("a", "b"),
        "cascade",
    )
    assert set(source.database.catalogue().tables) == {"public.customers", "public.orders", "public.child"}


@pytest.fixture
def topics(stack: Stack) -> Iterator[tuple[Topics, Callable[[], str]]]:
    made, given = Topics(stack.env["HEADRACE_KAFKA"]), list[str]()

    def name() -> str:
        given.append(f"topics-{uuid4().hex}")
        return given[-1]

    yield made, name
    made.delete(given)


def test_a_recreated_topic_has_another_id(topics: tuple[Topics, Callable[[], str]]) -> None:
    made, name = topics[0], topics[1]()
    assert made.topic_id(name) is None
    assert made.ensure(name) is True
    first = made.topic_id(name)
    assert made.ensure(name) is False
    assert made.topic_id(name) == first is not None
    assert made.delete([name, "never-was"]) == [name]
    made.ensure(name)
    assert made.topic_id(name) not in (None, first)
    assert (made.beginning(name), made.end(name)) == (0, 0)


def test_a_topic_is_made_for_log_order_and_set_without_losing_what_others_set(
    topics: tuple[Topics, Callable[[], str]],
) -> None:
    made, name = topics[0], topics[1]()
    made.ensure(name, {"segment.bytes": "1048576"})
    made.ensure(name, {"max.message.bytes": "2000000"})
    assert made.configuration(name) == {
        "cleanup.policy": "delete",
        "retention.ms": "604800000",
        "segment.bytes": "1048576",
        "max.message.bytes": "2000000",
    }
    found = made.describe(name)
    assert found is not None
    assert found.partitions == 1


def test_kafka_that_is_not_there_or_refuses_says_so(topics: tuple[Topics, Callable[[], str]]) -> None:
    start = time.monotonic()
    with pytest.raises(KafkaUnreachable, match=r"127\.0\.0\.1:1 does not answer"):
        Topics("127.0.0.1:1", timeout=3).end("any")
    assert time.monotonic() - start < 10
    with pytest.raises(KafkaError, match="there is no topic never-was"):
        topics[0].end("never-was")
    with pytest.raises(KafkaError, match="InvalidTopic"):
        topics[0].ensure("no spaces allowed")


def test_a_slot_that_was_made_anew_fails_loudly_and_a_new_snapshot_brings_what_was_missed(source: Source) -> None:
    source.register()
    own, address = source.names, Address(source.url)
    with source.log() as log, Connect(source.settings.connect_url) as connect:
        source.committed(log)
        connect.stop(own.connector)
        source.run("insert into customers values (3, 'missed', null, null, null)")
        slot.drop(address, own.slot)
        source.run(f"select pg_create_logical_replication_slot('{own.slot}', 'pgoutput')")
        connect.resume(own.connector)
        with pytest.raises(ConnectorFailed, match="is FAILED"):
            watch(connect, own.connector)
        resnapshot(source.mapping, source.mapping.name, source.settings)
        shown = [change.key for change in changes(log.until(completed)) if change.table == "public.customers"]
    assert sorted(str(key) for key in shown) == ["{'id': 1}", "{'id': 2}", "{'id': 3}"]


def watch(connect: Connect, connector: str, within: float = 60.0) -> None:
    """Until it fails: a connector runs for a moment before it does."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        connect.wait_running(connector)
