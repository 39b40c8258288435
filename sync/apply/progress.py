"""① apply: how far a source is applied, which moves on in the same transaction as what that brings."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from connectors.change import Position
from sync.apply.snapshots import Snapshot
from sync.errors import Fenced
from sync.state.database import State
from sync.state.registry import APPLIED, SOURCE

_CURRENT = select(SOURCE.c.epoch, SOURCE.c.offset_).where(SOURCE.c.id == bindparam("id")).with_for_update()
_MOVED = (
    "offset_",
    "database_position",
    "open_transaction",
    "loaded",
    "snapshot",
    "committed_at",
    "last_hash",
    "heartbeat",
    "heard_at",
    "trouble",
)
_ADVANCE = update(SOURCE).where(SOURCE.c.id == bindparam("b_id")).values({name: bindparam(name) for name in _MOVED})
_STAND = insert(APPLIED).values(
    {name: bindparam(name) for name in ("source_id", "sequence", "offset_", "committed_at")}
)


@dataclass
class Progress:
    """How far a source is applied, as this worker knows it. Another worker's step makes it stale: Fenced."""

    id: int
    epoch: int
    offset: int
    database_position: tuple[int, ...] | None
    open_transaction: str | None
    loaded: bool
    snapshot: Snapshot
    committed_at: int
    topic_id: str | None
    last_hash: str | None
    heartbeat: str | None

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)


def read_progress(connection: Connection, source_id: int) -> Progress:
    """Raises Fenced where the source is no longer in the state: its mapping was removed."""
    row = connection.execute(select(SOURCE).where(SOURCE.c.id == source_id)).one_or_none()
    if row is None:
        raise Fenced("the source is no longer in the state: its mapping was removed")
    return Progress(
        id=row.id,
        epoch=row.epoch,
        offset=row.offset_,
        database_position=tuple(json.loads(row.database_position)) if row.database_position else None,
        open_transaction=row.open_transaction,
        loaded=row.loaded,
        snapshot=Snapshot.from_json(row.snapshot),
        committed_at=row.committed_at,
        topic_id=row.topic_id,
        last_hash=row.last_hash,
        heartbeat=row.heartbeat,
    )


def read_back(progress: Progress) -> Progress:
    """A copy to move on: the original stays what the state says until the transaction is committed."""
    return Progress(**{**progress.__dict__, "snapshot": Snapshot.from_json(progress.snapshot.to_json())})


class Standing:
    """A source's position in the state, which only one worker at a time may move on."""

    def __init__(self, state: State, source_id: int) -> None:
        self._id = source_id
        self._current, self._advance = state.prepare(_CURRENT), state.prepare(_ADVANCE)
        self._stand = state.prepare(_STAND)

    def found(self, connection: Connection, expected: Progress) -> bool:
        """Whether the source stands where this worker left it; nobody else moves it before this transaction ends."""
        found = self._current.run(connection, {"id": self._id}).all()
        return found == [(expected.epoch, expected.offset)]

    def move(self, connection: Connection, now: Progress, last_sequence: int) -> None:
        self._advance.run(
            connection,
            {
                "b_id": self._id,
                "offset_": now.offset,
                "database_position": json.dumps(now.database_position) if now.database_position else None,
                "open_transaction": now.open_transaction,
                "loaded": now.loaded,
                "snapshot": now.snapshot.to_json(),
                "committed_at": now.committed_at,
                "last_hash": now.last_hash,
                "heartbeat": now.heartbeat,
                "heard_at": time.time(),
                "trouble": None,
            },
        )
        self._stand.run(
            connection,
            {
                "source_id": self._id,
                "sequence": last_sequence,
                "offset_": now.offset,
                "committed_at": now.committed_at,
            },
        )
