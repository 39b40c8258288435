"""Before a source is registered: what one table of MariaDB or MySQL lacks for its changes to be captured."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from connectors.captured import CapturedTable
from connectors.mariadb.address import quoted
from connectors.mariadb.tables import CHARACTER, CatalogueKey, CatalogueTable
from connectors.problem import Problem, Severity

TRANSACTIONAL = frozenset({"innodb", "rocksdb", "tokudb", "ndbcluster"})
# A TIME may be negative or longer than a day; as ISO text the connector cannot write it and its task ends (tried
# with Debezium 3.5.0 on MariaDB 10.11).
NOT_SENT = frozenset({"time"})
# Of these arrives the bytes of a geometry, in base64.
GEOMETRY = frozenset({
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
})  # fmt: skip
DATES = frozenset({"date", "datetime", "timestamp"})
SILENT = frozenset({"cascade", "set null", "set default"})


def check_table(
    table: CapturedTable,
    there: CatalogueTable,
    mapped: Sequence[CapturedTable],
    *,
    zero_dates: bool,
    silent: bool = True,
) -> Iterator[Problem]:
    """``mapped``: all tables of the source; ``zero_dates``: the server takes 0000-00-00 for a date.

    ``silent``: what foreign keys do to rows is not in the log.
    """
    if there.kind != "base table":
        yield Problem("M223", "error", f"{table.name} is a {there.kind}: its changes are not in the log as rows",
                      table=table.name)  # fmt: skip
        return
    if there.engine.lower() not in TRANSACTIONAL:
        yield Problem(
            "M223",
            "error",
            f"{table.name} is kept by engine {there.engine}, which has no transactions: a snapshot could show half of"
            " what was written together",
            f"alter table {_name(table)} engine = InnoDB;",
            table.name,
        )
    yield from _columns(table, there, zero_dates)
    yield from _key(table, there)
    for key in there.foreign_keys if silent else ():
        yield from _silent(table, there, key, mapped)
    yield from _rules(table, there)


def _columns(table: CapturedTable, there: CatalogueTable, zero_dates: bool) -> Iterator[Problem]:
    for name in (*table.columns, *table.dropped):
        if name not in there.columns:
            near = difflib.get_close_matches(name, there.columns, n=1, cutoff=0.6)
            advice = f"; the nearest is {near[0]}" if near else ""
            # A dropped column is never read, so its absence hurts nobody; its name may still be a slip.
            severity: Severity = "warning" if name in table.dropped else "error"
            yield Problem("M219", severity, f"{table.name} has no column {name}{advice}", table=table.name, column=name)
    zero = [c for c in table.columns if c in there.columns and _holds_zero_date(there, c)] if zero_dates else []
    if zero:
        yield Problem(
            "M234",
            "warning",
            f"{table.name}: a zero date in {', '.join(zero)} arrives as 1970-01-01, for the column may not be NULL",
            " ".join(f"alter table {_name(table)} modify {quoted(c)} {there.columns[c].type} null;" for c in zero),
            table.name,
        )
    for name, treatment in table.columns.items():
        column = there.columns.get(name)
        if column is None:
            continue
        if column.base in NOT_SENT | GEOMETRY:
            yield Problem(
                "M230",
                "error",
                f"{table.name}: column {name} is of type {column.type}, which the connector cannot send"
                f"{' as text' if column.base in GEOMETRY else ''}; take it out of the mapping",
                table=table.name,
                column=name,
            )
        if treatment is not None and (column.base not in CHARACTER or column.base in ("enum", "set")):
            yield Problem(
                "M226",
                "error",
                f"{table.name}: column {name} is of type {column.type}, which the connector cannot {treatment};"
                " use `drop` for its class",
                table=table.name,
                column=name,
            )
        if name in table.key and column.collation and not _exact(column.collation):
            yield Problem(
                "M225",
                "warning",
                f"{table.name}: key column {name} has collation {column.collation}: spellings that the database takes"
                " for equal are different rows here, and do not join",
                f"alter table {_name(table)} modify {quoted(name)} {column.type} collate utf8mb4_bin;",
                table.name,
                name,
            )


def _holds_zero_date(there: CatalogueTable, name: str) -> bool:
    column = there.columns[name]
    return column.base in DATES and not column.nullable


def _exact(collation: str) -> bool:
    return collation == "binary" or collation.endswith(("_bin", "_cs", "_as_cs"))


def _key(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    key, primary = ", ".join(table.key), ", ".join(there.primary)
    if not there.primary:
        columns = ", ".join(map(quoted, table.key)) or "…"
        yield Problem(
            "M220",
            "error",
            f"{table.name} has no primary key, by which its changes could be told apart",
            f"alter table {_name(table)} add primary key ({columns});",
            table.name,
        )
    elif set(table.key) == set(there.primary):
        return
    elif table.key_is_primary:
        yield Problem(
            "M221",
            "error",
            f"{table.name}: the primary key is {primary}, the mapping goes by {key or 'none'}."
            " If the mapping says no `key:`, `headrace lint --live` writes the lock anew",
            table=table.name,
        )
    elif not any(set(each) == set(table.key) for each in there.unique):
        yield Problem(
            "M221",
            "warning",
            f"{table.name}: nothing makes the mapping's key {key} unique; rows that share it become one",
            f"alter table {_name(table)} add unique ({', '.join(map(quoted, table.key))});",
            table.name,
        )


def _silent(
    table: CapturedTable, there: CatalogueTable, key: CatalogueKey, mapped: Sequence[CapturedTable]
) -> Iterator[Problem]:
    """A rule that changes this table's rows is in no log; Headrace carries it out only where it sees both ends."""
    rules = {"delete": key.on_delete, "update": key.on_update}
    silent = [f"on {event} {rule}" for event, rule in rules.items() if rule in SILENT]
    if not silent:
        return
    parent = next((each for each in mapped if (each.schema, each.table) == (key.schema, key.table)), None)
    blind = _blind(table, key.columns)
    lacking = ""
    if parent is None:
        lacking = f"{key.schema}.{key.table} is not mapped"
    elif blind or (blind := _blind(parent, key.references)):
        lacking = f"{', '.join(blind)} is not mapped, or is private"
    elif "set default" in rules.values():
        lacking = "a default is not known here"
    column = key.columns[0] if key.columns[0] in table.columns else None
    what = (
        f"{table.name}: the foreign key to {key.schema}.{key.table} ({', '.join(silent)}) changes rows without a word"
    )
    if lacking:
        yield Problem(
            "M235",
            "error" if key.on_delete in SILENT else "warning",
            f"{what} in the log, and Headrace cannot do the same, for {lacking}. Map it (columns"
            f" {', '.join(key.references)}), or let the application do what the foreign key does",
            table=table.name,
            column=column,
        )
    elif inexact := _inexact(table, there, key):
        yield Problem(
            "M235",
            "warning",
            f"{what} in the log; Headrace does the same, but {inexact}",
            table=table.name,
            column=column,
        )


