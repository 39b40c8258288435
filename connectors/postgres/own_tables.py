"""Tables that Headrace makes for itself in PostgreSQL: in a schema of its own, some for each source.

For each source, for one database may have several: each belongs to the user of its mapping.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import errors, sql

from connectors.names import SCHEMA
from connectors.postgres.address import Connection
from connectors.postgres.preflight_table import quoted
from connectors.problem import Problem
from sync.errors import SourceRefused

_SCHEMA_COMMENT = "headrace: tables by which its connectors are asked for things"

_LOOK = """
select obj_description(c.oid, 'pg_class') as comment, pg_has_role(c.relowner, 'USAGE') as own
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s
"""
_MAY_CREATE = """
select has_schema_privilege(oid, 'CREATE') and has_schema_privilege(oid, 'USAGE') from pg_namespace where nspname = %s
"""


@dataclass(frozen=True)
class OwnTable:
    """``comment``: by which it is known to be ours. ``use``: goes on from "a table …"."""

    name: str
    columns: str
    comment: str
    use: str

    @property
    def sql(self) -> sql.Identifier:
        return sql.Identifier(SCHEMA, self.name)

    def __str__(self) -> str:
        return f"{SCHEMA}.{self.name}"

    def look(self, connection: Connection) -> tuple[str | None, bool] | None:
        """Its comment, and whether it is our user's; None where there is none."""
        return connection.execute(_LOOK, [SCHEMA, self.name]).fetchone()


def check(connection: Connection, tables: Sequence[OwnTable]) -> Iterator[Problem]:
    """What keeps `ensure` from making them; the right to make a schema is asked for with that to make a publication."""
    user = quoted(connection.info.user)
    may = connection.execute(_MAY_CREATE, [SCHEMA]).fetchone()
    missing = []
    for table in tables:
        name, found = table.sql.as_string(), table.look(connection)
        if found is None:
            missing.append(table)
        elif found[0] != table.comment:
            drop = f"drop table {name};  -- if nobody needs it; otherwise rename the mapping"
            yield Problem("M217", "error", f"table {table} exists and is not Headrace's", drop)
        elif not found[1]:
            message = f"table {table}, {table.use}, belongs to another user"
            yield Problem("M241", "error", message, f"alter table {name} owner to {user};")
    if missing and may is not None and not may[0]:
        uses = "; ".join(f"one {table.use}" for table in missing)
        message = f"user {connection.info.user} may not make tables in schema {SCHEMA}: {uses}"
        yield Problem("M241", "error", message, f"grant create, usage on schema {SCHEMA} to {user};")


def missing(connection: Connection, tables: Sequence[OwnTable]) -> bool:
    return any(table.look(connection) is None for table in tables)


def ensure(connection: Connection, tables: Sequence[OwnTable]) -> list[OwnTable]:
    """Make those that are missing, and the schema; returns what was made. Raises SourceRefused for one of others'."""
    made = []
    for table in tables:
        if (found := table.look(connection)) is None:
            _make(connection, table)
            made.append(table)
        elif found[0] != table.comment:
            raise SourceRefused(
                f"table {table} exists and is not Headrace's",
                advice="Rename it, or rename the mapping: the table is called after it.",
            )
    return made


def drop(connection: Connection, tables: Sequence[OwnTable]) -> list[OwnTable]:
    """Drop those that are ours, and the schema with the last one; returns what there was."""
    ours = [table for table in tables if (found := table.look(connection)) and found[0] == table.comment]
    for table in ours:
        connection.execute(sql.SQL("drop table {}").format(table.sql))
    described = "select obj_description(oid, 'pg_namespace') = %s from pg_namespace where nspname = %s"
    if ours and connection.execute(described, [_SCHEMA_COMMENT, SCHEMA]).fetchone() == (True,):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("drop schema {}").format(sql.Identifier(SCHEMA)))
        except (errors.DependentObjectsStillExist, errors.InsufficientPrivilege):
            pass  # another source has its tables there, or another user made the schema
    return ours


def _make(connection: Connection, table: OwnTable) -> None:
    if connection.execute("select 1 from pg_namespace where nspname = %s", [SCHEMA]).fetchone() is None:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        _comment(connection, "schema", sql.Identifier(SCHEMA), _SCHEMA_COMMENT)
    connection.execute(sql.SQL("create table {} ({})").format(table.sql, sql.SQL(table.columns)))
    _comment(connection, "table", table.sql, table.comment)


def _comment(connection: Connection, kind: str, name: sql.Identifier, text: str) -> None:
    statement = sql.SQL("comment on {} {} is {}")
    connection.execute(statement.format(sql.SQL(kind), name, sql.Literal(text)))
