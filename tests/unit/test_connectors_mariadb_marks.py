from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, cast

import pytest

from connectors.mariadb.address import Address
from connectors.mariadb.marks import BACK, Marks, replaced

THEN = Marks(1, 1_000_000, 0, "binlog.000007", 5_000, "0-1-100,3-1-7")


class Server:
    """Answers what `marks` asks; ``written`` is what it says of the place where the log ended at the last look."""

    def __init__(self, now: Marks, written: str | None = None, commits: int = 0) -> None:
        self.now, self.written, self.commits = now, written, commits
        self.size = THEN.end
        self.answer: list[dict[str, Any]] = []

    @contextmanager
    def connect(self) -> Any:
        yield self

    def execute(self, statement: str, parameters: object = None) -> None:
        now = self.now
        if "global status" in statement:
            self.answer = [
                {"Variable_name": "Com_reset", "Value": str(now.resets)},
                {"Variable_name": "Uptime", "Value": "1000"},
            ]
        elif "master status" in statement:
            self.answer = [{"File": now.file, "Position": now.end}]
        elif "binary logs" in statement:
            self.answer = [{"Log_name": THEN.file, "File_size": self.size}] if self.written else []
        elif "binlog_gtid_pos(" in statement:
            self.answer = [{"gtid": self.written}]
        else:
            gtid = f"{now.gtid},9-1-{self.commits}" if self.commits else now.gtid
            self.commits += bool(self.commits)
            self.answer = [{"id": now.server_id, "gtid": gtid, "clock": now.started + 1000}]

    def fetchall(self) -> list[dict[str, Any]]:
        return self.answer

    def fetchone(self) -> dict[str, Any] | None:
        return self.answer[0] if self.answer else None


def look(now: Marks, *, written: str | None = None, applied: tuple[int, ...] | None = None) -> str | None:
    address = cast(Address, Server(now, written))
    found = replaced(address, applied, json.dumps(asdict(THEN)))
    assert found.marks == json.dumps(asdict(now))
    return found.reason


LATER = replace(THEN, end=9_000, gtid="0-1-120,3-1-7")


@pytest.mark.parametrize(
    ("now", "written"),
    [
        (THEN, None),
        (LATER, None),
        (replace(LATER, file="binlog.000009", end=400), None),
        (replace(LATER, started=THEN.started + 500), THEN.gtid),  # restarted
        (replace(LATER, started=THEN.started + 500), "3-1-7, 0-1-100"),
        (replace(LATER, started=THEN.started + 500, file="binlog.000012"), None),  # and purged
        (replace(LATER, server_id=2, file="binlog.000001", end=400), None),  # a failover
    ],
)
def test_a_log_that_went_on_is_the_same(now: Marks, written: str | None) -> None:
    assert look(now, written=written) is None


@pytest.mark.parametrize(
    ("now", "written"),
    [
        (replace(THEN, gtid="0-1-99,3-1-7"), None),
        (replace(THEN, resets=1, gtid=""), None),
        (replace(LATER, end=4_000), None),
        (replace(LATER, file="binlog.000001", resets=1, gtid="0-1-300,3-1-9"), None),
        (replace(LATER, resets=1), "0-1-180"),  # longer than the old one by now
        (replace(LATER, started=THEN.started + 500), "0-1-180"),
        (replace(LATER, server_id=2, gtid="0-2-90,3-1-7"), None),
    ],
)
def test_a_log_that_began_anew_or_went_back_is_found(now: Marks, written: str | None) -> None:
    assert look(now, written=written) == BACK


def test_a_file_that_is_shorter_than_it_was_is_another_one() -> None:
    server = Server(replace(LATER, resets=1), THEN.gtid)
    assert replaced(cast(Address, server), None, json.dumps(asdict(THEN))).reason is None
    server.size = THEN.end - 1
    assert replaced(cast(Address, server), None, json.dumps(asdict(THEN))).reason == BACK


def test_a_transaction_that_was_applied_and_is_not_in_the_log_shows_without_a_former_look() -> None:
    address = cast(Address, Server(THEN))
    assert replaced(address, (1, 101, 7, 4, 0), None).reason == BACK
    assert replaced(address, (1, 100, 7, 4, 0), None).reason is None
    assert replaced(address, (4, 7, 7, 4, 0), None).reason is None
    assert replaced(address, (5, 1, 7, 4, 0), None).reason == BACK
    assert replaced(address, None, None).reason is None


def test_a_log_that_moves_at_every_look_is_compared_later() -> None:
    kept = json.dumps(asdict(THEN))
    assert replaced(cast(Address, Server(LATER, commits=1)), None, kept) == (None, kept)
