"""The state database: its tables made, or found to be those of this version of Headrace. Nothing is migrated yet."""

from __future__ import annotations

from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from sync.errors import StateOutdated
from sync.state import tables  # noqa: F401  (declares the tables)


def create(connection: Connection, name: str) -> None:
    """Make the tables that are missing. Raises StateOutdated where one has other columns, and makes nothing then."""
    wanted = {table.name: {column.name for column in table.columns} for table in SQLModel.metadata.sorted_tables}
    there = inspect(connection).get_multi_columns(filter_names=list(wanted))
    for (_, table), columns in there.items():
        if {column["name"] for column in columns} != wanted[table]:
            raise StateOutdated(f"the state database {name} was made by another version of Headrace: table {table}")
    SQLModel.metadata.create_all(connection)
