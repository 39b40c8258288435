from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pymysql
import pytest

from connectors import debezium
from connectors.captured import CapturedTable
from connectors.change import (
    Broken,
    Change,
    Heartbeat,
    Message,
    Record,
    SchemaChange,
    SnapshotNotice,
    TransactionBegin,
    TransactionEnd,
    Truncate,
)
from connectors.database import open_database
from connectors.envelope import decode
from connectors.mariadb.address import Address, said
from connectors.mariadb.database import NOT_DDL, MariaDB, server_id
from connectors.mariadb.rows import _comparable
from connectors.mysql.database import MySQL
from connectors.names import Names
from connectors.positions import below, binlog_position
from sync.errors import SourceRefused
from sync.settings import Settings

URL = "mysql://us%40er:p%2Fw@db.example:3310/shop"
ITEM = CapturedTable("shop", "item", ("id",), {"id": None, "name": "mask"}, ("mail",))
RECORDED = Path(__file__).parent / "fixtures" / "mariadb.json"


def own(prefix: str = "shop.shop") -> Names:
    return Names(
        mapping="shop",
        source="shop",
        topic="headrace.shop.shop",
        signal_topic="signal",
        history_topic="history",
        connector="connector",
        prefix=prefix,
        slot="slot",
        publication="publication",
        signal_table="headrace_shop_signal",
        heartbeat_table="headrace_shop_heartbeat",
    )


def configuration(url: str = URL, tables: tuple[CapturedTable, ...] = (ITEM,)) -> dict[str, str]:
    settings = Settings(_env_file=None, kafka="broker:9")
    return debezium.configuration(own(), tables, settings) | MariaDB(url).configuration(own(), tables, settings)


def recorded() -> list[Record]:
    return [
        decode(
            record["key"] and record["key"].encode(),
            record["value"].encode(),
            [(name, text.encode()) for name, text in record["headers"]],
            number,
        )
        for number, record in enumerate(json.loads(RECORDED.read_text()))
    ]


