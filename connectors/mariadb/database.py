"""MariaDB as a Database: each of its parts behind the one protocol."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from connectors import debezium
from connectors.captured import CapturedTable
from connectors.mariadb import marker, rows
from connectors.mariadb.address import Address
from connectors.mariadb.catalogue import catalogue
from connectors.mariadb.preflight import preflight
from connectors.names import Names
from connectors.problem import Problem
from sync.mapping.lock import SourceLock
from sync.settings import Settings

# PostgreSQL's default schema, which a caller may hand over for want of another.
_NO_SCHEMA = "public"


class MariaDB:
    connector = "mariadb"
    connector_class = "io.debezium.connector.mariadb.MariaDbConnector"
    tls_modes = {
        "disabled": "disable",
        "preferred": "disable",
        "required": "trust",
        "verify_ca": "verify-ca",
        "verify_identity": "verify-full",
    }

    def __init__(self, url: str, schema: str | None = None) -> None:
        self.address = Address(url)
        self.schema = schema if schema and schema != _NO_SCHEMA else self.address.database

    def __str__(self) -> str:
        return str(self.address)

    def catalogue(self, tables: Collection[str] | None = None) -> SourceLock:
        return catalogue(self.address, self.connector, self.schema, tables)

    def preflight(self, names: Names, tables: Sequence[CapturedTable], *, registered: bool) -> list[Problem]:
        return preflight(self.address, self.connector, server_id(names), tables, registered=registered)

    def configuration(self, names: Names, tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
        address = self.address
        schemas = dict.fromkeys([address.database, *(table.schema for table in tables)])
        return {
            "connector.class": self.connector_class,
            "database.hostname": address.host,
            "database.port": str(address.port),
            "database.user": address.user,
            "database.password": address.password,
            "database.ssl.mode": self.tls_modes[address.tls],
            "database.server.id": str(server_id(names)),
            "database.include.list": ",".join(map(debezium.exactly, schemas)),
            **debezium.listed([*tables, marker.captured(address.database)]),
            "schema.history.internal.kafka.topic": names.history_topic,
            "schema.history.internal.kafka.bootstrap.servers": settings.kafka,
            "include.schema.changes": "true",
            # Where the log that it needs was purged, the connector reads everything again instead of failing.
            "snapshot.mode": "when_needed",
            "snapshot.locking.mode": "minimal",
            "heartbeat.action.query": marker.heartbeat(address, names),
        }

    def prepare(self, names: Names, tables: Sequence[CapturedTable]) -> tuple[str, Callable[[], object]] | None:
        return marker.ensure(self.address, names)

    def start_over(self, names: Names) -> bool:
        """The server keeps nothing for a connector: its offsets are all there is."""
        return False

    def clean(self, names: Names) -> list[str]:
        return [f"left table {self.address.database}.{marker.MARKER_TABLE}"] if marker.leave(self.address, names) else []

    def emit(self, token: str) -> None:
        marker.emit(self.address, token)

    def find(
        self, table: str, columns: Sequence[str], values: Collection[Sequence[Any]], wanted: Sequence[str]
    ) -> list[dict[str, Any]]:
        return rows.find(self.address, self._split(table), columns, values, wanted)

    def sample(self, table: str, wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
        return rows.sample(self.address, self._split(table), wanted, limit)

    def _split(self, table: str) -> tuple[str, str]:
        # A table's name may hold dots, and so may a database's; the source's own settles most of it.
        if table.startswith(f"{self.schema}."):
            return self.schema, table[len(self.schema) + 1 :]
        schema, dot, name = table.partition(".")
        return (schema, name) if dot else (self.schema, table)


def server_id(names: Names) -> int:
    """What the connector calls itself among the server's replicas, where no two may be called alike (32 bits)."""
    return 1_000_000_000 + zlib.crc32(f"{names.prefix}".encode()) % 3_000_000_000
