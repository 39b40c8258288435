"""A reader that looks at documents all along, as an app does: by id, by filter and by keyword."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import grpc
import httpx
from weaviate.classes.query import Filter
from weaviate.exceptions import WeaviateBaseError

from sync.write.objects import object_id
from tests.support.background import Background
from tests.support.pipeline import Pipeline
from tests.support.weaviate_client import connected

MENDED_WITHIN = 15.0  # seconds
PRICE = re.compile(r"for ([\d,]+)\.00 EUR")
BAGS = re.compile(r"checked baggage ([\d.]+) kg")


class Onlooker(Background):
    """Looks at the bookings 1..``kept``, one after the other, until stopped.

    ``holes``, ``halves`` and ``older`` say what was wrong: a document that was absent though Weaviate answered, one
    with half a transaction in it (``pairs`` counts the texts that could have shown one), and one that fell back behind
    what had been read of it before. ``gaps`` counts searches by filter or
    keyword that missed a document which the next one found: Weaviate's own, while it gives a rewritten object another
    number. `make bench ARGS="--only gaps"` measures them without us. ``unindexed`` says which documents were found by
    id alone for a while after Weaviate was killed, which ``killed`` tells: it may keep an object without its entries in
    the indexes (tests/faults/test_half_written.py), and nobody can write it again before it is back.
    """

    def __init__(self, pipeline: Pipeline, kept: int, killed: Callable[[], bool] = lambda: False) -> None:
        super().__init__("onlooker")
        self.pipeline, self.kept, self._killed = pipeline, kept, killed
        self._names = self._read_names()
        self.looks = self.pairs = self.refused = self.gaps = 0
        self.holes: list[str] = []
        self.halves: list[str] = []
        self.older: list[str] = []
        self._newest: dict[str, int] = {}
        self.unindexed: list[str] = []
        self._began = time.monotonic()
        self._http = httpx.Client(timeout=10)

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            self._http.close()

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            try:
                with connected(self.pipeline.env) as client:
                    if client.is_ready():  # one that starts answers 404 for what it has, for some 50 ms
                        self._look_on(client)
                    else:
                        self._stopped.wait(0.01)
            except (WeaviateBaseError, grpc.RpcError, httpx.HTTPError):
                self.refused += 1  # an app sees an error, not an absence
                self._stopped.wait(0.1)

    def _look_on(self, client: Any) -> None:
        name = self.pipeline.name.capitalize() + "Booking"
        collection = client.collections.get(name)
        back = time.monotonic()
        number = 0
        while not self._stopped.is_set():
            number = number % self.kept + 1
            key = str(number)
            ways: dict[str, Callable[[], str | None]] = {
                "id": lambda key=key: self._by_id(collection, key),  # type: ignore[misc]
                "filter": lambda key=key: self._by_filter(collection, key),  # type: ignore[misc]
                "keyword": lambda key=key: self._by_keyword(collection, key),  # type: ignore[misc]
            }
            found = {way: look() for way, look in ways.items()}
            missing = [way for way, text in found.items() if text is None]
            if missing and "id" not in missing and all(ways[way]() is not None for way in missing):
                self.gaps += 1
                missing = []
            if missing and client.is_ready():
                own = "id" not in missing and self._killed()
                if not (own and self._is_mended(key, [ways[way] for way in missing], back)):
                    self._note_hole(collection, key, missing)
            for text in found.values():
                if text is not None and not whole(text):
                    self.halves.append(text)
                self.pairs += text is not None and BAGS.search(text) is not None
            self._compare(key, found["id"])
            self.looks += 1

    def _compare(self, key: str, text: str | None) -> None:
        """The price of a kept booking never falls, so a lower one is an older text."""
        price = PRICE.search(text or "")
        if price is None:
            return
        number, newest = int(price[1].replace(",", "")), self._newest.get(key, 0)
        if number < newest:
            self.older.append(f"{time.monotonic() - self._began:.1f} s: booking {key} shows {number} after {newest}")
        self._newest[key] = number

    def _is_mended(self, key: str, ways: list[Callable[[], str | None]], back: float) -> bool:
        """Whether all of these ways find it again within ``MENDED_WITHIN`` of Weaviate's return."""
        try:
            while any(look() is None for look in ways):
                if time.monotonic() > back + MENDED_WITHIN or self._stopped.wait(0.05):
                    return False
            return True
        finally:
            self.unindexed.append(f"booking {key} until {time.monotonic() - back:.1f} s after its return")

    def _note_hole(self, collection: Any, key: str, missing: list[str]) -> None:
        """When it was, and for how long the document went on missing."""
        at = time.monotonic()
        while self._by_id(collection, key) is None and time.monotonic() < at + 5:
            time.sleep(0.001)
        gap = (time.monotonic() - at) * 1000
        self.holes.append(f"{at - self._began:.1f} s: booking {key} by {' and '.join(missing)}, {gap:.0f} ms and more")

    def _by_id(self, collection: Any, key: str) -> str | None:
        """By Weaviate's REST: its gRPC looks for an id as for a filter, by way of a number that an update changes."""
        where = f"{self.pipeline.env['HEADRACE_WEAVIATE_URL']}/v1/objects/{collection.name}"
        found = self._http.get(f"{where}/{object_id(self.pipeline.name, 'booking', key, 0)}")
        if found.status_code == 404:
            return None
        found.raise_for_status()
        return str(found.json()["properties"]["content"])

    def _by_filter(self, collection: Any, key: str) -> str | None:
        found = collection.query.fetch_objects(filters=Filter.by_property("document_key").equal(key), limit=2).objects
        return str(found[0].properties["content"]) if found else None

    def _by_keyword(self, collection: Any, key: str) -> str | None:
        found = collection.query.bm25(self._names[key], query_properties=["content"], limit=5).objects
        return next((str(one.properties["content"]) for one in found if one.properties["document_key"] == key), None)

    def _read_names(self) -> dict[str, str]:
        rows = self.pipeline.query(f"select booking_id, pnr from bookings where booking_id <= {self.kept}")
        return {str(key): pnr for key, pnr in rows}


def whole(text: str) -> bool:
    """Whether price and baggage are one number, as every transaction leaves them."""
    price = PRICE.search(text)
    bags = {float(bag) * 10 for bag in BAGS.findall(text)}
    return price is not None and all(round(bag) == int(price[1].replace(",", "")) for bag in bags)
