"""A Weaviate in memory, with the faults of its edge as vocabulary: reject, fail after write, hold, slow.

For component and property tests; a test that claims something of the real path uses the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sync.errors import OutcomeUnknown, WeaviateUnreachable


class FakeStore:
    """Objects by collection and UUID. ``fault`` is asked before each write and may raise, or answer
    "fail after write": the write takes effect and the caller sees a failure; or "half": as after a kill, what is
    put stands there and no filter finds it. ``held`` writes land later."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[UUID, dict[str, Any]]] = {}
        self.half: set[UUID] = set()  # objects without their entries in the indexes
        self.puts = 0
        self.deletes = 0
        self.fault: Callable[[str], str | None] = lambda _: None
        self.refuse: Callable[[dict[str, Any]], str | None] = lambda _: None
        self.held: list[Callable[[], None]] = []
        self.away = False

    def ready(self) -> bool:
        return not self.away

    def put(self, collection: str, objects: Sequence[Any]) -> dict[UUID, str]:
        self.puts += 1
        refused = {one.uuid: reason for one in objects if (reason := self.refuse(one.properties))}

        def land() -> None:
            self.objects.setdefault(collection, {}).update(
                {one.uuid: dict(one.properties) for one in objects if one.uuid not in refused}
            )

        if self._write("put", land) == "half":
            self.half.update(one.uuid for one in objects)
            raise OutcomeUnknown("the connection was lost")
        return refused

    def renew(self, collection: str, objects: Sequence[Any]) -> dict[UUID, str]:
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
        land()
        if fault == "fail after write":
            raise OutcomeUnknown("the connection was lost")
        return fault

    def read(self, collection: str, ids: Sequence[UUID], *, vectors: bool = False) -> dict[UUID, dict[str, Any]]:
        found = self.objects.get(collection, {})
        return {one: dict(found[one]) for one in ids if one in found and one not in self.half}

    def texts(self, collection: str) -> dict[tuple[str, int], str]:
        """(document key, chunk) → content. Raises AssertionError where two objects say that they are the same chunk."""
        found: dict[tuple[str, int], str] = {}
        for uuid, one in self.objects.get(collection, {}).items():
            place = str(one["document_key"]), int(one["chunk"])
            assert place not in found, f"{uuid} is chunk {place[1]} of {place[0]}, and another object is, too"
            found[place] = str(one["content"])
        return found
