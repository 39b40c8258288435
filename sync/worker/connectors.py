"""Beside the worker's stages: a connector that failed is started again, and one that fell silent is not trusted.

Connect does not restart failed tasks. And once in some fifteen trials, after Kafka was killed and started again, a
task was RUNNING and its heartbeat, which comes every second, never came back. What looks alike is known of Debezium:
after a restart it may skip all it reads, and note it as read (pull request 3620 of debezium/debezium, "kept skipping
messages for 22 hours while committing offset"). Started again, such a connector would go on behind a hole. So silence
is a gap: the source is read again.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from connectors.connect import Connect
from connectors.names import names
from connectors.registration import source_database
from connectors.topics import Topics
from sync.apply.snapshots import Snapshot
from sync.errors import HeadraceError
from sync.mapping.model import Mapping
from sync.settings import Settings
from sync.state.database import State
from sync.state.registry import SOURCE, applied, load

log = logging.getLogger("headrace.worker")

LOOK_EVERY = 2.0
SILENT_AFTER = 20.0  # seconds without a record, while Kafka and the database answer
FAILED_AFTER = 5.0
AT_MOST_EVERY = 60.0  # seconds between two restarts of one connector; doubled each time until it sends again


@dataclass
class Seen:
    """What is known of one source's topic: its end, and since when that stands still."""

    end: int = -1
    since: float = 0.0
    not_before: float = 0.0
    pause: float = AT_MOST_EVERY


class Connectors:
    """A thread that looks after the connectors of every applied mapping.

    ``say`` hears what it does; ``on_gap``, in this thread, of a mapping's source whose log is lost, and why.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        say: Callable[[str], None],
        on_gap: Callable[[str, str, str], None],
    ) -> None:
        self._state, self._settings, self._say, self.on_gap = state, settings, say, on_gap
        self._seen: dict[tuple[str, str], Seen] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="connectors", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            try:
                self.look(time.monotonic())
            except HeadraceError as exc:  # shown by `status` as silence; looked at again
                log.debug("connectors: %s", exc)

    def look(self, now: float) -> None:
        """One look at every source. Raises HeadraceError of what does not answer: that look then says nothing."""
        with self._state.read() as connection:
            found = {name: load(connection, name) for name in applied(connection)}
            rows = connection.execute(select(SOURCE.c.mapping, SOURCE.c.name, SOURCE.c.loaded, SOURCE.c.snapshot))
            sources = [(m, name, loaded, Snapshot.from_json(text)) for m, name, loaded, text in rows]
        for mapping, source, loaded, snapshot in sources:
            seen = self._seen.setdefault((mapping, source), Seen())
            registered = found[mapping]
            try:
                end = Topics(self._settings.kafka).end(registered.topics[source])
            except HeadraceError:
                seen.since = now  # while Kafka is away silence means nothing
                raise
            if end != seen.end:
                seen.end, seen.since, seen.pause = end, now, AT_MOST_EVERY
                continue
            if now < seen.not_before:
                continue
            reading = not loaded or snapshot.under_way  # a large table may be silent for long
            try:
                self._consider(registered.plan.mapping, source, seen, now, reading=reading)
            except HeadraceError:
                seen.since = now  # Connect or the database is away: silence counts from its return
                raise

    def _consider(self, mapping: Mapping, source: str, seen: Seen, now: float, *, reading: bool) -> None:
        silent = now - seen.since
        connector = names(mapping, source).connector
        if silent < FAILED_AFTER:
            return
        with Connect(self._settings.connect_url, patience=1.0) as connect:
            status = connect.status(connector)
            failed = status is not None and status.failed
            if status is None or (not failed and (not status.running or reading or silent < SILENT_AFTER)):
                return
            # It would fail again, or be silent again, while the database is away: that raises here.
            database = source_database(mapping, source)
            if reason := database.lost(names(mapping, source)):
                self.on_gap(mapping.name, source, reason)
                seen.since = now
                return
            database.emit(f"watch-{uuid.uuid4().hex}")
            seen.not_before, seen.pause = now + seen.pause, seen.pause * 2
            if failed:
                self._say(f"connector {connector} failed: starting it again")
                connect.restart(connector)
            else:
                reason = f"connector {connector} says RUNNING and has sent nothing for {silent:.0f} s"
                self.on_gap(mapping.name, source, reason)
