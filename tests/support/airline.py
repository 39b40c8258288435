"""A small airline for tests: the example's tables and booking document, and the records that change its rows."""

from __future__ import annotations

from typing import Any

from connectors.change import Change, Operation, Record, SnapshotNotice, TransactionEnd
from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock
from sync.mapping.model import Mapping

TEXT = """Booking {{ pnr }} by {{ customer.full_name }}, {{ customer.tier_cd }}, for {{ total_amt }}.
{% for t in tickets %}
Leg {{ t.seq_no }}: flight {{ t.flight.flight_no }} ({{ t.flight.status_cd }}), {{ t.fare_cd }}.
{% endfor %}
"""

TYPES = {
    "customers": {"customer_id": "integer", "full_name": "text", "tier_cd": "character varying(1)"},
    "flights": {"flight_id": "integer", "flight_no": "text", "status_cd": "text", "note": "text"},
    "bookings": {"booking_id": "integer", "pnr": "text", "customer_id": "integer", "total_amt": "integer"},
    "tickets": {"booking_id": "integer", "seq_no": "integer", "flight_id": "integer", "fare_cd": "text"},
}
KEYS = {
    "customers": ("customer_id",),
    "flights": ("flight_id",),
    "bookings": ("booking_id",),
    "tickets": ("booking_id", "seq_no"),
}


def mapping(connector: str = "postgres", **changes: Any) -> Mapping:
    """The mapping; keyword arguments replace parts of its ``booking`` document."""
    columns: dict[str, dict[str, dict[str, Any]]] = {
        name: {column: {} for column in types} for name, types in TYPES.items()
    }
    columns["customers"]["tier_cd"] = {"values": {"B": "Blue", "S": "Silver", "G": "Gold"}}
    columns["flights"]["status_cd"] = {"values": {"ON": "on time", "DL": "delayed", "CX": "cancelled"}}
    columns["tickets"]["fare_cd"] = {"values": {"Y": "economy", "J": "business"}}
    columns["bookings"]["total_amt"] = {"unit": "EUR", "scale": 0.01}
    booking: dict[str, Any] = {
        "root": "bookings",
        "with": {
            "customer": {"one": "customers", "by": "customer_id"},
            "tickets": {
                "many": "tickets",
                "by": "booking_id",
                "order": "seq_no",
                "with": {"flight": {"one": "flights", "by": "flight_id"}},
            },
        },
        "title": "Booking {{ pnr }}",
        "text": TEXT,
        "filters": ["pnr", "customer.tier_cd"],
        **changes,
    }
    return Mapping.model_validate(
        {
            "version": 1,
            "name": "airline",
            "source": {"connector": connector, "url": "${AIRLINE_URL}", "schema": "public"},
            "tables": {name: {"key": list(KEYS[name]), "columns": columns[name]} for name in TYPES},
            "documents": {"booking": booking},
        }
    )


def lock(connector: str = "postgres", **foreign_keys: tuple[ForeignKey, ...]) -> Lock:
    """The lock; keyword arguments are the tables' foreign keys."""
    tables = {
        f"public.{name}": LockTable(
            key=KEYS[name],
            columns={c: LockColumn(type=t) for c, t in types.items()},
            foreign_keys=foreign_keys.get(name, ()),
        )
        for name, types in TYPES.items()
    }
    return Lock(sources={"airline": SourceLock(connector=connector, tables=tables)})


class Log:
    """A source's topic in the making: each method appends the records of one committed transaction."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.transactions = 0
        self.committed_to = 0  # the last commit's LSN: the first transaction after a snapshot names none
        self.waited = 0  # microseconds that went by between two commits

    def _add(self, made: type[Record], **fields: Any) -> None:
        self.records.append(made(offset=len(self.records), **fields))

    def change(
        self, table: str, operation: str, row: dict[str, Any], *, transaction: str | None = None, **more: Any
    ) -> None:
        key = {name: row[name] for name in KEYS[table]}
        lsn = 1000 + len(self.records)
        self._add(
            Change,
            committed_at=1_700_000_000_000_000 + self.waited + len(self.records) * 1000,
            table=f"public.{table}",
            operation=Operation(operation),
            key=key,
            before=key if operation == "d" else None,
            after=None if operation == "d" else row,
            database_position=None if operation == "r" else (self.committed_to, lsn),
            transaction=transaction,
            **more,
        )

    def commit(self, *changes: tuple[str, str, dict[str, Any]]) -> None:
        """One transaction: (table, operation, row) …, then its END."""
        self.transactions += 1
        name = f"{self.transactions}:{len(self.records)}"
        for table, operation, row in changes:
            self.change(table, operation, row, transaction=name)
        self.end(name)

    def rekey(self, table: str, old: dict[str, Any], new: dict[str, Any], unsent: frozenset[str] = frozenset()) -> None:
        """A primary-key change as Debezium sends it: a delete that names the new key, a create that names the old."""
        self.transactions += 1
        name = f"{self.transactions}:{len(self.records)}"
        old_key, new_key = ({key: row[key] for key in KEYS[table]} for row in (old, new))
        sent = {column: value for column, value in new.items() if column not in unsent}
        self.change(table, "d", old, new_key=new_key, transaction=name)
        self.change(table, "c", sent, old_key=old_key, unsent=unsent, transaction=name)
        self.end(name)

    def end(self, transaction: str) -> None:
        self.committed_to = 1000 + len(self.records)
        self._add(TransactionEnd, committed_at=0, transaction=transaction)

    def notice(self, kind: str, *, table: str | None = None, status: str | None = None, **details: str) -> None:
        self._add(
            SnapshotNotice,
            committed_at=0,
            snapshot="Initial Snapshot",
            kind=kind,
            identity="s",
            table=table,
            status=status,
            details=details,
        )

    def snapshot(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        """A whole first snapshot."""
        self.notice("STARTED")
        for table, shown in rows.items():
            for row in shown:
                self.change(table, "r", row)
            self.notice("TABLE_SCAN_COMPLETED", table=f"public.{table}", status="SUCCEEDED" if shown else "EMPTY")
        self.notice("COMPLETED")


CUSTOMER = {"customer_id": 1, "full_name": "Maria Rossi", "tier_cd": "G"}
FLIGHT = {"flight_id": 40, "flight_no": "AZ 602", "status_cd": "ON", "note": ""}
BOOKING = {"booking_id": 7, "pnr": "K3XQ2A", "customer_id": 1, "total_amt": 48950}
TICKET = {"booking_id": 7, "seq_no": 1, "flight_id": 40, "fare_cd": "J"}


def first_rows() -> dict[str, list[dict[str, Any]]]:
    return {"customers": [CUSTOMER], "flights": [FLIGHT], "bookings": [BOOKING], "tickets": [TICKET]}
