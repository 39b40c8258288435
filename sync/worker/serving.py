"""Between the worker and the apps of its sources: each source's life, in a task of its own.

What a source's database, connector or topic says, or does not say, keeps nobody waiting but that source. It is begun as
soon as that can be done, and `headrace status` says what is in the way until then.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from sync.apply.apply import Applier
from sync.errors import Fenced, Gap, HeadraceError, StateError
from sync.settings import Settings
from sync.state.database import State
from sync.state.registry import Registered, applied, load
from sync.state.trouble import note_hindrance
from sync.worker.app import SourceApp
from sync.worker.continuity import ensure
from sync.worker.intake import Intake
from sync.worker.sources import APPLY_PATIENCE, Sources, end
from sync.worker.waiting import wait_for_kafka

log = logging.getLogger("headrace.worker")

LOOK_AGAIN = 1.0  # seconds
REFUSED_FOR = 30.0  # seconds until that is tried again which somebody has to mend first
T = TypeVar("T")


class Serving:
    """The lives of all sources that are served. What nobody expected in one stands in ``failure``: the worker ends."""

    failure: BaseException | None = None

    def __init__(
        self,
        state: State,
        settings: Settings,
        sources: Sources,
        say: Callable[[str], None],
        leads: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        self.state, self.settings, self.sources = state, settings, sources
        self.say, self.leads, self.wake = say, leads, wake
        self.acts: dict[tuple[str, str], asyncio.Future[bool]] = {}  # the last by which a source was begun
        self._loop = asyncio.get_running_loop()
        self._kafka = asyncio.Lock()
        self._lives: dict[str, list[Life]] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}  # of which mapping; those that are ending, too

    def begin(self, mapping: Registered) -> None:
        """From now on serve its sources; nothing where they are served already."""
        if mapping.name in self._lives:
            return
        before = [task for task, name in self._tasks.items() if name == mapping.name]
        self._lives[mapping.name] = lives = [Life(self, mapping.name, source) for source in mapping.sources]
        for life in lives:
            life.task = asyncio.create_task(life.run(before))
            self._tasks[life.task] = mapping.name
            life.task.add_done_callback(self._ended)

    def leave(self, name: str) -> None:
        """The mapping was removed, or is another one now."""
        for life in self._lives.pop(name, ()):
            life.task.cancel()

    def again(self, name: str) -> None:
        """The mapping was applied anew: what hindered it may be mended."""
        for life in self._lives.get(name, ()):
            life.again.set()

    def lost(self, mapping: str, source: str, reason: str) -> None:
        """The source's log has a gap, which is noted. May be called from any thread."""
        for life in self._lives.get(mapping, ()):
            app = life.app
            if app is not None and app.source_name == source and app.crash_reason is None:
                asyncio.run_coroutine_threadsafe(app.crash(Gap(f"{mapping}.{source}: {reason}")), self._loop)

    async def stop(self) -> None:
        """End all. Nobody waits for a database that does not answer."""
        self._lives.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def wait_for_kafka(self) -> None:
        """Asked for one source at a time: Kafka is everybody's. Raises KafkaError of one that refuses."""
        async with self._kafka:
            # The event is never set: who is not to wait any longer is cancelled.
            await wait_for_kafka(self.settings.kafka, asyncio.Event(), self.say)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and self.failure is None:
            self.failure = task.exception()


