"""`headrace run`: the worker, which serves every applied mapping and notices new ones by itself."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from connectors.topics import Topics
from sync.apply.apply import Applier
from sync.embed.choose import embedder
from sync.errors import Fenced, Gap, HeadraceError
from sync.settings import Settings
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.owed import Settled
from sync.state.registry import Registered, applied, load
from sync.worker.alone import claim
from sync.worker.app import SourceApp
from sync.worker.backfills import Backfills
from sync.worker.beside import Beside
from sync.worker.collections import Collections
from sync.worker.connectors import Connectors
from sync.worker.continuity import ensure, gaps
from sync.worker.housekeeping import Housekeeping
from sync.worker.intake import Intake
from sync.worker.lanes import Lanes
from sync.worker.ownership import Ownership
from sync.worker.schema import Schema
from sync.worker.sources import APPLY_PATIENCE, Sources, end
from sync.worker.waiting import Told, wait_until
from sync.write.stage import DOUBT_AFTER_LOSS, Stage
from sync.write.weaviate import Weaviate

log = logging.getLogger("headrace.worker")
LOOK_FOR_MAPPINGS = 1.0
M_ARENA_MAX = -8  # of glibc's malloc.h


class Worker:
    """Everything one worker process runs. ``say`` gets sentences for the person who started it."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings, self.say = settings, say
        self._writing = Told(say)
        self._served: dict[str, str] = {}
        self._apps: dict[str, list[SourceApp]] = {}
        self.watched: tuple[Stage | Beside | Ownership, ...] = ()  # a failure of one ends the worker
        self.ownership: Ownership | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises what made it impossible to go on."""
        stopping = self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        self.state = await self._open_state(stopping)
        claimed = claim(self.state)
        self.ownership = None if self.state.is_sqlite else Ownership(self.state, self.say)
        self.store = Weaviate(self.settings, self.ownership.left if self.ownership else None)
        await self._wait_for_components(stopping)
        lanes = Lanes(lambda: self.stage.queue.busy)
        self.sources = Sources(self.state, self.settings.kafka, lanes)
        self.stage = Stage(
            self.state,
            self.store,
            embedder(self.settings),
            lanes=self.settings.write_lanes,
            batch=self.settings.write_batch,
            on_settled=self._settled,
            on_free=lanes.freed,
            holding=self.ownership,
        )
        self._take_what_is_ours()
        self.stage.start()
        beside = self._beside()
        for one in beside:
            one.start()
        self.watched = (self.stage, *beside, *([self.ownership] if self.ownership else []))
        try:
            await self.serve(stopping)
        finally:
            await self._stop_apps(list(self._apps))
            for stop in (self.stage.stop, *(one.stop for one in beside)):
                await asyncio.get_running_loop().run_in_executor(None, stop)
            if self.ownership:
                await asyncio.get_running_loop().run_in_executor(None, self.ownership.stop)
            self.store.close()
            self.state.close()
            if claimed:
                claimed.close()

    def _beside(self) -> tuple[Beside, ...]:
        """What goes on beside the stages, each in a thread of its own."""
        state, settings, say, leads = self.state, self.settings, self.say, self._leads
        publishing = threading.Lock()
        return (
            Housekeeping(state, leads),
            Connectors(state, settings, say, self._log_lost, leads),
            Schema(state, say, self._log_lost, leads, publishing),
            Backfills(state, settings, say, leads, publishing),
            Collections(state, self.store, self.stage.model, settings, say, self.stage.queue.wake, leads),
        )

    def _leads(self) -> bool:
        """Whether this worker does what of several only one may do."""
        return self.ownership is None or self.ownership.leads()

    def _take_what_is_ours(self) -> None:
        if self.ownership:
            self.ownership.start(self.stage.queue)
            return
        with self.state.write() as connection:
            Documents(self.state).inherit(DOUBT_AFTER_LOSS, connection)

    # -- start -----------------------------------------------------------------------------------

    async def _open_state(self, stopping: asyncio.Event) -> State:
        opened: list[State] = []

        def open_it() -> bool:
            opened.append(State(self.settings.state_url))
            return True

        await self._wait_until("the state database", open_it, stopping)
        return opened[0]

    async def _wait_for_kafka(self, stopping: asyncio.Event) -> None:
        topics = Topics(self.settings.kafka)
        await self._wait_until(f"Kafka at {self.settings.kafka}", lambda: _answers(topics), stopping)

    async def _wait_for_components(self, stopping: asyncio.Event) -> None:
        await self._wait_for_kafka(stopping)
        await self._wait_until(f"Weaviate at {self.settings.weaviate_url}", self.store.ready, stopping)

    async def _wait_until(self, what: str, ready: Callable[[], bool], stopping: asyncio.Event) -> None:
        await wait_until(what, ready, stopping, self.say)

    # -- serve -----------------------------------------------------------------------------------

    async def serve(self, stopping: asyncio.Event) -> None:
        """Follow the mappings that are applied until told to stop. Raises what ended one of our threads."""
        said = ""
        while not stopping.is_set():
            for one in self.watched:
                if one.failure is not None:
                    raise one.failure
            try:
                await self._look_around(stopping)
                said = ""
            except HeadraceError as exc:
                if not exc.retry:
                    raise
                if not said:
                    self.say(f"{exc}; trying again")
                said = str(exc)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOOK_FOR_MAPPINGS)

    async def _look_around(self, stopping: asyncio.Event) -> None:
        await self._follow_mappings()
        if (trouble := self.stage.trouble) is None:
            self._writing.back("what is owed is being written again")
        else:
            self._writing.away(f"what is owed waits: {trouble}")
        if self.ownership:
            await self._follow_gaps()
        await self._revive(stopping)

    async def _revive(self, stopping: asyncio.Event) -> None:
        """Make the app of a source anew that has crashed: after an outage of Kafka a consumer may be stuck for ever.

        Raises what a new one would meet again.
        """
        for name, apps in self._apps.items():
            for number, app in enumerate(apps):
                reason = app.crash_reason
                if reason is None or stopping.is_set():
                    continue
                if isinstance(reason, HeadraceError) and not reason.retry:
                    raise reason
                await self._wait_for_kafka(stopping)
                try:
                    (mapping,) = await asyncio.get_running_loop().run_in_executor(None, self._load, [name])
                except KeyError:
                    return  # removed: the next look at the mappings leaves it
                log.warning("%s: the consumer ended (%s); a new one begins", app.conf.id, type(reason).__name__)
                await end(app)
                apps[number] = await self._start_app(mapping, app.source_name)

    async def _follow_gaps(self) -> None:
        """A gap that another worker has noted is one here, too: nobody goes on before the source is begun anew."""
        for mapping, source in await asyncio.get_running_loop().run_in_executor(None, gaps, self.state):
            self._log_lost(mapping, source, "the log has a gap")

    def _log_lost(self, mapping: str, source: str, reason: str) -> None:
        for app in self._apps.get(mapping, ()):
            if app.source_name == source and app.crash_reason is None:
                asyncio.run_coroutine_threadsafe(app.crash(Gap(f"{mapping}.{source}: {reason}")), self._loop)

    async def _follow_mappings(self) -> None:
        """Begin with mappings applied since, and leave those removed."""
        found = await asyncio.get_running_loop().run_in_executor(None, self._read_applied)
        if found == self._served:
            return
        gone = [name for name, version in self._served.items() if found.get(name) != version]
        await self._stop_apps(gone)
        registered = await asyncio.get_running_loop().run_in_executor(None, self._load, list(found))
        self.stage.serve(registered)
        for mapping in registered:
            if mapping.name not in self._apps:
                await self._start_apps(mapping)
        self._served = found

    def _read_applied(self) -> dict[str, str]:
        with self.state.read() as connection:
            return applied(connection)

    def _load(self, names: Sequence[str]) -> list[Registered]:
        with self.state.read() as connection:
            return [load(connection, name) for name in names]

    async def _start_apps(self, mapping: Registered) -> None:
        apps = self._apps[mapping.name] = []
        try:
            for source in mapping.sources:
                apps.append(await self._start_app(mapping, source))
        except BaseException:
            await self._stop_apps([mapping.name])  # all of it is begun again, or it is there no longer
            raise

    async def _start_app(self, mapping: Registered, source: str) -> SourceApp:
        applier = await self._begin(mapping, source)
        app = self.sources.app(mapping.topics[source], source, Intake(applier, self.stage.queue.wake))
        app.finalize()
        await app.start()
        self.say(f"serving {mapping.name}, from {applier.progress.position} of {mapping.topics[source]}")
        return app

    async def _begin(self, mapping: Registered, source: str) -> Applier:
        """Where the source is applied to. A log with a gap is read again first; what that needs is waited for."""
        loop, said = asyncio.get_running_loop(), ""
        act = partial(ensure, self.state, mapping, source, self.settings, self.say, self._leads)
        make = partial(Applier, self.state, mapping, source, max_text_bytes=self.settings.max_text_bytes)
        while not self._stopping.is_set():
            try:
                if await loop.run_in_executor(None, act):
                    return await loop.run_in_executor(None, make)
            except HeadraceError as exc:
                if not exc.retry or (isinstance(exc, Fenced) and await self._removed(mapping.name)):
                    raise
                if str(exc) != said:
                    self.say(f"{mapping.name}.{source}: {exc}; trying again")
                    said = str(exc)
            await asyncio.sleep(1.0)
        raise SystemExit(0)

    async def _removed(self, mapping: str) -> bool:
        return mapping not in await asyncio.get_running_loop().run_in_executor(None, self._read_applied)

    async def _stop_apps(self, names: Sequence[str]) -> None:
        for name in names:
            for app in self._apps.pop(name, []):
                await end(app, APPLY_PATIENCE)

    def _settled(self, settled: Sequence[Settled]) -> None:
        for one in settled:
            if one.outcome == "parked":
                log.warning("a document of type %d is parked; `headrace status` names it", one.owed.type_id)


def _answers(topics: Topics) -> bool:
    topics.describe("headrace")  # whether it exists does not matter: somebody answered
    return True


def _few_arenas() -> None:
    """glibc gives every thread an arena of its own that it hardly returns: some 50 MB for nothing here."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such call, and no such habit
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def run(settings: Settings, say: Callable[[str], None]) -> None:
    """Run a worker in this process until it is told to stop."""
    _few_arenas()
    started = time.monotonic()
    asyncio.run(Worker(settings, say).run())
    say(f"stopped after {time.monotonic() - started:.0f} s")
