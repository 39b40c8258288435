"""Documents in the state: raised by changes, taken by writers, noted as sent, confirmed, parked."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, delete, func, insert, or_, select, update

from sync.state.database import State
from sync.state.prepared import Prepared, among
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
    """Why a document is owed: the first change's sequence, its commit time (µs), and what changed.

    ``cause`` is table, row key and operation ("bookings 7 u"), or what else it was: a snapshot, a retry.
    """

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


def _why(why: Raise, priority: Priority) -> dict[str, Any]:
    return {
        "n_owed_from": why.sequence,
        "n_owed_at": why.committed_at,
        "n_priority": int(priority),
        "n_cause": why.cause,
    }


_RAISED: dict[str, Callable[[Any], Any]] = {
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
        # What may still land must land first, however often the document is raised meanwhile.
        "not_before": case((DOCUMENT.c.doubtful, DOCUMENT.c.not_before), else_=0.0),
    }


_RAISE = (
    update(DOCUMENT)
    .where(DOCUMENT.c.type_id == bindparam("b_type"))
    .values(**_raised({name: bindparam(f"n_{name}") for name in ("owed_from", "owed_at", "priority", "cause")}))
)
_OWED_COLUMNS = [DOCUMENT.c[name] for name in Owed.__dataclass_fields__]


class Documents:
    """The statements about documents, prepared once for one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        upsert = state.insert(DOCUMENT)
        new = {name: getattr(upsert.excluded, name) for name in ("owed_from", "owed_at", "priority", "cause")}
        given = [*_fresh(0, ""), *new]
        upsert = upsert.values({name: bindparam(name) for name in given})
        self._upsert = state.prepare(upsert.on_conflict_do_update(index_elements=["type_id", "key"], set_=_raised(new)))
        ensure = state.insert(DOCUMENT).values({name: bindparam(name) for name in _fresh(0, "")})
        self._ensure = state.prepare(ensure.on_conflict_do_nothing(index_elements=["type_id", "key"]))
        put = state.insert(CHUNK)
        self._put_chunk = state.prepare(
            put.on_conflict_do_update(
                index_elements=["document_id", "number"],
                set_={"hash": put.excluded.hash, "vector": put.excluded.vector},
            )
        )
        self._raise_keys = state.prepare(_RAISE.where(among(DOCUMENT.c.key, "values")))
        self._raise_type = state.prepare(_RAISE)
        self._take = {
            bounded: state.prepare(_TAKE.where(among(DOCUMENT.c.bucket, "buckets")) if bounded else _TAKE)
            for bounded in (False, True)
        }

    def raise_keys(self, connection: Connection, type_id: int, raises: dict[str, Raise], priority: Priority) -> None:
        """Owe these documents, new ones included."""
        if raises:
            self._upsert.run_many(
                connection,
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

    def prepare_raise(self, keys: Select[Any]) -> Prepared:
        """The statement that owes the known documents whose key is among those of ``keys``, a query of its own."""
        return self.state.prepare(_RAISE.where(DOCUMENT.c.key.in_(keys)))

    def raise_found(
        self,
        connection: Connection,
        prepared: Prepared,
        type_id: int,
        values: list[str],
        why: Raise,
        priority: Priority,
    ) -> int:
        """Owe what ``prepared`` finds from these values; returns how many. One statement, however wide."""
        return prepared.run(connection, {**_why(why, priority), "b_type": type_id, "values": values}).rowcount

    def raise_known(self, connection: Connection, type_id: int, keys: list[str], why: Raise, priority: Priority) -> int:
        """Owe those of these documents that are known."""
        return self._raise_keys.run(connection, {**_why(why, priority), "b_type": type_id, "values": keys}).rowcount

    def raise_all(self, connection: Connection, type_id: int, why: Raise, priority: Priority) -> int:
        """Owe every known document of a type."""
        return self._raise_type.run(connection, {**_why(why, priority), "b_type": type_id}).rowcount

    def ensure(self, connection: Connection, type_id: int, keys: Iterable[str]) -> None:
        """Know these documents without owing them: a first load owes them when its snapshot is complete."""
        rows = [_fresh(type_id, key) for key in keys]
        if rows:
            self._ensure.run_many(connection, rows)

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
        parameters: dict[str, Any] = {
            "most": int(most),
            "types": list(types),
            "now": self.state.now() if now is None else now,
            "limit": limit,
        }
        if buckets is not None:
            parameters["buckets"] = list(buckets)
        return [Owed(*row) for row in self._take[buckets is not None].run(connection, parameters)]

    def note_sent(self, connection: Connection, sent: Sequence[tuple[Owed, int]]) -> None:
        """Before the request leaves: revision and chunk count, for whoever must clean up after us."""
        self.state.prepare(_NOTE_SENT).run_many(
            connection, [{"b_id": owed.id, "b_sent": owed.wanted, "b_chunks": chunks} for owed, chunks in sent]
        )

    def stored_vectors(self, connection: Connection, hashes: Collection[str]) -> dict[str, bytes]:
        """Chunk text hash → embedding, for those still stored."""
        return dict(self.state.prepare(_VECTORS).run(connection, {"hashes": list(hashes)}).all())

    def confirm(self, connection: Connection, done: Sequence[Settled], next_sequence: int) -> None:
        """Weaviate has it: written is the revision gathered; one raised meanwhile stays owed from there on."""
        self.state.prepare(_CONFIRM).run_many(
            connection,
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
            self._put_chunk.run_many(connection, vectors)
        shrunk = [{"b_id": one.owed.id, "b_chunks": one.chunks} for one in done if one.chunks < one.owed.sent_chunks]
        if shrunk:
            self.state.prepare(_FORGET_CHUNKS).run_many(connection, shrunk)
        gone = [{"b_id": one.owed.id, "b_rev": one.owed.wanted} for one in done if one.gone]
        if gone:
            self.state.prepare(_FORGET).run_many(connection, gone)
        self.record(connection, done)

    def inherit(self, wait: float, connection: Connection, buckets: Collection[int] | None = None) -> None:
        """Take over what an earlier worker noted as sent and never confirmed: doubtful, and not touched at once.

        ``buckets``: only of these. What it had taken for doubtful itself waits as long as it meant to.
        """
        sent = update(DOCUMENT).where(DOCUMENT.c.sent.is_not(None))
        if buckets is not None:
            sent = sent.where(DOCUMENT.c.bucket.in_(list(buckets)))
        until = self.state.now() + wait
        later = case((DOCUMENT.c.not_before > until, DOCUMENT.c.not_before), else_=until)
        connection.execute(sent.values(doubtful=True, not_before=later))

    def park(self, connection: Connection, parked: Sequence[tuple[Owed, str, str]]) -> None:
        """Set aside (document, reason, position) that cannot be built; raised meanwhile, it stays owed."""
        connection.execute(
            _PARK,
            [
                {"b_id": owed.id, "b_rev": owed.wanted, "b_reason": reason[:2000], "b_at": at}
                for owed, reason, at in parked
            ],
        )
        self.record(connection, [Settled(owed, "parked") for owed, _, _ in parked])

    def postpone(self, connection: Connection, owed: Sequence[Owed], seconds: float, *, doubtful: bool) -> None:
        """Still owed, not to be tried again for ``seconds``."""
        connection.execute(
            _POSTPONE,
            [{"b_id": one.id, "b_until": self.state.now() + seconds, "b_doubtful": doubtful} for one in owed],
        )

    def record(self, connection: Connection, settled: Sequence[Settled]) -> None:
        """Enter into the ledger what became of documents."""
        now = time.time_ns() // 1000
        if settled:
            self.state.prepare(_RECORD).run_many(
                connection,
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


_TAKE = (
    select(*_OWED_COLUMNS)
    .where(
        DOCUMENT.c.priority.is_not(None),
        DOCUMENT.c.priority <= bindparam("most"),
        among(DOCUMENT.c.type_id + 0, "types"),  # the index to go by is that of what is owed
        DOCUMENT.c.not_before <= bindparam("now"),
    )
    .order_by(DOCUMENT.c.priority, DOCUMENT.c.owed_from)
    .limit(bindparam("limit"))
)
_RECORD = insert(LEDGER).values(
    {name: bindparam(name) for name in LEDGER.c.keys() if name != "id"}  # noqa: SIM118  (columns, not a dict)
)
_VECTORS = select(CHUNK.c.hash, CHUNK.c.vector).where(among(CHUNK.c.hash, "hashes"))
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
        owed_from=case(
            (_UP_TO_DATE, None),
            (DOCUMENT.c.owed_from < bindparam("b_next"), bindparam("b_next")),
            else_=DOCUMENT.c.owed_from,
        ),
    )
)
_FORGET_CHUNKS = delete(CHUNK).where(CHUNK.c.document_id == bindparam("b_id"), CHUNK.c.number >= bindparam("b_chunks"))
_FORGET = delete(DOCUMENT).where(DOCUMENT.c.id == bindparam("b_id"), DOCUMENT.c.wanted <= bindparam("b_rev"))
_PARK = (
    update(DOCUMENT)
    .where(DOCUMENT.c.id == bindparam("b_id"), DOCUMENT.c.wanted <= bindparam("b_rev"))
    .values(parked=bindparam("b_reason"), parked_at=bindparam("b_at"), priority=None, attempts=DOCUMENT.c.attempts + 1)
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
