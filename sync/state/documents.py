"""Documents in the state: raised by changes, taken by writers, noted as sent, confirmed, parked."""

from __future__ import annotations

import time
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, delete, func, insert, or_, select, update

from sync.state.database import State
from sync.state.registry import CHUNK, DOCUMENT, LEDGER

BUCKETS = 256


class Priority(IntEnum):
    direct = 0
    fan_out = 1
    backfill = 2


def bucket_of(type_id: int, key: str) -> int:
    """Which of the 256 buckets a document falls into: the same in every process, for ever."""
    return zlib.crc32(f"{type_id}:{key}".encode()) % BUCKETS


@dataclass(frozen=True, slots=True)
class Raise:
    """Why a document is owed: the first change's sequence and commit time (µs), and the change in words."""

    sequence: int
    committed_at: int
    cause: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A document taken to be written."""

    id: int
    type_id: int
    key: str
    wanted: int
    written: int
    priority: int
    owed_from: int
    owed_at: int
    cause: str | None
    sent: int | None
    sent_chunks: int
    digest: str | None
    attempts: int
    doubtful: bool


_RAISED = {
    # What was owed already stays owed from where it was; a parked or settled one is owed from here.
    "owed_from": lambda new: case((DOCUMENT.c.priority.is_(None), new), else_=DOCUMENT.c.owed_from),
    "owed_at": lambda new: case((DOCUMENT.c.priority.is_(None), new), else_=DOCUMENT.c.owed_at),
    "priority": lambda new: case(
        (or_(DOCUMENT.c.priority.is_(None), DOCUMENT.c.priority > new), new), else_=DOCUMENT.c.priority
    ),
}


def _raised(new: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: make(new[name]) for name, make in _RAISED.items()},
        "wanted": DOCUMENT.c.wanted + 1,
        "cause": new["cause"],
        "parked": None,
        "attempts": 0,
        "not_before": 0.0,
    }


class Documents:
    """The statements about documents, prepared once for one state."""

    def __init__(self, state: State) -> None:
        self._state = state
        upsert = state.insert(DOCUMENT)
        new = {name: getattr(upsert.excluded, name) for name in ("owed_from", "owed_at", "priority", "cause")}
        self._upsert = upsert.on_conflict_do_update(index_elements=["type_id", "key"], set_=_raised(new))
        self._ensure = state.insert(DOCUMENT).on_conflict_do_nothing(index_elements=["type_id", "key"])
        put = state.insert(CHUNK)
        self._put_chunk = put.on_conflict_do_update(
            index_elements=["document_id", "number"], set_={"hash": put.excluded.hash, "vector": put.excluded.vector}
        )

    def raise_keys(
        self, connection: Connection, type_id: int, raises: dict[str, Raise], priority: Priority
    ) -> None:
        """Owe these documents, new ones included."""
        if raises:
            connection.execute(
                self._upsert,
                [
                    {
                        **_fresh(type_id, key),
                        "wanted": 1,
                        "owed_from": why.sequence,
                        "owed_at": why.committed_at,
                        "priority": int(priority),
                        "cause": why.cause,
                    }
                    for key, why in raises.items()
                ],
            )

    def raise_where(
        self, connection: Connection, type_id: int, keys: Select[Any] | Collection[str] | None, why: Raise, priority: Priority
    ) -> int:
        """Owe the known documents whose key is among ``keys`` (a subquery, or all when None); returns how many."""
        new = {
            "owed_from": bindparam("n_from", why.sequence),
            "owed_at": bindparam("n_at", why.committed_at),
            "priority": bindparam("n_priority", int(priority)),
            "cause": bindparam("n_cause", why.cause),
        }
        statement = update(DOCUMENT).where(DOCUMENT.c.type_id == type_id).values(**_raised(new))
        if keys is not None:
            statement = statement.where(DOCUMENT.c.key.in_(keys))
        return connection.execute(statement).rowcount

    def ensure(self, connection: Connection, type_id: int, keys: Iterable[str]) -> None:
        """Know these documents without owing them: a first load owes them when its snapshot is complete."""
        rows = [_fresh(type_id, key) for key in keys]
        if rows:
            connection.execute(self._ensure, rows)

    # -- ② write ---------------------------------------------------------------------------------

    def take(
        self,
        connection: Connection,
        types: Collection[int],
        limit: int,
        *,
        most: Priority = Priority.backfill,
        buckets: Collection[int] | None = None,
        now: float | None = None,
    ) -> list[Owed]:
        """The most urgent owed documents, at most ``limit``: direct changes first, then the oldest."""
        columns = [DOCUMENT.c[name] for name in Owed.__dataclass_fields__]
        statement = (
            select(*columns)
            .where(
                DOCUMENT.c.priority.is_not(None),
                DOCUMENT.c.priority <= int(most),
                DOCUMENT.c.type_id.in_(types),
                DOCUMENT.c.not_before <= (time.time() if now is None else now),
            )
            .order_by(DOCUMENT.c.priority, DOCUMENT.c.owed_from)
            .limit(limit)
        )
        if buckets is not None:
            statement = statement.where(DOCUMENT.c.bucket.in_(buckets))
        return [Owed(*row) for row in connection.execute(statement)]

    def note_sent(self, connection: Connection, sent: Sequence[tuple[Owed, int]]) -> None:
        """Before the request leaves: revision and chunk count, for whoever must clean up after us."""
        connection.execute(
            _NOTE_SENT, [{"b_id": owed.id, "b_sent": owed.wanted, "b_chunks": chunks} for owed, chunks in sent]
        )

    def stored_vectors(self, connection: Connection, hashes: Collection[str]) -> dict[str, bytes]:
        """Chunk text hash → embedding, for those still stored."""
        rows = connection.execute(_VECTORS, {"hashes": list(hashes)})
        return {row.hash: row.vector for row in rows}

    def confirm(self, connection: Connection, done: Sequence[Settled], next_sequence: int) -> None:
        """Weaviate has it: written is the revision gathered; one raised meanwhile stays owed from there on."""
        connection.execute(
            _CONFIRM,
            [
                {
                    "b_id": one.owed.id,
                    "b_rev": one.owed.wanted,
                    "b_next": next_sequence,
                    "b_chunks": one.chunks,
                    "b_digest": one.digest,
                }
                for one in done
            ],
        )
        vectors = [
            {"document_id": one.owed.id, "number": number, "hash": text_hash, "vector": vector}
            for one in done
            for number, text_hash, vector in one.vectors
        ]
        if vectors:
            connection.execute(self._put_chunk, vectors)
        shrunk = [{"b_id": one.owed.id, "b_chunks": one.chunks} for one in done if one.chunks < one.owed.sent_chunks]
        if shrunk:
            connection.execute(_FORGET_CHUNKS, shrunk)
        gone = [{"b_id": one.owed.id, "b_rev": one.owed.wanted} for one in done if one.gone]
        if gone:
            connection.execute(_FORGET, gone)
        record(connection, done)

    def inherit(self, wait: float) -> None:
        """Take over what an earlier worker noted as sent and never confirmed: doubtful, and not touched at once."""
        with self._state.write() as connection:
            connection.execute(
                update(DOCUMENT)
                .where(DOCUMENT.c.sent.is_not(None))
                .values(doubtful=True, not_before=time.time() + wait)
            )

    def park(self, connection: Connection, parked: Sequence[tuple[Owed, str]]) -> None:
        """Set aside what cannot be built; raised meanwhile, it stays owed."""
        connection.execute(
            _PARK, [{"b_id": owed.id, "b_rev": owed.wanted, "b_reason": reason[:2000]} for owed, reason in parked]
        )
        record(connection, [Settled(owed, "parked") for owed, _ in parked])

    def postpone(self, connection: Connection, owed: Sequence[Owed], seconds: float, *, doubtful: bool) -> None:
        """Still owed, not to be tried again for ``seconds``."""
        connection.execute(
            _POSTPONE,
            [{"b_id": one.id, "b_until": time.time() + seconds, "b_doubtful": doubtful} for one in owed],
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an owed document. ``vectors`` are (chunk number, text hash, embedding) that are new."""

    owed: Owed
    outcome: str  # written, removed, unchanged, parked
    chunks: int = 0
    digest: str | None = None
    vectors: tuple[tuple[int, str, bytes], ...] = ()
    embedded: int = 0
    gone: bool = False