class Life:
    """One source: begun, begun again when its app has crashed, until its task is cancelled."""

    task: asyncio.Task[None]
    app: SourceApp | None = None  # none while it is being begun

    def __init__(self, serving: Serving, mapping: str, source: str) -> None:
        self._serving, self._state, self._say = serving, serving.state, serving.say
        self.mapping, self.source, self.name = mapping, source, f"{mapping}.{source}"
        self.again = asyncio.Event()  # try at once what was put off
        self._said = ""

    async def run(self, before: Collection[asyncio.Task[None]]) -> None:
        """Live. ``before``: lives of an earlier mapping of this name, which end first."""
        try:
            if before:
                await asyncio.wait(before)
            app = await self._start()
            while True:
                await asyncio.sleep(LOOK_AGAIN)
                app = await self._revive(app)
        finally:
            if self.app is not None:
                await end(self.app, APPLY_PATIENCE)

    async def _start(self) -> SourceApp:
        self.app = None
        begun = await self._begin()
        topic = begun.registered.topics[self.source]
        self.app = app = self._serving.sources.app(topic, self.source, Intake(begun, self._serving.wake))
        app.finalize()
        await app.start()
        self._say(f"serving {self.mapping}, from {begun.progress.position} of {topic}")
        return app

    async def _revive(self, app: SourceApp) -> SourceApp:
        """Make the app anew if it has crashed: after an outage of Kafka a consumer may be stuck for ever.

        Raises what a new one would meet again.
        """
        reason = app.crash_reason
        if reason is None:
            return app
        if isinstance(reason, HeadraceError) and not reason.retry:
            await self._rest(await self._hindered(reason))
        await self._serving.wait_for_kafka()
        log.warning("%s: the consumer ended (%s); a new one begins", app.conf.id, type(reason).__name__)
        await end(app)
        return await self._start()

    async def _begin(self) -> Applier:
        """Where the source is applied to. A log with a gap is read again first; what that needs is waited for."""
        said: set[str] = set()

        def say_once(text: str) -> None:  # however often it is tried
            if text not in said:
                said.add(text)
                self._say(text)

        make = partial(Applier, source=self.source, max_text_bytes=self._serving.settings.max_text_bytes)
        while True:
            pause = LOOK_AGAIN
            try:
                mapping = await _pooled(self._load)
                if mapping is not None and await self._ensure(mapping, say_once):
                    applier = await _pooled(partial(make, self._state, mapping))
                    self._said = ""
                    return applier
            except HeadraceError as exc:
                pause = await self._hindered(exc)
            await self._rest(pause)

    def _load(self) -> Registered | None:
        """None where it was removed: the worker, which has not noticed yet, ends this life."""
        with self._state.read() as connection:
            return load(connection, self.mapping) if self.mapping in applied(connection) else None

    async def _ensure(self, mapping: Registered, say: Callable[[str], None]) -> bool:
        """Never twice at once for a source: what an earlier life has begun cannot be called back, and is waited for."""
        acts, key = self._serving.acts, (self.mapping, self.source)
        while key in acts and not acts[key].done():
            await asyncio.wait({acts[key]})
        serving = self._serving
        acts[key] = act = _in_a_thread(
            partial(ensure, self._state, mapping, self.source, serving.settings, say, serving.leads)
        )
        await asyncio.wait({act})
        return act.result()

    async def _hindered(self, exc: HeadraceError) -> float:
        """Say and note what is in the way; returns for how long. Raises what is wrong with more than this source."""
        if isinstance(exc, Fenced):
            return LOOK_AGAIN  # another worker was faster, or the mapping was removed: the next try tells
        if isinstance(exc, StateError) and not exc.retry:
            raise exc
        words = ". ".join(filter(None, (str(exc).rstrip("."), exc.advice)))
        if words != self._said:
            self._say(f"{self.name}: {exc}; trying again" if exc.retry else f"{self.name}: {words}")
            self._said = words
        if not isinstance(exc, StateError):
            with contextlib.suppress(StateError):  # away, too: noted at the next attempt
                await _pooled(partial(self._note, words))
        return LOOK_AGAIN if exc.retry else REFUSED_FOR

    def _note(self, words: str) -> None:
        with self._state.write() as connection:
            note_hindrance(connection, self.mapping, self.source, words)

    async def _rest(self, pause: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.again.wait(), pause)
        self.again.clear()


async def _pooled(act: Callable[[], T]) -> T:
    """What asks the state alone."""
    return await asyncio.get_running_loop().run_in_executor(None, act)


def _in_a_thread(act: Callable[[], T]) -> asyncio.Future[T]:
    """What asks a source, in a thread of its own.

    A pool has few: databases that do not answer would take them all, and at the end of the process it waits for each.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits for it any more

    def run() -> None:
        try:
            settle = partial(future.set_result, act())
        except BaseException as exc:  # raised where the future is waited for
            settle = partial(future.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the worker has ended meanwhile
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name="begin", daemon=True).start()
    return future
