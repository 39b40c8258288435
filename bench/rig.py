"""A stack of its own with the airline in it, and Headrace's processes on it as anybody would run them."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import func, select

from bench.figures import NotMeasured
from bench.machine import peak_memory
from connectors.postgres.address import Address
from connectors.postgres.marker import emit
from sync.demo import airline
from sync.demo.processes import CHECKOUT, Child, Children, plain_environment
from sync.evidence.visible import visible
from sync.settings import Settings
from sync.state.database import State
from sync.state.registry import LEDGER, SOURCE, Registered, load
from sync.write.weaviate import Weaviate
from tests.support.stack import Stack

MAPPING = "airline"
FILE = CHECKOUT / "mappings" / "airline.yml"
PATIENCE = 180.0  # seconds that anything may take before the measurement is given up
T = TypeVar("T")
Say = Callable[[str], None]


class Rig:
    """One stack with the airline applied. The worker runs only between ``start_worker`` and ``stop_worker``."""

    def __init__(self, sizes: airline.Sizes, stack: Stack, folder: Path, *, state_on_server: bool = False) -> None:
        self.sizes, self.stack, self.folder = sizes, stack, folder
        addresses = stack.env
        self.url = airline.database(addresses["POSTGRES_URL"])
        airline.ensure(self.url, sizes)
        state = _server_state(addresses["POSTGRES_URL"]) if state_on_server else f"sqlite:///{folder / 'state.db'}"
        own = {"HEADRACE_STATE_URL": state, "HEADRACE_PRIVACY_SALT": "bench"}
        self.environment = {**addresses, **own, "HEADRACE_EMBEDDER": "local", "AIRLINE_URL": self.url}
        self.children = Children(folder, plain_environment() | self.environment)
        self.settings = settings_of(self.environment)
        self.weaviate = Weaviate(self.settings)
        self.worker: Child | None = None

    def apply(self) -> None:
        """The embedder, and the mapping with its collections, topic and connector: no worker yet."""
        where = urlsplit(self.settings.embedder_url)
        self.children.start("embedder", "embedder", "--host", str(where.hostname), "--port", str(where.port))
        self.children.call("apply", str(FILE), "--auto-approve")
        self.state = State(self.environment["HEADRACE_STATE_URL"])
        with self.state.read() as connection:
            self.registered: Registered = load(connection, MAPPING)

    @property
    def topic(self) -> str:
        return next(iter(self.registered.topics.values()))

    def start_worker(self, more: dict[str, str] | None = None, name: str = "run") -> None:
        self.worker = self.children.start(name, "run", more=more)

    def stop_worker(self) -> None:
        if self.worker is not None:
            self.children.end(self.worker)
            self.worker = None

    def worker_peak(self) -> int:
        """The worker's peak resident set so far, in bytes."""
        if self.worker is None:
            raise NotMeasured("no worker runs whose memory could be read")
        return peak_memory(self.worker.process.pid)

    def last_entry(self) -> int:
        """The newest ledger entry's number: what follows is of the measurement."""
        with self.state.read() as connection:
            return int(connection.execute(select(func.coalesce(func.max(LEDGER.c.id), 0))).scalar_one())

    def settle(self, patience: float = PATIENCE) -> None:
        """Wait until everything committed before this call is searchable. Raises NotMeasured."""
        token = uuid.uuid4().hex
        emit(Address(self.url), token)

        def done() -> bool:
            with self.state.read() as connection:
                return visible(connection, self.registered, [token]).yes

        self.await_(done, "everything committed to be searchable", patience=patience, every=0.1)

    def await_(self, found: Callable[[], T | None], what: str, *, patience: float = PATIENCE, every: float = 0.01) -> T:
        """Look until ``found`` gives something true. Raises NotMeasured, DemoFailed when one of our processes ends."""
        end = time.monotonic() + patience
        looks = 0
        while True:
            if result := found():
                return result
            if time.monotonic() > end:
                raise NotMeasured(f"waited {patience:.0f} s for {what}")
            looks += 1
            if looks % 50 == 0:
                self.children.check()
            time.sleep(every)

    def source(self) -> Any:
        """The source's row in the state: how far it is applied."""
        with self.state.read() as connection:
            return connection.execute(select(SOURCE).where(SOURCE.c.mapping == MAPPING)).one()

    def close(self) -> None:
        self.children.stop()
        self.weaviate.close()
        if hasattr(self, "state"):
            self.state.close()


def _server_state(admin: str) -> str:
    with Address(admin).connect() as connection:
        connection.execute("create database headrace_state")
    return admin.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://") + "/headrace_state"


def settings_of(environment: dict[str, str]) -> Settings:
    prefix = "HEADRACE_"
    own = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}
    return Settings.model_validate({name: value for name, value in own.items() if name in Settings.model_fields})


@contextmanager
def rig(
    sizes: airline.Sizes,
    say: Say,
    before: Callable[[Rig], None] = lambda _: None,
    *,
    state_on_server: bool = False,
) -> Iterator[Rig]:
    """A fresh stack and everything on it; nothing of it is left at the end. ``before``: the mapping is applied."""
    say(f"starting a stack with {sizes.rows:,} rows")
    stack = Stack.up(name="bench")
    folder = Path(tempfile.mkdtemp(prefix="headrace-bench-"))
    try:
        made = Rig(sizes, stack, folder, state_on_server=state_on_server)
        try:
            before(made)
            made.apply()
            yield made
        finally:
            made.close()
    finally:
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)
