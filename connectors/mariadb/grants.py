"""Before a source is registered: what its user may do, read from SHOW GRANTS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from connectors.captured import CapturedTable
from connectors.envelope import MARKER_TABLE
from connectors.mariadb.address import Address, quoted
from connectors.problem import Problem

_GRANT = re.compile(
    r"^GRANT (?P<what>.+?) ON (?:TABLE )?(?P<db>`(?:[^`]|``)+`|\*)\.(?P<table>`(?:[^`]|``)+`|\*) TO ", re.S
)
_ONE = re.compile(r"([A-Z][A-Z _]*[A-Z])\s*(?:\(([^)]*)\))?\s*(?:,|$)", re.IGNORECASE)
_SIGNALS = ("CREATE", "SELECT", "INSERT", "DELETE", "DROP")
_MARKERS = (*_SIGNALS, "UPDATE")
# MariaDB 10.11 shows the rules of foreign keys to those who may do more in the whole database than read.
_SHOWING_RULES = ("REFERENCES", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX")
EVERY_COLUMN = frozenset({"*"})


@dataclass(frozen=True)
class Grant:
    """One right on `database`.`table`, "*" meaning all; ``columns`` where only those are meant."""

    right: str
    database: str
    table: str
    columns: frozenset[str] = EVERY_COLUMN


class Grants:
    """What SHOW GRANTS said. ``unknown``: roles give rights that it did not list, so that nothing can be missing."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.grants: list[Grant] = []
        self.unknown = False
        for line in lines:
            if (found := _GRANT.match(line)) is None:
                self.unknown = self.unknown or " ON " not in line
                continue
            database, table = _plain(found["db"]), _plain(found["table"])
            for right, columns in _ONE.findall(found["what"]):
                listed = frozenset(_plain(each.strip()) for each in columns.split(",")) if columns else EVERY_COLUMN
                self.grants.append(Grant(right.upper(), database, table, listed))

    def everywhere(self, *rights: str) -> bool:
        """Whether the user has one of these rights on the whole server."""
        return self.unknown or any(
            grant.database == "*" and grant.right in (*rights, "ALL PRIVILEGES", "SUPER") for grant in self.grants
        )

    def columns(self, right: str, database: str, table: str) -> frozenset[str]:
        """The columns of a table on which the user has a right; `EVERY_COLUMN` for all."""
        if self.unknown:
            return EVERY_COLUMN
        found: set[str] = set()
        for grant in self.grants:
            at = _matches(grant.database, database) and grant.table in ("*", table)
            if at and grant.right in (right, "ALL PRIVILEGES"):
                found |= grant.columns
        return EVERY_COLUMN if "*" in found else frozenset(found)

    def on(self, right: str, database: str, table: str) -> bool:
        return self.columns(right, database, table) == EVERY_COLUMN


def check_grants(
    grants: Grants, address: Address, tables: Sequence[CapturedTable], signal_table: str, *, mariadb: bool = True
) -> Iterator[Problem]:
    """The rights that the connector, the markers, the signals and the lock need, each with its GRANT."""
    user = f"'{address.user}'@'…'"
    if not grants.everywhere("REPLICATION SLAVE"):
        yield Problem("M214", "error", f"user {address.user} may not read the binary log",
                      f"grant replication slave on *.* to {user};")  # fmt: skip
    if not grants.everywhere("BINLOG MONITOR", "REPLICATION CLIENT"):
        yield Problem("M214", "error", f"user {address.user} may not ask where the binary log ends",
                      f"grant replication client on *.* to {user};")  # fmt: skip
    if not grants.everywhere("RELOAD", "FLUSH_TABLES"):  # LOCK TABLES is not enough for Debezium 3.6: its task ends
        yield Problem("M238", "error", f"user {address.user} may lock nothing while a snapshot begins",
                      f"grant reload on *.* to {user};")  # fmt: skip
    for schema in dict.fromkeys(table.schema for table in tables) if mariadb else ():
        if not any(grants.on(right, schema, "*") for right in _SHOWING_RULES):
            yield Problem("M238", "error", f"user {address.user} does not see what the foreign keys in {schema} do",
                          f"grant references on {quoted(schema)}.* to {user};")  # fmt: skip
    own = ((MARKER_TABLE, "into which markers are written", _MARKERS),
           (signal_table, "by which backfills are asked for", _SIGNALS))  # fmt: skip
    for table, what, rights in own:
        if lacking := [each for each in rights if not grants.on(each, address.database, table)]:
            yield Problem("M238", "error", f"user {address.user} may not keep table {table}, {what}",
                          f"grant {', '.join(lacking).lower()} on {quoted(address.database, table)} to {user};",
                          )  # fmt: skip
    for each in tables:
        readable = grants.columns("SELECT", each.schema, each.table)
        hidden = [] if readable == EVERY_COLUMN else [column for column in each.columns if column not in readable]
        if hidden:
            yield Problem("M216", "error", f"user {address.user} may not read {each.name}: {', '.join(hidden)}",
                          f"grant select on {quoted(each.schema, each.table)} to {user};", each.name)  # fmt: skip


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def _matches(pattern: str, database: str) -> bool:
    """A database in GRANT is a pattern: % any letters, _ any one, unless escaped."""
    if pattern == "*":
        return True
    parts = re.findall(r"\\.|.", pattern, re.S)
    expression = "".join(
        ".*" if part == "%" else "." if part == "_" else re.escape(part.removeprefix("\\") or part) for part in parts
    )
    return re.fullmatch(expression, database, re.S) is not None
