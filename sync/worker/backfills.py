"""Beside the worker's stages: backfills are kept going, asked for again where they were lost, and cleared away."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from connectors import signals
from connectors.names import Names, names
from connectors.registration import source_database
from sync.apply.snapshots import Snapshot
from sync.errors import HeadraceError
from sync.settings import Settings
from sync.state.backfills import Backfill, asked_again, find, under_way
from sync.state.database import State
from sync.state.registry import SOURCE, Registered, load

log = logging.getLogger("headrace.worker")

LOOK_EVERY = 1.0
NUDGE_EVERY = 0.1
ASK_AGAIN_AFTER = 60.0  # seconds without a row or notice of it, while the source's log goes on


@dataclass
class Seen:
    """A backfill as it was seen last: how far, since when, and how often the log moved on without it."""

    backfill: Backfill
    source: str
    registered: Registered
    rows: tuple[str, int] = ("", -1)
    offset: int = -1
    since: float = 0.0
    nudged: int = -1

    @property
    def names(self) -> Names:
        return names(self.registered.plan.mapping, self.source)


class Backfills:
    """A thread that looks after backfills that are under way. ``say`` hears what it does.

    PostgreSQL's connector reads on when it sees a transaction end: in a quiet database once a second, with its
    heartbeat. So it is shown one where no row came since the last look.
    """

    def __init__(self, state: State, settings: Settings, say: Callable[[str], None]) -> None:
        self._state, self._settings, self._say = state, settings, say
        self._seen: dict[str, Seen] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="backfills", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stopped.wait(NUDGE_EVERY if self._seen else LOOK_EVERY):
            try:
                self.look(time.monotonic())
            except HeadraceError as exc:  # something is away: the backfill waits as everything does
                log.debug("backfills: %s", exc)

    def look(self, now: float) -> None:
        """One look at every backfill. Raises HeadraceError of what does not answer."""
        with self._state.read() as connection:
            current = under_way(connection)
            sources = {row.id: row for row in connection.execute(select(SOURCE))} if current else {}
            for backfill in current:
                if backfill.id not in self._seen:
                    source = sources[backfill.source_id]
                    self._seen[backfill.id] = Seen(backfill, source.name, load(connection, source.mapping), since=now)
        for backfill in current:
            source = sources[backfill.source_id]
            self._seen[backfill.id].backfill = backfill
            self._follow(self._seen[backfill.id], Snapshot.from_json(source.snapshot), source.offset_, now)
        for identity in self._seen.keys() - {each.id for each in current}:
            self._clear(self._seen[identity])
            del self._seen[identity]

    def _follow(self, seen: Seen, snapshot: Snapshot, offset: int, now: float) -> None:
        rows = (snapshot.identity, snapshot.rows)
        mine = snapshot.backfilling and snapshot.identity == seen.backfill.id
        if rows != seen.rows:
            seen.rows, seen.offset, seen.since = rows, offset, now
        elif mine and offset != seen.nudged:
            seen.nudged = offset
            source_database(seen.registered.plan.mapping, seen.source).emit(f"backfill-{uuid.uuid4().hex}")
        if now - seen.since >= ASK_AGAIN_AFTER and offset > seen.offset:
            seen.since, seen.offset = now, offset
            with self._state.write() as connection:
                mine = asked_again(connection, seen.backfill)
            if mine:
                self._say(f"{seen.names.connector}: nothing came of a backfill; asking again")
                send(self._settings, seen.registered, seen.source, seen.backfill)

    def _clear(self, seen: Seen) -> None:
        with self._state.read() as connection:
            ended = find(connection, seen.backfill.id)
        signals.forget(self._settings.kafka, seen.names)
        if ended is not None:
            self._say(f"{seen.registered.name}: backfill of {', '.join(ended.tables)}: {ended.outcome}")


def send(settings: Settings, registered: Registered, source: str, backfill: Backfill) -> None:
    """Signal a backfill to its connector. Raises KafkaUnreachable."""
    tables = [registered.plan.tables[name].database_name for name in backfill.tables]
    filters = dict.fromkeys(tables, backfill.condition) if backfill.condition else {}
    signals.read_again(
        settings.kafka, names(registered.plan.mapping, source), backfill.id, list(dict.fromkeys(tables)), filters
    )
