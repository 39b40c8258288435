"""The private methods of faust-streaming and aiokafka that the worker overrides are still there, and still called."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version

import faust
import pytest
from faust.transport import consumer as faust_consumer
from faust.transport.drivers import aiokafka as driver

from sync.worker import consumer


def test_the_versions_are_those_that_were_read() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka") == "0.14.0"


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (driver.Consumer, "_new_consumer_thread"),
        (driver.Consumer, "perform_seek"),
        (driver.Consumer, "getmany"),
        (driver.Consumer, "_wait_next_records"),
        (driver.Consumer, "_to_message"),
        (driver.Consumer, "on_buffer_drop"),
        (driver.Consumer, "resume_partitions"),
        (driver.Consumer, "_get_active_partitions"),
        (driver.Consumer, "_add_gap"),
        (driver.Consumer, "_new_offset"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "_fetch_records"),
        (faust.App, "_new_transport"),
        (faust.App, "_consumer_wait_empty"),
    ],
)
def test_what_is_overridden_exists(owner: type, name: str) -> None:
    assert callable(getattr(owner, name))


def test_the_fetch_wait_of_aiokafka_is_still_where_we_set_it() -> None:
    import aiokafka

    assert "_fetch_max_wait_ms" in inspect.getsource(aiokafka.AIOKafkaConsumer.__init__)


def test_faust_still_asks_perform_seek_on_assignment_and_getmany_for_messages() -> None:
    assert "getmany(" in inspect.getsource(faust_consumer.Consumer._drain_messages)
    from faust.tables import recovery

    assert "perform_seek" in inspect.getsource(recovery)


def test_a_fetch_travels_as_one_value() -> None:
    fetched = consumer.Fetched.of([1, 2, 3], 1)
    assert isinstance(fetched, bytes)
    assert list(fetched.records) == [1, 2, 3]


class Raw:
    def __init__(self, offset: int) -> None:
        self.offset = offset


def test_a_fetch_that_does_not_come_next_is_asked_for_again_and_believed_the_second_time() -> None:
    """What was on its way during an assignment is no gap; what Kafka answers twice is."""
    made = object.__new__(consumer._Consumer)
    made._expected, made._sought_again = {"tp": 7}, set()
    sought: list[dict[str, int]] = []

    async def seek_wait(offsets: dict[str, int]) -> None:
        sought.append(offsets)

    made.seek_wait = seek_wait  # type: ignore[method-assign,assignment]

    def continues(*offsets: int) -> bool:
        return asyncio.run(made._continues("tp", [Raw(offset) for offset in offsets]))

    assert not continues(3, 4)
    assert sought == [{"tp": 7}]
    assert continues(7, 8)
    assert continues(9)
    assert not continues(12)
    assert continues(12), "a log with a gap is for those to say who apply it"
    assert sought == [{"tp": 7}, {"tp": 10}]
