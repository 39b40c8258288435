"""Applied mappings in the state, and the numbers by which tables, lookups and document types go there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.mapping.plan import DocumentPlan, Plan, TablePlan, plan
from sync.state.database import State
from sync.state.tables import (
    AppliedRecord,
    BackfillRecord,
    BucketRecord,
    ChunkRecord,
    DeadLetterRecord,
    DocumentRecord,
    DocumentTypeRecord,
    LedgerRecord,
    LookupRecord,
    MappingRecord,
    MarkerRecord,
    ReferenceRecord,
    RowRecord,
    SourceRecord,
    TableRecord,
    WorkerRecord,
)

TERMS = "$terms"  # the document type of a mapping's own terminology; no document of a mapping can be called so


def table_of(record: type) -> Table:
    """The table behind a record class."""
    table: Table = record.__table__  # type: ignore[attr-defined]
    return table


MAPPING, SOURCE, TABLE, LOOKUP = (table_of(r) for r in (MappingRecord, SourceRecord, TableRecord, LookupRecord))
ROW, REFERENCE, TYPE = (table_of(r) for r in (RowRecord, ReferenceRecord, DocumentTypeRecord))
DOCUMENT, CHUNK, MARKER = (table_of(r) for r in (DocumentRecord, ChunkRecord, MarkerRecord))
APPLIED, LEDGER = (table_of(r) for r in (AppliedRecord, LedgerRecord))
DEAD_LETTER, BACKFILL = (table_of(r) for r in (DeadLetterRecord, BackfillRecord))
WORKER, BUCKET = (table_of(r) for r in (WorkerRecord, BucketRecord))


@dataclass(frozen=True, slots=True)
class Lookup:
    """Columns by whose values a table's rows are found; ``id`` is None where they are its key."""

    table: str
    columns: tuple[str, ...]
    id: int | None


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A document type in the state. ``plan`` is None for the terminology."""

    id: int
    name: str
    alias: str
    generation: int
    plan: DocumentPlan | None

    @property
    def collection(self) -> str:
        """The live generation's collection in Weaviate, behind the alias."""
        return f"{self.alias}_g{self.generation}"


@dataclass(frozen=True)
class Registered:
    """An applied mapping with its numbers."""

    plan: Plan
    sources: dict[str, int]
    topics: dict[str, str]
    tables: dict[str, int]
    lookups: dict[tuple[str, tuple[str, ...]], Lookup]
    kinds: dict[str, DocumentKind]
    lock: Lock | None = None  # as the mapping was applied

    @property
    def name(self) -> str:
        return self.plan.mapping.name

    def lookups_of(self, table: str) -> list[Lookup]:
        """The lookups of a table that need references: all but its key."""
        return [lookup for lookup in self.lookups.values() if lookup.table == table and lookup.id is not None]

    def tables_of(self, source: str) -> list[TablePlan]:
        return [table for table in self.plan.tables.values() if table.source == source]


