"""The objects of one document: what each says of itself, and what is left of them when the document shrinks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import pytest

from tests.stack.conftest import airline
from tests.support.equality import miscounted
from tests.support.onlooker import Onlooker
from tests.support.pipeline import MAPPING, Pipeline, wait_until
from tests.support.weaviate_client import Found

if TYPE_CHECKING:
    from tests.support.stack import Stack

SHRINKS = 15  # an absence of milliseconds must meet a look
# Booking 1 with 40 legs, and with none.
LONG = "insert into tickets select 1, number, 1, 'Y', null from generate_series(10, 49) as number"
SHORT = "delete from tickets where booking_id = 1"


class Commit(NamedTuple):
    """A change of one booking, by the database's clock, and the object that showed it."""

    before: datetime
    after: datetime
    shown: Found
    seen: datetime

    @property
    def at(self) -> datetime:
        at: datetime = self.shown.properties["source_committed_at"]
        return at

    @property
    def position(self) -> tuple[int, ...]:
        return tuple(int(part) for part in str(self.shown.properties["source_position"]).split(":"))


def objects_of(pipeline: Pipeline, key: str) -> list[Found]:
    return sorted((one for one in pipeline.found("Booking") if one.place[0] == key), key=lambda one: one.place)


def commit(pipeline: Pipeline, amount: int) -> Commit:
    """Not waited for as `headrace wait` does: its marker is a commit of its own, which the text reflects then, too."""
    ((before,),) = pipeline.query("select clock_timestamp()")
    pipeline.sql(f"update bookings set total_amt = {amount}00 where booking_id = 7")
    ((after,),) = pipeline.query("select clock_timestamp()")

    def shown() -> list[Found]:
        return [one for one in objects_of(pipeline, "7") if f"for {amount}.00 EUR" in one.content]

    (found,) = wait_until(f"the price of {amount}", shown, every=0.01)
    return Commit(before, after, found, datetime.now(UTC))


def test_an_object_says_which_commit_it_reflects_when_it_was_written_and_by_which_mapping(pipeline: Pipeline) -> None:
    untouched = objects_of(pipeline, "8")
    commits = [commit(pipeline, amount) for amount in (101, 102, 103)]
    again = json.loads(pipeline.command("apply", str(pipeline.file), "--auto-approve", "--json").stdout)
    for one in commits:
        told = one.shown.properties
        assert (told["document_key"], told["chunk"], told["chunks"], told["level"]) == ("7", 0, 1, "root")
        assert told["content_hash"] == blake2b(one.shown.content.encode(), digest_size=16).hexdigest()
        assert told["mapping_version"] == again["version"]
        assert one.shown.uuid == uuid5(NAMESPACE_URL, f'headrace:["{pipeline.name}","booking","7",0]')
        assert one.before <= one.at < told["written_at"] <= one.seen
    # A heartbeat that comes in between is a later commit, and the text reflects it; it does not come each time.
    assert any(one.at <= one.after for one in commits), "the time of a commit is the transaction's own"
    first, second, third = (one.position for one in commits)
    assert first < second < third
    assert commits[0].at < commits[1].at < commits[2].at
    assert objects_of(pipeline, "8") == untouched, "what did not change says what it said"


@pytest.fixture
def lengthy(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """The airline in chunks of 100 tokens at most."""
    mapping = MAPPING.read_text().replace("max_tokens: 300", "max_tokens: 100")
    yield from airline(Pipeline(stack, tmp_path, mapping=mapping))


def test_a_document_that_shrinks_keeps_exactly_its_chunks_and_a_reader_finds_it_at_each_look(lengthy: Pipeline) -> None:
    lengthy.sql(SHORT)
    onlooker = Onlooker(lengthy, 1).start()
    try:
        for _ in range(SHRINKS):
            lengthy.sql(LONG)
            lengthy.wait()
            many = objects_of(lengthy, "1")
            assert len(many) > 10
            text = "\n".join(one.content for one in many)
            assert all(f"Leg {number}:" in text for number in range(10, 50))
            lengthy.sql(SHORT)
            lengthy.wait()
            (left,) = objects_of(lengthy, "1")
            assert left.content == lengthy.rendered_by_sql()["1", 0]
            assert not list(miscounted(many))
            assert not list(miscounted([left]))
            wait_until("another look", lambda looks=onlooker.looks: onlooker.looks > looks + 1)  # type: ignore[misc]
    finally:
        onlooker.stop()
    assert not onlooker.holes, "\n".join(onlooker.holes)
    assert not list(miscounted(lengthy.found("Booking")))
