"""How MySQL tells of its binary log: which transactions it holds, and what stands where it ended at the last look."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from connectors.mariadb.address import code_of
from connectors.mariadb.marks import Log, Marks
from connectors.mariadb.server import log_status

_NO_EVENT_THERE = 1220
_GTID_NEXT = re.compile(r"GTID_NEXT\s*=\s*'([^']+):(\d+)'")


class MySQLLog(Log):
    gtid = "gtid_executed"

    def end(self, cursor: DictCursor) -> dict[str, Any] | None:
        return log_status(cursor, mariadb=False)

    def transactions(self, gtid: str) -> dict[int, int]:
        """As MariaDB's, of "uuid:1-5:7,uuid:1-3:tag:1-2"."""
        found: dict[int, int] = {}
        for each in gtid.replace("\n", "").split(","):
            server, *parts = each.strip().split(":")
            name = server
            for part in parts:
                first, _, last = part.partition("-")
                if first.isdigit():
                    found[_stream(name)] = max(found.get(_stream(name), 0), int(last or first))
                else:  # a tag: what follows it is numbered apart
                    name = f"{server}:{part}"
        return found

    def another(self, cursor: DictCursor, before: Marks, now: Marks, files: Sequence[str]) -> bool:
        """MySQL has no function for it: the next transaction must stand there; at a file's end, the next file begins
        by saying what came before it."""
        then = self.transactions(before.gtid)
        try:
            cursor.execute("show binlog events in %s from %s limit 1", [before.file, before.end])
        except pymysql.err.MySQLError as exc:
            if code_of(exc) == _NO_EVENT_THERE:
                return True
            raise
        event = cursor.fetchone()
        if event is None:
            return self.transactions(now.gtid) != then
        if following := _GTID_NEXT.search(str(event["Info"])):
            return then.get(_stream(following[1]), 0) + 1 != int(following[2])
        rest = files[files.index(before.file) + 1 :]
        return bool(rest) and self._before(cursor, rest[0]) != then

    def _before(self, cursor: DictCursor, file: str) -> dict[int, int]:
        """The transactions that stand in the files before this one."""
        cursor.execute("show binlog events in %s limit 3", [file])
        said = [str(row["Info"]) for row in cursor.fetchall() if row["Event_type"] == "Previous_gtids"]
        return self.transactions(said[0]) if said else {}


def _stream(name: str) -> int:
    """As `connectors.positions` counts them."""
    return 1 + zlib.crc32(name.encode())
