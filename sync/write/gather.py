"""② write: owed documents with their rows, all read in one moment of the state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select

from sync.errors import BuildError
from sync.mapping.assemble import Gathered, assemble
from sync.mapping.build import Builder, Built
from sync.mapping.chunks import split
from sync.mapping.model import Chunking
from sync.mapping.terms import Term, terms
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.drift import CURE, noted, of_document
from sync.state.owed import Owed
from sync.state.registry import MAPPING, SOURCE, TERMS, DocumentKind, Registered
from sync.write.objects import Reflects, content_hash
from sync.write.queue import Queue
from sync.write.rows import StateRows


@dataclass
class Kind:
    """A document type as a lane needs it: how it is built, and of which mapping it is."""

    registered: Registered
    kind: DocumentKind
    builder: Builder | None
    terminology: dict[str, Built] = field(default_factory=dict)

    @classmethod
    def of(cls, registered: Registered, kind: DocumentKind) -> Kind:
        if kind.plan is not None:
            return cls(registered, kind, Builder(registered.plan, kind.plan))
        return cls(registered, kind, None, {term.key: _of_term(term) for term in terms(registered.plan)})

    @property
    def level(self) -> str:
        return "root" if self.kind.name != TERMS else "terminology"


def _of_term(term: Term) -> Built:
    chunking = Chunking()
    chunks = split(term.title, term.text, chunking.max_tokens, chunking.overlap)
    return Built(term.title, term.text, chunks, {}, content_hash("\0".join(chunks)))


@dataclass
class Gathering:
    """What a lane took: the documents with their rows, and the moment that these show."""

    owed: list[Owed]
    kinds: dict[int, Kind]
    rows: dict[tuple[int, str], Gathered | None] = field(default_factory=dict)
    reflects: dict[str, Reflects] = field(default_factory=dict)  # by mapping
    next_sequence: dict[str, int] = field(default_factory=dict)  # by mapping: what comes after this moment
    drift: dict[str, dict[str, str]] = field(default_factory=dict)  # by mapping: tables that cannot be read, and why

    def kind_of(self, owed: Owed) -> Kind:
        return self.kinds[owed.type_id]

    def build(self, owed: Owed) -> Built | None:
        """The document, or None where there is none (any more), or none shall be. Raises BuildError."""
        if owed.discarded is not None:
            return None
        kind = self.kind_of(owed)
        if kind.builder is None:
            return kind.terminology.get(owed.key)
        if reason := of_document(kind.kind.plan, self.drift.get(kind.registered.name, {})):
            raise BuildError(f"{reason}.", advice=CURE)
        gathered = self.rows.get((owed.type_id, owed.key))
        if gathered is None:
            return None
        try:
            return kind.builder.build(gathered)
        except BuildError:
            raise
        except Exception as exc:  # a defect of ours must park one document, not stop the others
            raise BuildError(f"unexpected {type(exc).__name__} while building", advice="Please report this.") from exc


_HELD_BACK = select(SOURCE.c.mapping).where(or_(SOURCE.c.open_transaction.is_not(None), SOURCE.c.loaded.is_(False)))
_SOURCES = (
    select(SOURCE.c.name, SOURCE.c.epoch, SOURCE.c.offset_, SOURCE.c.committed_at, SOURCE.c.drift)
    .where(SOURCE.c.mapping == bindparam("mapping"))
    .order_by(SOURCE.c.name)
)
_SEQUENCE = select(MAPPING.c.sequence).where(MAPPING.c.name == bindparam("mapping"))


def held_back(state: State, connection: Connection) -> set[str]:
    """Mappings of which nothing may be gathered: a transaction is half applied, or a first load still reads."""
    return set(state.prepare(_HELD_BACK).run(connection).scalars())


def gather(
    connection: Connection,
    documents: Documents,
    queue: Queue,
    kinds: dict[int, Kind],
    limit: int,
    buckets: Callable[[], Collection[int] | None] = lambda: None,
) -> Gathering:
    """Take up to ``limit`` documents of one urgency, of these buckets, and read their rows in this one transaction."""

    def read(most: int) -> list[Owed]:
        # The first statement fixes the moment that this transaction sees. It runs while the queue is locked:
        # a document that another lane released has its confirmation in that moment, so that no lane can
        # gather older rows than those already written.
        mine = buckets()
        held = held_back(documents.state, connection)
        types = [number for number, k in kinds.items() if k.kind.name == TERMS or k.registered.name not in held]
        if not types or (mine is not None and not mine):
            return []
        return documents.take(connection, types, most, buckets=mine)

    owed = queue.reserve(limit, read)
    gathering = Gathering(owed, kinds)
    try:
        _read(documents.state, connection, gathering)
    except BaseException:
        queue.release(owed)
        raise
    return gathering


def _read(state: State, connection: Connection, gathering: Gathering) -> None:
    by_kind: dict[int, list[str]] = {}
    for owed in gathering.owed:
        by_kind.setdefault(owed.type_id, []).append(owed.key)
    for number, keys in by_kind.items():
        kind = gathering.kinds[number]
        if kind.kind.plan is not None:
            rows = StateRows(state, connection, kind.registered)
            found = assemble(kind.registered.plan, kind.kind.plan, keys, rows)
            gathering.rows.update(((number, key), found.get(key)) for key in keys)
    for name in {gathering.kinds[number].registered.name for number in by_kind}:
        _moment(state, connection, gathering, name)


def _moment(state: State, connection: Connection, gathering: Gathering, mapping: str) -> None:
    sources = state.prepare(_SOURCES).run(connection, {"mapping": mapping}).all()
    (sequence,) = state.prepare(_SEQUENCE).run(connection, {"mapping": mapping}).one()
    gathering.reflects[mapping] = Reflects(_positions(sources), max((source[3] for source in sources), default=0))
    gathering.next_sequence[mapping] = sequence + 1
    if drifted := [source[4] for source in sources if source[4]]:
        gathering.drift[mapping] = {table: why for text in drifted for table, why in noted(text).items()}


def _positions(sources: Iterable[tuple[Any, ...]]) -> str:
    rows = [(name, f"{epoch}:{offset}") for name, epoch, offset, *_ in sources]
    return rows[0][1] if len(rows) == 1 else " ".join(f"{name}={position}" for name, position in rows)
