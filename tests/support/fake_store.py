"""A Weaviate in memory, with the faults of its edge as vocabulary: reject, fail after write, half, hold, slow.

For component and property tests; a test that claims something of the real path uses the real one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sync.errors import ObjectRefused, OutcomeUnknown, WeaviateUnreachable


class FakeStore:
    """Objects by collection and UUID. ``fault`` is asked before each write and may raise, or answer
    "fail after write": the write takes effect and the caller sees a failure; "half": as after a kill, what is
    put stands there and no filter finds it; "hold": the caller sees no answer in time, and ``held`` writes land later;
    "slow": the caller waits, and its write lands, when the test sets ``released``. ``refuse`` says why an object is
    refused for good, ``busy`` why its shard takes nothing just now."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[UUID, dict[str, Any]]] = {}
        self.half: set[UUID] = set()  # objects without their entries in the indexes
        self.puts = 0
        self.deletes = 0
        self.fault: Callable[[str], str | None] = lambda _: None
        self.refuse: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.busy: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.held: list[Callable[[], None]] = []
        self.slow = 0  # writes that wait to be released
        self.released = threading.Event()
        self._lock = threading.Lock()
        self.away = False

    def ready(self) -> bool:
        return not self.away

    def put(self, collection: str, objects: Sequence[Any]) -> dict[UUID, ObjectRefused]:
        self.puts += 1
        refused: dict[UUID, ObjectRefused] = {}
        for one in objects:
            if reason := self.refuse(one.properties):
                refused[one.uuid] = ObjectRefused(reason)
            elif reason := self.busy(one.properties):
                refused[one.uuid] = ObjectRefused(reason, retry=True)

        def land() -> None:
            self.objects.setdefault(collection, {}).update(
                {one.uuid: dict(one.properties) for one in objects if one.uuid not in refused}
            )

        if self._write("put", land) == "half":
            self.half.update(one.uuid for one in objects)
            raise OutcomeUnknown("the connection was lost")
        return refused

    def renew(self, collection: str, objects: Sequence[Any]) -> dict[UUID, ObjectRefused]:
        refused = self.put(collection, objects)
        self.half.difference_update(one.uuid for one in objects)
        return refused

    def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        self.deletes += 1

        def land() -> None:
            for one in ids:
                if one not in self.half:
                    self.objects.get(collection, {}).pop(one, None)

        self._write("delete", land)

    def erase(self, collection: str, ids: Sequence[UUID]) -> None:
        def land() -> None:
            for one in ids:
                self.half.discard(one)
                self.objects.get(collection, {}).pop(one, None)

        self._write("erase", land)

    def _write(self, kind: str, land: Callable[[], None]) -> str | None:
        if self.away:
            raise WeaviateUnreachable("Weaviate is away")
        fault = self.fault(kind)
        if fault == "hold":  # a stalled proxy: the caller times out, the request lands later
            self.held.append(land)
            raise OutcomeUnknown("no answer in time")
        if fault == "slow":
            with self._lock:
                self.slow += 1
            assert self.released.wait(30), "nobody released what was slow"
        land()
        if fault == "fail after write":
            raise OutcomeUnknown("the connection was lost")
        return fault

    def read(
        self,
        collection: str,
        ids: Sequence[UUID],
        *,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> dict[UUID, dict[str, Any]]:
        found = self.objects.get(collection, {})
        return {one: _some(found[one], properties) for one in ids if one in found and one not in self.half}

    def page(
        self, collection: str, after: UUID | None, limit: int, properties: Sequence[str]
    ) -> list[tuple[UUID, dict[str, Any]]]:
        found = self.objects.get(collection, {})
        following = sorted(one for one in found if after is None or one > after)[:limit]
        return [(one, _some(found[one], properties)) for one in following]

    def texts(self, collection: str) -> dict[tuple[str, int], str]:
        """(document key, chunk) → content. Raises AssertionError where two objects say that they are the same chunk."""
        found: dict[tuple[str, int], str] = {}
        for uuid, one in self.objects.get(collection, {}).items():
            place = str(one["document_key"]), int(one["chunk"])
            assert place not in found, f"{uuid} is chunk {place[1]} of {place[0]}, and another object is, too"
            found[place] = str(one["content"])
        return found


def _some(values: dict[str, Any], properties: Sequence[str] | None) -> dict[str, Any]:
    return {name: value for name, value in values.items() if properties is None or name in properties}
