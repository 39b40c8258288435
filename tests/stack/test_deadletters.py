"""Dead letters on the real components: discarded and gone from Weaviate, back with their rows; records read again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import select

from sync.state.registry import SOURCE
from tests.stack import conftest
from tests.support.pipeline import Pipeline, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(scope="module")
def airline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """An airline of 120 bookings, loaded and served."""
    yield from conftest.airline(Pipeline(stack, tmp_path_factory.mktemp("deadletters")))


def listed(pipeline: Pipeline, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        pipeline.command("deadletters", "list", pipeline.name, "--json", *more, check=False).stdout
    )
    return found


def of_booking_5(pipeline: Pipeline) -> list[str]:
    return [text for (key, _), text in pipeline.objects().items() if key == "5"]


def fare(pipeline: Pipeline, code: str) -> None:
    pipeline.sql(f"update tickets set fare_cd = '{code}' where booking_id = 5 and seq_no = 1")


def test_a_discarded_document_is_gone_from_weaviate_until_a_row_of_it_changes(airline: Pipeline) -> None:
    fare(airline, "?")
    assert airline.command("wait", airline.name, "--timeout", "20s", check=False).returncode == 1
    assert of_booking_5(airline), "its former text"
    document = (f"{airline.name}.booking", "5")
    said = airline.command("deadletters", "discard", *document, "--reason", "a test booking").stdout
    assert said == "1 document discarded; what Weaviate has of it is removed\n"
    assert airline.command("wait", airline.name).returncode == 0
    assert of_booking_5(airline) == []
    assert airline.status()["booking"]["discarded"] == 1
    fare(airline, "!")
    waited = airline.command("wait", airline.name, "--timeout", "20s", check=False)
    assert f"{airline.name}.booking 5 is parked" in waited.stderr
    airline.command("deadletters", "discard", *document, "--reason", "a test booking")
    fare(airline, "Y")
    airline.wait()
    assert airline.status()["booking"]["discarded"] == 0
    airline.assert_equal()


def topic(pipeline: Pipeline) -> str:
    with pipeline.state.read() as connection:
        return str(connection.execute(select(SOURCE.c.topic).where(SOURCE.c.mapping == pipeline.name)).scalar_one())


async def send(broker: str, to: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait(to, value)


def test_a_record_that_nobody_can_read_is_settled_when_its_retry_has_read_everything(airline: Pipeline) -> None:
    asyncio.run(send(airline.env["HEADRACE_KAFKA"], topic(airline), b"no JSON"))
    (record,) = wait_until("the record to be set aside", lambda: listed(airline), every=0.2)
    assert airline.status()["booking"]["state"] == "unknown"
    said = airline.command("deadletters", "retry", airline.name, record["position"]).stdout
    assert "1 record: bookings, customers, flights, tickets read again from the source" in said
    done = airline.command("backfill", airline.name, "--watch", "--json")
    assert [one["outcome"] for one in json.loads(done.stdout)] == ["complete"]
    progress = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line["total"] > 0 for line in progress)
    assert listed(airline) == []
    (settled,) = listed(airline, "--all")
    assert (settled["position"], settled["discarded"]) == (record["position"], "its table was read again, whole")
    airline.wait()
    airline.assert_equal()
