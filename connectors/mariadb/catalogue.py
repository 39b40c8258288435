"""MariaDB's catalogue as the lock keeps it: keys, types, foreign keys with their rules, enums."""

from __future__ import annotations

from collections.abc import Collection

from connectors.mariadb.address import Address, is_mariadb
from connectors.mariadb.tables import CatalogueKey, CatalogueTable, read_tables
from sync.mapping.lock import ForeignKey, LockColumn, LockTable, SourceLock


def catalogue(address: Address, schema: str, tables: Collection[str] | None = None) -> SourceLock:
    """``tables`` ("database.table") or all of ``schema``; what does not exist is left out.

    The lock names the server that answers, mariadb or mysql, whatever the mapping says.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as cursor:
        mariadb = is_mariadb(cursor)
        found = read_tables(cursor, schema, tables, mariadb=mariadb)
    return SourceLock(
        connector="mariadb" if mariadb else "mysql", tables={name: _locked(table) for name, table in found.items()}
    )


def _locked(table: CatalogueTable) -> LockTable:
    return LockTable(
        key=table.primary,
        unique=table.unique,
        columns={
            column.name: LockColumn(
                type=column.type,
                nullable=column.nullable,
                generated=bool(column.generated),
                values=column.values,
                collation=column.collation,
            )
            for column in table.columns.values()
        },
        foreign_keys=tuple(_foreign_key(table, key) for key in table.foreign_keys),
    )


def _foreign_key(table: CatalogueTable, key: CatalogueKey) -> ForeignKey:
    return ForeignKey(
        columns=key.columns,
        table=key.table if key.schema == table.schema else f"{key.schema}.{key.table}",
        references=key.references,
        on_delete=key.on_delete,
        on_update=key.on_update,
    )
