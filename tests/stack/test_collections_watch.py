"""Somebody drops, empties or changes collections behind Headrace's back: found by the worker, mended or reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from weaviate.classes.config import DataType, Property
from weaviate.classes.query import Filter

from sync.state.registry import LEDGER
from sync.write.objects import content_hash, object_id
from tests.stack.conftest import airline
from tests.support.background import Background
from tests.support.pipeline import Pipeline, wait_until
from tests.support.weaviate_client import connected

if TYPE_CHECKING:
    from tests.support.stack import Stack

MENDED = 30.0


@pytest.fixture(scope="module")
def watched(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A worker that looks at its collections twice a second."""
    yield from airline(Pipeline(stack, tmp_path_factory.mktemp("watched")), HEADRACE_CHECK_EVERY="0.5")


def drop(client: Any, name: str) -> None:
    client.collections.delete(f"{name}_g1")


def drop_alias(client: Any, name: str) -> None:
    client.alias.delete(alias_name=name)


def delete_some(client: Any, name: str) -> None:
    client.collections.use(name).data.delete_many(
        where=Filter.by_property("document_key").contains_any(["1", "2", "3"])
    )


def add_stranger(client: Any, name: str) -> None:
    values = {"document_key": "no such booking", "chunk": 0, "chunks": 1, "content": "made up"}
    client.collections.use(name).data.insert(values, uuid=uuid4(), vector={"text": [0.5] * 256})


def edit(client: Any, name: str, key: str = "4", **more: str) -> None:
    """A text replaced; its hash is left as it was, unless ``more`` says otherwise."""
    collection = client.collections.use(f"{name}_g1")
    (found,) = collection.query.fetch_objects(
        filters=Filter.by_property("document_key").equal(key), include_vector=True
    ).objects
    collection.data.update(found.uuid, properties={"content": "made up", **more}, vector=found.vector)


def edit_with_hash(client: Any, name: str) -> None:
    edit(client, name, content_hash=content_hash("made up"))


def copy_as_surplus(client: Any, name: str) -> None:
    values = {"document_key": "5", "chunk": 3, "chunks": 4, "content": "made up"}
    uuid = object_id(name.removesuffix("Booking").lower(), "booking", "5", 3)
    client.collections.use(name).data.insert(values, uuid=uuid, vector={"text": [0.5] * 256})


@pytest.mark.parametrize("harm", [drop, drop_alias, delete_some, add_stranger, edit, edit_with_hash, copy_as_surplus])
def test_what_was_done_to_a_collection_is_undone_without_an_embedding(
    watched: Pipeline, harm: Callable[[Any, str], None]
) -> None:
    name = watched.name.capitalize() + "Booking"
    before = bought(watched)
    with connected(watched.env) as client:
        harm(client, name)
        wait_until("the alias", lambda: client.alias.get(alias_name=name) is not None, MENDED)
        wait_until("the collection", lambda: client.collections.exists(f"{name}_g1"), MENDED)
    wait_until("all to be as it was", lambda: watched.equals(), MENDED, 0.3)
    assert bought(watched) == before
    watched.sql("update bookings set total_amt = total_amt + 1 where booking_id <= 5")
    watched.wait()
    watched.assert_equal()


class Traffic(Background):
    """Commits without a pause, so that something is owed all the time."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__("traffic")
        self.pipeline, self.commits = pipeline, 0

    def _go_on(self) -> None:
        with self.pipeline.database() as database:
            while not self._stopped.is_set():
                self.commits += 1
                database.execute(
                    "update bookings set total_amt = total_amt + 1 where booking_id = %s", [20 + self.commits % 100]
                )


def test_under_load_what_was_done_to_documents_that_do_not_change_is_undone_all_the_same(watched: Pipeline) -> None:
    name = watched.name.capitalize() + "Booking"
    calm = {key: text for key, text in watched.rendered_by_sql().items() if int(key[0]) < 20}

    def found() -> dict[tuple[str, int], str]:
        return {at: text for at, text in watched.objects().items() if not at[0].isdecimal() or int(at[0]) < 20}

    wait_until("a good start", lambda: found() == calm, MENDED)
    traffic = Traffic(watched).start()
    try:
        wait_until("traffic", lambda: traffic.commits > 100 and watched.statuses()["booking"].owed > 0, MENDED, 0.005)
        with connected(watched.env) as client:
            delete_some(client, name)
            edit(client, name)
            add_stranger(client, name)
            copy_as_surplus(client, name)
        assert found() != calm
        before = traffic.commits
        wait_until("all to be as it was, under load", lambda: found() == calm, MENDED, 0.3)
        assert traffic.commits > before
    finally:
        traffic.stop()
    watched.wait()
    watched.assert_equal()


def test_a_collection_whose_schema_was_changed_is_reported(watched: Pipeline) -> None:
    name = watched.name.capitalize() + "Booking"
    with connected(watched.env) as client:
        client.collections.use(f"{name}_g1").config.add_property(Property(name="stranger", data_type=DataType.INT))
    found = wait_until("the report", lambda: watched.statuses()["booking"].trouble, MENDED)
    assert f"collection {name}_g1 was changed: property stranger" in found
    assert watched.statuses()["booking"].state == "unknown"
    assert watched.statuses()["flight"].state == "fresh"


def bought(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(LEDGER.c.embedded), 0))).scalar_one())
