"""The table in PostgreSQL by whose rows a source's connector is asked for things, in a schema of Headrace's own.

A table for each source: every connector obeys what it reads there, and one database may have several.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import errors, sql

from connectors.names import SCHEMA, Names
from connectors.postgres.address import Connection
from connectors.postgres.preflight_table import quoted
from connectors.problem import Problem
from connectors.signals import COMMENT, Signal
from sync.errors import SourceRefused

_SCHEMA_COMMENT = "headrace: tables by which its connectors are asked for things"

_LOOK = """
select obj_description(c.oid, 'pg_class') as comment, pg_has_role(c.relowner, 'USAGE') as own
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and c.relname = %s
"""
_MAY_CREATE = """
select has_schema_privilege(oid, 'CREATE') and has_schema_privilege(oid, 'USAGE') from pg_namespace where nspname = %s
"""
_HEARD = """
select 1 from pg_publication_tables where pubname = %s and schemaname = %s and tablename = %s
"""


def member(names: Names) -> dict[tuple[str, str], None]:
    """What the publication lists for it: the table with all its columns."""
    return {(SCHEMA, names.signal_table): None}


def check(connection: Connection, names: Names) -> Iterator[Problem]:
    """What keeps `ensure` from making it; the right to make a schema is asked for with that to make a publication."""
    user = quoted(connection.info.user)
    found = connection.execute(_LOOK, [SCHEMA, names.signal_table]).fetchone()
    may = connection.execute(_MAY_CREATE, [SCHEMA]).fetchone()
    table = sql.Identifier(SCHEMA, names.signal_table).as_string()
    if found is not None and found[0] != COMMENT:
        drop = f"drop table {table};  -- if nobody needs it; otherwise rename the mapping"
        yield Problem("M217", "error", f"table {SCHEMA}.{names.signal_table} exists and is not Headrace's", drop)
    elif found is not None and not found[1]:
        message = f"table {SCHEMA}.{names.signal_table}, by which backfills are asked for, belongs to another user"
        yield Problem("M241", "error", message, f"alter table {table} owner to {user};")
    elif found is None and may is not None and not may[0]:
        message = (
            f"user {connection.info.user} may not make a table in schema {SCHEMA}, by which backfills are asked for"
        )
        yield Problem("M241", "error", message, f"grant create, usage on schema {SCHEMA} to {user};")


def ensure(connection: Connection, names: Names) -> bool:
    """Make it, and the schema, where they are missing; True if it was made. Raises SourceRefused for one of others'."""
    found = connection.execute(_LOOK, [SCHEMA, names.signal_table]).fetchone()
    if found is not None:
        if found[0] != COMMENT:
            raise SourceRefused(
                f"table {SCHEMA}.{names.signal_table} exists and is not Headrace's",
                advice="Rename it, or rename the mapping: the table is called after it.",
            )
        return False
    if connection.execute("select 1 from pg_namespace where nspname = %s", [SCHEMA]).fetchone() is None:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCHEMA)))
        _comment(connection, "schema", sql.Identifier(SCHEMA), _SCHEMA_COMMENT)
    table = sql.Identifier(SCHEMA, names.signal_table)
    columns = "create table {} (id text primary key, type text not null, data text not null)"
    connection.execute(sql.SQL(columns).format(table))
    _comment(connection, "table", table, COMMENT)
    return True


def drop(connection: Connection, names: Names) -> bool:
    """Drop it, and the schema with the last one; False where it is not there, or is somebody else's."""
    found = connection.execute(_LOOK, [SCHEMA, names.signal_table]).fetchone()
    if found is None or found[0] != COMMENT:
        return False
    connection.execute(sql.SQL("drop table {}").format(sql.Identifier(SCHEMA, names.signal_table)))
    described = "select obj_description(oid, 'pg_namespace') = %s from pg_namespace where nspname = %s"
    if connection.execute(described, [_SCHEMA_COMMENT, SCHEMA]).fetchone() == (True,):
        try:
            with connection.transaction():
                connection.execute(sql.SQL("drop schema {}").format(sql.Identifier(SCHEMA)))
        except (errors.DependentObjectsStillExist, errors.InsufficientPrivilege):
            pass  # another source has its table there, or another user made the schema
    return True


def tell(connection: Connection, names: Names, signal: Signal, *, alone: bool) -> None:
    """As `Database.tell`."""
    table = sql.Identifier(SCHEMA, names.signal_table)
    with connection.transaction():
        if connection.execute(_HEARD, [names.publication, SCHEMA, names.signal_table]).fetchone() is None:
            raise SourceRefused(
                f"publication {names.publication} lists no table {SCHEMA}.{names.signal_table}",
                advice="`headrace apply` the mapping's file again: it makes the table and lists it.",
            )
        if alone:
            connection.execute(sql.SQL("delete from {} where id <> %s").format(table), [signal.id])
        put = sql.SQL("insert into {} (id, type, data) values (%s, %s, %s) on conflict do nothing")
        connection.execute(put.format(table), signal)


def touch(connection: Connection, names: Names) -> None:
    """Change a row of a captured table, which asks for nothing."""
    connection.execute(sql.SQL("update {} set data = data").format(sql.Identifier(SCHEMA, names.signal_table)))


def _comment(connection: Connection, kind: str, name: sql.Identifier, text: str) -> None:
    statement = sql.SQL("comment on {} {} is {}")
    connection.execute(statement.format(sql.SQL(kind), name, sql.Literal(text)))
