from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, cast

import pymysql
import pytest

from connectors.mariadb.address import Address
from connectors.mariadb.marks import BACK, Marks, replaced
from connectors.mysql.database import MySQL
from connectors.mysql.log import MySQLLog
from connectors.positions import binlog_position
from sync.settings import Settings
from tests.unit.test_connectors_mariadb import own

ONE, TWO = "9f877a39-e62b-11f1-941c-02fc00000001", "0c2b6f5e-0000-11f1-941c-02fc00000002"
THEN = Marks(2, 1_000_000, 0, "binlog.000007", 5_000, f"{ONE}:1-100")
LATER = replace(THEN, end=9_000, gtid=f"{ONE}:1-120")
RESTARTED = replace(LATER, started=THEN.started + 500, file="binlog.000009", end=400)
NEXT = [{"Event_type": "Gtid", "Info": f"SET @@SESSION.GTID_NEXT= '{ONE}:101'"}]
OTHER = [{"Event_type": "Gtid", "Info": f"SET @@SESSION.GTID_NEXT= '{ONE}:88'"}]
END = [{"Event_type": "Rotate", "Info": "binlog.000008;pos=4"}]


class Server:
    """MySQL 9.7's answers; ``there``: what stands where the log ended at the last look, None: no event begins there."""

    def __init__(self, now: Marks, there: list[dict[str, Any]] | None, before: str, files: tuple[str, ...]) -> None:
        self.now, self.there, self.before, self.files = now, there, before, files
        self.size = 5_000
        self.answer: list[dict[str, Any]] = []

    @contextmanager
    def connect(self) -> Any:
        yield self

    def execute(self, statement: str, parameters: list[Any] | None = None) -> None:
        now = self.now
        if "global status" in statement:
            self.answer = [
                {"Variable_name": "Com_reset", "Value": str(now.resets)},
                {"Variable_name": "Uptime", "Value": "1000"},
            ]
        elif "binary log status" in statement:
            self.answer = [{"File": now.file, "Position": now.end}]
        elif "show binary logs" in statement:
            self.answer = [{"Log_name": each, "File_size": self.size} for each in self.files]
        elif "binlog events in %s from" in statement:
            assert parameters == [THEN.file, THEN.end]
            if self.there is None:
                raise pymysql.err.OperationalError(1220, "Error when executing command SHOW BINLOG EVENTS")
            self.answer = self.there
        elif "binlog events" in statement:
            self.answer = [
                {"Event_type": "Format_desc", "Info": "Server ver: 9.7.4"},
                {"Event_type": "Previous_gtids", "Info": self.before},
            ]
        else:
            assert "gtid_executed" in statement
            self.answer = [{"id": now.server_id, "gtid": now.gtid, "clock": now.started + 1000}]

    def fetchall(self) -> list[dict[str, Any]]:
        return self.answer

    def fetchone(self) -> dict[str, Any] | None:
        return self.answer[0] if self.answer else None


FILES = ("binlog.000006", "binlog.000007", "binlog.000008", "binlog.000009")


def look(
    now: Marks, there: list[dict[str, Any]] | None = None, before: str = "", files: tuple[str, ...] = FILES
) -> str | None:
    address = cast(Address, Server(now, there, before, files))
    found = replaced(address, None, json.dumps(asdict(THEN)), MySQLLog())
    assert found.marks == json.dumps(asdict(now))
    return found.reason


def test_a_log_that_went_on_is_the_same() -> None:
    assert look(THEN) is None
    assert look(LATER) is None
    assert look(RESTARTED, NEXT) is None
    assert look(RESTARTED, END, before=f"{ONE}:1-100") is None
    assert look(RESTARTED, files=FILES[2:]) is None  # and purged
    assert look(replace(LATER, server_id=3, gtid=f"{ONE}:1-100,\n{TWO}:1-9", file="binlog.000001")) is None  # failover


def test_a_log_that_began_anew_or_went_back_is_found() -> None:
    assert look(replace(THEN, gtid=f"{ONE}:1-99")) == BACK
    assert look(replace(THEN, gtid="")) == BACK
    assert look(replace(RESTARTED, file="binlog.000001")) == BACK
    assert look(RESTARTED, OTHER) == BACK
    assert look(RESTARTED, None) == BACK  # longer than the old one by now, and cut otherwise
    assert look(RESTARTED, END, before=f"{ONE}:1-90") == BACK
    assert look(replace(LATER, resets=1), OTHER) == BACK
    assert look(replace(LATER, resets=1), []) == BACK


def test_a_file_that_is_shorter_than_it_was_is_another_one() -> None:
    server = Server(RESTARTED, NEXT, "", FILES)
    server.size = THEN.end - 1
    assert replaced(cast(Address, server), None, json.dumps(asdict(THEN)), MySQLLog()).reason == BACK


def test_another_failure_of_the_server_is_no_answer() -> None:
    class Refusing(Server):
        def execute(self, statement: str, parameters: list[Any] | None = None) -> None:
            if "binlog events" in statement:
                raise pymysql.err.OperationalError(1227, "Access denied")
            super().execute(statement, parameters)

    address = cast(Address, Refusing(RESTARTED, None, "", FILES))
    with pytest.raises(pymysql.err.OperationalError):
        replaced(address, None, json.dumps(asdict(THEN)), MySQLLog())


@pytest.mark.parametrize(
    ("gtid", "newest"),
    [
        (f"{ONE}:1-5:7", {f"{ONE}:7"}),
        (f"{ONE}:1-5,\n{TWO}:3", {f"{ONE}:5", f"{TWO}:3"}),
        (f"{ONE}:1-5:tagged:2-9:other:1", {f"{ONE}:5", f"{ONE}:tagged:9", f"{ONE}:other:1"}),
        ("", set()),
    ],
)
def test_the_streams_of_a_gtid_set_are_those_of_positions(gtid: str, newest: set[str]) -> None:
    found = {binlog_position(each, {"pos": 4})[:2] for each in newest}
    assert set(MySQLLog().transactions(gtid).items()) == found


def test_a_transaction_that_was_applied_and_is_not_in_the_log_shows_without_a_former_look() -> None:
    address = cast(Address, Server(THEN, None, "", FILES))
    applied = binlog_position(f"{ONE}:101", {"pos": 4})
    assert replaced(address, applied, None, MySQLLog()).reason == BACK
    assert replaced(address, (applied[0], 100, *applied[2:]), None, MySQLLog()).reason is None


@pytest.mark.parametrize(("mode", "asked"), [("disabled", True), ("preferred", True), ("required", False)])
def test_the_servers_key_is_asked_for_only_where_the_connection_may_be_plain(mode: str, asked: bool) -> None:
    database = MySQL(f"mysql://u:p@h/shop?ssl-mode={mode}")
    made = database.configuration(own(), [], Settings(_env_file=None))
    assert (made.get("driver.allowPublicKeyRetrieval") == "true") is asked
