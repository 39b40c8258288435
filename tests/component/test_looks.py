"""What looks at every mapping beside the stages: one of which something is wrong hides none behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors.shape import Shape
from sync.errors import HeadraceError, SourceRefused, WeaviateRefused
from sync.mapping.lock import SourceLock
from sync.settings import Settings
from sync.state.backfills import ask
from sync.worker import connectors, schema
from sync.worker.backfills import Backfills
from sync.worker.collections import Collections
from sync.worker.connectors import SILENT_AFTER, Connectors
from sync.worker.schema import Schema
from tests.support.two_mappings import FIRST, SECOND, TwoMappings, failing

WRONG = SourceRefused("the database refuses the connection: password authentication failed")
SETTINGS = Settings(_env_file=None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoMappings]:
    made = TwoMappings(tmp_path)
    yield made
    made.state.close()


class Databases:
    """The first mapping's refuses everything; of the others is noted who was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
        self.asked: list[str] = []
        monkeypatch.setattr(module, "source_database", self._open)

    def _open(self, mapping: Any, _: str) -> Any:
        self.asked.append(mapping.name)
        if mapping.name == FIRST:
            raise WRONG
        return SimpleNamespace(
            lost=lambda _: "its slot is gone",
            replaced=lambda *_: SimpleNamespace(reason=None, marks=None),
            shape=lambda *_: Shape(SourceLock(connector="postgres")),
        )


def test_connectors(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = Databases(monkeypatch, connectors)
    monkeypatch.setattr(connectors, "Topics", lambda _: SimpleNamespace(end=lambda _: 0))
    status = SimpleNamespace(failed=True, running=False, lost=None, unmade=None)
    connect = SimpleNamespace(status=lambda _: status)
    monkeypatch.setattr(connectors, "Connect", lambda *_, **__: nullcontext(connect))
    gaps = list[str]()
    watch = Connectors(world.state, SETTINGS, lambda _: None, lambda mapping, *_: gaps.append(mapping))
    for now in (0, SILENT_AFTER):
        with pytest.raises(SourceRefused):
            watch.look(now)
    assert set(databases.asked) == {FIRST, SECOND}
    assert gaps == [SECOND]


def test_schema(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = Databases(monkeypatch, schema)
    said = list[str]()
    with pytest.raises(SourceRefused):
        Schema(world.state, said.append, lambda *_: None).look()
    assert databases.asked == [FIRST, SECOND]
    assert any(text.startswith(f"{SECOND}.{SECOND}: table") for text in said)  # they are all gone


def test_backfills(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, registered in world.both.items():
        world.set(name, loaded=True)
        with world.state.write() as connection:
            ask(connection, registered, name, f"headrace-{name}", ("bookings",), None, 0)
    begun = list[str]()

    def begin(_: Any, seen: Any) -> None:
        begun.append(seen.source)
        if len(begun) == 1:
            raise WRONG

    monkeypatch.setattr(Backfills, "_begin", begin)
    with pytest.raises(SourceRefused):
        Backfills(world.state, SETTINGS, lambda _: None).look(0)
    assert sorted(begun) == [FIRST, SECOND]


def test_collections(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither another mapping's nor another one of the same."""
    compared = list[str]()

    def compare(_: Any, registered: Any, kind: Any, __: Any) -> None:
        compared.append(f"{registered.name}.{kind.name}")
        if len(compared) == 1:
            raise WeaviateRefused("no")

    monkeypatch.setattr(Collections, "_compare", compare)
    looks = Collections(
        world.state, failing(HeadraceError("")), world.embedder.describe(), SETTINGS, lambda _: None, lambda: None
    )
    with pytest.raises(WeaviateRefused):
        looks.look()
    assert sorted(compared) == ["airline.$terms", "airline.booking", "harbour.$terms", "harbour.booking"]
