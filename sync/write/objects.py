"""② write: a built document as Weaviate objects, one a chunk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from sync.mapping.build import Built


@dataclass(frozen=True, slots=True)
class Reflects:
    """Which moment of the source a text reflects: every commit up to ``position`` is in it."""

    position: str
    committed_at: int  # microseconds since 1970


def object_id(mapping: str, document: str, key: str, chunk: int) -> UUID:
    """The object's UUID: uuid5 over mapping, document, canonical key and chunk number as one JSON list.

    A list and not a concatenation: ("a", "bc") and ("ab", "c") must differ.
    """
    return uuid5(NAMESPACE_URL, "headrace:" + orjson.dumps([mapping, document, key, chunk]).decode())


def content_hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def vector_hash(model: str, text: str) -> str:
    """Under which an embedding is stored: another model's vector of the same text is another vector."""
    return blake2b(f"{model}\0{text}".encode(), digest_size=16).hexdigest()


def properties(
    built: Built, chunk: int, *, key: str, level: str, version: str, reflects: Reflects, now: datetime
) -> dict[str, object]:
    """The object's properties of one chunk, as design.md §6 lists them. NULL filters are left out."""
    text = built.chunks[chunk]
    return {
        **built.properties,
        "content": text,
        "document_key": key,
        "chunk": chunk,
        "chunks": len(built.chunks),
        "level": level,
        "content_hash": content_hash(text),
        "source_position": reflects.position,
        "source_committed_at": datetime.fromtimestamp(reflects.committed_at / 1e6, UTC),
        "written_at": now,
        "mapping_version": version,
    }
