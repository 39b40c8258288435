"""Capture on the real MariaDB and MySQL: what is committed comes out as it is, in order, and nothing else."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pymysql
import pytest

from connectors.change import Broken, Change, Message, Record, SchemaChange, SnapshotNotice, TransactionEnd, Truncate
from connectors.connect import Connect
from connectors.mariadb.database import MariaDB
from connectors.mysql.database import MySQL
from connectors.names import Names, names
from connectors.registration import preflight, register, resnapshot, unregister
from connectors.topics import Topics
from sync.errors import PreflightFailed
from sync.mapping.cascades import Cascade, cascades
from sync.mapping.image import image
from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.mapping.tables import table_plans
from sync.settings import Settings
from tests.support.pipeline_mariadb import server_url
from tests.support.records import Log
from tests.support.stack import Stack

NUMBERS = itertools.count()
LARGEST = 2_000_000
SQL = (
    "create table box (id int primary key, name varchar(40), secret varchar(40))",
    "create table item (id int, line int, box int, words longtext default ('none'), primary key (id, line),"
    " foreign key (box) references box (id) on delete cascade)",
    "create table moment (id bigint unsigned primary key, flag tinyint(1), one bit, bits bit(10),"
    " state enum('on','it''s'), tags set('a','b'), price decimal(10,3), small float, large double, at datetime(3),"
    " seen timestamp(6) null, day date, yr year, doc json, raw varbinary(8), u int unsigned,"
    " twice int as (u + 1) stored, padded char(6))",
    "insert into box values (1, 'one', 'S3CRET'), (2, 'Zoë', 'S3CRET')",
    "insert into item values (7, 1, 1, 'seven one'), (7, 2, 2, null)",
)
VALUES = (
    "(18446744073709551615, 1, b'1', b'0000000101', 'it''s', 'a,b', 12.5, 1.1, 2.2, '2026-03-01 09:00:00.125',"
    " '2026-03-01 09:00:00.5', '2026-03-01', 2026, '{\"a\": [1]}', x'00ff', 2147483646, default, 'pad')",
    "(2, 0, b'0', b'1000000000', 'on', '', -0.001, -1e30, 1e-300, '9999-12-31 23:59:59', '2038-01-19 03:14:07',"
    " '0001-01-01', 1901, 'null', '', 0, default, 'ÄÖÜ🛫')",
    "(3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, default, null)",
    "(9223372036854775808, -128, b'1', b'1111111111', 'on', 'b', 9999999.999, 0, 0, '1000-01-01 00:00:00',"
    " '1970-01-02 00:00:00.000001', '9999-12-31', 2155, '[]', x'0102030405060708', 5, default, '')",
)
MOMENT = (
    "id", "flag", "one", "bits", "state", "tags", "price", "small", "large", "at", "seen", "day", "yr", "doc", "raw",
    "u", "twice", "padded",
)  # fmt: skip
TABLES: dict[str, Any] = {
    "box": {"columns": {"id": {}, "name": {}}},
    "item": {"columns": {"id": {}, "line": {}, "box": {}, "words": {}}},
    "moment": {"columns": {each: {} for each in MOMENT}},
}


@dataclass
class Source:
    """A database of its own with a mapping of its own, and what comes out of its topic."""

    mapping: Mapping
    settings: Settings
    cursor: pymysql.cursors.Cursor
    database: MariaDB

    @property
    def names(self) -> Names:
        return names(self.mapping, self.mapping.name)

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.cursor.execute(statement)

    def lock(self) -> Lock:
        return Lock(sources={self.mapping.name: self.database.catalogue()})

    def register(self) -> None:
        register(self.mapping, self.lock(), self.settings)

    def log(self) -> Log:
        return Log(self.settings.kafka, self.names.topic)

    def committed(self, log: Log) -> list[Record]:
        """Everything that comes out before a marker that is committed now."""
        token = uuid4().hex
        self.database.emit(token)
        return log.until(lambda record: isinstance(record, Message) and record.content == token)

    def left(self) -> dict[str, Any]:
        """What of this source is outside Headrace."""
        own, topics = self.names, Topics(self.settings.kafka)
        with Connect(self.settings.connect_url) as connect:
            connectors = own.connector in connect.names()
        return {
            "connector": connectors,
            "marker table": bool(self.cursor.execute("show tables like 'headrace_marker'")),
            "signal table": bool(self.cursor.execute(f"show tables like '{own.signal_table}'")),
            "topics": [t for t in (own.topic, own.signal_topic, own.history_topic) if topics.topic_id(t)],
        }


NOTHING = {"connector": False, "marker table": False, "signal table": False, "topics": []}


@pytest.fixture(params=[MariaDB, pytest.param(MySQL, marks=pytest.mark.mysql)], ids=lambda each: each.connector)
def source(request: pytest.FixtureRequest, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    kind: type[MariaDB] = request.param
    server = server_url(stack, kind.connector)
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    name = f"capture_{kind.connector}_{os.getpid()}_{next(NUMBERS)}"
    url = f"{server.rsplit('/', 1)[0]}/{name}"
    monkeypatch.setenv("CAPTURE_URL", url)
    mapping = Mapping.model_validate(
        {
            "version": 1,
            "name": name,
            "source": {"connector": kind.connector, "url": "${CAPTURE_URL}", "schema": name},
            "tables": TABLES,
            "documents": {"d": {"root": "box"}},
        }
    )
    address = kind(url).address
    connection = pymysql.connect(
        host=address.host, port=address.port, user=address.user, password=address.password, autocommit=True
    )
    with connection, connection.cursor() as cursor:
        made = Source(mapping, Settings(_env_file=None), cursor, kind(url))
        # Another zone than UTC: what is a moment must not move, what is a wall clock must not either.
        made.run(f"create database {name} character set utf8mb4", f"use {name}", "set time_zone = '+05:30'", *SQL)
        yield made
        unregister(made.mapping, made.settings)
        made.run(f"drop database if exists {name}")


def completed(record: Record) -> bool:
    return isinstance(record, SnapshotNotice) and record.kind == "COMPLETED"


def changes(records: Collection[Record]) -> list[Change]:
    return [record for record in records if isinstance(record, Change)]


def said(record: Record) -> tuple[Any, ...]:
    if isinstance(record, Change):
        return record.operation.value, record.table.rpartition(".")[2], record.key
    return (type(record).__name__,)


def test_every_operation_comes_out_as_it_was_committed_and_in_its_order(source: Source) -> None:
    source.register()
    with source.log() as log:
        shown = changes(log.until(completed))
        assert sorted((row.table.rpartition(".")[2], str(row.key)) for row in shown) == [
            ("box", "{'id': 1}"),
            ("box", "{'id': 2}"),
            ("item", "{'id': 7, 'line': 1}"),
            ("item", "{'id': 7, 'line': 2}"),
        ]
        source.run(
            "begin", "insert into item values (8, 1, 2, 'x'), (8, 2, 2, 'y')", "update box set name = 'B' where id = 2",
            "delete from item where line = 2", "commit",
            "update item set id = 9 where id = 8", "alter table box add column later int default 3",
            "insert into box values (3, null, 'S3CRET', 4)", "replace into box values (3, 'again', 'S3CRET', 4)",
            f"update item set words = repeat('x', {LARGEST}) where id = 9", "truncate table item",
        )  # fmt: skip
        records = source.committed(log)
    assert not [record for record in records if isinstance(record, Broken)]
    assert [said(r) for r in records if isinstance(r, Change | Truncate | SchemaChange)] == [
        ("c", "item", {"id": 8, "line": 1}), ("c", "item", {"id": 8, "line": 2}), ("u", "box", {"id": 2}),
        ("d", "item", {"id": 7, "line": 2}), ("d", "item", {"id": 8, "line": 2}),
        ("d", "item", {"id": 8, "line": 1}), ("c", "item", {"id": 9, "line": 1}), ("SchemaChange",),
        ("c", "box", {"id": 3}), ("d", "box", {"id": 3}), ("c", "box", {"id": 3}),
        ("u", "item", {"id": 9, "line": 1}), ("Truncate",),
    ]  # fmt: skip
    found = changes(records)
    assert len({change.transaction for change in found[:5]}) == 1
    ends = {end.transaction: end.offset for end in records if isinstance(end, TransactionEnd)}
    assert all(change.transaction and ends[change.transaction] > change.offset for change in found)
    assert (found[5].new_key, found[6].old_key) == ({"id": 9, "line": 1}, {"id": 8, "line": 1})
    places = [change.database_position or () for change in found]
    assert places == sorted(places)
    assert len(str(found[-1].after and found[-1].after["words"])) == LARGEST


def test_a_value_is_the_same_from_snapshot_from_log_and_from_sql(source: Source) -> None:
    source.run(f"insert into moment values {', '.join(VALUES)}")
    source.register()
    plan = table_plans(source.mapping, source.lock())["moment"]
    columns = [column.database_name for column in plan.columns.values()]
    rows = source.database.sample(plan.database_name, columns, 10)
    expected = {str(row["id"]): image(plan, row, LARGEST) for row in rows}
    with source.log() as log:
        shown = [change for change in changes(log.until(completed)) if change.table == plan.database_name]
        source.run("delete from moment", f"insert into moment values {', '.join(VALUES)}")
        streamed = [change for change in changes(source.committed(log)) if change.operation == "c"]
    for found in (shown, streamed):
        images = [image(plan, change.after or {}, LARGEST) for change in found]
        assert len(images) == len(expected)
        different = {
            (row["id"], name): (value, expected[str(row["id"])][name])
            for row in images
            for name, value in row.items()
            if value != expected[str(row["id"])][name]
        }
        assert different == {}


def test_nothing_that_is_not_listed_reaches_kafka(source: Source) -> None:
    source.run("create table other (id int primary key, x varchar(40))", "insert into other values (1, 'S3CRET2')")
    source.register()
    with source.log() as log:
        log.until(completed)
        source.run("insert into other values (2, 'S3CRET3')", "update box set secret = 'S3CRET4'")
        source.run(*UNLISTED, *SECRETS[source.database.connector])
        source.run("alter table box add column later int default 3", "drop user headrace_passing")
        ddl = [record.statement for record in source.committed(log) if isinstance(record, SchemaChange)]
        everything = b"".join((key or b"") + (value or b"") for key, value in log.raw)
    end = Topics(source.settings.kafka).end(source.names.history_topic)
    with Log(source.settings.kafka, source.names.history_topic) as history:
        history.until(lambda record: record.offset == end - 1)
        everything += b"".join((key or b"") + (value or b"") for key, value in history.raw)
    assert [each.partition(" /*")[0] for each in ddl] == ["alter table box add column later int default 3"]
    assert b"S3CRET" not in everything
    assert b"hunter" not in everything


UNLISTED = (
    "create user if not exists headrace_passing identified by 'hunter1'",
    "alter user headrace_passing identified by 'hunter3'",
    "create event hunter5 on schedule every 1 day do select 1",
    "drop event hunter5",
    "create procedure hunter6() select 1",
    "create view hunter7 as select 1 as a",
    "alter table other add column hunter8 int",
    "create table hunter9 as select 1 as x",
    "rename table hunter9 to hunter10",
    "truncate table hunter10",
    "drop table hunter10",
)
SECRETS = {
    "mariadb": (
        "set password for headrace_passing = password('hunter2')",
        "grant select on *.* to headrace_passing identified by 'hunter4'",
    ),
    "mysql": (
        "set password for headrace_passing = 'hunter2'",
        "create role hunter4",
        "grant hunter4 to headrace_passing",
        "drop role hunter4",
        "create table hunter11 (id int primary key, places vector(3) comment 'hunter')",
        "drop table hunter11",
    ),
}


def test_an_idle_source_still_beats_with_a_position(source: Source) -> None:
    source.register()

    def beat(record: Record) -> bool:
        return isinstance(record, Message) and record.prefix == "headrace-heartbeat"

    with source.log() as log:
        log.until(completed)
        beats = [log.until(beat, within=30)[-1] for _ in range(4)]
    assert all(isinstance(each, Message) and each.database_position for each in beats)
    assert [each.committed_at for each in beats] == sorted({each.committed_at for each in beats})


def silent(source: Source) -> bool:
    """Whether what foreign keys do is in no record: MySQL writes it into its log since 9.6."""
    return not source.cursor.execute(
        "show global variables where variable_name = 'innodb_native_foreign_keys' and value = 'OFF'"
    )


def test_what_a_foreign_key_does_is_in_no_record_or_before_its_cause_and_its_rule_is_in_the_lock(
    source: Source,
) -> None:
    source.register()
    lock = source.lock()
    with source.log() as log:
        log.until(completed)
        source.run("delete from box where id = 1")
        found = [said(change) for change in changes(source.committed(log))]
    logged = [] if silent(source) else [("d", "item", {"id": 7, "line": 1})]
    assert found == [*logged, ("d", "box", {"id": 1})]
    left = source.database.sample(f"{source.mapping.name}.item", ["id", "line"], 10)
    assert [(row["id"], row["line"]) for row in left] == [(7, 2)]
    assert cascades(lock, table_plans(source.mapping, lock)) == {
        "box": (Cascade("box", ("id",), "item", ("box",), "cascade", ""),)
    }


def test_a_new_snapshot_shows_everything_again(source: Source) -> None:
    source.register()
    with source.log() as log:
        log.until(completed)
        source.run("update box set name = 'new'")
        resnapshot(source.mapping, source.mapping.name, source.settings)
        log.until(completed)
        shown = [c.after for c in changes(log.records) if c.operation == "r" and c.table.endswith(".box")]
        source.run("delete from box where id = 1")
        assert said(changes(source.committed(log))[-1]) == ("d", "box", {"id": 1})
    assert [row and row["name"] for row in shown] == ["one", "Zoë", "new", "new"]


def test_a_user_with_the_rights_that_preflight_names_and_no_others_is_enough_even_without_tls(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, name = source.database.address, source.mapping.name
    user = f"{name}_plain"
    # Of what it may not read it would not even see that it is there.
    source.run(f"create user '{user}'@'%' identified by 'p:w'", f"grant select on {name}.* to '{user}'@'%'")
    with monkeypatch.context() as other:
        plain = f"mysql://{user}:p%3Aw@{address.host}:{address.port}/{name}?ssl-mode=disabled"
        other.setenv("CAPTURE_URL", plain)
        lacking = preflight(source.mapping, source.lock(), source.settings)[name]
        # MariaDB hides foreign keys from who may only read: then they are not what the lock says, either.
        assert {problem.code for problem in lacking} - {"M235"} == {"M214", "M238"}
        source.run(*(problem.sql.replace("@'…'", "@'%'").rstrip(";") for problem in lacking if problem.sql))
        source.register()
        with source.log() as log, Connect(source.settings.connect_url) as connect:
            log.until(completed)
            connect.stop(source.names.connector)
            # So forgets a server what it remembers of passwords: MySQL's must be sent whole again.
            source.run("flush privileges", "insert into box values (3, 'three', null)")
            connect.resume(source.names.connector)
            assert [said(change) for change in changes(source.committed(log))] == [("c", "box", {"id": 3})]
        unregister(source.mapping, source.settings)
    source.run(f"drop user '{user}'@'%'")


def test_unregistering_leaves_nothing_and_may_be_done_again(source: Source) -> None:
    source.register()
    own = source.names
    assert source.left() == {
        "connector": True,
        "marker table": True,
        "signal table": True,
        "topics": [own.topic, own.history_topic],
    }
    assert unregister(source.mapping, source.settings).clean
    assert source.left() == NOTHING
    again = unregister(source.mapping, source.settings)
    assert (again.clean, again.done) == (True, [])


def test_preflight_lists_everything_at_once_and_nothing_is_registered(source: Source) -> None:
    source.run(
        "alter table moment add column opens time",
        "create table keyless (a int)",
        "create table old (id int primary key) engine = MyISAM",
        "create view looks as select 1 as id",
    )
    wrong = {
        "moment": {"columns": {"id": {}, "opens": {}}},
        "keyless": {"key": "a", "columns": {"a": {}}},
        "old": {"columns": {"id": {}}},
        "looks": {"key": "id", "columns": {"id": {}}},
        "boxx": {"key": "id", "columns": {"id": {}}},
        "item": {"columns": {"id": {}, "line": {}, "box": {}}},
    }
    body = source.mapping.model_dump(by_alias=True) | {"tables": wrong, "documents": {"d": {"root": "old"}}}
    source.mapping = Mapping.model_validate(body)
    problems = preflight(source.mapping, source.lock(), source.settings)[source.mapping.name]
    found = {(problem.table or "").rpartition(".")[2]: problem.code for problem in problems}
    assert found == {
        "moment": "M230", "keyless": "M220", "old": "M223", "looks": "M223", "boxx": "M218",
        **({"item": "M235"} if silent(source) else {}),
    }  # fmt: skip
    with pytest.raises(PreflightFailed, match="engine = InnoDB"):
        source.register()
    assert source.left() == NOTHING
