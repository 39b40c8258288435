"""The replication slot that PostgreSQL keeps for the connector: how far it is, and its end.

A slot nobody reads keeps the server from discarding its log, until the disk is full.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from connectors.postgres.address import Address
from sync.errors import SourceRefused

PLUGIN = "pgoutput"
_INACTIVE_WITHIN = 15.0  # seconds: a stopped connector's walsender ends within a few


@dataclass(frozen=True)
class Slot:
    """``held_bytes``: log that the slot keeps the server from discarding. ``wal_status``: reserved, extended,
    unreserved or lost. LSNs are integers, as in `source.sequence`."""

    name: str
    database: str | None
    plugin: str | None
    active: bool
    wal_status: str | None
    restart_lsn: int | None
    confirmed_lsn: int | None
    held_bytes: int | None

    @property
    def lost(self) -> bool:
        return self.wal_status == "lost"


_READ = """
select slot_name::text as name, database::text, plugin::text, active, wal_status,
       (restart_lsn - '0/0')::bigint as restart_lsn, (confirmed_flush_lsn - '0/0')::bigint as confirmed_lsn,
       (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
        - restart_lsn)::bigint as held_bytes
from pg_replication_slots where slot_name = %s
"""


def read(address: Address, name: str) -> Slot | None:
    """None if there is no such slot. Raises SourceUnreachable and SourceRefused."""
    with address.connect() as connection, connection.cursor(row_factory=class_row(Slot)) as cursor:
        return cursor.execute(_READ, [name]).fetchone()


def drop(address: Address, name: str, within: float = _INACTIVE_WITHIN) -> bool:
    """Drop a slot as soon as nobody reads it; False if there is none.

    Raises SourceRefused if it is still read after ``within`` seconds, or belongs to another database or plugin.
    """
    deadline = time.monotonic() + within
    with address.connect() as connection, connection.cursor(row_factory=class_row(Slot)) as cursor:
        while (found := cursor.execute(_READ, [name]).fetchone()) is not None:
            if found.database != address.database or found.plugin != PLUGIN:
                raise SourceRefused(f"{address}: slot {name} is not Headrace's and stays")
            if not found.active:
                try:
                    cursor.execute("select pg_drop_replication_slot(%s)", [name])
                    return True
                except psycopg.errors.ObjectInUse:
                    pass  # taken between the two statements
                except psycopg.errors.UndefinedObject:
                    return False
            if time.monotonic() > deadline:
                raise SourceRefused(
                    f"{address}: slot {name} is still read after {within:.0f} s",
                    advice="Stop the connector that reads it; until the slot is dropped it keeps the server's log.",
                )
            time.sleep(0.1)
    return False
