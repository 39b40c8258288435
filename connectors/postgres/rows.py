"""Rows straight from PostgreSQL, for what looks at a source without the path: `headrace show`, `init`'s samples."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from connectors.postgres.address import Address

PAGE = 500  # values per query
COUNT_WITHIN_MS = 10_000
EXACT_BELOW = 100_000  # rows that are counted rather than estimated


def find(
    address: Address,
    table: tuple[str, str],
    columns: Sequence[str],
    values: Collection[Sequence[Any]],
    wanted: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows whose ``columns`` equal one of ``values`` (a sequence each), as {column: value as psycopg reads it}.

    Values go as text and are read by the column's type: `"7"` finds the integer 7. One that the type cannot be finds
    nothing, and so does NULL. Raises SourceUnreachable and SourceRefused.
    """
    one = sql.SQL("({})").format(
        sql.SQL(" and ").join(sql.SQL("{} = %s").format(sql.Identifier(each)) for each in columns)
    )
    head = sql.SQL("select {} from {} where ").format(
        sql.SQL(", ").join(map(sql.Identifier, wanted)), sql.Identifier(*table)
    )
    distinct = list(dict.fromkeys(tuple(map(_as_text, value)) for value in values))
    found: list[dict[str, Any]] = []
    with address.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        pages = [distinct[start : start + PAGE] for start in range(0, len(distinct), PAGE)]
        while pages:
            page = pages.pop(0)
            statement = head + sql.SQL(" or ").join([one] * len(page))
            try:
                found += cursor.execute(statement, [each for value in page for each in value]).fetchall()
            except psycopg.DataError:
                # One of them is no value of the column's type; alone, it finds nothing.
                if len(page) > 1:
                    pages = [[value] for value in page] + pages
    return found


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, bytes) else str(value)


def sample(address: Address, table: tuple[str, str], wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` rows, in no particular order. Raises SourceUnreachable and SourceRefused."""
    with address.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        statement = sql.SQL("select {} from {} limit %s").format(
            sql.SQL(", ").join(map(sql.Identifier, wanted)), sql.Identifier(*table)
        )
        return cursor.execute(statement, [limit]).fetchall()


_ABOUT = """
select sum(c.reltuples)::bigint, bool_and(c.reltuples >= 0)
from pg_partition_tree(%s::regclass) t join pg_class c on c.oid = t.relid where t.isleaf
"""


def count(address: Address, table: tuple[str, str], condition: str | None) -> int:
    """As `Database.count`: the planner's estimate where the table is large, and nothing filters it.

    0 where counting takes too long: it is large, or locked.
    """
    name = sql.Identifier(*table)
    with address.connect() as connection:
        if condition is None:
            row = connection.execute(_ABOUT, [name.as_string(connection)]).fetchone()
            if row is not None and row[1] and row[0] >= EXACT_BELOW:
                return int(row[0])
        connection.execute("set default_transaction_read_only = on")
        connection.execute(f"set statement_timeout = {COUNT_WITHIN_MS}")
        where = sql.SQL(" where ({}\n)").format(sql.SQL(condition)) if condition else sql.SQL("")
        try:
            # A person's words: prepared, only one statement is taken.
            found = connection.execute(sql.SQL("select count(*) from {}").format(name) + where, prepare=True).fetchone()
        except psycopg.errors.QueryCanceled:
            return 0
        return int(found[0]) if found else 0
