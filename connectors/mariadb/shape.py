"""MariaDB's tables since the last look: whether one was made anew without a word that reaches the source's topic.

Its statements stand in line, and ① apply takes a table out of the marks with each. But Debezium 3.5 says nothing of a
`create or replace table` where it knows the table: what was there before is gone, and what it takes for the columns may
be those of before. Nor of a table that takes a dropped one's name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pymysql.cursors import DictCursor

from connectors.captured import CapturedTable
from connectors.mariadb.address import Address
from connectors.mariadb.server import NOW
from connectors.mariadb.unread import in_words, unread_of
from connectors.shape import Shape
from sync.mapping.lock import SourceLock

# Each ALTER, OPTIMIZE or making anew gives a table another time; TRUNCATE and ANALYZE do not.
_READ = f"""
select concat(table_schema, '.', table_name) as name, @@server_id as server,
       coalesce(cast(create_time as char), '') as made,
       {NOW} as clock
from information_schema.tables where (table_schema, table_name) in %s
"""


@dataclass(frozen=True)
class Marks:
    """One table as it stood at a look. ``seen``: when (by the server's clock) another time of it was first found."""

    server: int
    made: str
    seen: int | None = None


def look(
    address: Address, tables: Sequence[CapturedTable], marks: str | None, applied_at: int, catalogue: SourceLock
) -> Shape:
    """Compare with the last look's ``marks``; what is applied up to ``applied_at`` has had its say.

    Raises SourceUnreachable and SourceRefused.
    """
    before = {name: Marks(**one) for name, one in json.loads(marks).items()} if marks else {}
    found: dict[str, Marks] = {}
    silent: dict[str, str] = {}
    unread: dict[str, str] = {}
    with address.connect() as cursor:
        for row in _read(cursor, tables):
            name, now = str(row["name"]), Marks(int(row["server"]), str(row["made"]))
            was = before.get(name, now)
            if was.server != now.server or was.made == now.made:
                found[name] = now
                continue
            seen = was.seen or int(row["clock"])
            if applied_at > seen:  # past the statement's place in the log, and it was not there
                silent[name] = f"table {name} was made anew"
                found[name] = now
            else:
                found[name] = Marks(was.server, was.made, seen)
        if catalogue.connector == "mariadb":
            unread = _unread(cursor, [table for table in tables if table.name in catalogue.tables])
    marks = json.dumps({name: asdict(one) for name, one in found.items()})
    return Shape(catalogue, silent, marks=marks, unread=unread)


def _unread(cursor: DictCursor, tables: Sequence[CapturedTable]) -> dict[str, str]:
    found = {table.name: unread_of(cursor, table.schema, table.table) for table in tables}
    return {name: f"table {name} has changed: {in_words(why)}" for name, why in found.items() if why}


def _read(cursor: DictCursor, tables: Sequence[CapturedTable]) -> Sequence[dict[str, Any]]:
    if not tables:
        return ()
    cursor.execute(_READ, [tuple((table.schema, table.table) for table in tables)])
    return list(cursor.fetchall())
