"""Whether a server's binary log is still that of the last look: neither RESET MASTER nor a restore tells the connector.

A log that began anew may soon have more transactions than the old one had, numbered alike; a connector that was away
meanwhile would go on in the middle of it. So its end is noted at every look. That it is still the same is plain while
the server runs and nobody reset its log; otherwise the server is asked what it had written up to that very place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pymysql.cursors import DictCursor

from connectors.mariadb.address import Address
from connectors.mariadb.server import log_status
from connectors.positions import BINLOG, Look

LOOKS = 5
CLOCK = 3  # seconds by which a server's start may seem to move
BACK = "the database's log went back: it was reset, or the database restored to an earlier point"


@dataclass(frozen=True)
class Marks:
    """Of server ``server_id``, up since ``started`` and its log reset ``resets`` times since: where its log ends."""

    server_id: int
    started: int
    resets: int
    file: str
    end: int
    gtid: str

    @property
    def place(self) -> tuple[int, int]:
        number = self.file.rpartition(".")[2]
        return (int(number) if number.isdigit() else 0), self.end

    def same_life(self, other: Marks) -> bool:
        return self.resets == other.resets and abs(self.started - other.started) <= CLOCK


class Log:
    """How MariaDB tells of its log; MySQL's way is in `connectors.mysql.log`."""

    gtid = "gtid_binlog_pos"  # the variable that holds the last transactions

    def end(self, cursor: DictCursor) -> dict[str, Any] | None:
        return log_status(cursor, mariadb=True)

    def transactions(self, gtid: str) -> dict[int, int]:
        """Stream of `connectors.positions` → number of its last transaction, of "0-1-737,1-2-5"."""
        parts = [each.strip().split("-") for each in gtid.split(",") if each.strip()]
        return {1 + int(domain): int(number) for domain, _, number in parts}

    def another(self, cursor: DictCursor, before: Marks, now: Marks, files: Sequence[str]) -> bool:
        """Whether at the place of the last look something else stands now; ``files`` are the log's."""
        cursor.execute("select binlog_gtid_pos(%s, %s) as gtid", [before.file, before.end])
        row = cursor.fetchone() or {}
        return row.get("gtid") is not None and self.transactions(str(row["gtid"])) != self.transactions(before.gtid)


def replaced(address: Address, applied: tuple[int, ...] | None, marks: str | None, log: Log | None = None) -> Look:
    """Compare the server's log with the last look's ``marks``; ``applied`` is a position of `connectors.positions`.

    After a failover another server answers: then only its transactions are compared, for its files are its own.
    Raises SourceUnreachable and SourceRefused.
    """
    log = log or Log()
    with address.connect() as cursor:
        now = _read(cursor, log)
        if now is None:
            return Look(None, marks)
        before = Marks(**json.loads(marks)) if marks else None
        kept = json.dumps(asdict(now))
        if _behind(log, now, applied) or (before is not None and _went_back(cursor, log, before, now)):
            return Look(BACK, kept)
    return Look(None, kept)


def _behind(log: Log, now: Marks, applied: tuple[int, ...] | None) -> bool:
    """Whether a transaction was applied that the server does not have."""
    if applied is None or len(applied) != BINLOG or applied[0] == 0:
        return False
    return log.transactions(now.gtid).get(applied[0], 0) < applied[1]


def _went_back(cursor: DictCursor, log: Log, before: Marks, now: Marks) -> bool:
    then, have = log.transactions(before.gtid), log.transactions(now.gtid)
    if any(have.get(stream, 0) < number for stream, number in then.items()):
        return True
    if before.server_id != now.server_id:
        return False
    if now.place < before.place:
        return True
    if before.same_life(now):
        return False
    cursor.execute("show binary logs")
    sizes = {str(row["Log_name"]): int(row["File_size"]) for row in cursor.fetchall()}
    if before.file not in sizes:
        return False  # purged: if that took what was not read yet, the connector finds out by itself
    return sizes[before.file] < before.end or log.another(cursor, before, now, list(sizes))


def _read(cursor: DictCursor, log: Log) -> Marks | None:
    """None where the log moves on at each look: then a place and a transaction may not belong together."""
    cursor.execute("show global status where variable_name in ('Uptime', 'Com_reset')")
    status = {str(row["Variable_name"]).lower(): int(row["Value"]) for row in cursor.fetchall()}
    for _ in range(LOOKS):
        first, at, then = _server(cursor, log), log.end(cursor), _server(cursor, log)
        if at is None:
            return None
        if then["gtid"] == first["gtid"]:
            started = int(first["clock"]) - status["uptime"]
            end = str(at["File"]), int(at["Position"])
            return Marks(int(first["id"]), started, status.get("com_reset", 0), *end, str(first["gtid"]))
    return None


def _server(cursor: DictCursor, log: Log) -> dict[str, Any]:
    cursor.execute(f"select @@server_id as id, @@global.{log.gtid} as gtid, unix_timestamp() as clock")
    return cursor.fetchone() or {}
