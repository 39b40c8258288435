"""A first load of a million rows beside one of a hundred thousand: memory, and documents per second.

Weaviate itself takes longer for an object the more objects it has, so each load is compared with bare ``insert_many``
of the same objects into an empty collection on the same stack.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bench.figures import Figure, Goal
from bench.first_load import MB, owed
from bench.floors import Stored, insert, like, read
from bench.memory import GROWTH, scaled
from bench.recording import completed, record
from bench.rig import Rig, Say, rig

ROWS = 1_000_000
PATIENCE = 3600.0  # seconds
PART = 10_000  # objects in memory at once


@dataclass(frozen=True)
class Done:
    """``rate`` and ``bare`` in documents/s: ours from the snapshot's end to the last write, and ``insert_many``'s.

    ``peak`` in bytes.
    """

    rows: int
    documents: int
    rate: float
    bare: float
    peak: int

    @property
    def share(self) -> float:
        return self.rate / self.bare


def measure(say: Say, *, quick: bool) -> list[Figure]:
    """The same airline ten times as large: narrow rows, made up. The ledger does not keep so many writes."""
    rows = ROWS // 10 if quick else ROWS
    few, many = _load(rows // 10, say), _load(rows, say)
    details = {"rows": many.rows, "documents": many.documents}
    rates = {
        f"{one.rows:,} rows": {"documents_per_s": round(one.rate), "bare_insert_many_per_s": round(one.bare)}
        for one in (few, many)
    }
    return [
        Figure(
            f"worker memory with {many.rows:,} rows, peak",
            many.peak / MB,
            "MB",
            Goal("at most", GROWTH),
            few.peak / MB,
            details,
        ),
        Figure(
            f"first load of {many.rows:,} rows: share of bare insert_many's rate",
            many.share,
            "",
            Goal("at least", 1),
            few.share,
            details | rates,
        ),
    ]


def _load(rows: int, say: Say) -> Done:
    with rig(scaled(rows), say) as made:
        record(made, completed, keep=False, patience=PATIENCE)
        say("first load")
        made.start_worker()
        made.await_(lambda: made.source().loaded, "COMPLETED", patience=PATIENCE, every=0.2)
        began = time.monotonic()
        made.await_(lambda: owed(made) == 0, "the first load to end", patience=PATIENCE, every=0.5)
        took, peak = time.monotonic() - began, made.worker_peak()
        made.stop_worker()
        documents = made.sizes.bookings + made.sizes.flights
        say("floor: bare insert_many of the same objects")
        return Done(made.sizes.rows, documents, documents / took, documents / _bare(made), peak)


def _bare(made: Rig) -> float:
    """Seconds that ``insert_many`` alone takes for all objects; those of the load are gone afterwards."""
    spent = 0.0
    for kind in made.registered.kinds.values():
        if kind.plan is None:
            continue
        file = made.folder / "objects"
        _keep(read(made, kind.collection), file)
        with like(made, kind.collection) as collection:
            # Weaviate holds every vector in memory: twice as many would slow it down.
            made.weaviate.drop_collection(kind.collection)
            for part in _kept(file):
                began = time.perf_counter()
                insert(collection, part)
                spent += time.perf_counter() - began
    return spent


def _keep(objects: Iterator[Stored], file: Path) -> None:
    with file.open("wb") as output:
        while part := list(islice(objects, PART)):
            vectors = np.array([one.vector for one in part], dtype=np.float32)
            pickle.dump(([(one.uuid, one.properties) for one in part], vectors), output)


def _kept(file: Path) -> Iterator[list[Stored]]:
    size = file.stat().st_size
    with file.open("rb") as source:
        while source.tell() < size:
            objects, vectors = pickle.load(source)
            yield [
                Stored(uuid, properties, vector.tolist())
                for (uuid, properties), vector in zip(objects, vectors, strict=True)
            ]
