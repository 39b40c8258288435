"""What several parts ask a MariaDB or MySQL server: its time, where its log ends, and whose a table of ours is."""

from __future__ import annotations

from typing import Any

import pymysql
from pymysql.cursors import DictCursor

from connectors.mariadb.address import Address, code_of

# Microseconds since 1970 by the server's clock: its log keeps whole seconds only. Counted in UTC, for a local hour
# comes twice in autumn.
NOW = "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))"


def comment_of(address: Address, table: str) -> str | None:
    """The comment of a table in the address's own database; None where there is no such table.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as cursor:
        cursor.execute(
            "select table_comment as comment from information_schema.tables"
            " where table_schema = %s and table_name = %s",
            [address.database, table],
        )
        row = cursor.fetchone()
    return None if row is None else str(row["comment"])


_UNKNOWN_WORDS = 1064


def log_status(cursor: DictCursor, *, mariadb: bool) -> dict[str, Any] | None:
    """Where the binary log ends, and which databases are in it; None where there is no such log."""
    _ask(cursor, "show binary log status", "show master status", mariadb)
    row: dict[str, Any] | None = cursor.fetchone()
    return row


def replicas(cursor: DictCursor, *, mariadb: bool) -> list[dict[str, Any]]:
    """Who reads the log."""
    _ask(cursor, "show replicas", "show slave hosts", mariadb)
    return list(cursor.fetchall())


def _ask(cursor: DictCursor, new: str, old: str, mariadb: bool) -> None:
    """MySQL 8.4 no longer understands the old words, 8.0 not yet the new ones."""
    try:
        cursor.execute(old if mariadb else new)
    except pymysql.err.MySQLError as exc:
        if mariadb or code_of(exc) != _UNKNOWN_WORDS:
            raise
        cursor.execute(old)
