"""From a mapping to what the service works by: tables with their columns' kinds, and documents as trees of tables.

Pure and deterministic: the same mapping and lock give the same plan, and the same `version`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

import orjson

from sync.errors import MappingError
from sync.mapping.canonical import canonicalizer
from sync.mapping.cascades import Cascade, cascades
from sync.mapping.conditions import Predicate, Sorter
from sync.mapping.filters import Property
from sync.mapping.kinds import is_float
from sync.mapping.lock import Lock
from sync.mapping.model import Column, DocumentType, Kind, Mapping, Treatment
from sync.mapping.readers import Read, reader

Canonical = Callable[[Any], str | None]
NodeKind = Literal["root", "one", "many", "codes"]


@dataclass(frozen=True, eq=False)
class ColumnPlan:
    """One listed column. A `drop` column is here so that messages can name it; it is in no image."""

    name: str
    database_name: str
    kind: Kind
    column: Column
    treatment: Treatment | None
    database_type: str | None
    known: bool = True  # False: neither mapping nor lock say the kind

    @property
    def label(self) -> str:
        return self.column.label or self.name.replace("_", " ")

    @cached_property
    def read(self) -> Read:
        """A raw value (not NULL) as the image holds it."""
        return reader(self)

    @cached_property
    def identity(self) -> Canonical:
        """The value of an image as it stands in a row's key."""
        return canonicalizer(self.compared_as, self.database_type)

    @cached_property
    def joining(self) -> Canonical:
        """The value of an image as joins compare it: `normalise` applied."""
        return canonicalizer(self.compared_as, self.database_type, self.column.normalise)

    @property
    def compared_as(self) -> Kind:
        return "text" if self.treatment in ("mask", "hash") else self.kind

    @property
    def is_float(self) -> bool:
        return is_float(self.database_type)


