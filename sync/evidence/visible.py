"""③ evidence: whether everything committed before a marker is searchable, for those who wait for their own write."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select

from sync.evidence.parked import PARKED, count_unapplied
from sync.state.database import State
from sync.state.drift import of_document, of_mapping
from sync.state.registry import DOCUMENT, MARKER, SOURCE, Registered

LOOK_EVERY = 0.005  # seconds


@dataclass(frozen=True, slots=True)
class Visible:
    """``yes``: everything committed before the marker is searchable; parked documents are named beside it.

    So is one that was discarded where it is what is waited for: nothing of it will be found.
    """

    yes: bool
    seen: bool  # the marker came out of the source's log
    owed: int
    parked: tuple[str, ...] = ()
    unapplied: int = 0  # records whose changes will not become searchable, however long one waits
    drift: tuple[str, ...] = ()  # why tables cannot be read as mapped


class Markers:
    """A marker in the log of each source of a mapping, committed when this is made.

    ``emit(source, token)`` commits one; what it raises is raised.
    """

    def __init__(self, state: State, registered: Registered, emit: Callable[[str, str], None]) -> None:
        self._state, self._registered, self._emit = state, registered, emit
        self._place()

    def _place(self) -> None:
        self._logs = self._read_logs()  # first: a marker may go with the log that it was committed to
        self.tokens = [uuid.uuid4().hex for _ in self._registered.sources]
        for source, token in zip(self._registered.sources, self.tokens, strict=True):
            self._emit(source, token)

    def renew(self) -> None:
        """Commit new ones once a log that was begun anew is being read: before that, one may have gone with the old.

        So it is after a gap, and where a connector reads everything again by itself: stopped before it had noted its
        first snapshot it begins with another one, and passes by what was committed before, rows excepted.
        """
        now = self._read_logs()
        if now != self._logs and all(log.loaded and not log.reading for log in now):
            self._place()

    def _read_logs(self) -> list[_Log]:
        mine = select(SOURCE.c.epoch, SOURCE.c.loaded, SOURCE.c.snapshot).where(
            SOURCE.c.mapping == self._registered.name
        )
        with self._state.read() as connection:
            rows = connection.execute(mine.order_by(SOURCE.c.id)).all()
        snapshots = [json.loads(row.snapshot) if row.snapshot else {} for row in rows]
        return [
            _Log(row.epoch, row.loaded, snapshot.get("number", 0), snapshot.get("under_way", False))
            for row, snapshot in zip(rows, snapshots, strict=True)
        ]


class _Log(NamedTuple):
    """Which log of a source is read, and how far it has come: ``snapshot`` counts those that were begun."""

    epoch: int
    loaded: bool
    snapshot: int
    reading: bool


def visible(
    connection: Connection, registered: Registered, tokens: Collection[str], document: tuple[int, str] | None = None
) -> Visible:
    """Whether all that was committed before these markers (one a source) is searchable, for all documents or one."""
    sequences = connection.execute(select(MARKER.c.sequence).where(MARKER.c.token.in_(tokens))).scalars().all()
    if len(sequences) < len(tokens):
        return Visible(False, False, 0)
    mine: list[ColumnElement[bool]] = [DOCUMENT.c.type_id.in_([kind.id for kind in registered.kinds.values()])]
    if document is not None:
        mine = [DOCUMENT.c.type_id == document[0], DOCUMENT.c.key == document[1]]
    loading = connection.execute(
        select(func.count()).where(SOURCE.c.mapping == registered.name, SOURCE.c.loaded.is_(False))
    ).scalar_one()
    owed = connection.execute(
        select(func.count()).where(*mine, DOCUMENT.c.priority.is_not(None), DOCUMENT.c.owed_from <= max(sequences))
    ).scalar_one()
    in_the_way = PARKED if document is None else DOCUMENT.c.parked.is_not(None)
    parked = connection.execute(select(DOCUMENT.c.key).where(*mine, in_the_way).limit(20)).scalars()
    keys = tuple(parked)
    lost = count_unapplied(connection, registered.name)
    drift = _drift(connection, registered, None if document is None else document[0])
    return Visible(not (owed or loading or keys or lost or drift), True, owed, keys, lost, drift)


def _drift(connection: Connection, registered: Registered, type_id: int | None) -> tuple[str, ...]:
    """Why tables of the mapping, or those that one document type reads, cannot be read."""
    found = of_mapping(connection, registered.name)
    if type_id is None or not found:
        return tuple(found.values())
    plans = [kind.plan for kind in registered.kinds.values() if kind.id == type_id]
    return tuple(filter(None, (of_document(plan, found) for plan in plans)))


def wait(
    state: State,
    registered: Registered,
    markers: Markers,
    timeout: float,
    document: tuple[int, str] | None = None,
    looked: Callable[[Visible], None] | None = None,
) -> Visible:
    """Look until visible, or until only what waiting does not mend is in the way, or for ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        with state.read() as connection:
            found = visible(connection, registered, markers.tokens, document)
        if looked:
            looked(found)
        if (
            found.yes
            or (found.seen and not found.owed and (found.parked or found.unapplied or found.drift))
            or time.monotonic() >= end
        ):
            return found
        if not found.seen:
            markers.renew()
        time.sleep(LOOK_EVERY)
