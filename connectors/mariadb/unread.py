"""What Debezium cannot read of how a table of MariaDB's is made: its task ends there, whether that is mapped or not.

Tried with the parser of Debezium 3.5.0 for MariaDB on what MariaDB 10.11 says a table is made by. What is not listed
here shows as a task that failed, whose reason names the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pymysql.cursors import DictCursor

from connectors.captured import CapturedTable
from connectors.mariadb.address import quoted
from connectors.mariadb.tables import CatalogueTable
from connectors.problem import Problem

# Type → one that holds the same as text.
_TYPES = {"inet4": "varchar(15)", "inet6": "varchar(39)"}
# In a default, a generated column or a check, as MariaDB writes them. `cast(x as datetime)` is read, `datetime(6)` not.
_EXPRESSION = re.compile(
    r"\b(?P<function>repeat|interval|column_get)\(|\b(?P<literal>date|time|timestamp)''"
    r"|\bas (?P<cast>(?:datetime|time)\([1-6]\)|float|double|uuid|inet[46])(?!\w)",
    re.IGNORECASE,
)
_COMPRESSED = re.compile(r"/\*M?!\d* COMPRESSED\*/", re.IGNORECASE)
_TEXT = re.compile(r"(`(?:[^`]|``)*`)|'(?:[^'\\]|\\.|'')*'", re.DOTALL)
_COLUMN = re.compile(r"^  `((?:[^`]|``)*)` (\w+)")
_NAME = re.compile(r"`(?:[^`]|``)*`")


class Unread(NamedTuple):
    """``type_``: one that the connector can read, where another type is all it takes."""

    column: str | None
    what: str
    type_: str | None = None


def unread(statement: str) -> Iterator[Unread]:
    """What of a SHOW CREATE TABLE; no literal is repeated, for it may be anything."""
    for line in _TEXT.sub(lambda found: found[1] or "''", statement).splitlines():
        found = _COLUMN.match(line)
        name = found[1].replace("``", "`") if found else None
        whose = f"column {name}" if name else "a key or a check"
        rest = _NAME.sub("", line)
        if found and (type_ := found[2].lower()) in _TYPES:
            yield Unread(name, f"{whose} is of type {type_}", _TYPES[type_])
        if found and _COMPRESSED.search(rest):
            yield Unread(name, f"{whose} is compressed", rest.split("/*")[0].strip())
        if "WITHOUT OVERLAPS" in rest:
            yield Unread(None, "a key is WITHOUT OVERLAPS")
        if said := _EXPRESSION.search(rest):
            what = (
                f"{said['function']}()" if said["function"]
                else f"a literal of type {said['literal'].lower()}" if said["literal"]
                else f"a cast to {said['cast'].lower()}"
            )  # fmt: skip
            yield Unread(name, f"{whose} is made with {what}")


def unread_of(cursor: DictCursor, schema: str, table: str) -> list[Unread]:
    cursor.execute(f"show create table {quoted(schema, table)}")
    row = cursor.fetchone() or {}  # of a view it has another name
    return list(unread(str(row.get("Create Table", ""))))


def in_words(found: Sequence[Unread]) -> str:
    return f"the connector cannot read that {', nor that '.join(each.what for each in found)}"


def check_unread(table: CapturedTable, there: CatalogueTable, found: Sequence[Unread]) -> Iterator[Problem]:
    for each in found:
        column = there.columns.get(each.column or "")
        mend = ""
        if each.type_ and column is not None:
            # MODIFY forgets what it does not name.
            rest = "" if column.nullable else " not null"
            mend = f"alter table {quoted(table.schema, table.table)} modify {quoted(column.name)} {each.type_}{rest};"
        yield Problem(
            "M242",
            "error",
            f"{table.name}: {in_words([each])}, mapped or not, and would end at this table;"
            + (" give it another type" if mend else " say it otherwise, or move it")
            + (", with its default if it has one" if mend else " to a table that is not mapped"),
            mend,
            table.name,
            each.column if each.column in table.columns else None,
        )
