"""State, apply and write of one mapping in one process, over a fake store: what component tests drive by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from connectors.change import Record
from sync.apply.apply import Applier
from sync.embed.base import Model
from sync.mapping.assemble import MemoryRows, assemble
from sync.mapping.build import Builder
from sync.mapping.image import image
from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.state.database import State
from sync.state.registry import DOCUMENT, LEDGER, register
from sync.write.stage import Stage
from tests.support.airline import KEYS, Log, lock, mapping
from tests.support.fake_store import FakeStore

MAX_TEXT = 100_000


class CountingEmbedder:
    """Vectors that need no model, and how many texts they were asked for."""

    def __init__(self) -> None:
        self.texts = 0
        self.calls = 0

    def describe(self) -> Model:
        return Model("counting", 4, "local", "")

    def embed(self, texts: Sequence[str], *, purpose: str) -> Any:
        self.calls += 1
        self.texts += len(texts)
        return np.array([[len(t), hash(t) % 97, 1.0, 0.5] for t in texts], dtype=np.float32)


class World:
    """One mapping registered in a fresh state: SQLite, or ``state_url``."""

    def __init__(
        self, directory: Path, made: Mapping | None = None, state_url: str = "", locked: Lock | None = None
    ) -> None:
        self.mapping = made or mapping()
        self.state = State(state_url or f"sqlite:///{directory}/state.db")
        with self.state.write() as connection:
            self.registered = register(
                connection, self.mapping, locked or lock(), {"airline": ("headrace.airline.airline", "id")}
            )
        self.log = Log()
        self.store, self.embedder = FakeStore(), CountingEmbedder()
        self.applier = Applier(self.state, self.registered, "airline", max_text_bytes=MAX_TEXT)
        self.stage = self.new_stage()
        self.taken = 0

    def new_stage(self) -> Stage:
        """A stage as a restarted worker has it: nothing in memory."""
        stage = Stage(self.state, self.store, self.embedder, lanes=1)
        stage.serve([self.registered])
        return stage

    def restart(self) -> None:
        """As after kill -9: what was in memory is gone, what is in the state counts."""
        self.applier = Applier(self.state, self.registered, "airline", max_text_bytes=MAX_TEXT)
        self.stage = self.new_stage()
        with self.state.write() as connection:
            self.stage.documents.inherit(0.0, connection)
        self.taken = self.applier.progress.offset + 1

    def apply(self, upto: int | None = None) -> None:
        """Apply what the log has, or its records up to ``upto`` (exclusive)."""
        records: list[Record] = self.log.records[self.taken : upto]
        if records:
            self.applier.apply(records)
            self.taken += len(records)

    def write(self) -> None:
        """Write until nothing can be taken."""
        while self.stage.step():
            pass

    def settle(self) -> None:
        self.apply()
        self.write()

    @property
    def texts(self) -> dict[tuple[str, int], str]:
        return self.store.texts("Booking_g1")

    def document(self, key: str) -> Any:
        with self.state.read() as connection:
            kind = self.registered.kinds["booking"].id
            return connection.execute(
                select(DOCUMENT).where(DOCUMENT.c.type_id == kind, DOCUMENT.c.key == key)
            ).one_or_none()

    def ledger(self) -> list[tuple[str, str]]:
        """(document key, outcome) of every booking so far."""
        with self.state.read() as connection:
            kind = self.registered.kinds["booking"].id
            rows = connection.execute(
                select(LEDGER.c.key, LEDGER.c.outcome).where(LEDGER.c.type_id == kind).order_by(LEDGER.c.id)
            )
            return [(key, outcome) for key, outcome in rows]

    def expected(self, rows: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, int], str]:
        """What the collection must hold for these rows: built from them alone."""
        plan = self.registered.plan
        images = {name: [image(plan.tables[name], row, MAX_TEXT) for row in rows.get(name, [])] for name in KEYS}
        document = plan.documents["booking"]
        keys = [str(row["booking_id"]) for row in rows.get("bookings", [])]
        gathered = assemble(plan, document, keys, MemoryRows(plan, images))
        builder = Builder(plan, document)
        return {
            (key, number): text
            for key, one in gathered.items()
            if one is not None
            for number, text in enumerate(builder.build(one).chunks)
        }