def record(connection: Connection, settled: Sequence[Settled]) -> None:
    """Enter into the ledger what became of documents."""
    now = time.time_ns() // 1000
    if settled:
        connection.execute(
            insert(LEDGER),
            [
                {
                    "type_id": one.owed.type_id,
                    "key": one.owed.key,
                    "outcome": one.outcome,
                    "chunks": one.chunks,
                    "embedded": one.embedded,
                    "cause": one.owed.cause,
                    "committed_at": one.owed.owed_at,
                    "written_at": now,
                }
                for one in settled
            ],
        )


def _fresh(type_id: int, key: str) -> dict[str, Any]:
    return {
        "type_id": type_id,
        "key": key,
        "bucket": bucket_of(type_id, key),
        "wanted": 0,
        "written": 0,
        "sent_chunks": 0,
        "chunks": 0,
        "attempts": 0,
        "not_before": 0.0,
        "doubtful": False,
    }


_VECTORS = select(CHUNK.c.hash, CHUNK.c.vector).where(CHUNK.c.hash.in_(bindparam("hashes", expanding=True)))
_NOTE_SENT = (
    update(DOCUMENT)
    .where(DOCUMENT.c.id == bindparam("b_id"))
    .values(
        sent=bindparam("b_sent"),
        sent_chunks=case(
            (DOCUMENT.c.sent_chunks < bindparam("b_chunks"), bindparam("b_chunks")), else_=DOCUMENT.c.sent_chunks
        ),
    )
)
_UP_TO_DATE = DOCUMENT.c.wanted <= bindparam("b_rev")
_CONFIRM = (
    update(DOCUMENT)
    .where(DOCUMENT.c.id == bindparam("b_id"))
    .values(
        written=bindparam("b_rev"),
        sent=None,
        sent_chunks=bindparam("b_chunks"),
        chunks=bindparam("b_chunks"),
        digest=bindparam("b_digest"),
        doubtful=False,
        attempts=0,
        parked=None,
        priority=case((_UP_TO_DATE, None), else_=DOCUMENT.c.priority),
        owed_from=case((_UP_TO_DATE, None), (DOCUMENT.c.owed_from < bindparam("b_next"), bindparam("b_next")), else_=DOCUMENT.c.owed_from),
    )
)
_FORGET_CHUNKS = delete(CHUNK).where(CHUNK.c.document_id == bindparam("b_id"), CHUNK.c.number >= bindparam("b_chunks"))
_FORGET = delete(DOCUMENT).where(DOCUMENT.c.id == bindparam("b_id"), DOCUMENT.c.wanted <= bindparam("b_rev"))
_PARK = (
    update(DOCUMENT)
    .where(DOCUMENT.c.id == bindparam("b_id"), DOCUMENT.c.wanted <= bindparam("b_rev"))
    .values(parked=bindparam("b_reason"), priority=None, attempts=DOCUMENT.c.attempts + 1)
)
_POSTPONE = (
    update(DOCUMENT)
    .where(DOCUMENT.c.id == bindparam("b_id"))
    .values(
        not_before=bindparam("b_until"),
        attempts=DOCUMENT.c.attempts + 1,
        doubtful=or_(DOCUMENT.c.doubtful, bindparam("b_doubtful")),
    )
)


def owed_counts(connection: Connection, types: Collection[int]) -> dict[int, tuple[int, int | None]]:
    """Document type → (how many are owed, the lowest sequence owed from; backfill does not lower it)."""
    lowest = func.min(case((DOCUMENT.c.priority < int(Priority.backfill), DOCUMENT.c.owed_from)))
    rows = connection.execute(
        select(DOCUMENT.c.type_id, func.count(), lowest)
        .where(DOCUMENT.c.priority.is_not(None), DOCUMENT.c.type_id.in_(types))
        .group_by(DOCUMENT.c.type_id)
    )
    return {row[0]: (row[1], row[2]) for row in rows}
