"""One document type, one text or the embedder fails: the others go on, and nothing is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sync.errors import (
    EmbedderLimited,
    EmbedderRefused,
    EmbedderUnreachable,
    HeadraceError,
    OutcomeUnknown,
    WeaviateRefused,
)
from sync.mapping.model import Mapping
from sync.state.registry import DOCUMENT
from sync.write import rests
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, first_rows, mapping
from tests.support.pipeline import wait_until
from tests.support.world import World


def two_documents() -> Mapping:
    model = mapping().model_dump(by_alias=True, exclude_unset=True)
    model["documents"]["flight"] = {
        "root": "flights",
        "title": "Flight {{ flight_no }}",
        "text": "{{ flight_no }} {{ status_cd }} {{ note }}",
    }
    return Mapping.model_validate(model)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[World]:
    """Bookings and flights as documents of one mapping."""
    world = World(tmp_path, two_documents())
    yield world
    world.state.close()


def flights(world: World) -> dict[tuple[str, int], str]:
    return world.store.texts("Flight_g1")


def failing(world: World, collection: str, error: HeadraceError, times: int = 1_000) -> list[str]:
    """Every put into ``collection`` fails so often; returns the collections that were asked."""
    real, asked = world.store.put, list[str]()

    def put(wanted: str, objects: Sequence[Any]) -> Any:
        asked.append(wanted)
        if wanted == collection and asked.count(collection) <= times:
            raise error
        return real(wanted, objects)

    world.store.put = put  # type: ignore[method-assign,assignment]
    return asked


def refusing(world: World, refuse: Callable[[Sequence[str]], HeadraceError | None]) -> list[int]:
    """The embedder fails as ``refuse`` says of the texts; returns how many it was asked for, call by call."""
    real, asked = world.embedder.embed, list[int]()

    def embed(texts: Sequence[str], *, purpose: str) -> Any:
        asked.append(len(texts))
        if error := refuse(texts):
            raise error
        return real(texts, purpose=purpose)

    world.embedder.embed = embed  # type: ignore[method-assign]
    return asked


def document(world: World, kind: str, key: str) -> Any:
    with world.state.read() as connection:
        mine = (DOCUMENT.c.type_id == world.registered.kinds[kind].id, DOCUMENT.c.key == key)
        return connection.execute(select(DOCUMENT).where(*mine)).one()


@pytest.mark.parametrize(
    "error", [WeaviateRefused("read-only"), OutcomeUnknown("no answer in time")], ids=["refused", "unknown"]
)
def test_a_collection_that_takes_nothing_does_not_hold_up_another_ones_documents(
    both: World, error: HeadraceError
) -> None:
    both.log.snapshot(first_rows())
    both.apply()
    asked = failing(both, "Flight_g1", error)
    both.write()
    assert both.texts == both.expected(first_rows())
    booking, flight = document(both, "booking", "7"), document(both, "flight", "40")
    assert (booking.priority, booking.doubtful, booking.attempts) == (None, False, 0)
    assert flight.priority is not None
    assert flight.doubtful is isinstance(error, OutcomeUnknown)
    assert both.stage.trouble == str(error)
    assert asked.count("Flight_g1") == 1


def test_while_a_collection_rests_no_lane_is_spent_on_it(both: World) -> None:
    both.log.snapshot({**first_rows(), "flights": [{**FLIGHT, "flight_id": n} for n in range(40, 400)]})
    both.apply()
    asked = failing(both, "Flight_g1", WeaviateRefused("read-only"))
    both.write()
    assert asked.count("Flight_g1") == 3  # together, the first alone, the last alone
    assert ("7", 0) in both.texts


def test_a_collection_that_takes_writes_again_gets_what_it_is_owed(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rests, "FIRST", 0.0)
    both.log.snapshot({**first_rows(), "flights": [{**FLIGHT, "flight_id": n} for n in range(40, 50)]})
    both.apply()
    failing(both, "Flight_g1", WeaviateRefused("read-only"), times=7)
    both.write()
    assert len(flights(both)) == 10
    assert both.stage.trouble is None


def test_a_document_that_has_its_whole_request_refused_is_parked_alone(both: World) -> None:
    both.log.snapshot({**first_rows(), "flights": [{**FLIGHT, "flight_id": n} for n in range(40, 50)]})
    both.apply()
    real = both.store.put

    def put(collection: str, objects: Sequence[Any]) -> Any:
        if any(one.properties["document_key"] == "45" for one in objects):
            raise WeaviateRefused("the message is too large")
        return real(collection, objects)

    both.store.put = put  # type: ignore[method-assign]
    both.write()
    assert len(flights(both)) == 9
    assert "too large" in document(both, "flight", "45").parked


def many_flights(world: World) -> None:
    world.log.snapshot({**first_rows(), "flights": [{**FLIGHT, "flight_id": n} for n in range(40, 50)]})
    world.apply()


@pytest.mark.parametrize("busy", [("43", "45"), ("40", "43", "45"), ("49",)], ids=["amid", "the first", "the last"])
def test_while_one_shard_of_several_takes_no_writes_its_documents_wait_and_none_is_parked(
    both: World, monkeypatch: pytest.MonkeyPatch, busy: tuple[str, ...]
) -> None:
    monkeypatch.setattr(rests, "FIRST", 3600.0)  # whoever waits does so for the rest of this test
    both.store.busy = lambda properties: "store is read-only" if properties["document_key"] in busy else None
    many_flights(both)
    both.stage.rests.failed(both.registered.kinds["flight"].id, after=0.0)  # it took nothing a moment ago
    both.write()
    assert not both.stage.rests.any()
    assert {key for key, _ in flights(both)} == {str(n) for n in range(40, 50)} - set(busy)
    assert ("7", 0) in both.texts
    for key in busy:
        waiting = document(both, "flight", key)
        assert (waiting.parked, waiting.attempts, waiting.doubtful) == (None, 1, False)
        assert waiting.priority is not None
    # The others' shards go on, and so do changes of theirs.
    both.log.commit(("flights", "u", {**FLIGHT, "flight_id": 41, "status_cd": "CX"}))
    both.settle()
    assert "cancelled" in flights(both)["41", 0]


def test_what_waited_for_a_shard_is_written_when_it_takes_writes_again(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rests, "FIRST", 0.0)
    times = iter(range(3))
    both.store.busy = lambda p: (
        "not enough memory" if p["document_key"] == "43" and next(times, None) is not None else None
    )
    many_flights(both)
    both.write()
    assert len(flights(both)) == 10
    assert document(both, "flight", "43").priority is None


def test_a_whole_request_refused_for_a_reason_that_passes_parks_nothing(
    both: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rests, "FIRST", 0.0)
    real, times = both.store.put, iter(range(5))

    def put(collection: str, objects: Sequence[Any]) -> Any:
        if any(one.properties["document_key"] in ("43", "45") for one in objects) and next(times, None) is not None:
            raise WeaviateRefused("rate limit exceeded", retry=True)
        return real(collection, objects)

    both.store.put = put  # type: ignore[method-assign]
    many_flights(both)
    both.write()
    assert len(flights(both)) == 10
    assert [document(both, "flight", key).parked for key in ("43", "45")] == [None, None]


def test_a_collection_of_which_no_shard_takes_writes_rests(both: World) -> None:
    both.store.busy = lambda properties: "store is read-only" if "pnr" not in properties else None
    many_flights(both)
    both.write()
    assert not flights(both)
    assert ("7", 0) in both.texts
    assert both.stage.rests.left(both.registered.kinds["flight"].id) > 0
    assert both.stage.trouble == "store is read-only"


@pytest.mark.parametrize(
    "error",
    [EmbedderLimited("too many", after=60.0), EmbedderUnreachable("away"), EmbedderRefused("wrong key")],
    ids=["limited", "away", "refuses all"],
)
def test_what_needs_no_embedding_goes_on_while_the_embedder_fails(both: World, error: HeadraceError) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    both.log.snapshot(rows)
    both.settle()
    asked = refusing(both, lambda _: error)
    both.log.commit(
        ("bookings", "d", rows["bookings"][1]),  # a deletion
        ("flights", "u", {**FLIGHT, "status_cd": "CX"}),  # a text that was never embedded
    )
    both.settle()
    assert {key for key, _ in both.texts} == {"7"}
    assert document(both, "booking", "7").priority is not None
    assert both.stage.trouble == str(error)
    assert len(asked) <= 2  # the second asks whether it takes anything at all


def test_while_the_embedder_asks_for_a_pause_it_is_left_alone_and_then_gets_everything(both: World) -> None:
    limits = iter([EmbedderLimited("429", after=0.05)] * 3)
    asked = refusing(both, lambda _: next(limits, None))
    rows = {**first_rows(), "flights": [{**FLIGHT, "flight_id": n} for n in range(40, 400)]}
    rows["flights"] = [{**each, "note": str(each["flight_id"])} for each in rows["flights"]]
    both.log.snapshot(rows)

    def done() -> bool:
        both.settle()
        return len(flights(both)) == 360 and bool(both.texts)

    wait_until("everything to be written", done, 20)
    assert both.texts == both.expected(rows)
    assert sum(asked) <= 361 + 3 * both.stage.batch
    assert both.stage.trouble is None


def test_a_text_that_the_embedder_refuses_parks_its_document_alone(both: World) -> None:
    rows = first_rows()
    rows["customers"] = [{**CUSTOMER, "full_name": "Unspeakable"}]
    both.log.snapshot(rows)
    both.apply()
    refusing(both, lambda texts: EmbedderRefused("too long") if any("Unspeakable" in t for t in texts) else None)
    both.write()
    assert "too long" in document(both, "booking", "7").parked
    assert flights(both)
    both.log.commit(("customers", "u", CUSTOMER))
    both.settle()
    assert both.texts == both.expected(first_rows())


def test_no_number_of_failures_is_too_many(both: World) -> None:
    assert rests.pause(5_000) == rests.LONGEST
    resting = rests.Rests()
    assert [resting.failed("it") for _ in range(1_100)][-1] == rests.LONGEST
