"""PostgreSQL as a Database: each of its parts behind the one protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from connectors import debezium, signals
from connectors.captured import CapturedTable
from connectors.names import SCHEMA, Names
from connectors.positions import Look
from connectors.postgres import heartbeat, marker, publication, reading, rows, shape, signal_table, slot
from connectors.postgres.address import Address
from connectors.postgres.catalogue import catalogue
from connectors.postgres.marks import replaced as compare
from connectors.postgres.preflight import preflight
from connectors.problem import Problem
from connectors.shape import Shape
from connectors.signals import Signal
from sync.mapping.lock import SourceLock
from sync.settings import Settings

MOMENT = 0.005  # seconds


class Postgres:
    connector = "postgres"
    connector_class = "io.debezium.connector.postgresql.PostgresConnector"

    def __init__(self, url: str, schema: str = "public") -> None:
        self.address, self.schema = Address(url), schema

    def __str__(self) -> str:
        return str(self.address)

    def catalogue(self, tables: Collection[str] | None = None) -> SourceLock:
        return catalogue(self.address, self.schema, tables)

    def preflight(self, names: Names, tables: Sequence[CapturedTable], *, registered: bool) -> list[Problem]:
        return preflight(self.address, names, tables, registered=registered)

    def configuration(self, names: Names, tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
        address = self.address
        found = {
            "connector.class": self.connector_class,
            "plugin.name": slot.PLUGIN,
            "database.hostname": address.host,
            "database.port": str(address.port),
            "database.user": address.user,
            "database.password": address.password,
            "database.dbname": address.database,
            "slot.name": names.slot,
            "slot.retry.delay.ms": "2000",
            "publication.name": names.publication,
            "publication.autocreate.mode": "disabled",
            "heartbeat.action.query": heartbeat.query(names),
            "status.update.interval.ms": "1000",
            "interval.handling.mode": "string",
            "hstore.handling.mode": "json",
            "include.unknown.datatypes": "true",
            **debezium.listed(tables, [signals.captured(SCHEMA, names)]),
            **signals.listening(SCHEMA, names),
        }
        for ours, theirs in (("sslmode", "database.sslmode"), ("sslrootcert", "database.sslrootcert")):
            if ours in address.parts:
                found[theirs] = address.parts[ours]
        return found

    def prepare(self, names: Names, tables: Sequence[CapturedTable]) -> tuple[str, Callable[[], object]] | None:
        return publication.ensure(self.address, names, tables)

    def start_over(self, names: Names) -> bool:
        return slot.drop(self.address, names.slot)

    def lost(self, names: Names) -> str | None:
        found = slot.read(self.address, names.slot)
        if found is None:
            return f"slot {names.slot} is gone"
        return f"slot {names.slot} is lost: PostgreSQL has discarded its log" if found.lost else None

    def replaced(self, names: Names, applied: tuple[int, ...] | None, marks: str | None) -> Look:
        return compare(self.address, names.slot, applied, marks)

    def shape(self, names: Names, tables: Sequence[CapturedTable], marks: str | None, applied_at: int = 0) -> Shape:
        return shape.look(self.address, names, tables, marks)

    def clean(self, names: Names) -> list[str]:
        done = []
        if slot.drop(self.address, names.slot):
            done.append(f"dropped slot {names.slot}")
        return done + publication.drop(self.address, names)

    def emit(self, token: str) -> None:
        marker.emit(self.address, token)

    def tell(self, names: Names, signal: Signal, *, alone: bool = False, again: Sequence[CapturedTable] = ()) -> None:
        with self.address.connect() as connection:
            whole = reading.prepare(connection, names, again)
            with connection.transaction():
                if whole:
                    reading.tell_again(connection, names)
                signal_table.tell(connection, names, signal, alone=alone)

    def keep_reading(self, names: Names, tokens: Iterable[str | None]) -> None:
        with self.address.connect() as connection, reading.giving_way(self.address):
            for token in tokens:
                if token is None:
                    time.sleep(MOMENT)
                    continue
                with connection.transaction():
                    marker.write(connection, token)
                    # A message alone does not end Debezium's window once a transaction of others has come between
                    # (readUntilNewTransactionChange asks whether it is the next one); a change of a row does.
                    signal_table.touch(connection, names)

    def before_reading(self, marks: str | None) -> str | None:
        return shape.without_members(marks)

    def find(
        self, table: str, columns: Sequence[str], values: Collection[Sequence[Any]], wanted: Sequence[str]
    ) -> list[dict[str, Any]]:
        return rows.find(self.address, self._split(table), columns, values, wanted)

    def count(self, table: str, condition: str | None = None) -> int:
        return rows.count(self.address, self._split(table), condition)

    def sample(self, table: str, wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
        return rows.sample(self.address, self._split(table), wanted, limit)

    def _split(self, table: str) -> tuple[str, str]:
        # A table's name may hold dots, and so may a schema's; the source's own schema settles most of it.
        if table.startswith(f"{self.schema}."):
            return self.schema, table[len(self.schema) + 1 :]
        schema, _, name = table.partition(".")
        return schema, name
