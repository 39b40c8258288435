"""Places in a source's own log as tuples of integers, and which of two comes first.

PostgreSQL: (last commit's LSN, LSN); the first is 0 in the first transaction after a snapshot, when the connector knows
of no commit. MariaDB and MySQL: (stream, transaction, log file, offset, row), where a stream is one sequence of
transactions: a GTID domain of MariaDB, a server's UUID of MySQL. There a first part of 0 is unknown.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple


class Look(NamedTuple):
    """Of a source's log: why it is another one than at the last look, and the marks to compare with at the next."""

    reason: str | None
    marks: str | None


BINLOG = 5  # parts of a binlog position


def binlog_position(gtid: str, source: Mapping[str, Any]) -> tuple[int, ...]:
    """``gtid`` is "domain-server-transaction" (MariaDB) or "uuid:transaction" (MySQL); raises ValueError for others.

    ``source`` adds file, pos and row: a transaction stands in one file, its events in the order of their offsets, an
    event's rows by number.
    """
    if ":" in gtid:
        server, _, number = gtid.rpartition(":")
        stream, transaction = 1 + zlib.crc32(server.encode()), int(number)
    else:
        domain, _, number = gtid.split("-")
        stream, transaction = 1 + int(domain), int(number)
    file = str(source.get("file") or "").rpartition(".")[2]
    return stream, transaction, int(file) if file.isdigit() else 0, int(source["pos"]), int(source.get("row") or 0)


def below(position: tuple[int, ...], highest: tuple[int, ...]) -> bool:
    """Whether ``position`` certainly comes before ``highest``; False where the two cannot be compared.

    Two streams of one log are numbered apart, and after a failover one transaction stands in another server's file.
    A record of PostgreSQL's first transaction names no commit. Once another record named one that stands behind it,
    it was applied: in line, the first transaction comes before all others.
    """
    if len(position) != len(highest):
        return False
    if position[0] == 0:
        return len(position) != BINLOG and position[1] < highest[0]
    if len(position) == BINLOG:
        if position[0] != highest[0]:
            return False
        if position[1] == highest[1] and position[2] != highest[2]:
            return False
    return position < highest


def of_earlier_transaction(position: tuple[int, ...], highest: tuple[int, ...]) -> bool:
    """Whether ``position`` certainly belongs to a transaction that committed before that of ``highest``.

    For rows that a snapshot shows between the changes: within its transaction their place says nothing.
    """
    if position[0] == 0 or len(position) != len(highest):
        return False
    if len(position) == BINLOG:
        return position[0] == highest[0] and position[1] < highest[1]
    return position[0] < highest[0]
