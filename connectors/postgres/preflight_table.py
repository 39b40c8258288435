"""Before a source is registered: what one table lacks for its changes to be captured."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from psycopg import sql

from connectors.captured import CapturedTable
from connectors.postgres.tables import CatalogueTable
from connectors.problem import Problem, Severity

# Tried with Debezium 3.6.1 on PostgreSQL 15. Arrays of these are left out of every record, or always NULL …
NOT_SENT = frozenset({"interval", "money", "point", "xml", "bit", "varbit", "name"})
# … and only arrays of these get a placeholder where a TOAST value did not change; all others read as NULL then.
KEPT_APART = frozenset({"text", "varchar", "bpchar", "int4", "int8", "uuid", "json", "jsonb", "bytea"})
# Of these arrives what PostgreSQL would print, as base64, or the bytes of a geometry. So it does of `composed` types.
UNREADABLE = frozenset(
    {"tsquery", "pg_lsn", "jsonpath", "xid8", "pg_snapshot", "txid_snapshot"}
    | {"point", "line", "lseg", "box", "path", "polygon", "circle"}
)
GENERATED_IN_LOG = 180000  # server_version_num from which a publication may carry generated columns


def check_table(table: CapturedTable, there: CatalogueTable, server: dict[str, Any]) -> Iterator[Problem]:
    """``server``: of it, user, superuser and version count here."""
    if there.kind not in ("table", "partitioned table") or there.persistence != "p":
        kind = "an unlogged table" if there.persistence == "u" else f"a {there.kind}"
        yield Problem(
            "M223",
            "error",
            f"{table.name} is {kind}: its changes are not in the log",
            f"alter table {_name(table)} set logged;" if there.persistence == "u" else "",
            table.name,
        )
        return
    yield from _rights(table, there, server)
    yield from _columns(table, there, server)
    yield from _types(table, there)
    yield from _key(table, there)
    yield from _identity(table, there)


def _rights(table: CapturedTable, there: CatalogueTable, server: dict[str, Any]) -> Iterator[Problem]:
    user = quoted(server["user"])
    if not there.owned:
        yield Problem(
            "M215",
            "error",
            f"user {server['user']} does not own {table.name}, so that it may not publish it",
            f"alter table {_name(table)} owner to {user};  -- or grant the owner's role to {user}",
            table.name,
        )
    hidden = [c for c in table.columns if c in there.columns and not there.columns[c].readable]
    if hidden:
        yield Problem(
            "M216",
            "error",
            f"user {server['user']} may not read {table.name}: {', '.join(hidden)}",
            f"grant usage on schema {quoted(table.schema)} to {user}; "
            f"grant select ({', '.join(map(quoted, hidden))}) on {_name(table)} to {user};",
            table.name,
        )
    if there.row_security:
        yield Problem(
            "M229",
            "error",
            f"row security of {table.name} hides rows from user {server['user']}: a snapshot would not show them",
            f"alter role {user} bypassrls;",
            table.name,
        )


def _columns(table: CapturedTable, there: CatalogueTable, server: dict[str, Any]) -> Iterator[Problem]:
    for name in (*table.columns, *table.dropped):
        if name not in there.columns:
            near = difflib.get_close_matches(name, there.columns, n=1, cutoff=0.6)
            advice = f"; the nearest is {near[0]}" if near else ""
            # A dropped column is never read, so its absence hurts nobody; its name may still be a slip.
            severity: Severity = "warning" if name in table.dropped else "error"
            yield Problem("M219", severity, f"{table.name} has no column {name}{advice}", table=table.name, column=name)
    yield from _twins(table, there)
    for name, treatment in table.columns.items():
        column = there.columns.get(name)
        if column is None:
            continue
        if column.generated and server["version"] < GENERATED_IN_LOG:
            yield Problem(
                "M222",
                "error",
                f"{table.name}: column {name} is generated; its value is in no change."
                " Take it out of the mapping and compute it in the template",
                table=table.name,
                column=name,
            )
        if treatment is not None and not column.character:
            yield Problem(
                "M226",
                "error",
                f"{table.name}: column {name} is of type {column.type}, which the connector cannot {treatment};"
                " use `drop` for its class",
                table=table.name,
                column=name,
            )
        if name in table.key and not column.deterministic:
            yield Problem(
                "M225",
                "warning",
                f"{table.name}: key column {name} has the nondeterministic collation {column.collation}:"
                " spellings that the database takes for equal do not join here",
                table=table.name,
                column=name,
            )


def _twins(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    """Debezium refuses a table in which two columns, listed or not, differ only by case."""
    seen: dict[str, str] = {}
    for name in there.columns:
        first = seen.setdefault(name.lower(), name)
        if first != name:
            yield Problem(
                "M232",
                "error",
                f"{table.name}: columns {first} and {name} differ only by case, which the connector does not accept",
                f"alter table {_name(table)} rename column {quoted(name)} to {quoted(name + '_2')};",
                table.name,
                name,
            )


def _types(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    for name in table.columns:
        column = there.columns.get(name)
        if column is None:
            continue
        lost = column.base == "varbit" if column.element is None else column.element not in KEPT_APART
        if column.composed or (column.element or column.base) in UNREADABLE or column.dimensions > 1:
            what = f"{column.type}, of {column.dimensions} dimensions," if column.dimensions > 1 else column.type
            yield Problem(
                "M230",
                "error",
                f"{table.name}: column {name} is of type {what} which does not arrive as anything that can be read;"
                " take it out of the mapping",
                table=table.name,
                column=name,
            )
        elif column.element in NOT_SENT:
            yield Problem(
                "M230",
                "error",
                f"{table.name}: column {name} is of type {column.type}, which the connector cannot send;"
                " take it out of the mapping",
                table=table.name,
                column=name,
            )
        elif lost and column.toastable and there.identity != "full":
            yield Problem(
                "M231",
                "error",
                f"{table.name}: a large value of column {name} ({column.type}) that an update leaves alone would arrive"
                " as NULL",
                f"alter table {_name(table)} replica identity full;",
                table.name,
                name,
            )


def _key(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    name, key, primary = _name(table), ", ".join(table.key), ", ".join(there.primary)
    identity = ", ".join(there.identity_columns)
    if there.identity == "nothing":
        yield Problem(
            "M220",
            "error",
            f"{table.name} has REPLICA IDENTITY NOTHING: once published, its updates and deletes would fail",
            f"alter table {name} replica identity default;",
            table.name,
        )
    elif table.key and set(table.key) == set(there.primary):
        if not set(there.primary) <= set(there.identity_columns):
            yield Problem(
                "M221",
                "error",
                f"{table.name}: the log carries {identity} of a deleted row, not its key {key}",
                f"alter table {name} replica identity default;",
                table.name,
            )
    elif not there.identity_columns:
        columns = ", ".join(map(quoted, table.key)) or "…"
        yield Problem(
            "M220",
            "error",
            f"{table.name} has no primary key: once published, its updates and deletes would fail",
            f"alter table {name} add primary key ({columns});",
            table.name,
        )
    elif table.key_is_primary and there.primary:
        yield Problem(
            "M221",
            "error",
            f"{table.name}: the primary key is {primary}, the mapping goes by {key or 'none'}."
            " If the mapping says no `key:`, `headrace lint --live` writes the lock anew",
            table=table.name,
        )
    elif not set(table.key) <= set(there.identity_columns):
        yield Problem(
            "M221",
            "error",
            f"{table.name}: the log carries {identity} of a deleted row, not the mapping's key {key}",
            f"alter table {name} replica identity full;  -- or: replica identity using index <unique index on {key}>",
            table.name,
        )
    elif not any(set(each) == set(table.key) for each in there.unique):
        yield Problem(
            "M221",
            "warning",
            f"{table.name}: nothing makes the mapping's key {key} unique; rows that share it become one",
            f"alter table {name} add unique ({', '.join(map(quoted, table.key))});",
            table.name,
        )


def _identity(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    unlisted = [each for each in there.columns if each not in table.columns]
    if there.identity == "full" and unlisted:
        yield Problem(
            "M224",
            "warning",
            f"{table.name} has REPLICA IDENTITY FULL: its columns that the mapping does not list or drops leave the"
            " database and end at the connector; otherwise they would stay inside",
            f"alter table {_name(table)} replica identity default;" if there.primary else "",
            table.name,
        )


def quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _name(table: CapturedTable) -> str:
    return sql.Identifier(table.schema, table.table).as_string()
