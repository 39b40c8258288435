"""Beside the worker's stages: backfills are told to their connectors and kept going."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import select, update

from connectors import incremental
from connectors.captured import captured
from connectors.database import Database
from connectors.names import Names, names
from connectors.registration import source_database
from sync.apply.snapshots import Snapshot
from sync.errors import ConnectRefused, SourceRefused
from sync.settings import Settings
from sync.state.backfills import Backfill, claim, ended, find, under_way
from sync.state.database import State
from sync.state.registry import MARKER, SOURCE, Registered, load
from sync.worker.beside import Beside, each

LOOK_EVERY = 1.0
LED_FOR = 5.0  # seconds that one connector is led on before others are looked at
LOOK_AGAIN = 0.25  # seconds
APART = 0.02  # seconds between two commits: time for what others do
APPLIED_WITHIN = 5.0  # seconds after which a token is taken for lost: its connector was started anew, perhaps
BETWEEN = 0.005
TRY_AGAIN = 3.0  # seconds after which a connector is told that did not answer
HEARD_WITHIN = 120.0  # and one that was told and of which nothing was heard: much may wait in its topic
LEASE = 60.0  # for which other workers leave it to the one that began


@dataclass
class Seen:
    """A backfill as it was seen last, and when its connector may be told of it."""

    backfill: Backfill
    source: str
    registered: Registered
    not_before: float = 0.0
    token: str = ""  # the last one that its connector was to read on by
    given_at: float = float("-inf")

    @property
    def names(self) -> Names:
        return names(self.registered.plan.mapping, self.source)

    @property
    def database(self) -> Database:
        return source_database(self.registered.plan.mapping, self.source)


class Backfills(Beside):
    """A thread that looks after backfills that are under way. ``say`` hears what it does.

    ``publishing`` is held by who changes a publication: `sync.worker.schema` does, too.

    PostgreSQL's connector reads on when it sees a transaction end: in a quiet database once a second, with its
    heartbeat. And while no transaction begins it reads on and on, and a change that was committed before waits until
    the end (tried: 6 s for 27,000 rows). So it is shown commits of ours, one after the other is applied: rows are
    read about as fast as the worker applies them, and never stand in long rows before what is committed meanwhile.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        say: Callable[[str], None],
        leads: Callable[[], bool] = lambda: True,
        publishing: threading.Lock | None = None,
    ) -> None:
        super().__init__("backfills", LOOK_EVERY, leads)
        self._publishing = publishing or threading.Lock()
        self._state, self._settings, self._say = state, settings, say
        self._seen: dict[str, Seen] = {}

    def _pause(self) -> float:
        return BETWEEN if self._seen else LOOK_EVERY

    def _look(self) -> None:
        self.look(time.monotonic())

    def look(self, now: float) -> None:
        """One look at every backfill. Raises HeadraceError of what does not answer, at the end."""
        with self._state.read() as connection:
            noted = under_way(connection)
            sources = {row.id: row for row in connection.execute(select(SOURCE))} if noted else {}
            current = [one for one in noted if one.source_id in sources]
            for backfill in current:
                if backfill.id not in self._seen:
                    source = sources[backfill.source_id]
                    self._seen[backfill.id] = Seen(backfill, source.name, load(connection, source.mapping))
        for identity in self._seen.keys() - {one.id for one in current}:
            self._report(self._seen.pop(identity))

        def follow(backfill: Backfill) -> None:
            source = sources[backfill.source_id]
            if source.snapshot_due:  # the connector is being stopped and started by others: all is read anyway
                return
            self._seen[backfill.id].backfill = backfill
            self._follow(self._seen[backfill.id], Snapshot.from_json(source.snapshot), now)

        each(current, follow)

    def _follow(self, seen: Seen, snapshot: Snapshot, now: float) -> None:
        if seen.backfill.started_at is None:
            if now >= seen.not_before:
                seen.not_before = now + TRY_AGAIN
                self._begin(seen)
                seen.not_before = now + HEARD_WITHIN
            return
        if snapshot.backfilling:
            seen.database.keep_reading(seen.names, self._tokens(seen))

    def _tokens(self, seen: Seen) -> Iterator[str | None]:
        """What its connector reads on by, for a while; None while the last one is not applied.

        Rows that are read faster than they are applied would stand before what is committed meanwhile.
        """
        end = look = time.monotonic()
        end += LED_FOR
        while (now := time.monotonic()) < end and not self._stopped.is_set():
            if now >= look:
                look = now + LOOK_AGAIN
                if not self._is_under_way(seen):
                    return
            given = now - seen.given_at
            if given < APART or (given < APPLIED_WITHIN and not self._is_applied(seen.token)):
                yield None
            else:
                seen.token, seen.given_at = f"backfill-{uuid.uuid4().hex}", now
                yield seen.token

    def _is_under_way(self, seen: Seen) -> bool:
        with self._state.read() as connection:
            found = find(connection, seen.backfill.id)
        return found is not None and found.outcome is None

    def _is_applied(self, token: str) -> bool:
        with self._state.read() as connection:
            return connection.execute(select(MARKER.c.token).where(MARKER.c.token == token)).first() is not None

    def _begin(self, seen: Seen) -> None:
        backfill, registered = seen.backfill, seen.registered
        wanted = {registered.plan.tables[name].database_name for name in backfill.tables}
        known = captured(registered.plan.mapping, registered.lock, seen.source)
        try:
            incremental.require_listener(self._settings, seen.names)
            # From here on the connector may know of it, and who wants it to stop must tell it so.
            with self._state.write() as connection:
                if not claim(connection, backfill.id, 0.0 if self._state.is_sqlite else LEASE):
                    return
            tables = [table for table in known if table.name in wanted]
            with self._publishing:
                self._expect(seen)
                incremental.begin(seen.database, seen.names, backfill.id, tables, backfill.condition)
        except (ConnectRefused, SourceRefused) as exc:
            with self._state.write() as connection:
                ended(connection, [backfill.id], f"failed: {exc}")

    def _expect(self, seen: Seen) -> None:
        """What is changed in the publication for a backfill is nobody else's doing: no reason to read it all again."""
        one = SOURCE.c.id == seen.backfill.source_id
        with self._state.write() as connection:
            marks = connection.execute(select(SOURCE.c.shape_marks).where(one)).scalar()
            connection.execute(update(SOURCE).where(one).values(shape_marks=seen.database.before_reading(marks)))

    def _report(self, seen: Seen) -> None:
        with self._state.read() as connection:
            found = find(connection, seen.backfill.id)
        if found is not None:
            self._say(f"{seen.registered.name}: backfill of {', '.join(found.tables)}: {found.outcome}")
