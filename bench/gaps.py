"""What Weaviate itself misses while an object is rewritten: bare ``insert_many``, no Headrace on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bench import floors
from bench.course import Course
from bench.figures import Figure, NotMeasured
from sync.demo.question import connect

from weaviate.classes.query import Filter  # isort: skip  (sync.demo.question silences the client's import)

OBJECTS = 50
SECONDS = 20.0
PER_SECOND = 20.0  # objects rewritten, one request each
Way = Callable[[Any, floors.Stored], list[Any]]

WAYS: dict[str, Way] = {
    "id": lambda collection, one: [collection.query.fetch_object_by_id(one.uuid)],
    "filter": lambda collection, one: collection.query.fetch_objects(filters=_own(one), limit=1).objects,
    "keyword": lambda collection, one: (
        collection.query.bm25(str(one.properties["pnr"]), query_properties=["content"], limit=5).objects
    ),
    "vector": lambda collection, one: collection.query.near_vector(one.vector, limit=20).objects,
    "vector and filter": lambda collection, one: (
        collection.query.near_vector(one.vector, filters=_own(one), limit=1).objects
    ),
}


def measure(course: Course) -> list[Figure]:
    course.say(f"gaps of Weaviate's own while {PER_SECOND:.0f} objects a second are rewritten")
    name = next(kind.collection for kind in course.rig.registered.kinds.values() if kind.name == "booking")
    content = floors.stored(course.rig, [name])[name]
    with floors.like(course.rig, name) as collection:
        floors.insert(collection, content)
        looks, missed = _look_on(course, content[:OBJECTS])
    return [
        Figure(
            f"missed by {way} while rewritten, bare Weaviate",
            10_000 * missed[way] / looks[way],
            "of 10,000 looks",
            details={"looks": looks[way], "missed": missed[way]},
        )
        for way in WAYS
    ]


def _look_on(course: Course, objects: list[floors.Stored]) -> tuple[dict[str, int], dict[str, int]]:
    looks, missed = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0)
    writing = _Writing(course, objects)
    writing.start()
    until = time.monotonic() + course.seconds(SECONDS) * len(WAYS)
    try:
        with connect(course.rig.settings) as client:
            collection = client.collections.get(floors.SCRATCH)
            while time.monotonic() < until:
                for one in objects:
                    for way, ask in WAYS.items():
                        found = ask(collection, one)
                        looks[way] += 1
                        missed[way] += not any(each is not None and _same(each, one) for each in found)
    finally:
        writing.stop()
    return looks, missed


class _Writing(threading.Thread):
    """Rewrites one object after the other with another text and vector."""

    def __init__(self, course: Course, objects: list[floors.Stored]) -> None:
        super().__init__(daemon=True)
        self._settings, self._objects = course.rig.settings, objects
        self._until = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            with connect(self._settings) as client:
                collection: Any = client.collections.get(floors.SCRATCH)
                versions = [self._objects, floors.altered(self._objects)]
                turn = 0
                while not self._until.wait(1 / PER_SECOND):
                    turn += 1
                    which = versions[turn // len(self._objects) % 2]
                    floors.insert(collection, [which[turn % len(self._objects)]])
        except BaseException as exc:
            self._failure = exc

    def stop(self) -> None:
        self._until.set()
        self.join(30)
        if self._failure is not None:
            raise NotMeasured(f"the writer failed: {self._failure}")


def _same(found: Any, one: floors.Stored) -> bool:
    """Whether it is a chunk of the same document."""
    return bool(found.properties["document_key"] == one.properties["document_key"])


def _own(one: floors.Stored) -> Any:
    return Filter.by_property("document_key").equal(str(one.properties["document_key"]))
