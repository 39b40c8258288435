"""Owed documents in the state, for ② write: taken, noted as sent, confirmed, parked, postponed."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, insert, or_, select, update

from sync.state.database import State
from sync.state.owed import Owed, Priority, Settled
from sync.state.prepared import among
from sync.state.registry import CHUNK, DOCUMENT, LEDGER

_OWED_COLUMNS = [DOCUMENT.c[name] for name in Owed.__dataclass_fields__]


class Documents:
    """The statements about what becomes of owed documents, prepared once for one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        put = state.insert(CHUNK)
        self._put_chunk = state.prepare(
            put.on_conflict_do_update(
                index_elements=["document_id", "number"],
                set_={"hash": put.excluded.hash, "vector": put.excluded.vector},
            )
        )
        self._take = {
            bounded: state.prepare(_TAKE.where(among(DOCUMENT.c.bucket, "buckets")) if bounded else _TAKE)
            for bounded in (False, True)
        }

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
        parked=case((DOCUMENT.c.discarded.is_(None), None), else_=DOCUMENT.c.parked),
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
    .values(
        parked=bindparam("b_reason"),
        parked_at=bindparam("b_at"),
        discarded=None,  # Weaviate would not have its objects removed: it is in the way again, and says why
        priority=None,
        attempts=DOCUMENT.c.attempts + 1,
    )
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
