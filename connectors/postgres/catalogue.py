"""PostgreSQL's catalogue as the lock keeps it: keys, types, foreign keys, enums."""

from __future__ import annotations

from collections.abc import Collection

from connectors.postgres.address import Address
from connectors.postgres.tables import CatalogueTable, read_tables
from sync.mapping.lock import ForeignKey, LockColumn, LockTable, SourceLock

_ON_DELETE = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}


def catalogue(address: Address, schema: str, tables: Collection[str] | None = None) -> SourceLock:
    """``tables`` ("schema.table") or all of ``schema``; what does not exist is left out.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as connection:
        found = read_tables(connection, schema, tables)
    return SourceLock(connector="postgres", tables={name: as_locked(table) for name, table in found.items()})


def as_locked(table: CatalogueTable) -> LockTable:
    """A table of the catalogue as the lock keeps it."""
    return LockTable(
        key=table.primary,
        unique=table.unique,
        columns={
            column.name: LockColumn(
                type=column.type,
                nullable=column.nullable,
                generated=column.generated,
                values=column.values,
                collation=column.collation,
            )
            for column in table.columns.values()
        },
        foreign_keys=tuple(
            ForeignKey(
                columns=tuple(each["columns"]),
                table=each["table"] if each["schema"] == table.schema else f"{each['schema']}.{each['table']}",
                references=tuple(each["references"]),
                on_delete=_ON_DELETE[each["on_delete"]],
            )
            for each in table.foreign_keys
        ),
    )
