"""PostgreSQL's tables since the last look: whether rows came, went or changed without a word in the log.

Four ways lead there: a table that left the publication (`drop column … cascade`, dropped and made anew, renamed and
another put in its place), a column's type changed (the rows are written anew and none is logged), a partition attached
with rows in it or detached, and a partition truncated alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from psycopg.rows import class_row

from connectors.captured import CapturedTable
from connectors.names import Names
from connectors.postgres import heartbeat, publication
from connectors.postgres.address import Address
from connectors.postgres.catalogue import as_locked
from connectors.postgres.tables import read_tables
from connectors.shape import Shape
from sync.mapping.lock import SourceLock

# Each ALTER of a column writes its row of the catalogue anew, and each rewriting of a table gives it another file:
# VACUUM FULL does the second alone. A file without any bytes never held a row.
_READ = """
select n.nspname || '.' || c.relname as "table", c.oid::bigint as oid, c.relkind = 'p' as partitioned,
       (select r.oid::bigint from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
        where r.prrelid = c.oid and p.pubname = %(publication)s) as member,
       (select jsonb_object_agg(a.attname, a.xmin::text) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select coalesce(jsonb_object_agg(f.oid::text, f.relfilenode::bigint), '{}') from pg_class f
        where f.oid = any(leaves.oids)) as files,
       array(select f::text from unnest(leaves.oids) f where pg_relation_size(f) > 0) as filled
from pg_class c join pg_namespace n on n.oid = c.relnamespace,
     lateral (select case when c.relkind = 'p'
                          then array(select relid::oid from pg_partition_tree(c.oid) where isleaf and relid <> c.oid)
                          else array[c.oid] end as oids) leaves
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any(%(tables)s)
"""
ANY = -1  # an entry that may have changed: no oid
_WAIT = "set lock_timeout = '2s'"  # who alters a table must not be waited for: it is looked at again


@dataclass(frozen=True)
class Marks:
    """One table as it stood at a look. ``files``: of itself or of each of its partitions, by oid."""

    table: str
    oid: int
    partitioned: bool
    member: int | None  # its entry in our publication
    columns: dict[str, str]
    files: dict[str, int]
    filled: list[str]


def look(address: Address, names: Names, tables: Sequence[CapturedTable], marks: str | None) -> Shape:
    """Compare with the last look's ``marks``, None at the first. Raises SourceUnreachable and SourceRefused."""
    asked = [table.name for table in tables]
    with address.connect() as connection, connection.transaction():
        connection.execute(_WAIT)
        known = read_tables(connection, "", asked)
        with connection.cursor(row_factory=class_row(Marks)) as cursor:
            cursor.execute(_READ, {"publication": names.publication, "tables": asked})
            now = {one.table: one for one in cursor.fetchall()}
        there = [table for table in tables if table.name in now]
        mend = publication.differs(connection, names, there, known)
        kept_back = publication.kept_back(connection, names, there, known)
        beats = heartbeat.table(names)
        beaten = beats.look(connection) is not None
    before = {name: Marks(**one) for name, one in json.loads(marks).items()} if marks else {}
    silent = {name: f"table {name} was not published for a while" for name in kept_back}
    if not beaten:
        # Nobody knows what happened to the log meanwhile. And Debezium beats no more until it is started anew: it does
        # not roll back the transaction in which a query failed.
        silent[str(beats)] = f"table {beats} is gone, by which a restored database is noticed"
    for table in there:
        if (was := before.get(table.name)) and (reason := unsaid(table, was, now[table.name])):
            silent.setdefault(table.name, reason)
    return Shape(
        SourceLock(connector="postgres", tables={name: as_locked(known[name]) for name in now if name in known}),
        silent,
        mend,
        json.dumps({name: asdict(one) for name, one in now.items()}),
    )


def without_members(marks: str | None) -> str | None:
    """Marks that do not tell whether a table left the publication meanwhile."""
    if marks is None:
        return None
    return json.dumps({name: one | {"member": ANY} for name, one in json.loads(marks).items()})


def unsaid(table: CapturedTable, was: Marks, now: Marks) -> str | None:
    """Why rows of the table may be other ones than the log says, in words."""
    if was.oid != now.oid:
        return f"table {table.name} was made anew"
    if was.member not in (ANY, now.member):
        return f"table {table.name} was not published for a while"
    if now.partitioned:
        return _partitions(table.name, was, now)
    altered = any(was.columns.get(name) != now.columns.get(name) for name in table.columns)
    if altered and was.files != now.files:
        return f"table {table.name} was rewritten by an ALTER TABLE"
    return None


def _partitions(name: str, was: Marks, now: Marks) -> str | None:
    if was.files.keys() - now.files.keys():
        return f"a partition of {name} was detached or dropped"
    if any(oid not in was.files for oid in now.filled):
        return f"a partition with rows in it was attached to {name}"
    if any(now.files[oid] != file for oid, file in was.files.items()):
        return f"a partition of {name} was truncated or rewritten"
    return None