def _inexact(table: CapturedTable, there: CatalogueTable, key: CatalogueKey) -> str:
    """What differs between what the database does for a foreign key and what is done here; empty if nothing."""
    for name in key.columns:
        column = there.columns.get(name)
        if column is not None and column.base in CHARACTER and column.collation and not _exact(column.collation):
            return f"not with rows that spell {name} otherwise than the row they point at ({column.collation})"
    generated = [name for name in table.columns if name in there.columns and there.columns[name].generated]
    follows = key.on_delete == "set null" or key.on_update in SILENT
    return f"does not compute {', '.join(generated)} anew" if generated and follows else ""


def _rules(table: CapturedTable, there: CatalogueTable) -> Iterator[Problem]:
    """Foreign keys are carried out as the lock knows them: what it does not know would go missing, or be overdone."""
    known = {
        (each.columns, each.table if "." in each.table else f"{table.schema}.{each.table}", each.references, *rules)
        for each in table.foreign_keys
        if any(rules := _silent_rules(each.on_delete, each.on_update))
    }
    real = {
        (each.columns, f"{each.schema}.{each.table}", each.references, *rules)
        for each in there.foreign_keys
        if any(rules := _silent_rules(each.on_delete, each.on_update))
    }
    for columns, parent, *_ in sorted(known ^ real):
        yield Problem(
            "M235",
            "error",
            f"{table.name}: what the foreign key ({', '.join(columns)}) to {parent} does is not what the lock says;"
            " `headrace lint --live --accept` writes the lock anew",
            table=table.name,
        )
        return


def _silent_rules(on_delete: str, on_update: str) -> tuple[str, str]:
    return (on_delete if on_delete in SILENT else "", on_update if on_update in SILENT else "")


def _blind(table: CapturedTable, columns: Sequence[str]) -> list[str]:
    return [f"{table.name}.{each}" for each in columns if each not in table.columns or table.columns[each] is not None]


def _name(table: CapturedTable) -> str:
    return quoted(table.schema, table.table)
