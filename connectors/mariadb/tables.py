"""What MariaDB's and MySQL's catalogue says of tables, read in a few queries whatever their number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from pymysql.cursors import DictCursor

from connectors.envelope import MARKER_TABLE
from connectors.names import SIGNAL

CHARACTER = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"})
_ENUM_VALUE = re.compile(r"'((?:[^']|'')*)'")
_JSON_VALID = re.compile(r"^json_valid\(`((?:[^`]|``)+)`\)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    name: str
    type: str  # as information_schema writes it, but "enum" and "set" alone, and "json" where a check says so
    base: str  # data_type: "int" of "int(10) unsigned"
    nullable: bool
    generated: str  # "", "virtual" or "stored"
    values: tuple[str, ...]  # of an enum, in its order
    collation: str | None


@dataclass(frozen=True, slots=True)
class CatalogueKey:
    """A foreign key; rules are in lower case: no action, restrict, cascade, set null, set default."""

    columns: tuple[str, ...]
    schema: str
    table: str
    references: tuple[str, ...]
    on_delete: str
    on_update: str


@dataclass(slots=True)
class CatalogueTable:
    schema: str
    name: str
    kind: str  # table_type in lower case: "base table", "view", "system versioned", "sequence", …
    engine: str
    columns: dict[str, CatalogueColumn] = field(default_factory=dict)
    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()  # without expressions and without parts of columns
    foreign_keys: list[CatalogueKey] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


_TABLES = """
select table_schema as s, table_name as t, table_type as kind, coalesce(engine, '') as engine
from information_schema.tables where table_schema in %s order by table_schema, table_name
"""
_COLUMNS = """
select table_schema as s, table_name as t, column_name as name, column_type as type, data_type as base,
       is_nullable = 'YES' as nullable, extra as extra, collation_name as collation
from information_schema.columns where table_schema in %s order by table_schema, table_name, ordinal_position
"""
_INDEXES = """
select table_schema as s, table_name as t, index_name as name, column_name as col, sub_part as part
from information_schema.statistics where table_schema in %s and non_unique = 0
order by table_schema, table_name, index_name, seq_in_index
"""
_FOREIGN_KEYS = """
select k.table_schema as s, k.table_name as t, k.constraint_name as name, k.column_name as col,
       k.referenced_table_schema as rs, k.referenced_table_name as rt, k.referenced_column_name as rc,
       r.delete_rule as on_delete, r.update_rule as on_update
from information_schema.key_column_usage k
join information_schema.referential_constraints r
  on r.constraint_schema = k.constraint_schema and r.constraint_name = k.constraint_name
 and r.table_name = k.table_name
where k.table_schema in %s and k.referenced_table_name is not null
order by k.table_schema, k.table_name, k.constraint_name, k.ordinal_position
"""
_CHECKS = """
select constraint_schema as s, table_name as t, check_clause as clause
from information_schema.check_constraints where constraint_schema in %s
"""


def read_tables(
    cursor: DictCursor, schema: str, names: Collection[str] | None = None, *, mariadb: bool = True
) -> dict[str, CatalogueTable]:
    """``names`` ("schema.table"), or every table of ``schema``, by "schema.table". One that is missing is left out.

    ``mariadb``: JSON columns are texts with a check there.
    """
    schemas = {schema} if names is None else _schemas(names)
    cursor.execute(_TABLES, [tuple(schemas)])
    tables = {}
    for row in cursor.fetchall():
        table = CatalogueTable(row["s"], row["t"], row["kind"].lower(), row["engine"])
        taken = table.kind == "base table" and not is_ours(table.name)
        if table.full_name in names if names is not None else taken:
            tables[row["s"], row["t"]] = table
    if tables:
        _read_columns(cursor, tables, schemas, mariadb)
        _read_indexes(cursor, tables, schemas)
        _read_foreign_keys(cursor, tables, schemas)
    return {table.full_name: table for table in tables.values()}


def is_ours(table: str) -> bool:
    """Whether Headrace made it: for markers, or to ask a connector for something."""
    return table == MARKER_TABLE or (table.startswith("headrace_") and table.endswith(SIGNAL))


def _schemas(names: Iterable[str]) -> set[str]:
    # A database's name may hold dots, and so may a table's: every place may be where the one ends.
    return {name[:place] for name in names for place, letter in enumerate(name) if letter == "."} or {""}


Tables = dict[tuple[str, str], CatalogueTable]


def _read_columns(cursor: DictCursor, tables: Tables, schemas: set[str], mariadb: bool) -> None:
    json: set[tuple[str, str, str]] = set()
    if mariadb:
        cursor.execute(_CHECKS, [tuple(schemas)])
        for row in cursor.fetchall():
            if found := _JSON_VALID.match(str(row["clause"])):
                json.add((row["s"], row["t"], found[1].replace("``", "`")))
    cursor.execute(_COLUMNS, [tuple(schemas)])
    for row in cursor.fetchall():
        if (table := tables.get((row["s"], row["t"]))) is not None:
            base = str(row["base"]).lower()
            declared = "json" if (row["s"], row["t"], row["name"]) in json else _type(base, str(row["type"]))
            extra = str(row["extra"]).upper()
            table.columns[row["name"]] = CatalogueColumn(
                name=row["name"],
                type=declared,
                base=base,
                nullable=bool(row["nullable"]),
                generated="virtual" if "VIRTUAL" in extra else "stored" if _is_stored(extra) else "",
                values=_values(row["type"]) if base == "enum" else (),
                collation=row["collation"],
            )


def _type(base: str, declared: str) -> str:
    return base if base in ("enum", "set") else declared.partition(" /*")[0]  # so it says COMPRESSED


def _is_stored(extra: str) -> bool:
    return "STORED GENERATED" in extra or "PERSISTENT" in extra


def _values(declared: str) -> tuple[str, ...]:
    return tuple(value.replace("''", "'") for value in _ENUM_VALUE.findall(declared))


def _read_indexes(cursor: DictCursor, tables: Tables, schemas: set[str]) -> None:
    cursor.execute(_INDEXES, [tuple(schemas)])
    columns: dict[tuple[str, str, str], list[str]] = {}
    partial: set[tuple[str, str, str]] = set()
    for row in cursor.fetchall():
        at = (row["s"], row["t"], row["name"])
        columns.setdefault(at, []).append(row["col"] or "")
        if row["col"] is None or row["part"] is not None:
            partial.add(at)
    for (schema, name, index), found in columns.items():
        table = tables.get((schema, name))
        if table is None:
            continue
        if index == "PRIMARY":
            table.primary = tuple(found)
        elif (schema, name, index) not in partial:
            table.unique = (*table.unique, tuple(found))


def _read_foreign_keys(cursor: DictCursor, tables: Tables, schemas: set[str]) -> None:
    cursor.execute(_FOREIGN_KEYS, [tuple(schemas)])
    rows: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in cursor.fetchall():
        rows.setdefault((row["s"], row["t"], row["name"]), []).append(row)
    for (schema, name, _), parts in rows.items():
        if (table := tables.get((schema, name))) is not None:
            first = parts[0]
            table.foreign_keys.append(
                CatalogueKey(
                    columns=tuple(part["col"] for part in parts),
                    schema=first["rs"],
                    table=first["rt"],
                    references=tuple(part["rc"] for part in parts),
                    on_delete=first["on_delete"].lower(),
                    on_update=first["on_update"].lower(),
                )
            )
