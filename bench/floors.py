"""The floors: what the real components need for the same work without Headrace, measured in the same run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from bench import generator
from bench.figures import NotMeasured, percentile
from bench.recording import Listening
from bench.rig import Rig
from connectors.change import Change
from sync.demo.question import connect
from sync.embed.local import LocalEmbedder
from sync.write.wire import VECTOR

from weaviate.classes.data import DataObject  # isort: skip  (sync.write.wire silences the client's import)
from weaviate.collections import Collection  # isort: skip

BATCH = 500
SCRATCH = "BenchFloor"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it stands in Weaviate: what Headrace wrote, with its vector ready."""

    uuid: UUID
    properties: dict[str, object]
    vector: list[float]

    def data(self) -> DataObject[dict[str, object], None]:
        return DataObject(uuid=self.uuid, properties=self.properties, vector={VECTOR: self.vector})


def commit_to_kafka(rig: Rig, *, rate: float = 20.0, count: int = 200) -> list[float]:
    """Milliseconds from COMMIT's return to the record's arrival at a plain consumer, with nothing else going on."""
    listening = Listening(rig)
    # The consumer's first fetch is under way before the first change is committed.
    warm = generator.run(rig.url, rate, generator.keys(5, rig.sizes.bookings, seed=1))
    load = generator.run(
        rig.url,
        rate,
        generator.keys(count, rig.sizes.bookings, seed=2, apart_from=frozenset(int(one.key) for one in warm.sent)),
    )
    wanted = {one.key for one in load.sent}

    def all_arrived() -> bool:
        return wanted <= _arrivals(listening).keys()

    rig.await_(all_arrived, "the changes to arrive in Kafka", every=0.05)
    listening.stop()
    arrived = _arrivals(listening)
    return [(arrived[one.key] - one.committed) / 1000 for one in load.sent]


def _arrivals(listening: Listening) -> dict[str, int]:
    recording = listening.recording
    found: dict[str, int] = {}
    for record, at in zip(recording.decoded(), list(recording.arrived), strict=False):
        if isinstance(record, Change) and record.table == "public.bookings" and record.key:
            found[str(record.key["booking_id"])] = at
    return found


def stored(rig: Rig, collections: Sequence[str]) -> dict[str, list[Stored]]:
    """All objects of these collections, with their vectors."""
    return {name: list(read(rig, name)) for name in collections}


def read(rig: Rig, collection: str) -> Iterator[Stored]:
    """Every object of one collection, a page at a time."""
    with connect(rig.settings) as client:
        for one in client.collections.get(collection).iterator(include_vector=True):
            yield Stored(one.uuid, _present(one.properties), list(_vector(one.vector)))


def _present(properties: Mapping[str, object]) -> dict[str, object]:
    """Without those that have no value, as Headrace writes them."""
    return {name: value for name, value in properties.items() if value is not None}


def _vector(named: object) -> Sequence[float]:
    vector = named[VECTOR] if isinstance(named, dict) else named
    return vector  # type: ignore[return-value]


@contextmanager
def like(rig: Rig, name: str) -> Iterator[Collection[dict[str, object], None]]:
    """An empty collection with exactly the schema of ``name``, dropped at the end."""
    schema = rig.weaviate.schema(name)
    if schema is None:
        raise NotMeasured(f"there is no collection {name}")
    copy = {key: schema[key] for key in ("properties", "vectorConfig", "invertedIndexConfig")}
    rig.weaviate.drop_collection(SCRATCH)
    rig.weaviate.create_collection({"class": SCRATCH, **copy})
    with connect(rig.settings) as client:
        try:
            yield client.collections.get(SCRATCH)
        finally:
            rig.weaviate.drop_collection(SCRATCH)


@dataclass(frozen=True)
class Inserts:
    """Bare ``insert_many``: rates in objects/s in batches of 500, and single changed objects in ms each."""

    new: float
    changed: float
    one: tuple[float, ...]

    @property
    def one_p50(self) -> float:
        return percentile(self.one, 50)


def inserts(rig: Rig, objects: dict[str, list[Stored]], *, singles: int = 200, changed: int = 4000) -> Inserts:
    """Insert the same objects anew, change vectors one by one, and change vectors in batches."""
    spent, count = 0.0, 0
    singly: tuple[float, ...] = ()
    changed_rate = 0.0
    for name, content in objects.items():
        with like(rig, name) as collection:
            began = time.perf_counter()
            insert(collection, content)
            spent += time.perf_counter() - began
            count += len(content)
            if name == "Booking_g1":
                other = altered(content[: singles + changed])
                singly = tuple(_timed(collection, [one]) * 1000 for one in other[:singles])
                rest = other[singles:]
                changed_rate = len(rest) / _timed(collection, rest)
    return Inserts(count / spent, changed_rate, singly)


def insert(collection: Collection[dict[str, object], None], content: Sequence[Stored]) -> None:
    for start in range(0, len(content), BATCH):
        done = collection.data.insert_many([one.data() for one in content[start : start + BATCH]])
        if done.has_errors:
            raise NotMeasured(f"bare insert_many refused {len(done.errors)} objects")


def _timed(collection: Collection[dict[str, object], None], content: Sequence[Stored]) -> float:
    began = time.perf_counter()
    insert(collection, content)
    return time.perf_counter() - began


def altered(content: Sequence[Stored]) -> list[Stored]:
    """The same objects with another price in their text, and that text's vector: as a change would leave them."""
    texts = [str(one.properties["content"]).replace(" EUR", "1 EUR") for one in content]
    vectors = LocalEmbedder().embed(texts, purpose="document")
    return [
        Stored(one.uuid, {**one.properties, "content": text}, np.asarray(vector).tolist())
        for one, text, vector in zip(content, texts, vectors, strict=True)
    ]
