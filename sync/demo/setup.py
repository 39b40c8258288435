"""The whole path set up for the demo: stack, database, embedder, mapping, worker; and taken down again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from sqlalchemy import Connection, func, select

from sync.demo import airline
from sync.demo.processes import CHECKOUT, Children, DemoFailed, NativeStack, plain_environment
from sync.errors import StateOutdated
from sync.settings import Settings
from sync.state.database import State
from sync.state.registry import DOCUMENT, SOURCE, TERMS, TYPE

NAME = "demo"
MAPPING = "airline"
MAPPING_FILE = CHECKOUT / "mappings" / "airline.yml"
SALT = "the demo's salt: not a secret, its customers are made up"
STUCK_AFTER = 180.0  # seconds without any progress of the first load
LOOK_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Loading:
    """How far a first load is. ``offset`` is the position applied in the source's topic."""

    heard: bool  # this run's worker has heard of the source
    loaded: bool
    offset: int
    documents: int
    written: int
    owed: int

    @property
    def done(self) -> bool:
        return self.heard and self.loaded and self.owed == 0


@dataclass
class Scene:
    """The demo's running parts, for those who watch them."""

    url: str
    settings: Settings
    state: State
    children: Children
    rows: int
    log_folder: Path
    started_at: float  # of the worker, seconds since 1970


def state_folder() -> Path:
    """Under the stack's own data, so that `stack down --wipe` forgets both at once: one without the other is a gap."""
    root = os.environ.get("HEADRACE_STACKS")
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    stacks = Path(root) if root else Path(base) / "headrace" / "stacks"
    return stacks.resolve() / NAME / "data" / "headrace"


@contextmanager
def scene(sizes: airline.Sizes, *, keep: bool, fresh: bool, say: Callable[[str], None]) -> Iterator[Scene]:
    """Everything up to a worker that runs; on the way out, everything this call started is stopped again.

    With ``keep`` the stack goes on. Raises DemoFailed and the errors of whatever does not work.
    """
    stack = NativeStack(NAME)
    if not fresh and _is_outdated():
        say("the demo's data are of another version: beginning anew")
        fresh = True
    before = frozenset[str]() if fresh else stack.running()
    # Each part has an undo of its own: one that fails must not keep the others alive.
    with _interruptible(), ExitStack() as undo:
        if keep:
            undo.callback(_leave, say)
        else:
            undo.callback(stack.stop_but, before)
        try:
            say("starting PostgreSQL, Kafka, Kafka Connect and Weaviate")
            stack.up(fresh=fresh, die_with=None if before or keep else os.getpid())
            addresses = stack.environment()
            url = airline.database(addresses["POSTGRES_URL"])
            if airline.ensure(url, sizes):
                say(f"made the airline: {sizes.rows:,} rows")
            environment = _environment(addresses, url)
            children = Children(state_folder(), plain_environment() | environment)
            undo.callback(children.stop)
            where = urlsplit(addresses["HEADRACE_EMBEDDER_URL"])
            children.start("embedder", "embedder", "--host", str(where.hostname), "--port", str(where.port))
            say(f"applying {MAPPING_FILE.relative_to(CHECKOUT)}")
            children.call("apply", str(MAPPING_FILE), "--auto-approve")
            started_at = time.time()
            children.start("run", "run")
            state = State(environment["HEADRACE_STATE_URL"])
            undo.callback(state.close)
            rows = airline.count(url)
            yield Scene(url, _settings(environment), state, children, rows, state_folder(), started_at)
        finally:
            # A second Ctrl-C must not leave half of it running, nor a reader that is gone (`| head`).
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            with suppress(OSError):
                say("stopping")


def _is_outdated() -> bool:
    file = state_folder() / "state.db"
    if not file.exists():
        return False
    try:
        State(f"sqlite:///{file}").close()
    except StateOutdated:
        return True
    return False


def _leave(say: Callable[[str], None]) -> None:
    with suppress(OSError):
        say(f"the stack goes on; `docker/native/stack down --name {NAME}` stops it")


def _environment(addresses: dict[str, str], url: str) -> dict[str, str]:
    return {
        **addresses,
        "AIRLINE_URL": url,
        "HEADRACE_PRIVACY_SALT": SALT,
        "HEADRACE_EMBEDDER": "local",
        "HEADRACE_STATE_URL": f"sqlite:///{state_folder() / 'state.db'}",
    }


def _settings(values: dict[str, str]) -> Settings:
    """The children's settings in this process, without changing its environment."""
    prefix = "HEADRACE_"
    own = {name.removeprefix(prefix).lower(): value for name, value in values.items() if name.startswith(prefix)}
    known = {name: value for name, value in own.items() if name in Settings.model_fields}
    return Settings.model_validate(known)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def loading(connection: Connection, since: float) -> Loading:
    """How far the first load is, as the state has it; ``since`` is when this run's worker was started."""
    loaded, offset, heard_at = connection.execute(
        select(func.min(SOURCE.c.loaded), func.min(SOURCE.c.offset_), func.min(SOURCE.c.heard_at)).where(
            SOURCE.c.mapping == MAPPING
        )
    ).one()
    documents, written, owed = connection.execute(
        select(
            func.count(),
            func.count().filter(DOCUMENT.c.chunks > 0),
            func.count().filter(DOCUMENT.c.priority.is_not(None)),
        )
        .join(TYPE, TYPE.c.id == DOCUMENT.c.type_id)
        .where(TYPE.c.mapping == MAPPING, TYPE.c.name != TERMS)
    ).one()
    return Loading((heard_at or 0) > since, bool(loaded), -1 if offset is None else offset, documents, written, owed)


def await_first_load(at: Scene, told: Callable[[Loading], None]) -> Loading:
    """Wait until every document is written once; ``told`` hears how far it is. Raises DemoFailed."""
    before: Loading | None = None
    moved = time.monotonic()
    while True:
        at.children.check()
        with at.state.read() as connection:
            now = loading(connection, at.started_at)
        told(now)
        if now.done:
            return now
        if now != before:
            before, moved = now, time.monotonic()
        elif time.monotonic() - moved > STUCK_AFTER:
            raise DemoFailed(
                f"the first load stands still: {now.written:,} of {now.documents:,} documents written",
                advice=f"The worker's log: {at.log_folder / 'run.log'}; "
                f"the stack's: docker/native/stack logs --name {NAME}",
            )
        time.sleep(LOOK_EVERY)
