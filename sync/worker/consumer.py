"""The worker's way of consuming: Faust's consumer, whose position stands in the state and not in the consumer group.

faust-streaming 0.15.3 and aiokafka 0.14.0, private methods overridden: both are pinned, and
tests/unit/test_consumer.py fails when a version no longer has what is overridden here. Why overriding at all:

- the stock seek goes to the group's committed offset; ours must go to ``progress`` (design §2);
- stock Faust spends 50 µs on every message, which is more than applying it costs, and 3.7 ms on every message that
  comes alone, on its way from the consumer's thread through Faust's loop to an agent. Here the consumer's thread
  hands over what it fetches by itself, and Faust, which keeps membership, assignment and commits, hears of it once
  a second;
- the stock fetch waits up to 1.5 s when other partitions are idle.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import uvloop

uvloop.install()  # before Faust makes a loop

import faust  # noqa: E402
import faust.streams  # noqa: E402
from faust.transport.drivers import aiokafka as driver  # noqa: E402

if TYPE_CHECKING:
    from sync.worker.app import SourceApp

__all__ = ["Transport", "faust"]

# The pure-Python stream acknowledges events of an earlier assignment.
assert getattr(faust.streams, "_CStreamIterator", None) is not None, (
    "faust-streaming must be installed with its C extensions"
)

FETCH_WAIT_MS = 50
# What was fetched ahead while one waited is followed by what has arrived since: seconds that this may take.
CATCH_UP = 0.003


class _Thread(driver.AIOKafkaConsumerThread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls = 0
        self._alone = asyncio.Lock()
        self.expected: dict[Any, int] = {}  # the offset that comes next
        self.sought_again: set[Any] = set()

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        """Fetch and hand over until ``timeout`` has passed; returns the last record handed over, by partition."""
        app = cast("SourceApp", self.app)
        self._calls = call = self._calls + 1
        last: dict[Any, Any] = {}
        async with self._alone:  # Faust gives calls up, at an assignment: they go on here until they notice
            loop = asyncio.get_running_loop()
            until = loop.time() + (timeout or 0)
            while self._calls == call and (left := until - loop.time()) > 0:
                turn = app.turn
                waited = await app.wait_for_a_lane()
                records = await super()._fetch_records(consumer, active_partitions, left, max_records)
                if records and waited:  # what follows at once comes with what is there: alone it would cost as much
                    more = await super()._fetch_records(consumer, active_partitions, CATCH_UP, max_records)
                    records = {tp: [*batch, *more.get(tp, ())] for tp, batch in records.items()}
                if not await self._hand_over(consumer, turn, records, last):
                    break
        return last

    async def _hand_over(self, consumer: Any, turn: int, records: Any, last: dict[Any, Any]) -> bool:
        """Whether to go on: nothing was stopped, revoked or assigned anew, and nothing failed."""
        app = cast("SourceApp", self.app)
        app.applying = True  # before the question: whoever assigns anew waits for it
        try:
            for tp, batch in (records or {}).items():
                if not self._is_current(turn):
                    return False  # what was read is read again from the state's position
                app.heard()
                if not await self._continues(consumer, tp, batch):
                    continue
                if not await app.take(batch):
                    return False
                last[tp] = batch[-1]
            return self._is_current(turn)
        finally:
            app.applying = False

    def _is_current(self, turn: int) -> bool:
        app = cast("SourceApp", self.app)
        over = self.consumer.should_stop or app.should_stop or app.failure is not None
        return self.consumer.flow_active and not over and not app.seeking and app.turn == turn

    async def _continues(self, consumer: Any, tp: Any, batch: Sequence[Any]) -> bool:
        """Whether this comes next. One that was on its way during an assignment may not, and is asked for again.

        What is answered twice is so: a log with a gap, which is for those to say who apply it.
        """
        expected = self.expected.get(tp, batch[0].offset)
        if batch[0].offset != expected and tp not in self.sought_again:
            self.sought_again.add(tp)
            await self._seek_wait(consumer, {tp: expected})
            return False
        self.sought_again.discard(tp)
        self.expected[tp] = batch[-1].offset + 1
        return True


class _Consumer(driver.Consumer):
    _thread: _Thread

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Go to where the state says we are; called on every assignment."""
        app = cast("SourceApp", self.app)
        app.turn, app.seeking = app.turn + 1, True
        for tp in self.assignment():
            app.heard()
            offset = await app.start_offset()
            await self.seek_wait({tp: offset})
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None
            self._thread.expected[tp] = offset
            self._thread.sought_again.discard(tp)
        app.seeking = False

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        app = cast("SourceApp", self.app)
        turn = app.turn
        records = (await self._wait_next_records(timeout))[0] if app.failure is None else None
        if app.failure is not None:
            await app.crash(app.failure)
        elif self.flow_active and not self.should_stop and not app.seeking and app.turn == turn:
            for tp, last in (records or {}).items():
                # Faust drops in silence what is older than what it read: a topic made anew must be noticed.
                self._read_offset[tp] = None
                message = self._to_message(tp, last)
                message.key, message.value, message.headers = None, b"", []
                yield tp, message

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        return None

    def _new_offset(self, tp: Any) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        offset = acked[-1] + 1
        acked.clear()
        self._acked_index[tp].clear()
        return int(offset)


class Transport(driver.Transport):
    Consumer = _Consumer
