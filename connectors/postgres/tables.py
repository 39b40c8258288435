"""What PostgreSQL's catalogue says of tables, read in a few queries whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

# pg_class.relkind
KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialised view",
    "f": "foreign table",
    "S": "sequence",
    "c": "composite type",
}
IDENTITIES = {"d": "default", "n": "nothing", "f": "full", "i": "index"}  # pg_class.relreplident


@dataclass(frozen=True, slots=True)
class CatalogueColumn:
    name: str
    type: str  # format_type()
    nullable: bool
    generated: bool
    readable: bool  # the user has SELECT on it
    values: tuple[str, ...]  # of an enum, in its order
    collation: str | None  # where it is not the type's own
    deterministic: bool
    character: bool  # a character type or a domain over one: what the connector can mask and hash
    base: str  # pg_type.typname, of a domain the one it is over
    element: str | None  # of an array type: its elements' typname
    toastable: bool  # large values are stored out of line, and not sent while they do not change
    composed: bool = False  # of several columns or ranges: a composite type, a multirange, or an array of one
    dimensions: int = 0  # that an array was declared with


@dataclass(slots=True)
class CatalogueTable:
    schema: str
    name: str
    kind: str  # of KINDS
    persistence: str  # p permanent, u unlogged, t temporary
    identity: str  # of IDENTITIES
    owned: bool  # the user is, or may act as, the owner
    partition: bool
    row_security: bool  # the user sees only some rows
    oid: int
    columns: dict[str, CatalogueColumn] = field(default_factory=dict)
    primary: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()  # NOT NULL or not, without expressions and conditions
    identity_columns: tuple[str, ...] = ()  # what the log carries of a deleted or changed row's old key
    foreign_keys: list[dict[str, Any]] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


# Both lists of names run in parallel; a NULL list of tables means the whole schema.
_TABLES = """
select c.oid::bigint as oid, n.nspname as schema, c.relname as name, c.relkind::text as kind,
       c.relpersistence::text as persistence, c.relreplident::text as identity, c.relispartition as partition,
       pg_has_role(c.relowner, 'USAGE') as owned, row_security_active(c.oid) as row_security
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where case when %(names)s::text[] is null
           then n.nspname = %(schema)s and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
           else n.nspname || '.' || c.relname = any(%(names)s) and c.relkind in ('r', 'p', 'v', 'm', 'f') end
order by n.nspname, c.relname
"""

_COLUMNS = """
select a.attrelid::bigint as oid, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
       not a.attnotnull as nullable, a.attgenerated <> '' as generated,
       has_column_privilege(a.attrelid, a.attnum, 'SELECT') as readable,
       case when a.attcollation <> t.typcollation then l.collname end as collation,
       coalesce(l.collisdeterministic, true) as deterministic,
       t.typcategory = 'S' as character, b.typname as base, a.attstorage <> 'p' as toastable,
       e.typname as element,
       coalesce(e.typtype, b.typtype) in ('c', 'm') as composed, a.attndims::int as dimensions,
       array(select v.enumlabel::text from pg_enum v where v.enumtypid = b.oid order by v.enumsortorder) as "values"
from pg_attribute a
join pg_type t on t.oid = a.atttypid
join pg_type b on b.oid = coalesce(nullif(t.typbasetype, 0), t.oid)
left join pg_type e on e.oid = b.typelem and b.typcategory = 'A'
left join pg_collation l on l.oid = a.attcollation
where a.attrelid = any(%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

_INDEXES = """
select i.indrelid::bigint as oid, i.indisprimary as primary, i.indisreplident as identity,
       i.indpred is null and i.indexprs is null as plain,
       array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(number, place)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by k.place) as columns
from pg_index i
where i.indrelid = any(%(oids)s::oid[]) and i.indisunique and i.indisvalid
order by i.indrelid, i.indexrelid
"""

_FOREIGN_KEYS = """
select c.conrelid::bigint as oid, n.nspname as schema, r.relname as "table", c.confdeltype::text as on_delete,
       array(select a.attname::text from unnest(c.conkey) with ordinality k(number, place)
             join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number order by k.place) as columns,
       array(select a.attname::text from unnest(c.confkey) with ordinality k(number, place)
             join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.number order by k.place) as "references"
from pg_constraint c join pg_class r on r.oid = c.confrelid join pg_namespace n on n.oid = r.relnamespace
where c.contype = 'f' and c.conrelid = any(%(oids)s::oid[])
order by c.conrelid, c.conname
"""


def read_tables(
    connection: psycopg.Connection[Any], schema: str, names: Collection[str] | None = None
) -> dict[str, CatalogueTable]:
    """``names`` ("schema.table"), or every table of ``schema``, by "schema.table". One that is missing is left out."""
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(_TABLES, {"names": None if names is None else list(names), "schema": schema})
        tables = {row["oid"]: _table(row) for row in cursor.fetchall()}
        oids = {"oids": list(tables)}
        for row in cursor.execute(_COLUMNS, oids):
            oid = row.pop("oid")
            tables[oid].columns[row["name"]] = CatalogueColumn(**row | {"values": tuple(row["values"])})
        _read_indexes(cursor, tables)
        for row in cursor.execute(_FOREIGN_KEYS, oids):
            tables[row["oid"]].foreign_keys.append(row)
    return {table.full_name: table for table in tables.values()}


def _table(row: dict[str, Any]) -> CatalogueTable:
    return CatalogueTable(**row | {"kind": KINDS[row["kind"]], "identity": IDENTITIES[row["identity"]]})


def _read_indexes(cursor: psycopg.Cursor[dict[str, Any]], tables: dict[int, CatalogueTable]) -> None:
    unique: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for row in cursor.execute(_INDEXES, {"oids": list(tables)}):
        table, columns = tables[row["oid"]], tuple(row["columns"])
        if row["primary"]:
            table.primary = columns
        elif row["plain"]:
            unique[row["oid"]].append(columns)
        if row["identity"] and table.identity == "index":
            table.identity_columns = columns
    for oid, table in tables.items():
        table.unique = tuple(unique[oid])
        if table.identity == "default":
            table.identity_columns = table.primary
        elif table.identity == "full":
            table.identity_columns = tuple(table.columns)
