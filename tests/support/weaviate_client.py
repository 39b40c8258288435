"""Weaviate as an app sees it: its ordinary client, none of Headrace's code."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

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


def whole_collection(env: dict[str, str], name: str) -> dict[tuple[str, int], str]:
    """(document key, chunk) → content. Iterating needs the collection itself, so the alias is resolved first."""
    with connected(env) as client:
        alias = client.alias.get(alias_name=name)
        collection = client.collections.get(alias.collection if alias else name)
        wanted = ["document_key", "chunk", "content"]
        return {
            (str(one.properties["document_key"]), int(one.properties["chunk"])): str(one.properties["content"])
            for one in collection.iterator(return_properties=wanted, cache_size=1000)
        }
