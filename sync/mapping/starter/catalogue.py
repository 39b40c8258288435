"""The catalogue as `headrace init` sees it: tables with names that a mapping can use, and who points at whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sync.mapping.kinds import bare, kind_of_type
from sync.mapping.lock import ForeignKey, LockColumn, LockTable, SourceLock
from sync.mapping.model import Kind
from sync.mapping.sandbox import environment
from sync.mapping.starter.guesses import ascii_name, privacy_class, secret, unreadable, words

Samples = Mapping[str, Mapping[str, Sequence[str]]]
_JINJA_WORDS = {
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "else",
    "true",
    "false",
    "none",
    "loop",
    "self",
    "import",
    "recursive",
}
_MOST_CODES, _LONGEST_CODE = 20, 12


@dataclass(frozen=True)
class FoundColumn:
    name: str  # the mapping's
    database_name: str
    locked: LockColumn
    pii: str | None
    codes: tuple[str, ...]

    @property
    def kind(self) -> Kind:
        return kind_of_type(self.locked.type)

    @property
    def label(self) -> str:
        return words(self.database_name)


@dataclass
class FoundTable:
    name: str
    schema: str
    table: str
    locked: LockTable
    columns: dict[str, FoundColumn]
    left_out: dict[str, str]  # database name → why
    key: tuple[str, ...]
    parents: list[Link] = field(default_factory=list)
    children: list[Link] = field(default_factory=list)

    @property
    def is_detail(self) -> bool:
        """Whether its rows live within another's: an order's items, a table that joins two others."""
        return any(set(link.columns) < set(self.key) or link.cascades for link in self.parents) or (
            len(self.parents) > 1 and set(self.key) <= {column for link in self.parents for column in link.columns}
        )

    @property
    def is_lookup(self) -> bool:
        """Whether its rows are words for codes: a country, a status."""
        return not self.parents and len(self.columns) <= 3 and bool(self.children)

    def by_database(self) -> dict[str, str]:
        return {column.database_name: column.name for column in self.columns.values()}


@dataclass(frozen=True)
class Link:
    """A foreign key between two tables that are taken in."""

    child: FoundTable
    columns: tuple[str, ...]
    parent: FoundTable
    references: tuple[str, ...]
    cascades: bool

    @property
    def is_optional(self) -> bool:
        return any(self.child.columns[column].locked.nullable for column in self.columns)

    @property
    def is_single(self) -> bool:
        """Whether a parent has one child at most."""
        database = {self.child.columns[column].database_name for column in self.columns}
        return any(set(unique) == database for unique in (self.child.locked.key, *self.child.locked.unique))


@dataclass
class Catalogue:
    schema: str | None
    tables: dict[str, FoundTable]
    left_out: dict[str, str]  # "schema.table" → why


def read_catalogue(lock: SourceLock, samples: Samples | None) -> Catalogue:
    """The tables that a starter maps, and why it leaves the others out."""
    schemas = Counter(full.rpartition(".")[0] for full in lock.tables)
    schema = max(sorted(schemas), key=lambda name: schemas[name]) if schemas else None
    found: dict[str, FoundTable] = {}
    left_out: dict[str, str] = {}
    names = _Names()
    for full, locked in sorted(lock.tables.items()):
        own_schema, _, table = full.rpartition(".")
        why = _refusal(table, locked)
        if why is not None:
            left_out[full] = why
            continue
        name = names.new(table if own_schema == schema else f"{own_schema}_{table}")
        columns, without = _columns(table, locked, (samples or {}).get(full, {}))
        by_database = {column.database_name: column.name for column in columns.values()}
        key = tuple(by_database[column] for column in locked.key)
        found[full] = FoundTable(name, own_schema, table, locked, columns, without, key)
    for child in found.values():
        for foreign in child.locked.foreign_keys:
            parent = found.get(foreign.table) or found.get(f"{child.schema}.{foreign.table}")
            if parent is not None:
                _link(child, parent, foreign)
    return Catalogue(schema or None, {table.name: table for table in found.values()}, left_out)


def _refusal(table: str, locked: LockTable) -> str | None:
    if not locked.key:
        return "it has no primary key"
    for name in locked.key:
        column = locked.columns.get(name)
        if column is None or unreadable(column) is not None:
            return f"its key column {name} cannot be captured"
        if privacy_class(table, name, column) is not None or secret(name):
            return f"its key {name} looks like personal data, and a key stands in every record in clear"
    return None


def _columns(
    table: str, locked: LockTable, samples: Mapping[str, Sequence[str]]
) -> tuple[dict[str, FoundColumn], dict[str, str]]:
    columns: dict[str, FoundColumn] = {}
    left_out: dict[str, str] = {}
    names = _Names()
    foreign = {column for key in locked.foreign_keys for column in key.columns}
    for database_name, column in locked.columns.items():
        why = "it looks like a secret" if secret(database_name) else unreadable(column)
        if why is not None:
            left_out[database_name] = why
            continue
        pii = privacy_class(table, database_name, column)
        # What joins has its words in the other table; a `set` holds several codes at once
        coded = kind_of_type(column.type) == "text" and database_name not in foreign and bare(column.type) != "set"
        codes = column.values if coded else ()
        if coded and not codes and pii is None and database_name not in locked.key:
            seen = sorted({str(code) for code in samples.get(database_name, ())})
            short = all(code.strip() and len(code) <= _LONGEST_CODE for code in seen)
            codes = tuple(seen) if seen and short and len(seen) <= _MOST_CODES else ()
        name = names.new(database_name)
        columns[name] = FoundColumn(name, database_name, column, pii, codes if all(c.strip() for c in codes) else ())
    return columns, left_out


def _link(child: FoundTable, parent: FoundTable, foreign: ForeignKey) -> None:
    mine, theirs = child.by_database(), parent.by_database()
    if len(foreign.columns) != len(foreign.references) or not set(foreign.columns) <= mine.keys():
        return
    if not set(foreign.references) <= theirs.keys():
        return
    columns = tuple(mine[column] for column in foreign.columns)
    references = tuple(theirs[column] for column in foreign.references)
    # Nothing joins by a column that is dropped or masked
    private = [child.columns[column].pii for column in columns] + [parent.columns[c].pii for c in references]
    if any(private):
        return
    link = Link(child, columns, parent, references, foreign.on_delete == "cascade")
    if not any(other.parent is parent and other.columns == columns for other in child.parents):
        child.parents.append(link)
        parent.children.append(link)


class _Names:
    """Names that templates can use, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        usable = wanted.isidentifier() and wanted.isascii() and not wanted.startswith("_") and wanted not in reserved()
        name = wanted if usable else ascii_name(wanted)
        if name in reserved():
            name = f"{name}_value"
        number = 2
        while name in self._taken:
            name, number = f"{name.rstrip('0123456789')}{number}", number + 1
        self._taken.add(name)
        return name


def reserved() -> Iterable[str]:
    """Names that mean something else at a template's top."""
    return {*_JINJA_WORDS, *environment().globals, "True", "False", "None"}
