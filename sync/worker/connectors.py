"""Beside the worker's stages: a connector that failed is started again, and one that fell silent is not trusted.

Connect does not restart failed tasks. And in two of ten runs of tests/faults/test_kafka.py, which kills Kafka and
starts it again, a task was RUNNING and its heartbeat, which comes every second, never came back. What looks alike is
known of Debezium: after a restart it may skip all it reads, and note it as read (pull request 3620 of
debezium/debezium, "kept skipping messages for 22 hours while committing offset"). Started again, such a connector
would go on behind a hole. So silence is a gap: the source is read again.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import select, update

from connectors.connect import Connect
from connectors.database import Database
from connectors.names import Names, names
from connectors.registration import source_database
from connectors.topics import Topics
from sync.apply.snapshots import Snapshot
from sync.errors import HeadraceError, SourceError
from sync.settings import Settings
from sync.state import drift
from sync.state.database import State
from sync.state.registry import SOURCE, applied, load
from sync.worker.beside import Beside, each
from sync.worker.continuity import note_gap
from sync.worker.waiting import Told

log = logging.getLogger("headrace.worker")

LOOK_EVERY = 2.0
SILENT_AFTER = 20.0  # seconds without a record, while Kafka and the database answer
FAILED_AFTER = 5.0
HELD_UP = 6.0  # seconds without a look: frozen ourselves, we cannot tell who was silent
EXAMINE_EVERY = 10.0  # seconds between two looks into the database of a source that sends
AT_MOST_EVERY = 60.0  # seconds between two restarts of one connector; doubled each time until it sends again


@dataclass
class Seen:
    """What is known of one source: how far it is applied, its topic's end, and since when both stand still."""

    applied: int | None = None
    end: int = -1
    since: float = 0.0
    examined: float | None = None
    not_before: float = 0.0
    pause: float = AT_MOST_EVERY

    def moved(self, now: float, end: int) -> None:
        self.end, self.since, self.pause = end, now, AT_MOST_EVERY


class Connectors(Beside):
    """A thread that looks after the connectors of every applied mapping.

    ``say`` hears what it does; ``on_gap``, in this thread, of a mapping's source whose gap was noted, and why.
    Of several workers only the one looks that ``leads``.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        say: Callable[[str], None],
        on_gap: Callable[[str, str, str], None],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        self._state, self._settings, self._say, self._on_gap = state, settings, say, on_gap
        super().__init__("connectors", LOOK_EVERY, leads)
        self._seen: dict[int, Seen] = {}
        self._told: dict[int, Told] = {}
        self._looked = 0.0

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked > HELD_UP:
            for seen in self._seen.values():
                seen.since = now
        try:
            self.look(now)
        finally:
            self._looked = time.monotonic()

    def _turn(self) -> None:
        if not self._leads():
            self._seen.clear()  # what was seen before another one led says nothing when we lead again
        super()._turn()

    def look(self, now: float) -> None:
        """One look at every source. Raises HeadraceError of what does not answer: of that the look says nothing."""
        with self._state.read() as connection:
            sources = connection.execute(select(SOURCE)).all()
        each(sources, partial(self._look_at, now))

    def _look_at(self, now: float, source: Any) -> None:
        """A source that is applied further sends: only of one that stands still Kafka and Connect are asked."""
        seen = self._seen.setdefault(source.id, Seen())
        if not source.snapshot_due and (seen.examined is None or now - seen.examined >= EXAMINE_EVERY):
            seen.examined = now
            self._examine(source)
        if source.offset_ != seen.applied:
            seen.applied = source.offset_
            seen.moved(now, source.offset_ + 1)
            self._told_of(source).back(f"{source.mapping}.{source.name}: its log comes in again")
        elif now - seen.since >= FAILED_AFTER:
            try:
                self._consider(source, seen, now)
            except HeadraceError as exc:
                seen.since = now  # something is away: silence counts from its return
                self._told_of(source).away(f"{source.mapping}.{source.name}: nothing comes in; {exc}")
                raise

    def _told_of(self, source: Any) -> Told:
        return self._told.setdefault(source.id, Told(self._say))

    def _examine(self, source: Any) -> None:
        """Whether the log behind the connector is another one: it may go on as if nothing had happened."""
        if (found := self._database(source)) is None:
            return
        database, own = found
        position = tuple(json.loads(source.database_position)) if source.database_position else None
        try:
            look = database.replaced(own, position, source.log_marks)
        except SourceError:
            return  # looked at again; that it is away the connector says
        if look.reason:
            self._gap(source, look.reason)
        elif look.marks != source.log_marks:
            with self._state.write() as connection:
                connection.execute(
                    update(SOURCE)
                    .where(SOURCE.c.id == source.id, SOURCE.c.epoch == source.epoch)
                    .values(log_marks=look.marks)
                )

    def _database(self, source: Any) -> tuple[Database, Names] | None:
        """None where the mapping was removed since the source was read."""
        with self._state.read() as connection:
            if source.mapping not in applied(connection):
                return None
            mapping = load(connection, source.mapping).plan.mapping
        return source_database(mapping, source.name), names(mapping, source.name)

    def _consider(self, source: Any, seen: Seen, now: float) -> None:
        end = Topics(self._settings.kafka).end(source.topic)
        if end != seen.end:
            seen.moved(now, end)
            return
        if (found := self._database(source)) is None:
            return
        database, own = found
        silent = now - seen.since
        # A large table may be silent for long.
        snapshot = Snapshot.from_json(source.snapshot)
        reading = not source.loaded or (snapshot.under_way and not snapshot.backfilling)
        with Connect(self._settings.connect_url, patience=1.0) as connect:
            status = connect.status(own.connector)
            failed = status is not None and status.failed
            if status is None or (not failed and (not status.running or reading or silent < SILENT_AFTER)):
                return
            if reason := database.lost(own) or status.lost:
                if status.unmade and not source.loaded:
                    self._leave_out(source, status.unmade)
                self._gap(source, reason)
                seen.since = now
                return
            if now < seen.not_before:
                return
            # It would fail again, or be silent again, while the database is away: that raises here.
            database.emit(f"watch-{uuid.uuid4().hex}")
            seen.not_before, seen.pause = now + seen.pause, seen.pause * 2
            if failed:
                self._say(f"connector {own.connector} failed: starting it again")
                connect.restart(own.connector)
            else:
                self._gap(source, f"connector {own.connector} says RUNNING and has sent nothing for {silent:.0f} s")

    def _leave_out(self, source: Any, name: str) -> None:
        """A table that the connector cannot read ends each snapshot: it is parked, and the next one goes without it.

        `Schema` finds nothing wrong with it, and so lets it be tried again, later each time.
        """
        with self._state.write() as connection:
            tables = load(connection, source.mapping).tables_of(source.name)
            why = "has changed: the connector cannot read how it is made"
            found = {
                table.name: f"table {table.database_name} {why}"
                for table in tables
                if table.database_name.rpartition(".")[2] == name
            }
            for table in drift.note(connection, source.id, found):
                self._say(f"{source.mapping}.{source.name}: {found[table]}; documents that read it are parked")

    def _gap(self, source: Any, reason: str) -> None:
        note_gap(self._state, source.id, reason, source.epoch)
        self._on_gap(source.mapping, source.name, reason)
