"""What somebody did to objects behind our back is found and mended, whatever else is owed all along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select, update

from sync.errors import WeaviateRefused
from sync.settings import Settings
from sync.state.registry import DOCUMENT, MAPPING
from sync.worker import comparing
from sync.worker.collections import Collections
from sync.write.objects import content_hash, object_id
from tests.component.test_isolation import two_documents
from tests.support.airline import BOOKING, FLIGHT, first_rows
from tests.support.fake_store import FakeStore
from tests.support.world import World

NAME = "Flight_g1"
FLIGHTS = range(40, 50)


class Edge(FakeStore):
    """Its collections stand as they should, and it notes for how many objects it is asked at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.most = 1_000_000  # objects that one answer may hold

    def alias(self, alias: str) -> str:
        return f"{alias}_g1"

    def read(self, collection: str, ids: Sequence[UUID], **more: Any) -> Any:
        self.asked.append(len(ids))
        if len(ids) > self.most:
            raise WeaviateRefused("received message larger than max")
        return super().read(collection, ids, **more)

    def page(self, collection: str, after: UUID | None, limit: int, properties: Sequence[str]) -> Any:
        self.asked.append(limit)
        return super().page(collection, after, limit, properties)


class Watched(World):
    """Ten flights and a booking are written; a second booking is owed all along."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(directory, two_documents())
        self.edge = self.store = Edge()
        self.stage = self.new_stage()
        self.log.snapshot({**first_rows(), "flights": [{**FLIGHT, "flight_id": n, "note": str(n)} for n in FLIGHTS]})
        self.settle()
        self.log.commit(("bookings", "c", {**BOOKING, "booking_id": 8, "pnr": "OWED01"}))
        self.apply()
        self.log.commit(("flights", "u", {**FLIGHT, "flight_id": 49, "note": "owed"}))
        self.apply()
        monkeypatch.setattr("sync.write.collections.exists", lambda *_: True)
        monkeypatch.setattr("sync.write.collections.differences", lambda *_: [])
        self.said: list[str] = []
        model = self.embedder.describe()
        settings = Settings(check_every=0.001)  # a page of each collection in each look
        self.watch = Collections(self.state, self.edge, model, settings, self.said.append, lambda: None)  # type: ignore[arg-type]

    @property
    def flights(self) -> dict[UUID, dict[str, Any]]:
        return self.store.objects[NAME]

    def id(self, key: int | str, chunk: int = 0) -> UUID:
        return object_id("airline", "flight", str(key), chunk)

    def mended(self) -> set[str]:
        """Keys of what is owed because it was found otherwise."""
        with self.state.read() as connection:
            found = connection.execute(
                select(DOCUMENT.c.key).where(
                    DOCUMENT.c.cause == "collection mended",
                    DOCUMENT.c.priority.is_not(None),
                    DOCUMENT.c.type_id == self.registered.kinds["flight"].id,
                )
            )
            return set(found.scalars())


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    world = Watched(tmp_path, monkeypatch)
    yield world
    world.state.close()


def gone(world: Watched) -> None:
    del world.flights[world.id(43)]


def edited(world: Watched) -> None:
    world.flights[world.id(43)]["content"] = "made up"


def edited_with_its_hash(world: Watched) -> None:
    world.flights[world.id(43)].update(content="made up", content_hash=content_hash("made up"))


def hash_edited(world: Watched) -> None:
    world.flights[world.id(43)]["content_hash"] = "made up"


def surplus(world: Watched) -> None:
    world.flights[world.id(43, 5)] = {**world.flights[world.id(43)], "chunk": 5}


@pytest.mark.parametrize("harm", [gone, edited, edited_with_its_hash, hash_edited, surplus])
def test_a_document_that_stands_otherwise_is_written_again_though_others_are_owed(
    watched: Watched, harm: Callable[[Watched], None]
) -> None:
    before = {uuid: dict(values) for uuid, values in watched.flights.items()}
    texts = watched.embedder.texts
    harm(watched)
    watched.watch.look()
    assert watched.mended() == {"43"}
    assert len(watched.said) == 1
    watched.write()
    assert set(watched.flights) == set(before)
    for uuid, values in before.items():
        if uuid != watched.id(49):
            assert watched.flights[uuid]["content"] == values["content"]
            assert watched.flights[uuid]["content_hash"] == values["content_hash"]
    assert watched.embedder.texts == texts + 2, "only what was owed before had a new text"
    watched.watch.look()
    assert len(watched.said) == 1, "it is mended"


def test_what_stands_as_it_was_written_is_left_alone(watched: Watched) -> None:
    watched.watch.look()
    assert watched.mended() == set()
    assert watched.said == []


@pytest.mark.parametrize("key", ["no such flight", "43"], ids=["of nothing", "of a document there is"])
def test_an_object_that_nobody_wrote_is_taken_away(watched: Watched, key: str) -> None:
    stranger = uuid4()
    watched.flights[stranger] = {"document_key": key, "chunk": 0, "content": "made up"}
    watched.flights[uuid4()] = {"content": "without any name"}
    watched.watch.look()
    assert set(watched.flights) == {watched.id(n) for n in FLIGHTS}
    assert watched.mended() == set()


def test_an_object_of_a_document_that_is_gone_is_taken_away_by_the_stage(watched: Watched) -> None:
    """Not at once: the document may come back in this very moment."""
    old = watched.id(99, 1)
    watched.flights[old] = {**watched.flights[watched.id(43)], "document_key": "99", "chunk": 1}
    watched.watch.look()
    assert old in watched.flights
    assert watched.mended() == {"99"}
    watched.write()
    assert old not in watched.flights
    with watched.state.read() as connection:
        assert connection.execute(select(DOCUMENT).where(DOCUMENT.c.key == "99")).first() is None


def test_an_object_that_bears_another_documents_name_is_put_right(watched: Watched) -> None:
    watched.flights[watched.id(43)]["document_key"] = "44"
    watched.watch.look()
    watched.write()
    assert watched.flights[watched.id(43)]["document_key"] == "43"


def test_a_document_that_is_written_while_weaviate_is_asked_is_not_judged(watched: Watched) -> None:
    real = watched.edge.read

    def read(collection: str, ids: Sequence[UUID], **more: Any) -> Any:
        found = real(collection, ids, **more)
        if collection == NAME and "written" not in watched.__dict__:
            watched.__dict__["written"] = True
            found.pop(watched.id(41))  # as one may seem that is being replaced
            watched.log.commit(("flights", "u", {**FLIGHT, "flight_id": 41, "note": "new"}))
            watched.settle()
        return found

    watched.edge.read = read  # type: ignore[method-assign]
    watched.watch.look()
    assert watched.mended() == set()
    assert watched.said == []


def test_what_is_taken_away_while_objects_are_listed_is_nobodys_harm(watched: Watched) -> None:
    real = watched.edge.page

    def page(collection: str, *more: Any) -> Any:
        listed = real(collection, *more)
        if collection == NAME:
            watched.log.commit(("flights", "d", {**FLIGHT, "flight_id": 41}))
            watched.settle()
        return listed

    watched.edge.page = page  # type: ignore[method-assign,assignment]
    watched.watch.look()
    assert watched.mended() == set()
    assert watched.said == []


def test_an_object_that_was_put_right_since_it_was_listed_stays(watched: Watched) -> None:
    real, mine = watched.edge.page, watched.id(43)

    def page(collection: str, *more: Any) -> Any:
        if collection == NAME:
            watched.flights[mine]["document_key"] = "no such flight"
        listed = real(collection, *more)
        watched.flights[mine]["document_key"] = "43"
        return listed

    watched.edge.page = page  # type: ignore[method-assign,assignment]
    watched.watch.look()
    assert mine in watched.flights


def test_what_is_parked_in_doubt_or_owed_is_not_judged(watched: Watched) -> None:
    watched.store.refuse = lambda properties: "no" if properties["document_key"] == "42" else None
    watched.log.commit(("flights", "u", {**FLIGHT, "flight_id": 42, "note": "new"}))
    watched.settle()
    faults = iter(["hold"])
    watched.store.fault = lambda _: next(faults, None)
    watched.log.commit(("flights", "u", {**FLIGHT, "flight_id": 44, "note": "new"}))
    watched.apply()
    watched.stage.step()
    watched.log.commit(("flights", "u", {**FLIGHT, "flight_id": 45, "note": "new"}))
    watched.apply()
    with watched.state.write() as connection:  # parked before anything was sent, and in doubt besides
        for key, harm in ((46, {"parked": "cannot be built"}), (47, {"doubtful": True})):
            connection.execute(update(DOCUMENT).where(DOCUMENT.c.key == str(key)).values(**harm))
    for key in (42, 44, 45, 46, 47):
        del watched.flights[watched.id(key)]
    watched.watch.look()
    assert watched.mended() == set()


def test_a_look_asks_for_a_page_and_looks_go_round(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "DOCUMENTS_AT_ONCE", 2)
    monkeypatch.setattr(comparing, "OBJECTS_AT_ONCE", 3)
    for _ in range(2):  # round after round
        del watched.flights[watched.id(48)]  # the last but one: the last one is owed
        stranger = max(watched.flights, key=lambda one: one.int)
        other = UUID(int=stranger.int + 1)
        watched.flights[other] = {"document_key": "no such flight", "chunk": 0}
        looks = 0
        while other in watched.flights or "48" not in watched.mended():
            watched.edge.asked.clear()
            watched.watch.look()
            looks += 1
            assert max(watched.edge.asked) <= 3
            assert looks < 20, "it never came round"
        assert looks > 2
        watched.write()
        watched.log.commit(("flights", "u", {**FLIGHT, "flight_id": 49, "note": f"owed {looks}"}))
        watched.apply()


def test_more_text_than_an_answer_may_hold_is_asked_for_in_parts(watched: Watched) -> None:
    watched.edge.most = 2
    gone(watched)
    watched.watch.look()
    assert watched.mended() == {"43"}


def test_of_a_mapping_that_is_being_removed_nothing_is_owed(watched: Watched) -> None:
    real = watched.edge.read

    def read(collection: str, ids: Sequence[UUID], **more: Any) -> Any:
        with watched.state.write() as connection:
            connection.execute(delete(MAPPING))
        return real(collection, ids, **more)

    gone(watched)
    watched.edge.read = read  # type: ignore[method-assign]
    watched.watch.look()
    assert watched.mended() == set()
