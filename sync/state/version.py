"""The state database: whether its tables are those of this version of Headrace. Nothing is migrated yet."""

from __future__ import annotations

from hashlib import blake2b

from sqlalchemy import Connection, insert, inspect, select
from sqlmodel import SQLModel

from sync.errors import StateOutdated
from sync.state.tables import MappingRecord, VersionRecord

_TABLE = SQLModel.metadata.tables[str(VersionRecord.__tablename__)]


def fingerprint() -> str:
    """16 hex digits over the names and types of all columns."""
    columns = (
        f"{table.name}.{column.name} {column.type!r} {column.nullable}"
        for table in SQLModel.metadata.sorted_tables
        for column in table.columns
    )
    return blake2b("\n".join(sorted(columns)).encode(), digest_size=8).hexdigest()


def create(connection: Connection, name: str) -> None:
    """Make the tables of a new state. Raises StateOutdated for one that another version made, which stays as it is."""
    known = inspect(connection).has_table(str(MappingRecord.__tablename__))
    SQLModel.metadata.create_all(connection)
    if not known:
        connection.execute(insert(_TABLE).values(fingerprint=fingerprint()))
    elif connection.execute(select(_TABLE.c.fingerprint)).scalar() != fingerprint():
        raise StateOutdated(f"the state database {name} was made by another version of Headrace")
