"""Markers and heartbeats in MariaDB's own log: rows of one small table of ours, for it has no logical messages.

`connectors.envelope` reads their changes as Messages, so that the rest of the path sees what PostgreSQL shows it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from connectors.captured import CapturedTable
from connectors.envelope import MARKER_TABLE
from connectors.mariadb.address import Address, quoted
from connectors.mariadb.server import NOW, comment_of
from connectors.names import HEARTBEAT_PREFIX, MARKER_PREFIX, Names
from sync.errors import SourceRefused

COMMIT_EVERY = 0.05  # seconds
GIVING_WAY = "a backfill gives way"  # a token that nobody waits for
COMMENT = "headrace: markers and heartbeats of change capture"
_COLUMNS = ("name", "prefix", "content", "written_us")


def captured(schema: str) -> CapturedTable:
    """The table as the connector must capture it."""
    return CapturedTable(schema, MARKER_TABLE, ("name",), dict.fromkeys(_COLUMNS))


def ensure(address: Address, names: Names) -> tuple[str, Callable[[], object]] | None:
    """Make the table and this source's row in it. Returns what was done and how to undo it, None if it was there.

    Raises SourceRefused where a table of that name is somebody else's.
    """
    table = quoted(address.database, MARKER_TABLE)
    with address.connect() as cursor:
        comment = comment_of(address, MARKER_TABLE)
        if comment is not None and comment != COMMENT:
            raise SourceRefused(
                f"{address}: table {MARKER_TABLE} exists and is not Headrace's",
                advice="Rename it: Headrace writes its markers into a table of this name.",
            )
        if comment is None:
            cursor.execute(
                f"create table {table} (name varchar(300) character set utf8mb4 collate utf8mb4_bin primary key,"
                " prefix varchar(40) not null, content varchar(1000) character set utf8mb4 not null,"
                f" written_us bigint not null) engine = InnoDB comment = '{COMMENT}'"
            )
        beating = cursor.execute(f"select 1 from {table} where name = %s", [names.prefix])
        if comment is not None and beating:
            return None
        cursor.execute(_put(address), [names.prefix, HEARTBEAT_PREFIX, "registered"])
    what = "made" if comment is None else "joined"
    return f"{what} table {address.database}.{MARKER_TABLE}", lambda: leave(address, names)


def leave(address: Address, names: Names) -> bool:
    """Delete this source's row, and the table with the last one; True if there was something."""
    if comment_of(address, MARKER_TABLE) != COMMENT:
        return False
    table = quoted(address.database, MARKER_TABLE)
    with address.connect() as cursor:
        had = cursor.execute(f"delete from {table} where name = %s", [names.prefix])
        others = cursor.execute(f"select 1 from {table} where prefix = %s limit 1", [HEARTBEAT_PREFIX])
        if not others:
            cursor.execute(f"drop table {table}")
        return bool(had or not others)


def emit(address: Address, token: str) -> None:
    """Write ``token`` into the log, in a transaction of its own; returns after its commit.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as cursor:
        # Markers share one row: who waits for it waits for a commit of ours, and the table does not grow.
        cursor.execute(_put(address), [MARKER_PREFIX, MARKER_PREFIX, token])


def keep_reading(address: Address, tokens: Iterable[str | None]) -> None:
    """As `Database.keep_reading`: at each commit the connector reads until there is another one, so there always is."""
    with address.connect() as cursor:
        for token in tokens:
            cursor.execute(_put(address), [MARKER_PREFIX, MARKER_PREFIX, token or GIVING_WAY])
            time.sleep(COMMIT_EVERY)


def heartbeat(address: Address, names: Names) -> str:
    """What the connector runs every second; its change carries a position, which Debezium's own heartbeat lacks.

    It names the one before it (`connectors.heartbeats`): the numbers of a restored server's transactions soon pass
    those that were applied, and it knows no heartbeat of after its copy was made.
    """
    name = "'" + names.prefix.replace("\\", "\\\\").replace("'", "''") + "'"
    # The row is held until the commit, so that heartbeats commit in the order in which they name each other. What an
    # older version wrote is no JSON.
    before = "if(json_valid(content), json_unquote(json_extract(content, '$[2]')), null)"
    return (
        f"insert into {quoted(address.database, MARKER_TABLE)} (name, prefix, content, written_us)"
        f" values ({name}, '{HEARTBEAT_PREFIX}', json_array({name}, null, uuid()), {NOW})"
        f" on duplicate key update content = json_array({name}, {before}, uuid()), written_us = values(written_us)"
    )


def _put(address: Address) -> str:
    return (
        f"insert into {quoted(address.database, MARKER_TABLE)} (name, prefix, content, written_us)"
        f" values (%s, %s, %s, {NOW})"
        " on duplicate key update content = values(content), written_us = values(written_us)"
    )
