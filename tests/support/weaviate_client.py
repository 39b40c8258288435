"""Weaviate as an app sees it: its ordinary client, none of Headrace's code."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

with warnings.catch_warnings(record=True):  # its authentication library announces a move on every import
    import weaviate
from weaviate.classes.init import AdditionalConfig, Timeout


@contextmanager
def connected(env: dict[str, str]) -> Iterator[Any]:
    address = urlsplit(env["HEADRACE_WEAVIATE_URL"])
    client = weaviate.connect_to_local(
        host=address.hostname or "127.0.0.1",
        port=address.port or 8080,
        grpc_port=int(env["HEADRACE_WEAVIATE_GRPC_PORT"]),
        skip_init_checks=True,
        additional_config=AdditionalConfig(timeout=Timeout(init=10, query=60, insert=60)),
    )
    try:
        yield client
    finally:
        client.close()


@dataclass(frozen=True)
class Found:
    """One object; ``vector`` is empty unless it was asked for."""

    uuid: UUID
    properties: dict[str, Any]
    vector: Sequence[float] = ()

    @property
    def place(self) -> tuple[str, int]:
        """Document key and chunk."""
        return str(self.properties["document_key"]), int(self.properties["chunk"])

    @property
    def content(self) -> str:
        return str(self.properties["content"])


def whole_collection(env: dict[str, str], name: str, *, vectors: bool = False) -> list[Found]:
    """Every object. Iterating needs the collection itself, so the alias is resolved first."""
    with connected(env) as client:
        alias = client.alias.get(alias_name=name)
        collection = client.collections.get(alias.collection if alias else name)
        return [
            Found(one.uuid, dict(one.properties), one.vector.get("text", ()))
            for one in collection.iterator(include_vector=vectors, cache_size=1000)
        ]


def by_place(objects: Iterable[Found]) -> dict[tuple[str, int], Found]:
    """Raises AssertionError where two objects say that they are the same chunk: a dict alone would hide one."""
    found: dict[tuple[str, int], Found] = {}
    for one in objects:
        twin = found.setdefault(one.place, one)
        assert twin is one, f"{twin.uuid} and {one.uuid} are both chunk {one.place[1]} of {one.place[0]}"
    return found
