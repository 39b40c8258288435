"""What a live database lacks for change capture: a code, a sentence, and the SQL that mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

PROBLEMS: dict[str, str] = {
    "M210": "the server does not log what logical decoding needs (wal_level)",
    "M211": "no replication slot is free",
    "M212": "no WAL sender is free",
    "M213": "the server is too old for publications with column lists",
    "M214": "the user may not replicate",
    "M215": "the user may not make a publication of this table",
    "M216": "the user may not read a mapped column",
    "M217": "the publication's or the slot's name is taken by something that is not Headrace's",
    "M218": "the table does not exist",
    "M219": "the column does not exist",
    "M220": "the table has no key by which its changes could be told apart",
    "M221": "the mapping's key is not one that the table's changes carry",
    "M222": "a generated column is in no change",
    "M223": "what kind of table this is cannot be captured",
    "M224": "the replica identity matters to what is captured",
    "M225": "key values that look different are equal for the database",
    "M226": "a column's type is not one that the connector can mask or hash",
    "M227": "commits reach the server's log late",
    "M228": "the slot's log is gone: the source must be read again",
    "M229": "row security hides rows from the snapshot",
    "M230": "a column's type is not one that the connector can send",
    "M231": "a large value that does not change would arrive as NULL",
    "M232": "names that differ only by case cannot be captured",
    "M241": "the user may not keep a table that Headrace needs for itself",
}

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding about the database. ``sql`` is the cure as statements to run, empty where none exists."""

    code: str
    severity: Severity
    message: str
    sql: str = ""
    table: str | None = None  # "schema.table"
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.code} {self.severity} {self.message}" + (f" Run: {self.sql}" if self.sql else "")


def errors(problems: Iterable[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity == "error"]
