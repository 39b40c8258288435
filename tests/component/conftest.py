"""A fresh world for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.write.weaviate import Weaviate
from tests.support.edge import settings
from tests.support.fake_weaviate import META, FakeWeaviate, http_server
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.state.close()


@pytest.fixture
def fake() -> Iterator[FakeWeaviate]:
    made = FakeWeaviate()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(fake: FakeWeaviate) -> Iterator[Weaviate]:
    with http_server(META) as (port, _), Weaviate(settings(port, fake.port, request_timeout=1.0)) as made:
        yield made
