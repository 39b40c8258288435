"""Beside the worker's stages: what stands in Weaviate compared with the state, page by page, while changes flow.

A document is judged only if it was settled, at the same revision, before and after Weaviate was asked: whatever else
is owed meanwhile does not matter. What is wrong is owed again, and so mended the way by which all is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sync.embed.base import Model
from sync.errors import WeaviateRefused
from sync.state.database import State
from sync.state.mending import expect_chunks, write_anew
from sync.state.owed import Priority, Raise
from sync.state.raises import Raises
from sync.state.registry import DocumentKind, Registered, applied, next_sequence
from sync.state.written import Written, known, page
from sync.write.objects import content_hash, object_id, vector_hash
from sync.write.weaviate import Weaviate

DOCUMENTS_AT_ONCE = 500
OBJECTS_AT_ONCE = 1_000
MOST_CHUNKS = 100_000  # an object with a higher number was not written by us
NAMES = ("document_key", "chunk")
TEXTS = (*NAMES, "content", "content_hash")


@dataclass
class Place:
    """How far a collection is compared in this round: the last document's key, the last object's UUID."""

    document: str | None = None
    object: UUID | None = None
    documents_done: bool = False
    objects_done: bool = False

    @property
    def done(self) -> bool:
        return self.documents_done and self.objects_done


@dataclass
class Harm:
    """What was found: documents that do not stand as written, objects that nobody wrote."""

    documents: int = 0
    objects: int = 0

    def __bool__(self) -> bool:
        return self.documents > 0 or self.objects > 0


class Comparing:
    """Compares one collection with the state, a page at a time. Raises what state and store raise."""

    def __init__(self, state: State, store: Weaviate, model: Model, registered: Registered, kind: DocumentKind) -> None:
        self._state, self._store, self._model = state, store, model.name
        self._registered, self._kind = registered, kind
        self._raises = Raises(state)

    def step(self, place: Place, harm: Harm) -> None:
        """The next page of documents and the next page of objects; ``place`` moves on, ``harm`` grows."""
        if not place.documents_done:
            self._documents(place, harm)
        if not place.objects_done:
            self._objects(place, harm)

    # -- documents that the state knows: do they stand as they were written? ------------------------

    def _documents(self, place: Place, harm: Harm) -> None:
        with self._state.read() as connection:
            found, last = page(connection, self._kind.id, place.document, DOCUMENTS_AT_ONCE)
        wrong: list[str] = []
        try:
            for part in _parts([one for one in found.values() if one is not None and one.chunks]):
                wrong += self._wrong(part)
        except WeaviateRefused:
            place.document, place.documents_done = last, last is None  # or it would be asked for again for ever
            raise
        if wrong:
            self._owe(lambda connection, why: write_anew(connection, self._kind.id, wrong, why))
        place.document, place.documents_done = last, last is None
        harm.documents += len(wrong)

    def _wrong(self, part: Sequence[Written]) -> list[str]:
        """Keys of those that Weaviate has otherwise."""
        ids = {one.key: [self._id(one.key, number) for number in range(one.chunks)] for one in part}
        try:
            found = self._store.read(
                self._kind.collection, [each for mine in ids.values() for each in mine], properties=TEXTS
            )
        except WeaviateRefused:
            if len(part) == 1:
                raise
            half = len(part) // 2  # it may be more text than one answer may hold
            return self._wrong(part[:half]) + self._wrong(part[half:])
        suspect = [one for one in part if not self._stands(one, [found.get(each) for each in ids[one.key]])]
        if not suspect:
            return []
        with self._state.read() as connection:
            again = known(connection, self._kind.id, [one.key for one in suspect])
        return [one.key for one in suspect if again.get(one.key) == one]

    def _stands(self, one: Written, objects: Sequence[Mapping[str, Any] | None]) -> bool:
        if len(one.hashes) != len(objects):
            return False
        for number, (values, wanted) in enumerate(zip(objects, one.hashes, strict=True)):
            if values is None or _named(values) != (one.key, number):
                return False
            text = str(values.get("content"))
            if vector_hash(self._model, text) != wanted or values.get("content_hash") != content_hash(text):
                return False
        return True

    # -- objects in Weaviate: did somebody of ours write them? --------------------------------------

    def _objects(self, place: Place, harm: Harm) -> None:
        listed = self._store.page(self._kind.collection, place.object, OBJECTS_AT_ONCE, NAMES)
        foreign, surplus = self._strange(dict(listed))
        if foreign or surplus:
            # Asked again: what was taken away or put right since then is nobody's harm.
            there = self._store.read(self._kind.collection, [*foreign, *surplus], properties=NAMES)
            still_foreign, still_surplus = self._strange(there)
            self._store.erase(self._kind.collection, [each for each in foreign if each in still_foreign])
            both = {uuid: one for uuid, one in surplus.items() if still_surplus.get(uuid) == one}
            if both:
                self._take_away(both.values())
            harm.objects += len(both) + len(foreign.keys() & still_foreign.keys())
        place.object, place.objects_done = (listed[-1][0], False) if listed else (None, True)

    def _strange(
        self, listed: Mapping[UUID, Mapping[str, Any]]
    ) -> tuple[dict[UUID, None], dict[UUID, tuple[str, int, Written | None]]]:
        """Objects that no document ever had; and those that a document has too much, or had when there was one."""
        named = {uuid: _named(values) for uuid, values in listed.items()}
        with self._state.read() as connection:
            documents = known(connection, self._kind.id, {key for key, _ in named.values()})
        foreign: dict[UUID, None] = {}
        surplus: dict[UUID, tuple[str, int, Written | None]] = {}
        for uuid, (key, number) in named.items():
            if not 0 <= number < MOST_CHUNKS or self._id(key, number) != uuid:
                foreign[uuid] = None
            elif key not in documents:
                surplus[uuid] = (key, number, None)
            elif (one := documents[key]) is not None and number >= one.chunks:
                surplus[uuid] = (key, number, one)
        return foreign, surplus

    def _take_away(self, found: Collection[tuple[str, int, Written | None]]) -> None:
        """Their documents are owed: the stage takes away what is too much, and no write of it can be in between."""
        highest: dict[str, int] = {}
        for key, number, _ in found:
            highest[key] = max(highest.get(key, 0), number + 1)

        def owe(connection: Any, why: Raise) -> None:
            keys = list(highest)
            self._raises.raise_keys(connection, self._kind.id, dict.fromkeys(keys, why), Priority.backfill)
            expect_chunks(connection, self._kind.id, highest)
            write_anew(connection, self._kind.id, keys, why)

        self._owe(owe)

    # -----------------------------------------------------------------------------------------------

    def _owe(self, owe: Callable[[Any, Raise], None]) -> None:
        with self._state.write() as connection:
            if self._registered.name not in applied(connection):
                return  # it was removed meanwhile
            sequence = next_sequence(self._state, connection, self._registered.name, 1)
            owe(connection, Raise(sequence, time.time_ns() // 1000, "collection mended"))
            self._state.announce(connection)

    def _id(self, key: str, number: int) -> UUID:
        return object_id(self._registered.name, self._kind.name, key, number)


def _named(values: Mapping[str, Any]) -> tuple[str, int]:
    """Document key and chunk number that an object bears; no number: -1."""
    number = values.get("chunk")
    whole = isinstance(number, (int, float)) and number == int(number)
    return str(values.get("document_key", "")), int(number) if whole and number is not None else -1


def _parts(documents: Sequence[Written]) -> list[list[Written]]:
    """Whole documents, so many that one request may ask for their objects."""
    parts: list[list[Written]] = []
    size = OBJECTS_AT_ONCE
    for one in documents:
        if size + one.chunks > OBJECTS_AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(one)
        size += one.chunks
    return parts
