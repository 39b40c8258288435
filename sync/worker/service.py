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

from sync.embed.choose import embedder
from sync.errors import HeadraceError
from sync.settings import Settings
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.owed import Settled
from sync.state.registry import Application, Registered, applications, load
from sync.worker.alone import claim
from sync.worker.backfills import Backfills
from sync.worker.beside import Beside
from sync.worker.collections import Collections
from sync.worker.connectors import Connectors
from sync.worker.continuity import gaps
from sync.worker.housekeeping import Housekeeping
from sync.worker.lanes import Lanes
from sync.worker.ownership import Ownership
from sync.worker.schema import Schema
from sync.worker.serving import Serving
from sync.worker.sources import Sources
from sync.worker.waiting import Told, wait_for_kafka, wait_until
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
        self._served: dict[str, Application] = {}
        self.watched: tuple[Stage | Serving | Beside | Ownership, ...] = ()  # a failure of one ends the worker
        self.ownership: Ownership | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises what made it impossible to go on."""
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        self.state = await self._open_state(stopping)
        claimed = claim(self.state)
        self.ownership = None if self.state.is_sqlite else Ownership(self.state, self.say)
        self.store = Weaviate(self.settings, self.ownership.left if self.ownership else None)
        await self._wait_for_components(stopping)
        lanes = Lanes(lambda: self.stage.queue.busy)
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
        sources = Sources(self.state, self.settings.kafka, lanes)
        self.serving = Serving(self.state, self.settings, sources, self.say, self._leads, self.stage.queue.wake)
        self._take_what_is_ours()
        self.stage.start()
        beside = self._beside()
        for one in beside:
            one.start()
        self.watched = (self.stage, self.serving, *beside, *([self.ownership] if self.ownership else []))
        try:
            await self.serve(stopping)
        finally:
            await self.serving.stop()
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
            Connectors(state, settings, say, self.serving.lost, leads),
            Schema(state, say, self.serving.lost, leads, publishing),
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

    async def _wait_for_components(self, stopping: asyncio.Event) -> None:
        await wait_for_kafka(self.settings.kafka, stopping, self.say)
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
                await self._look_around()
                said = ""
            except HeadraceError as exc:
                if not exc.retry:
                    raise
                if not said:
                    self.say(f"{exc}; trying again")
                said = str(exc)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), LOOK_FOR_MAPPINGS)

    async def _look_around(self) -> None:
        await self._follow_mappings()
        if (trouble := self.stage.trouble) is None:
            self._writing.back("what is owed is being written again")
        else:
            self._writing.away(f"what is owed waits: {trouble}")
        if self.ownership:
            await self._follow_gaps()

    async def _follow_gaps(self) -> None:
        """A gap that another worker has noted is one here, too: nobody goes on before the source is begun anew."""
        for mapping, source in await asyncio.get_running_loop().run_in_executor(None, gaps, self.state):
            self.serving.lost(mapping, source, "the log has a gap")

    async def _follow_mappings(self) -> None:
        """Begin with mappings applied since, and leave those removed. Each source goes on by itself from here."""
        found, mappings = await asyncio.get_running_loop().run_in_executor(None, self._read_applied)
        if found == self._served:
            return
        for name, before in self._served.items():
            if name not in found or found[name].version != before.version:
                self.serving.leave(name)
            elif found[name] != before:
                self.serving.again(name)
        self.stage.serve(mappings)
        for mapping in mappings:
            self.serving.begin(mapping)
        self._served = found

    def _read_applied(self) -> tuple[dict[str, Application], list[Registered]]:
        """What is applied; as mappings only where it is not what is served."""
        with self.state.read() as connection:
            found = applications(connection)
            return found, [load(connection, name) for name in found] if found != self._served else []

    def _settled(self, settled: Sequence[Settled]) -> None:
        for one in settled:
            if one.outcome == "parked":
                log.warning("a document of type %d is parked; `headrace status` names it", one.owed.type_id)


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