@dataclass(frozen=True, eq=False)
class TablePlan:
    name: str  # the mapping's name
    source: str
    database_name: str  # "public.customers", "shop.item"
    key: tuple[str, ...]  # mapping column names, in the primary key's order
    columns: dict[str, ColumnPlan]
    description: str | None = None
    synonyms: tuple[str, ...] = ()
    _joins: dict[tuple[str, ...], tuple[tuple[str, Canonical], ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def readers(self) -> tuple[tuple[str, str, Read], ...]:
        """(name, database name, reader) of each column that is captured."""
        return tuple((c.name, c.database_name, c.read) for c in self.columns.values() if c.treatment != "drop")

    @cached_property
    def key_parts(self) -> tuple[tuple[str, Canonical], ...]:
        return tuple((name, self.columns[name].identity) for name in self.key)

    def join_parts(self, columns: tuple[str, ...]) -> tuple[tuple[str, Canonical], ...]:
        parts = self._joins.get(columns)
        if parts is None:
            parts = self._joins[columns] = tuple((name, self.columns[name].joining) for name in columns)
        return parts

    def is_key(self, columns: tuple[str, ...]) -> bool:
        """Whether a join value of these columns is the row's key itself: not so where a key column is normalised."""
        return columns == self.key and not any(self.columns[name].column.normalise for name in columns)


@dataclass(frozen=True, eq=False)
class Node:
    """A place in a document's tree: the root, a relation, or the hidden table of a column's code words."""

    name: str
    path: str  # "" for the root, "tickets", "tickets.flight", "tickets.#fare_cd"
    table: str
    kind: NodeKind
    parent: Node | None
    parent_columns: tuple[str, ...]  # columns of the parent's table …
    child_columns: tuple[str, ...]  # … that pair with these of this table
    order: tuple[str, ...]
    limit: int | None
    where: dict[str, Any]
    when: dict[str, Any]
    of: TablePlan  # the plan of `table`
    accepts: Predicate | None = None  # `where`, over this table's images
    applies: Predicate | None = None  # `when`, over the parent's images
    sort: Sorter | None = None  # `order`; None where the mapping gives none for a `one`
    children: tuple[Node, ...] = field(default=(), init=False)

    def nodes(self) -> Iterator[Node]:
        """This node and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.nodes()


@dataclass(frozen=True, eq=False)
class DocumentPlan:
    name: str
    collection: str
    root: Node
    model: DocumentType
    properties: tuple[Property, ...] = ()

    def nodes(self) -> Iterator[Node]:
        """Every node, the root first, depth first."""
        return self.root.nodes()


@dataclass(frozen=True, eq=False)
class Plan:
    mapping: Mapping
    version: str  # 12 hex digits: of the mapping, and of the lock's keys and types that it reads
    tables: dict[str, TablePlan]
    documents: dict[str, DocumentPlan]
    terms_collection: str
    cascades: dict[str, tuple[Cascade, ...]] = field(default_factory=dict)  # by parent table

    @cached_property
    def _by_database_name(self) -> dict[tuple[str, str], TablePlan]:
        return {(table.source, table.database_name): table for table in self.tables.values()}

    def table_of(self, source: str, database_name: str) -> TablePlan | None:
        """The mapped table behind a change's, or None: the mapping does not list it."""
        return self._by_database_name.get((source, database_name))

    @cached_property
    def points_at(self) -> dict[str, tuple[Cascade, ...]]:
        """The same foreign keys by child table."""
        found: dict[str, tuple[Cascade, ...]] = {}
        for cascade in (each for hanging in self.cascades.values() for each in hanging):
            found[cascade.child] = (*found.get(cascade.child, ()), cascade)
        return found

    @cached_property
    def joins(self) -> dict[str, tuple[tuple[str, ...], ...]]:
        """Per table, every tuple of its columns by which some document looks its rows up, other than by key."""
        found: dict[str, dict[tuple[str, ...], None]] = {name: {} for name in self.tables}
        for document in self.documents.values():
            for node in document.nodes():
                if node.parent is not None and not node.of.is_key(node.child_columns):
                    found[node.table][node.child_columns] = None
        return {name: tuple(joins) for name, joins in found.items()}


def plan(mapping: Mapping, lock: Lock | None) -> Plan:
    """The plan of a mapping whose glossary is merged. Raises MappingError on what makes no sense."""
    # Tables and documents are made in modules of their own, which need the classes above.
    from sync.mapping.documents import document_plans
    from sync.mapping.tables import table_plans

    tables = table_plans(mapping, lock)
    documents = document_plans(mapping, tables)
    silent = cascades(lock, tables)
    return Plan(
        mapping=mapping,
        version=_version(mapping, lock, tables, silent),
        tables=tables,
        documents=documents,
        terms_collection=pascal(mapping.name) + "Terms",
        cascades=silent,
    )


def pascal(name: str) -> str:
    """``seat_map`` → ``SeatMap``: Weaviate's collections begin with a capital."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def unknown(what: str, name: str, valid: object, where: str) -> MappingError:
    """A name that does not exist, with the nearest one that does."""
    names = sorted(str(v) for v in valid) if isinstance(valid, dict | list | tuple | set | frozenset) else []
    nearest = get_close_matches(name, names, 1)
    hint = f' (nearest: "{nearest[0]}")' if nearest else f" (it has {', '.join(names)})" if names else ""
    return MappingError(f'{where}: there is no {what} "{name}"{hint}')


def _version(
    mapping: Mapping, lock: Lock | None, tables: dict[str, TablePlan], silent: dict[str, tuple[Cascade, ...]]
) -> str:
    # What changes no document (tests, owner, freshness goals) changes no version either.
    content = mapping.model_dump(mode="json", by_alias=True, exclude={"tests", "owner"})
    for document in content["documents"].values():
        document.pop("freshness", None)
    read = {
        name: {"key": table.key, "types": {c.name: c.database_type for c in table.columns.values()}}
        for name, table in tables.items()
        if lock is not None
    }
    rules = [[asdict(cascade) for cascade in silent[parent]] for parent in sorted(silent)]
    parts = [content, read, *([rules] if rules else [])]
    return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
