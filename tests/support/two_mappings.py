"""Two mappings in one state and a worker over both, in a thread; their databases and topics answer as a test says."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors.topics import Described
from sync.errors import HeadraceError
from sync.evidence.freshness import Status, statuses
from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.settings import Settings
from sync.state.registry import SOURCE, Registered, forget, register
from sync.worker import continuity, service, serving
from sync.worker.continuity import note_gap
from sync.worker.service import Worker
from sync.worker.serving import Serving
from tests.support.airline import lock, mapping
from tests.support.background import Background
from tests.support.pipeline import wait_until
from tests.support.world import World

FIRST, SECOND = "airline", "harbour"


class TwoMappings(World):
    """The first is the world's own; ``put`` puts either into the state, as `headrace apply` does."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.both = {FIRST: self.registered, SECOND: self.put(SECOND)}

    def put(self, name: str) -> Registered:
        made = mapping().model_dump(by_alias=True, exclude_unset=True) | {"name": name}
        sources = {name: lock().sources[FIRST]}
        with self.state.write() as connection:
            topics: dict[str, tuple[str, str | None]] = {name: (f"headrace.{name}.{name}", "id")}
            return register(connection, Mapping.model_validate(made), Lock(sources=sources), topics)

    def remove(self, name: str) -> None:
        with self.state.write() as connection:
            forget(connection, name)

    def gap(self, name: str, reason: str = "its topic is gone") -> None:
        note_gap(self.state, self.both[name].sources[name], reason, self.source(name).epoch)

    def source(self, name: str) -> Any:
        with self.state.read() as connection:
            return connection.execute(select(SOURCE).where(SOURCE.c.mapping == name)).one()

    def set(self, name: str, **values: Any) -> None:
        with self.state.write() as connection:
            connection.execute(update(SOURCE).where(SOURCE.c.mapping == name).values(**values))

    def status(self, name: str) -> Status:
        with self.state.read() as connection:
            return next(statuses(connection, name))


class Database:
    """A mapping's database: it answers, raises ``error``, or says nothing while it ``hangs``."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked, self.asked_at_once = 0, 0
        self._now = 0
        self.goes_on = threading.Event()
        self.goes_on.set()

    def hang(self) -> None:
        self.goes_on.clear()

    def shape(self, *_: object) -> Any:
        self.asked, self._now = self.asked + 1, self._now + 1
        self.asked_at_once = max(self.asked_at_once, self._now)
        try:
            self.goes_on.wait()
            if self.error is not None:
                raise self.error
            return SimpleNamespace(catalogue=None, marks="marks")
        finally:
            self._now -= 1


class App:
    """A source's app, which crashes when it is told to, and stops when it may."""

    def __init__(self, topic: str, source: str) -> None:
        self.conf, self.source_name = SimpleNamespace(id=topic), source
        self.crash_reason: BaseException | None = None
        self.started = self.stopped = False
        self.may_stop = asyncio.Event()
        self.may_stop.set()

    def finalize(self) -> None:
        return None

    async def start(self) -> None:
        self.started = True

    async def stop(self) -> None:
        await self.may_stop.wait()
        self.stopped = True

    async def crash(self, reason: BaseException) -> None:
        self.crash_reason = reason


class Counted(Worker):
    """A worker whose looks are counted."""

    looks = 0

    async def _look_around(self) -> None:
        self.looks += 1
        await super()._look_around()


class Running(Background):
    """A worker without its stages: it follows mappings, begins sources and revives apps."""

    def __init__(self, world: TwoMappings) -> None:
        super().__init__("worker")
        self.world = world
        self.databases = {FIRST: Database(), SECOND: Database()}
        self.apps: list[App] = []
        self.said: list[str] = []
        self.leads = True
        self.worker = Counted(Settings(_env_file=None), self.said.append)
        self.serving: Serving
        self.ended = threading.Event()

    def of(self, name: str) -> list[App]:
        """Its apps that were started, the last one last."""
        return [app for app in self.apps if app.source_name == name and app.started]

    def serves(self, name: str) -> bool:
        """Whether it has an app that neither crashed nor stopped."""
        return any(app.crash_reason is None and not app.stopped for app in self.of(name))

    def looks_go_on(self) -> None:
        """Wait for twenty more looks at what is applied: in that time another attempt would have been made."""
        until = self.worker.looks + 20
        wait_until("the worker's looks", lambda: self.worker.looks > until, 10)

    def several(self) -> None:
        """From the start it is one of several workers."""
        self.worker.ownership = SimpleNamespace(leads=lambda: self.leads, failure=None)  # type: ignore[assignment]

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        super().stop()

    def _go_on(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self.ended.set()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        # One thread alone: who waits for a database in it would have everybody wait.
        self._loop.set_default_executor(ThreadPoolExecutor(1))
        worker, state = self.worker, self.world.state
        sources: Any = SimpleNamespace(app=self._app)
        worker.state = state
        worker.stage = SimpleNamespace(serve=lambda _: None, trouble=None)  # type: ignore[assignment]
        self.serving = Serving(state, worker.settings, sources, worker.say, lambda: self.leads, lambda: None)
        worker.serving, worker.watched = self.serving, (self.serving,)
        try:
            await worker.serve(self._stopping)
        finally:
            await self.serving.stop()

    def _app(self, topic: str, source: str, _: object) -> App:
        self.apps.append(App(topic, source))
        return self.apps[-1]


class _Topics:
    """Topics in which nothing has come yet, and that are there."""

    def __init__(self, *_: object) -> None:
        return None

    def describe(self, _: str) -> Described:
        return Described("id", 1, 0)

    def ensure(self, *_: object) -> bool:
        return False

    def end(self, _: str) -> int:
        return 0

    beginning = end


def running(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A worker to be started, which looks a hundred times a second; what was refused it leaves alone for long."""
    made = Running(world)
    monkeypatch.setattr(serving, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(service, "LOOK_FOR_MAPPINGS", 0.01)
    monkeypatch.setattr(continuity, "Topics", _Topics)
    monkeypatch.setattr(continuity, "wrong", lambda *_: {})
    monkeypatch.setattr(continuity, "resnapshot", lambda *_: None)
    monkeypatch.setattr(continuity, "source_database", lambda mapping, _: made.databases[mapping.name])

    async def answers(*_: object) -> None:
        return None

    monkeypatch.setattr(serving, "wait_for_kafka", answers)
    return made


def failing(error: HeadraceError) -> Any:
    """Something that raises it, whatever it is given."""

    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail
