"""What is owed and why, in the state's terms: the nouns that ① apply and ② write share."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntEnum

BUCKETS = 256


class Priority(IntEnum):
    direct = 0
    fan_out = 1
    backfill = 2


def bucket_of(type_id: int, key: str) -> int:
    """Which of the 256 buckets a document falls into: the same in every process, for ever."""
    return zlib.crc32(f"{type_id}:{key}".encode()) % BUCKETS


@dataclass(frozen=True, slots=True)
class Raise:
    """Why a document is owed: the first change's sequence, its commit time (µs), and what changed.

    ``cause`` is table, row key and operation ("bookings 7 u"), or what else it was: a snapshot, a retry.
    """

    sequence: int
    committed_at: int
    cause: str


@dataclass(frozen=True, slots=True)
class Owed:
    """A document taken to be written."""

    id: int
    type_id: int
    key: str
    wanted: int
    written: int
    priority: int
    owed_from: int
    owed_at: int
    cause: str | None
    sent: int | None
    sent_chunks: int
    digest: str | None
    attempts: int
    doubtful: bool
    discarded: str | None = None  # why nothing of it is to stand in Weaviate, until it is raised again


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an owed document. ``vectors`` are (chunk number, text hash, embedding) that are new."""

    owed: Owed
    outcome: str  # written, removed, unchanged, parked, discarded
    chunks: int = 0
    digest: str | None = None
    vectors: tuple[tuple[int, str, bytes], ...] = ()
    embedded: int = 0
    gone: bool = False
