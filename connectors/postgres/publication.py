"""Headrace's own publication: which tables and columns PostgreSQL lets out, decided inside the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from connectors.captured import CapturedTable
from connectors.names import Names
from connectors.postgres import heartbeat, own_tables, signal_table
from connectors.postgres.address import Address, Connection
from connectors.postgres.own_tables import OwnTable
from connectors.postgres.tables import CatalogueTable, read_tables
from sync.errors import SourceRefused

# ("schema", "table") → its columns in order, or None for all of them
Members = dict[tuple[str, str], tuple[str, ...] | None]


@dataclass(frozen=True)
class Publication:
    members: Members
    comment: str | None
    via_root: bool


def beside(names: Names) -> tuple[OwnTable, ...]:
    """The tables of our own that a source needs."""
    return signal_table.table(names), heartbeat.table(names)


def mark(names: Names) -> str:
    """The comment by which a publication, and the slot beside it, is known to be ours."""
    return "headrace: " + json.dumps({"mapping": names.mapping, "source": names.source}, ensure_ascii=False)


def ours(connection: Connection, names: Names) -> bool | None:
    """Whether the publication of our name carries our mark; None if there is none."""
    found = read(connection, names.publication)
    return None if found is None else found.comment == mark(names)


def read(connection: Connection, name: str) -> Publication | None:
    head = connection.execute(
        "select oid::bigint, pubviaroot, obj_description(oid, 'pg_publication') from pg_publication where pubname = %s",
        [name],
    ).fetchone()
    if head is None:
        return None
    rows = connection.execute(
        """
        select n.nspname, c.relname,
               (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
                where a.attrelid = r.prrelid and a.attnum = any(r.prattrs))
        from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
        where r.prpubid = %s
        """,
        [head[0]],
    ).fetchall()
    members = {(schema, table): tuple(columns) if columns is not None else None for schema, table, columns in rows}
    return Publication(members, head[2], head[1])


def wanted(tables: Sequence[CapturedTable], known: dict[str, CatalogueTable]) -> Members:
    """The columns to publish: the captured ones, and those by which the log names a deleted row.

    With REPLICA IDENTITY FULL the whole table is published: PostgreSQL would otherwise refuse the *application's*
    updates ("column list does not cover the replica identity"). Such columns end at the connector.
    """
    members: Members = {}
    for table in tables:
        there = known[table.name]
        if there.identity == "full":
            members[table.schema, table.table] = None
            continue
        take = {*table.columns, *there.identity_columns}
        members[table.schema, table.table] = tuple(c.name for c in there.columns.values() if c.name in take)
    return members


def differs(
    connection: Connection, names: Names, tables: Sequence[CapturedTable], known: dict[str, CatalogueTable]
) -> bool:
    """Whether it, or what stands beside it, is not what `ensure` would make of these tables, all of which exist."""
    if own_tables.missing(connection, beside(names)):
        return True
    found = read(connection, names.publication)
    members = wanted(tables, known) | signal_table.member(names)
    return found is None or not found.via_root or found.members != members


def kept_back(
    connection: Connection, names: Names, tables: Sequence[CapturedTable], known: dict[str, CatalogueTable]
) -> list[str]:
    """The tables of which the publication lets no change, or not every captured column, out of the database.

    A column that the table does not have is no reason.
    """
    found = read(connection, names.publication)
    members = found.members if found else {}
    return [table.name for table in tables if not _covers(members, table, known[table.name])]


def _covers(members: Members, table: CapturedTable, there: CatalogueTable) -> bool:
    if (table.schema, table.table) not in members:
        return False
    columns = members[table.schema, table.table]
    return columns is None or table.columns.keys() & there.columns.keys() <= set(columns)


def ensure(address: Address, names: Names, tables: Sequence[CapturedTable]) -> tuple[str, Callable[[], object]] | None:
    """Make the publication what the mapping needs, and the tables beside it, in one transaction.

    Returns what was done and how to undo it, or None where it was so already. Raises SourceRefused where a name
    belongs to somebody else's publication or table.
    """
    with address.connect() as connection, connection.transaction():
        known = read_tables(connection, "", [table.name for table in tables])
        missing = [table.name for table in tables if table.name not in known]
        if missing:
            raise SourceRefused(f"{address} has no table {', '.join(missing)}")
        members = wanted(tables, known) | signal_table.member(names)
        before = read(connection, names.publication)
        if before is not None and before.comment != mark(names):
            raise SourceRefused(
                f"{address}: publication {names.publication} exists and is not Headrace's for this mapping",
                advice="Rename it, or rename the mapping: the publication is called after it.",
            )
        made = own_tables.ensure(connection, beside(names))
        if before is None:
            _create(connection, names, members)
            return f"made publication {names.publication}", lambda: drop(address, names)
        if before.members == members and before.via_root:
            return (f"made table {', '.join(map(str, made))}", lambda: _drop_tables(address, made)) if made else None
        publish(connection, names, members)
        return f"changed publication {names.publication}", lambda: _restore(address, names, before, made)


def drop(address: Address, names: Names) -> list[str]:
    """Drop our publication and the tables beside it; says what there was. Somebody else's stays: SourceRefused."""
    with address.connect() as connection, connection.transaction():
        done = []
        belongs = ours(connection, names)
        if belongs is False:
            raise SourceRefused(f"{address}: publication {names.publication} is not Headrace's and stays")
        if belongs:
            connection.execute(sql.SQL("drop publication {}").format(sql.Identifier(names.publication)))
            done.append(f"dropped publication {names.publication}")
        return done + [f"dropped table {table}" for table in own_tables.drop(connection, beside(names))]


def _create(connection: Connection, names: Names, members: Members) -> None:
    name = sql.Identifier(names.publication)
    statement = "create publication {} for table {} with (publish_via_partition_root = true)"
    connection.execute(sql.SQL(statement).format(name, _listed(members)))
    connection.execute(sql.SQL("comment on publication {} is {}").format(name, sql.Literal(mark(names))))


def publish(connection: Connection, names: Names, members: Members) -> None:
    """Have our publication list exactly these; whoever reads its slot is told each table's columns again."""
    name = sql.Identifier(names.publication)
    connection.execute(sql.SQL("alter publication {} set (publish_via_partition_root = true)").format(name))
    connection.execute(sql.SQL("alter publication {} set table {}").format(name, _listed(members)))


def _restore(address: Address, names: Names, before: Publication, made: Sequence[OwnTable]) -> None:
    """``made``: the tables that were, with the change that is taken back."""
    with address.connect() as connection, connection.transaction():
        publish(connection, names, before.members)
        own_tables.drop(connection, made)


def _drop_tables(address: Address, made: Sequence[OwnTable]) -> None:
    with address.connect() as connection, connection.transaction():
        own_tables.drop(connection, made)


def _listed(members: Members) -> sql.Composed:
    def one(table: tuple[str, str], columns: tuple[str, ...] | None) -> sql.Composed:
        named = sql.SQL(".").join(map(sql.Identifier, table))
        if columns is None:
            return sql.SQL("{}").format(named)
        return sql.SQL("{} ({})").format(named, sql.SQL(", ").join(map(sql.Identifier, columns)))

    return sql.SQL(", ").join(one(table, columns) for table, columns in sorted(members.items()))