# --- address


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql"])
def test_an_address_is_taken_apart_whatever_its_scheme(scheme: str) -> None:
    address = Address(URL.replace("mysql", scheme, 1) + "?ssl-mode=REQUIRED")
    found = (address.host, address.port, address.user, address.password, address.database, address.tls)
    assert found == ("db.example", 3310, "us@er", "p/w", "shop", "required")
    assert "p/w" not in str(address)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://hunter2@host",
        "mysql://u:hunter2@host:port/db",
        "postgresql://u:hunter2@h/d",
        "hunter2",
        "mysql:///hunter2",
    ],
)
def test_an_address_that_cannot_be_read_is_not_quoted(url: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        Address(url)
    assert "hunter2" not in str(caught.value) + caught.value.advice
    assert caught.value.__cause__ is None


def test_an_unknown_ssl_mode_names_those_that_there_are() -> None:
    with pytest.raises(SourceRefused) as caught:
        Address(URL + "?ssl-mode=sometimes")
    assert "verify_ca" in caught.value.advice


def test_what_the_server_says_of_a_row_is_not_passed_on() -> None:
    assert said(pymysql.err.IntegrityError(1062, "Duplicate entry 'S3CRET' for key 'PRIMARY'")) == "error 1062"
    assert said(pymysql.err.ProgrammingError(1146, "Table 'shop.x' doesn't exist")) == "Table 'shop.x' doesn't exist"


# --- configuration


def test_both_kinds_open_with_their_own_connector() -> None:
    mariadb, mysql = open_database("mariadb", URL), open_database("mysql", URL)
    assert isinstance(mariadb, MariaDB)
    assert isinstance(mysql, MySQL)
    assert mariadb.connector_class != mysql.connector_class
    assert set(mysql.tls_modes) == set(mariadb.tls_modes)


def test_the_database_of_the_url_is_the_schema_unless_the_mapping_names_one() -> None:
    assert MariaDB(URL).schema == "shop"
    assert MariaDB(URL, "stock").schema == "stock"


def test_the_marker_table_is_captured_beside_the_mapped_ones_and_nothing_else_is() -> None:
    config = configuration(tables=(ITEM, CapturedTable("stock", "box", ("id",), {"id": None})))
    listed = config["column.include.list"].split(",")
    assert debezium.exactly("shop", "item", "name") in listed
    assert debezium.exactly("shop", "headrace_marker", "content") in listed
    assert not [each for each in listed if "mail" in each]
    assert config["database.include.list"] == f"{debezium.exactly('shop')},{debezium.exactly('stock')}"
    assert config["column.truncate.to.1.chars"] == debezium.exactly("shop", "item", "name")


def test_what_would_lose_or_change_values_is_switched_off() -> None:
    config = configuration()
    assert config["bigint.unsigned.handling.mode"] == "precise"
    assert config["key.converter.decimal.format"] == config["value.converter.decimal.format"] == "NUMERIC"
    assert config["include.schema.changes"] == "true"
    assert config["snapshot.mode"] == "when_needed"
    assert config["schema.history.internal.kafka.topic"] == "history"


def test_an_idle_connector_beats_well_within_the_five_seconds_after_which_a_document_is_late() -> None:
    assert int(configuration()["connect.keep.alive.interval.ms"]) * 0.8 < 4000
    assert "headrace-heartbeat" in configuration()["heartbeat.action.query"]


def test_every_source_has_a_server_id_of_its_own_in_the_range_that_there_is() -> None:
    found = {server_id(own(f"shop{number}.shop")) for number in range(200)}
    assert len(found) == 200
    assert all(1_000_000_000 <= each < 2**32 for each in found)


@pytest.mark.parametrize(
    ("statement", "passed_over"),
    [
        ("TRUNCATE TABLE item", False),
        ("truncate item", False),
        ("alter table item add column x int", False),
        ("create table event (id int)", False),
        ("CREATE USER 'a'@'b' IDENTIFIED BY 'hunter2'", True),
        ("SET PASSWORD FOR 'a'@'b'='*5AE'", True),
        ("CREATE DEFINER=`a`@`%` event e on schedule every 1 day do select 1", True),
        ("GRANT SELECT ON *.* TO a", True),
    ],
)
def test_the_connector_is_asked_to_pass_over_statements_about_accounts_and_not_over_truncate(
    statement: str, passed_over: bool
) -> None:
    assert any(re.fullmatch(each, statement, re.IGNORECASE | re.DOTALL) for each in NOT_DDL) is passed_over


# --- positions


def source(**more: Any) -> dict[str, Any]:
    return {"file": "binlog.000002", "pos": 700, "row": 1} | more


def test_positions_follow_the_log_within_and_across_transactions() -> None:
    places = [
        binlog_position("0-1-9", source(file="binlog.000001", pos=90_000)),
        binlog_position("0-1-10", source(pos=400, row=0)),
        binlog_position("0-1-10", source(pos=400)),
        binlog_position("0-1-10", source()),
        binlog_position("0-2-11", source(file="binlog.000001", pos=4, row=0)),  # another server took over
    ]
    assert all(below(one, other) for number, one in enumerate(places) for other in places[number + 1 :])
    assert not any(below(other, one) for number, one in enumerate(places) for other in places[number:])


def test_places_of_two_streams_or_of_one_transaction_in_two_logs_cannot_be_compared() -> None:
    for one, other in [
        ("0-1-5", "7-1-6"),
        ("3e11fa47-71ca-11e1-9e33-c80aa9429562:5", "4e11fa47-71ca-11e1-9e33-c80aa9429562:6"),
    ]:
        assert not below(binlog_position(one, source()), binlog_position(other, source()))
        assert not below(binlog_position(other, source()), binlog_position(one, source()))
    assert not below(binlog_position("0-1-5", source()), binlog_position("0-1-5", source(file="binlog.000003")))
    assert not below((0, 5), (3, 9))
    assert below((3, 5), (3, 9))


def test_recorded_records_are_all_read() -> None:
    kinds = {type(record) for record in recorded()}
    assert Broken not in kinds
    assert kinds >= {Change, Message, Truncate, SchemaChange, TransactionBegin, TransactionEnd, SnapshotNotice}
    assert Heartbeat in kinds


def test_markers_and_heartbeats_are_messages_with_the_microsecond_of_their_writing() -> None:
    messages = [record for record in recorded() if isinstance(record, Message)]
    assert {message.prefix for message in messages} == {"headrace", "headrace-heartbeat"}
    assert all(message.database_position and message.transaction for message in messages)
    assert any(message.committed_at % 1_000_000 for message in messages)


def test_a_marker_that_a_snapshot_shows_is_no_marker() -> None:
    records = recorded()
    done = next(n for n, each in enumerate(records) if isinstance(each, SnapshotNotice) and each.kind == "COMPLETED")
    assert not [each for each in records[:done] if isinstance(each, Message)]
    assert [each for each in records[:done] if isinstance(each, Change)]


def test_changes_and_the_end_of_their_transaction_agree_on_its_name() -> None:
    records = recorded()
    open_ones = {each.transaction for each in records if isinstance(each, Change | Message) and each.transaction}
    ended = {each.transaction for each in records if isinstance(each, TransactionEnd)}
    assert open_ones <= ended


def test_a_truncate_opens_no_transaction_for_none_is_ended() -> None:
    (truncate,) = [record for record in recorded() if isinstance(record, Truncate)]
    assert truncate.transaction is None
    assert truncate.database_position


def test_positions_of_recorded_changes_never_go_back_and_a_key_change_shares_one() -> None:
    changes = [record for record in recorded() if isinstance(record, Change) and record.database_position]
    places = [change.database_position or () for change in changes]
    assert places == sorted(places)
    renamed = [change for change in changes if change.new_key or change.old_key]
    assert len(renamed) == 2
    assert renamed[0].database_position == renamed[1].database_position


# --- rows


@pytest.mark.parametrize(
    ("value", "base", "expected"),
    [
        ("true", "tinyint", "1"),
        ("0101", "bit", 5),
        ("true", "bit", 1),
        ("2026-03-01T09:00:00.5Z", "datetime", "2026-03-01 09:00:00.5"),
        ("AQID", "varbinary", b"\x01\x02\x03"),
        ("not base64!", "blob", None),
        ("7", "bigint", "7"),
        ("true", "varchar", "true"),
        (None, "int", None),
    ],
)
def test_a_canonical_value_is_asked_for_as_the_database_writes_it(value: Any, base: str, expected: Any) -> None:
    assert _comparable(value, base) == expected