def pairs(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(table, columns) of both sides of every relation, and of what hangs on a foreign key of ours, each once."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for document in plan.documents.values():
        for node in document.nodes():
            if node.parent is None:
                continue
            for side in ((node.parent.table, node.parent_columns), (node.table, node.child_columns)):
                if side not in seen:
                    seen.add(side)
                    yield side
    for cascade in (each for hanging in plan.cascades.values() for each in hanging):
        if (side := (cascade.child, cascade.columns)) not in seen:
            seen.add(side)
            yield side


def register(
    connection: Connection, mapping: Mapping, lock: Lock | None, topics: dict[str, tuple[str, str | None]]
) -> Registered:
    """Write an applied mapping into the state; ``topics`` is source name → (topic, Kafka's id of it)."""
    made = plan(mapping, lock)
    connection.execute(
        insert(MAPPING).values(
            name=mapping.name,
            version=made.version,
            model=mapping.model_dump_json(by_alias=True),
            lock=lock.model_dump_json() if lock else None,
            applied_at=time.time(),
            sequence=0,
        )
    )
    for source, (topic, topic_id) in topics.items():
        connection.execute(insert(SOURCE).values(mapping=mapping.name, name=source, topic=topic, topic_id=topic_id))
    found = connection.execute(select(SOURCE).where(SOURCE.c.mapping == mapping.name))
    source_ids = {row.name: row.id for row in found}
    for table in made.tables.values():
        connection.execute(
            insert(TABLE).values(mapping=mapping.name, source_id=source_ids[table.source], name=table.name)
        )
    _write_lookups(connection, made)
    for name, alias in [*((d.name, d.collection) for d in made.documents.values()), (TERMS, made.terms_collection)]:
        connection.execute(insert(TYPE).values(mapping=mapping.name, name=name, alias=alias, generation=1))
    return load(connection, mapping.name)


def _write_lookups(connection: Connection, made: Plan) -> None:
    numbers = _table_numbers(connection, made.mapping.name)
    for table, columns in pairs(made):
        if not made.tables[table].is_key(columns):
            connection.execute(insert(LOOKUP).values(table_id=numbers[table], columns=json.dumps(columns)))


def _table_numbers(connection: Connection, mapping: str) -> dict[str, int]:
    return {row.name: row.id for row in connection.execute(select(TABLE).where(TABLE.c.mapping == mapping))}


def load(connection: Connection, name: str) -> Registered:
    """The applied mapping called ``name``; KeyError if there is none."""
    row = connection.execute(select(MAPPING).where(MAPPING.c.name == name)).one_or_none()
    if row is None:
        raise KeyError(name)
    mapping = Mapping.model_validate_json(row.model)
    lock = Lock.model_validate_json(row.lock) if row.lock else None
    made = plan(mapping, lock)
    numbers = _table_numbers(connection, name)
    found = connection.execute(select(LOOKUP).where(LOOKUP.c.table_id.in_(numbers.values())))
    ids = {(row.table_id, tuple(json.loads(row.columns))): row.id for row in found}
    lookups = {
        (table, columns): Lookup(table, columns, ids.get((numbers[table], columns))) for table, columns in pairs(made)
    }
    sources = list(connection.execute(select(SOURCE).where(SOURCE.c.mapping == name)))
    return Registered(
        plan=made,
        sources={s.name: s.id for s in sources},
        topics={s.name: s.topic for s in sources},
        tables=numbers,
        lookups=lookups,
        kinds={
            t.name: DocumentKind(t.id, t.name, t.alias, t.generation, made.documents.get(t.name))
            for t in connection.execute(select(TYPE).where(TYPE.c.mapping == name))
        },
        lock=lock,
    )


@dataclass(frozen=True, slots=True)
class Application:
    """A mapping as it is applied. ``at``: when it was last, in this version perhaps not for the first time."""

    version: str
    at: float


def applications(connection: Connection) -> dict[str, Application]:
    """Every applied mapping by name."""
    found = connection.execute(select(MAPPING.c.name, MAPPING.c.version, MAPPING.c.applied_at))
    return {row.name: Application(row.version, row.applied_at) for row in found}


def applied(connection: Connection) -> dict[str, str]:
    """Every applied mapping's name and version."""
    return {name: one.version for name, one in applications(connection).items()}


def forget(connection: Connection, name: str) -> None:
    """Take a mapping and everything that was known for it out of the state."""
    tables = select(TABLE.c.id).where(TABLE.c.mapping == name).scalar_subquery()
    sources = select(SOURCE.c.id).where(SOURCE.c.mapping == name).scalar_subquery()
    types = select(TYPE.c.id).where(TYPE.c.mapping == name).scalar_subquery()
    lookups = select(LOOKUP.c.id).where(LOOKUP.c.table_id.in_(tables)).scalar_subquery()
    for statement in (
        delete(REFERENCE).where(REFERENCE.c.lookup_id.in_(lookups)),
        delete(ROW).where(ROW.c.table_id.in_(tables)),
        # Their chunks go with them. Chunks first, a worker that confirms these documents would meet us crosswise.
        delete(DOCUMENT).where(DOCUMENT.c.type_id.in_(types)),
        delete(LEDGER).where(LEDGER.c.type_id.in_(types)),
        delete(MARKER).where(MARKER.c.source_id.in_(sources)),
        delete(APPLIED).where(APPLIED.c.source_id.in_(sources)),
        delete(DEAD_LETTER).where(DEAD_LETTER.c.mapping == name),
        delete(BACKFILL).where(BACKFILL.c.source_id.in_(sources)),
        delete(LOOKUP).where(LOOKUP.c.table_id.in_(tables)),
        delete(TYPE).where(TYPE.c.mapping == name),
        delete(TABLE).where(TABLE.c.mapping == name),
        delete(SOURCE).where(SOURCE.c.mapping == name),
        delete(MAPPING).where(MAPPING.c.name == name),
    ):
        connection.execute(statement)


_COUNT = (
    update(MAPPING)
    .where(MAPPING.c.name == bindparam("b_name"))
    .values(sequence=MAPPING.c.sequence + bindparam("b_count"))
    .returning(MAPPING.c.sequence)
)


def next_sequence(state: State, connection: Connection, mapping: str, count: int) -> int:
    """Reserve ``count`` numbers; returns the first. Sources of one mapping take turns at this row."""
    (last,) = state.prepare(_COUNT).run(connection, {"b_name": mapping, "b_count": count}).one()
    return int(last) - count + 1
