"""What comes out of a source's topic, decoded: row changes and the marks between them, in log order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from sync.mapping.lock import LockTable


class Position(NamedTuple):
    """Where a record stands: the epoch of the source's log, and the offset in its one partition."""

    epoch: int
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"


class Operation(StrEnum):
    create = "c"
    update = "u"
    delete = "d"
    read = "r"  # shown by a snapshot


@dataclass(frozen=True, slots=True)
class Record:
    """What every record of a source's topic has.

    ``committed_at`` is microseconds since 1970, by the database's clock (0: the record does not say).
    ``database_position`` orders records of one database as its log does; None where it has none.
    """

    offset: int
    committed_at: int


@dataclass(frozen=True, slots=True)
class Change(Record):
    """One row's change. ``before`` and ``after`` hold values by the database's column names.

    A column that Debezium did not send (unchanged TOAST) is missing from ``after`` and named in
    ``unsent``. A primary-key change is a delete with ``new_key`` followed by a create with ``old_key``.
    """

    table: str  # "schema.table" (PostgreSQL) or "database.table"
    operation: Operation
    key: dict[str, Any] | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    database_position: tuple[int, ...] | None = None
    transaction: str | None = None
    new_key: dict[str, Any] | None = None
    old_key: dict[str, Any] | None = None
    unsent: frozenset[str] = frozenset()
    incremental: bool = False  # shown by an incremental snapshot


@dataclass(frozen=True, slots=True)
class Truncate(Record):
    table: str
    database_position: tuple[int, ...] | None = None
    transaction: str | None = None


@dataclass(frozen=True, slots=True)
class TransactionBegin(Record):
    transaction: str


@dataclass(frozen=True, slots=True)
class TransactionEnd(Record):
    transaction: str


@dataclass(frozen=True, slots=True)
class Message(Record):
    """One of our own logical messages: prefix ``headrace`` carries a marker, ``headrace-heartbeat`` a beat."""

    prefix: str
    content: str
    database_position: tuple[int, ...] | None = None
    transaction: str | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat(Record):
    """Debezium's own heartbeat: it lives, but it says no position."""


@dataclass(frozen=True, slots=True)
class SnapshotNotice(Record):
    """A snapshot's notification. ``kind`` is Debezium's: STARTED, IN_PROGRESS, TABLE_SCAN_COMPLETED, COMPLETED, …"""

    snapshot: str  # "Initial Snapshot" or "Incremental Snapshot"
    kind: str
    identity: str
    table: str | None = None
    status: str | None = None  # SUCCEEDED, EMPTY, NO_PRIMARY_KEY, UNKNOWN_SCHEMA, SQL_EXCEPTION, …
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SchemaChange(Record):
    """DDL as MySQL and MariaDB send it in line. ``kind`` is CREATE, ALTER or DROP where it is about ``tables``.

    ``definitions``: what the connector takes those of them for that are there afterwards; their keys and columns, with
    types about as the catalogue writes them.
    """

    statement: str
    tables: tuple[str, ...] = ()
    kind: str = ""
    shown: bool = False  # by a snapshot, which says what there is: nothing happened
    database_position: tuple[int, ...] | None = None
    definitions: dict[str, LockTable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Broken(Record):
    """A record that could not be decoded: kept by position, reason and, where it tells, row key; never by value."""

    reason: str
    table: str | None = None
    key: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tombstone(Record):
    """A key without a value: it follows a delete where a topic is compacted, and says nothing more."""
