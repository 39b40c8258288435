"""The edge to a real Weaviate: what it stores, finds and refuses, and what it says when it goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
import pytest
from pydantic import SecretStr

from sync.embed.base import Model
from sync.embed.choose import embedder as choose
from sync.embed.local import LocalEmbedder
from sync.errors import OutcomeUnknown, WeaviateError, WeaviateRefused
from sync.settings import Settings
from sync.write import collections
from sync.write.collections import Type, schema
from sync.write.weaviate import StoredObject, Weaviate
from tests.support import embedder as embedder_process
from tests.support.embedding_services import Service, served
from tests.support.weaviate_client import connected

from weaviate.classes.query import Filter, MetadataQuery  # isort: skip

if TYPE_CHECKING:
    from tests.support.stack import Stack

ALIAS, NAME = "EdgeBooking", "EdgeBooking_g1"
NOW = datetime(2026, 4, 2, 10, 15, tzinfo=UTC)


@dataclass(frozen=True)
class Exact:
    name: str
    type: Type
    many: bool = False
    description: str = "what it is"


FILTERS = [
    Exact("pnr", "text"),
    Exact("legs", "text", many=True),
    Exact("seats", "int"),
    Exact("price", "number"),
    Exact("prices", "number", many=True),
    Exact("open", "bool"),
    Exact("booked_at", "date"),
    Exact("stops", "date", many=True),
]
EMBEDDER = LocalEmbedder()


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[Weaviate]:
    with Weaviate(settings(stack)) as made:
        yield made


@pytest.fixture
def booking(store: Weaviate, stack: Stack) -> Iterator[str]:
    """An empty collection behind its alias."""
    model = Model("local", 256, "local", stack.env["HEADRACE_EMBEDDER_URL"])
    _clean(store)
    collections.create(store, schema(NAME, FILTERS, model, description="bookings"))
    collections.make_live(store, ALIAS, NAME)
    yield NAME
    _clean(store)


def settings(stack: Stack, **more: Any) -> Settings:
    return Settings(
        weaviate_url=stack.env["HEADRACE_WEAVIATE_URL"],
        weaviate_grpc_port=int(stack.env["HEADRACE_WEAVIATE_GRPC_PORT"]),
        **more,
    )


def _clean(store: Weaviate) -> None:
    collections.drop_alias(store, ALIAS)
    for name in (NAME, "EdgeBooking_g2"):
        collections.drop(store, name)


def identity(key: object) -> UUID:
    return uuid5(NAMESPACE_URL, str(key))


def one(key: object, text: str = "", **properties: Any) -> StoredObject:
    content = text or f"Booking {key} was made by a Gold member"
    fixed = {
        "content": content,
        "document_key": str(key),
        "chunk": 0,
        "chunks": 1,
        "level": "root",
        "content_hash": "h",
        "source_position": "1:2",
        "source_committed_at": NOW,
        "written_at": NOW,
        "mapping_version": "v",
    }
    vector = EMBEDDER.embed([content], purpose="document")[0]
    return StoredObject(identity(key), {**fixed, **properties}, vector)


def keys(found: Any) -> set[str]:
    return {str(hit.properties["document_key"]) for hit in found.objects}


def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.05)


def test_every_value_comes_back_as_it_went(store: Weaviate, booking: str) -> None:
    values: dict[str, Any] = {
        "pnr": "7,2 «é» 😀",
        "legs": ["AZ 602", "BA 1"],
        "seats": 2**53,
        "price": 489.5,
        "prices": [1, 2.5],
        "open": False,
        "booked_at": NOW,
        "stops": [NOW, datetime(2020, 1, 1, tzinfo=UTC)],
    }
    sent = one(7, **values)
    assert store.put(ALIAS, [sent, one(8, stops=[date(2020, 1, 1)], prices=[1, 2], legs=[])]) == {}
    back = store.read(ALIAS, [sent.uuid, identity(8), identity("nobody")], vectors=True)
    assert set(back) == {sent.uuid, identity(8)}
    vector = back[sent.uuid].pop("vector")
    assert np.array_equal(np.asarray(vector, np.float32), sent.vector)
    assert back[sent.uuid] == sent.properties
    assert back[identity(8)]["stops"] == [datetime(2020, 1, 1, tzinfo=UTC)]
    assert back[identity(8)]["prices"] == [1.0, 2.0]
    assert "pnr" not in back[identity(8)]


def test_a_put_is_an_upsert_that_is_visible_when_it_returns(store: Weaviate, booking: str) -> None:
    for number in range(5):
        assert store.put(booking, [one(7, f"text number {number}", pnr=str(number))]) == {}
        assert store.read(booking, [identity(7)])[identity(7)]["content"] == f"text number {number}"
        assert [hit.uuid for hit in store.search(ALIAS, f"number {number}", how="bm25")] == [identity(7)]
    assert collections.count(store, ALIAS) == 1


def test_filters_are_exact_and_absence_can_be_asked_for(store: Weaviate, booking: str, stack: Stack) -> None:
    store.put(
        booking,
        [
            one(1, pnr="7", seats=1, legs=["AZ 602"], price=1.0, booked_at=NOW, open=True),
            one(2, pnr="7,2", seats=2, legs=["602 AZ", "A-1"]),
            one(3, pnr="2,7", seats=3, legs=["a 1"]),
            one("[7,2]", pnr="A-1", seats=4, legs=[]),
            one("7 2"),
        ],
    )
    on = Filter.by_property
    cases = [
        (on("pnr").equal("7"), {"1"}),
        (on("pnr").equal("7,2"), {"2"}),
        (on("pnr").equal("a-1"), set()),
        (on("legs").contains_any(["AZ 602"]), {"1"}),
        (on("legs").contains_any(["A-1"]), {"2"}),
        (on("document_key").equal("[7,2]"), {"[7,2]"}),
        (on("document_key").equal("7 2"), {"7 2"}),
        (on("seats").greater_or_equal(3), {"3", "[7,2]"}),
        (on("price").less_than(1.5), {"1"}),
        (on("booked_at").equal(NOW), {"1"}),
        (on("open").equal(True), {"1"}),
        (on("pnr").is_none(True), {"7 2"}),
        (on("seats").is_none(False), {"1", "2", "3", "[7,2]"}),
        (on("legs").is_none(True), {"[7,2]", "7 2"}),
    ]
    with connected(stack.env) as client:
        query = client.collections.get(ALIAS).query
        for condition, expected in cases:
            assert keys(query.fetch_objects(filters=condition)) == expected, condition
    assert [hit.uuid for hit in store.search(ALIAS, "booking", how="bm25", filters={"pnr": None})] == [identity("7 2")]


def test_an_ordinary_client_asks_the_alias_in_words(store: Weaviate, booking: str, stack: Stack) -> None:
    texts = {
        1: "Flight AZ 602 from Rome to New York is cancelled.",
        2: "Flight BA 1 from London to Paris departs on time.",
        3: "The passenger checked two pieces of baggage.",
    }
    store.put(booking, [one(key, text, pnr=str(key)) for key, text in texts.items()])
    with embedder_process.running(stack.env), connected(stack.env) as client:
        query = client.collections.get(ALIAS).query
        near = query.near_text("which flight was cancelled?", limit=3, return_metadata=MetadataQuery(distance=True))
        assert near.objects[0].properties["document_key"] == "1"
        ours = EMBEDDER.embed(["which flight was cancelled?", texts[1]], purpose="query")
        assert near.objects[0].metadata.distance == pytest.approx(1 - float(ours[0] @ ours[1]), abs=1e-5)
        mixed = query.hybrid("baggage", limit=1, filters=Filter.by_property("pnr").equal("3"))
        assert keys(mixed) == {"3"}
        assert [hit.uuid for hit in store.search(ALIAS, "baggage of a passenger", limit=1)] == [identity(3)]
        assert store.search(ALIAS, "cancelled", how="near_text", limit=1)[0].distance is not None


@pytest.mark.parametrize("kind", ["cohere", "openai"])
def test_a_question_is_embedded_by_the_service_that_embedded_the_documents(
    stack: Stack, kind: Literal["cohere", "openai"]
) -> None:
    service = Service()
    with served(service.app) as url:
        theirs = settings(stack, embedder=kind, embedder_url=url, embedder_model="m", embedder_api_key=SecretStr("k"))
        with Weaviate(theirs) as store:
            _clean(store)
            made = choose(theirs)
            wanted = schema(NAME, FILTERS, made.describe())
            collections.create(store, wanted)
            assert collections.differences(store, wanted) == []
            texts = ["a", "a much longer text"]
            vectors = made.embed(texts, purpose="document")
            objects = [
                StoredObject(identity(text), {"content": text}, row) for text, row in zip(texts, vectors, strict=True)
            ]
            service.asked.clear()
            assert store.put(NAME, objects) == {}
            assert service.asked == [], "objects bring their own vectors"
            found = store.search(NAME, "b", how="near_text", limit=1)
            assert [hit.uuid for hit in found] == [identity("a")]
            (asked,) = service.asked
            assert asked["key"] == "Bearer k"
            assert asked.get("input_type", "search_query") == "search_query"
            made.close()  # type: ignore[attr-defined]
            _clean(store)


def test_without_the_embedder_a_question_says_what_is_missing(store: Weaviate) -> None:
    model = Model("local", 256, "local", "http://127.0.0.1:9")
    _clean(store)
    collections.create(store, schema(NAME, [], model))
    store.put(NAME, [one(1)])
    with pytest.raises(WeaviateRefused) as caught:
        store.search(NAME, "anything", how="near_text")
    assert "headrace embedder" in caught.value.advice
    assert len(store.search(NAME, "booking", how="bm25")) == 1
    _clean(store)


@pytest.mark.parametrize(
    ("property_name", "value"),
    [
        ("price", "Rossi"),
        ("booked_at", "Rossi"),
        ("pnr", 5),
        ("seats", 1.5),
        ("prices", ["Rossi"]),
        ("open", "Rossi"),
        ("stops", ["Rossi"]),
        ("legs", [5]),
        ("price", float("nan")),
        ("seats", 2**60),
    ],
)
def test_an_object_with_a_wrong_value_is_refused_alone_and_without_the_value(
    store: Weaviate, booking: str, property_name: str, value: Any
) -> None:
    refused = store.put(booking, [one(1), one(2, **{property_name: value}), one(3)])
    assert list(refused) == [identity(2)]
    assert property_name in str(refused[identity(2)])
    assert "Rossi" not in str(refused[identity(2)])
    assert set(store.read(booking, [identity(key) for key in (1, 2, 3)])) == {identity(1), identity(3)}
    only = store.put(booking, [one(2, **{property_name: value})])
    assert list(only) == [identity(2)]


def test_what_concerns_the_whole_collection_is_no_fault_of_an_object(store: Weaviate, booking: str) -> None:
    with pytest.raises(WeaviateRefused, match="unmapped"):
        store.put(booking, [one(1, unmapped="x")])
    store.put(booking, [one(1)])
    wrong = StoredObject(identity(2), one(2).properties, np.ones(64, np.float32))
    with pytest.raises(WeaviateRefused) as caught:
        store.put(booking, [wrong])
    assert "model" in caught.value.advice
    absent = "EdgeNobody_g1"
    for call in (
        lambda: store.put(absent, [one(1)]),
        lambda: store.delete(absent, [identity(1)]),
        lambda: store.read(absent, [identity(1)]),
        lambda: list(store.ids(absent)),
        lambda: collections.count(store, absent),
    ):
        with pytest.raises(WeaviateRefused) as caught:
            call()
        assert "headrace apply" in caught.value.advice


def test_more_than_ten_thousand_objects_are_listed_and_deleted(store: Weaviate) -> None:
    flat = schema(NAME, [], Model("local", 4, "local", "http://127.0.0.1:9"))
    flat["vectorConfig"]["text"]["vectorIndexType"] = "flat"  # its graph is of no interest here and takes a minute
    _clean(store)
    store.create_collection(flat)
    vector = np.full(4, 0.5, np.float32)
    many = [StoredObject(identity(key), {"document_key": str(key), "chunk": 0}, vector) for key in range(10_200)]
    assert store.put(NAME, many) == {}
    assert collections.count(store, NAME) == 10_200
    listed = dict(store.ids(NAME))
    assert len(listed) == 10_200
    assert {values["document_key"] for values in listed.values()} == {str(key) for key in range(10_200)}
    pages, after = 0, None
    while part := store.page(NAME, after, 1_000, ["document_key"]):
        assert [uuid for uuid, _ in part] == sorted(uuid for uuid, _ in part)
        assert all(listed.pop(uuid)["document_key"] == values["document_key"] for uuid, values in part)
        pages, after = pages + 1, part[-1][0]
    assert (pages, listed) == (11, {})
    store.delete(NAME, [each.uuid for each in many[1:]] + [identity("nobody")])
    assert [uuid for uuid, _ in store.ids(NAME)] == [many[0].uuid]
    _clean(store)


def test_a_collection_stands_as_it_was_asked_for_and_its_drift_is_told(store: Weaviate, stack: Stack) -> None:
    model = Model("local", 256, "local", stack.env["HEADRACE_EMBEDDER_URL"] + "/")
    _clean(store)
    wanted = schema(NAME, FILTERS, model, description="bookings")
    assert not collections.exists(store, NAME)
    assert collections.differences(store, wanted) == [f"there is no collection {NAME}"]
    for _ in range(2):
        collections.create(store, wanted)
    assert collections.differences(store, wanted) == []
    stored = store.schema(NAME)
    assert stored is not None
    asked = {each["name"]: each["description"] for each in wanted["properties"]}
    assert {each["name"]: each["description"] for each in stored["properties"]} == asked
    assert stored["vectorConfig"]["text"]["vectorIndexConfig"]["distance"] == "cosine"
    changed = schema(NAME, [*FILTERS[1:], Exact("tier", "text")], model)
    assert len(collections.differences(store, changed)) == 8
    with pytest.raises(WeaviateRefused, match="property tier: type is missing"):
        collections.create(store, changed)
    _clean(store)


def test_the_alias_moves_between_generations_and_never_hides_a_collection(store: Weaviate, booking: str) -> None:
    assert collections.live(store, ALIAS) == NAME
    assert store.schema(ALIAS) is None
    store.put(booking, [one(1)])
    second = schema("EdgeBooking_g2", FILTERS, Model("local", 256, "local", "http://127.0.0.1:9"))
    collections.create(store, second)
    collections.make_live(store, ALIAS, "EdgeBooking_g2")
    assert collections.count(store, ALIAS) == 0
    collections.make_live(store, ALIAS, NAME)
    assert collections.count(store, ALIAS) == 1
    with pytest.raises(WeaviateRefused, match="a collection named EdgeBooking_g2 exists"):
        collections.make_live(store, "EdgeBooking_g2", NAME)
    collections.drop_alias(store, ALIAS)
    collections.drop_alias(store, ALIAS)
    assert collections.live(store, ALIAS) is None
    assert {NAME, "EdgeBooking_g2"} <= set(store.collections())


def test_while_weaviate_is_killed_frozen_and_stopped_no_write_seems_to_succeed_that_did_not(
    stack: Stack, booking: str
) -> None:
    """Every put that returned is there afterwards; every one that failed said that it may be tried again."""
    confirmed: dict[UUID, str] = {}
    doubtful: set[UUID] = set()  # an old request may still land, after a newer one was confirmed
    failures: set[str] = set()
    done = threading.Event()

    def write(lane: int, store: Weaviate) -> None:
        step = 0
        while not done.is_set():
            step += 1
            content = f"lane {lane} step {step}"
            each = one(f"{lane}/{step}", content)
            try:
                refused = store.put(booking, [each])
            except WeaviateError as error:
                if not error.retry:
                    raise
                failures.add(type(error).__name__)
                if isinstance(error, OutcomeUnknown):
                    doubtful.add(each.uuid)
                done.wait(0.02)
                continue
            assert not refused
            confirmed[each.uuid] = content

    with Weaviate(settings(stack, request_timeout=3.0)) as store:
        threads = [threading.Thread(target=write, args=(lane, store)) for lane in range(3)]
        for thread in threads:
            thread.start()
        try:
            for stop, start in ((stack.kill, stack.start), (stack.pause, stack.resume), (stack.stop, stack.start)):
                before = len(confirmed)
                until(lambda before=before: len(confirmed) > before, "something is written")  # type: ignore[misc]
                failures.clear()
                stop("weaviate")
                until(lambda: bool(failures), "the writers notice", 15)
                start("weaviate")
                until(store.ready, "Weaviate is back", 30)
            before = len(confirmed)
            until(lambda: len(confirmed) > before, "the writers write again")
        finally:
            done.set()
            for thread in threads:
                thread.join(30)
        assert len(doubtful) < 100
        certain = {uuid: content for uuid, content in confirmed.items() if uuid not in doubtful}
        stored = store.read(booking, list(certain))
        assert {uuid: values["content"] for uuid, values in stored.items()} == certain
