"""The table in PostgreSQL by whose rows a source's connector is asked for things: it obeys what it reads there."""

from __future__ import annotations

from psycopg import sql

from connectors.names import SCHEMA, Names
from connectors.postgres.address import Connection
from connectors.postgres.own_tables import OwnTable
from connectors.signals import COMMENT, Signal
from sync.errors import SourceRefused

_HEARD = """
select 1 from pg_publication_tables where pubname = %s and schemaname = %s and tablename = %s
"""


def member(names: Names) -> dict[tuple[str, str], None]:
    """What the publication lists for it: the table with all its columns."""
    return {(SCHEMA, names.signal_table): None}


def table(names: Names) -> OwnTable:
    return OwnTable(
        names.signal_table,
        "id text primary key, type text not null, data text not null",
        COMMENT,
        "by which backfills are asked for",
    )


def tell(connection: Connection, names: Names, signal: Signal, *, alone: bool) -> None:
    """As `Database.tell`."""
    asked = table(names).sql
    with connection.transaction():
        if connection.execute(_HEARD, [names.publication, SCHEMA, names.signal_table]).fetchone() is None:
            raise SourceRefused(
                f"publication {names.publication} lists no table {SCHEMA}.{names.signal_table}",
                advice="`headrace apply` the mapping's file again: it makes the table and lists it.",
            )
        if alone:
            connection.execute(sql.SQL("delete from {} where id <> %s").format(asked), [signal.id])
        put = sql.SQL("insert into {} (id, type, data) values (%s, %s, %s) on conflict do nothing")
        connection.execute(put.format(asked), signal)


def touch(connection: Connection, names: Names) -> None:
    """Change a row of a captured table, which asks for nothing."""
    connection.execute(sql.SQL("update {} set data = data").format(table(names).sql))
