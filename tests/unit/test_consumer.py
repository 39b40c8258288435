"""The private methods of faust-streaming and aiokafka that the worker overrides are still there, and still called."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, cast

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
        (driver.Consumer, "_add_gap"),
        (driver.Consumer, "_new_offset"),
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "_fetch_records"),
        (driver.AIOKafkaConsumerThread, "_seek_wait"),
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


class Raw:
    def __init__(self, offset: int) -> None:
        self.offset = offset


class Thread(consumer._Thread):
    """A consumer's thread as far as it hands over: ``fetches`` stand for what Kafka answers."""

    def __init__(self, app: App, *fetches: list[int]) -> None:
        self.app = cast(Any, app)
        self.consumer = cast(Any, SimpleNamespace(should_stop=False, flow_active=True))
        self._calls, self._alone = 0, asyncio.Lock()
        self.expected, self.sought_again = {"tp": 7}, set()
        self.fetches = list(fetches)
        self.sought: list[dict[str, int]] = []

    async def _seek_wait(self, consumer: Any, partitions: Any) -> None:
        self.sought.append(partitions)


async def answer(self: Thread, consumer: Any, active: Any, timeout: float, most: int | None = None) -> Any:
    if not self.fetches:
        await asyncio.sleep(timeout)
        return {}
    return {"tp": [Raw(offset) for offset in self.fetches.pop(0)]}


class App:
    """A source's app as far as its consumer's thread asks it; ``on_take`` is called at each offset taken."""

    def __init__(self, on_take: Callable[[App], None] = lambda _: None) -> None:
        self.turn, self.seeking, self.should_stop, self.applying = 1, False, False, False
        self.failure: BaseException | None = None
        self.taken: list[int] = []
        self._on_take = on_take

    def heard(self) -> None:
        pass

    async def wait_for_a_lane(self) -> bool:
        return False

    async def take(self, records: Sequence[Raw]) -> bool:
        assert self.applying, "whoever assigns the partition anew must see that something is being applied"
        for one in records:
            self.taken.append(one.offset)
            self._on_take(self)
        return self.failure is None


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver.AIOKafkaConsumerThread, "_fetch_records", answer)


def handed_over(app: App, thread: Thread) -> dict[str, int]:
    """The last offset of a call of a twentieth of a second, by partition."""
    last = asyncio.run(thread._fetch_records(None, {"tp"}, timeout=0.05))
    assert not app.applying
    return {tp: one.offset for tp, one in last.items()}


def test_what_is_fetched_is_handed_over_in_order_and_the_last_is_told() -> None:
    app = App()
    assert handed_over(app, Thread(app, [7, 8], [9])) == {"tp": 9}
    assert app.taken == [7, 8, 9]


def test_a_fetch_that_does_not_come_next_is_asked_for_again_and_believed_the_second_time() -> None:
    """What was on its way during an assignment is no gap; what Kafka answers twice is, for those to say who apply."""
    app = App()
    thread = Thread(app, [3, 4], [7, 8], [9], [12], [12])
    assert handed_over(app, thread) == {"tp": 12}
    assert app.taken == [7, 8, 9, 12]
    assert thread.sought == [{"tp": 7}, {"tp": 10}]


@pytest.mark.parametrize(
    ("name", "value"), [("turn", 2), ("seeking", True), ("failure", RuntimeError()), ("should_stop", True)]
)
def test_nothing_more_is_handed_over_once_the_partition_is_assigned_anew_or_all_is_over(name: str, value: Any) -> None:
    app = App(lambda app: setattr(app, name, value))
    handed_over(app, Thread(app, [7], [8]))
    assert app.taken == [7]


def test_what_was_fetched_while_the_flow_was_stopped_is_not_handed_over() -> None:
    app = App()
    thread = Thread(app, [7])
    cast(Any, thread.consumer).flow_active = False
    assert handed_over(app, thread) == {}
    assert app.taken == []


def test_a_call_that_was_given_up_makes_room_for_the_next_one() -> None:
    """Faust gives a call up at an assignment; two that hand over at the same time would apply things twice."""
    app = App()
    thread = Thread(app, [7], [8])

    async def both() -> Any:
        await thread._alone.acquire()
        given_up = asyncio.ensure_future(thread._fetch_records(None, {"tp"}, timeout=60.0))
        await asyncio.sleep(0)
        next_one = asyncio.ensure_future(thread._fetch_records(None, {"tp"}, timeout=0.05))
        await asyncio.sleep(0)
        thread._alone.release()
        assert await asyncio.wait_for(given_up, 5) == {}
        return (await next_one)["tp"].offset

    assert asyncio.run(both()) == 8
    assert app.taken == [7, 8]
