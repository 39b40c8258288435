"""The worker's way of consuming: a Faust app whose position stands in the state, not in the consumer group.

faust-streaming 0.15.3 and aiokafka 0.14.0, private methods overridden: both are pinned, and
tests/unit/test_consumer.py fails when a version no longer has what is overridden here. Why overriding at all:

- the stock seek goes to the group's committed offset; ours must go to ``progress`` (design §2);
- stock Faust spends 50 µs on every message, which is more than applying it costs; here a message that
  travels through Faust is a whole fetch (``Fetched``), so its cost is shared by thousands of records;
- the stock fetch waits up to 1.5 s when other partitions are idle, and sleeps a whole second whenever the
  agent's buffer is full, which with a fetch a message is after every burst;
- acknowledgements are a courtesy for those who watch the group's lag, so their gaps need no tracking.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

import uvloop

uvloop.install()  # before Faust makes a loop

import faust  # noqa: E402
import faust.streams  # noqa: E402
from faust.transport.drivers import aiokafka as driver  # noqa: E402

from sync.worker.lanes import Lanes  # noqa: E402

# The pure-Python stream acknowledges events of an earlier assignment.
assert getattr(faust.streams, "_CStreamIterator", None) is not None, (
    "faust-streaming must be installed with its C extensions"
)

SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "topic_allow_declare": False,
    "topic_disable_leader": True,
    "table_standby_replicas": 0,
    "key_serializer": "raw",
    "value_serializer": "raw",
    "stream_buffer_maxsize": 2,  # fetches, not records: the next one is prefetched while one is applied
    "broker_commit_interval": 1.0,
    "broker_session_timeout": 10,
    "broker_heartbeat_interval": 2,
    "broker_rebalance_timeout": 20,
    "broker_request_timeout": 40,
    # A stall longer than this kills the consumer for ever, silently: a long outage of the state must not.
    "broker_max_poll_interval": 86400,
    # Decoded, a fetch takes ten times its bytes, and three of them are about: this bounds the memory of a load.
    "consumer_max_fetch_size": 1 << 20,
    "consumer_metadata_max_age_ms": 10_000,
    "web_enabled": False,
    "web_tables_enabled": False,
    "web_router_enabled": False,
}
# One that is not alone is replaced when it dies: within 15 s everything must go on.
SHARED_SESSION = 8
FETCH_WAIT_MS = 50
# What was fetched ahead while one waited is followed by what has arrived since: seconds that this may take.
CATCH_UP = 0.003


class Fetched(bytes):
    """All records of one fetch, travelling through Faust as the value of a single message.

    ``turn``: the assignment that it belongs to, as ``SourceApp.turn`` counts.
    """

    records: Sequence[Any]
    turn: int

    @classmethod
    def of(cls, records: Sequence[Any], turn: int) -> Fetched:
        made = cls()
        made.records, made.turn = records, turn
        return made


class _Thread(driver.AIOKafkaConsumerThread):
    catch_up = False  # whether what follows at once comes with what is there: a second call would cost as much

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        records = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        if not records or not self.catch_up:
            return records
        more = await super()._fetch_records(consumer, active_partitions, CATCH_UP, max_records)
        return {tp: [*batch, *more.get(tp, ())] for tp, batch in records.items()}

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class _Consumer(driver.Consumer):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = asyncio.Event()
        self._expected: dict[Any, int] = {}  # the offset that comes next
        self._sought_again: set[Any] = set()

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    def on_buffer_drop(self, tp: Any) -> None:
        super().on_buffer_drop(tp)
        self._room.set()

    def resume_partitions(self, tps: Any) -> None:
        super().resume_partitions(tps)
        self._room.set()

    async def _wait_for_room(self) -> None:
        """Until the agent took a fetch out of its full buffer, at most as long as Faust would sleep in any case."""
        self._room.clear()
        if self.flow_active and not self._get_active_partitions():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room.wait(), 1.0)

    async def perform_seek(self) -> None:
        """Go to where the state says we are; called on every assignment."""
        app = cast(SourceApp, self.app)
        app.turn, app.seeking = app.turn + 1, True
        for tp in self.assignment():
            app.heard()
            offset = await app.start_offset()
            await self.seek_wait({tp: offset})
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None
            self._expected[tp] = offset
            self._sought_again.discard(tp)
        app.seeking = False

    async def _continues(self, tp: Any, batch: Sequence[Any]) -> bool:
        """Whether this comes next. One that was on its way during an assignment may not, and is asked for again.

        What is answered twice is so: a log with a gap, which is for those to say who apply it.
        """
        expected = self._expected.get(tp, batch[0].offset)
        if batch[0].offset != expected and tp not in self._sought_again:
            self._sought_again.add(tp)
            await self.seek_wait({tp: expected})
            return False
        self._sought_again.discard(tp)
        self._expected[tp] = batch[-1].offset + 1
        return True

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        await self._wait_for_room()
        app = cast(SourceApp, self.app)
        cast(_Thread, self._thread).catch_up = await app.wait_for_a_lane()
        turn = app.turn
        records, active = await self._wait_next_records(timeout)
        if not self.flow_active or self.should_stop or app.seeking or app.turn != turn:
            # Stopped, revoked or assigned anew meanwhile: what was read is read again from the state's position.
            return
        for tp, batch in (records or {}).items():
            app.heard()
            wanted = batch and (active is None or tp in active or tp in self._buffered_partitions)
            if wanted and await self._continues(tp, batch):
                last = batch[-1]
                # Faust drops in silence what is older than what it read: a topic made anew must be noticed.
                self._read_offset[tp] = None
                message = self._to_message(tp, last)
                message.key, message.value, message.headers = None, Fetched.of(batch, app.turn), []
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


class _Transport(driver.Transport):
    Consumer = _Consumer


class SourceApp(faust.App):
    """The Faust app of one source: one agent on its one topic.

    ``lanes`` are asked before every fetch, ``behind`` when none came for long: whether the topic has more than
    was applied. It is told whether the partition is ours.
    ``start_offset`` says where to begin and is asked on every assignment. ``handle`` gets the records of a
    fetch and returns when they are durable; it is called again with the same records when it raises an error
    that says retry; any other error crashes the app.
    """

    grace = 10.0
    stuck_after = 12.0

    def __init__(
        self,
        name: str,
        *,
        source: str,
        kafka: str,
        topic: str,
        start_offset: Callable[[], Awaitable[int]],
        handle: Callable[[Sequence[Any]], Awaitable[None]],
        lanes: Lanes,
        behind: Callable[[bool], Awaitable[bool]],
        alone: bool,
        datadir: str,
    ) -> None:
        brokers = ";".join(f"kafka://{host.strip()}" for host in kafka.split(","))
        super().__init__(
            name,
            broker=brokers,
            datadir=datadir,
            # A worker that is alone takes its partition back at once after a kill, as the same member.
            consumer_group_instance_id=f"{name}-1" if alone else None,
            **(SETTINGS if alone else {**SETTINGS, "broker_session_timeout": SHARED_SESSION}),
        )
        self._ask_offset, self._handle, self._alone = start_offset, handle, alone
        self.turn, self.seeking = 0, False  # counts assignments; whether one is being made
        self.wait_for_a_lane = lanes.wait
        self.source_name = source
        self._behind, self._heard_at = behind, time.monotonic()
        self._idle = asyncio.Event()
        self._idle.set()
        channel = self.topic(
            topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
        )
        self.agent(channel, name=f"apply-{name}")(self._apply)

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    async def start_offset(self) -> int:
        return await self._ask_offset()

    async def _apply(self, stream: Any) -> None:
        # noack: an exception that left a plain iteration would acknowledge what it did not apply.
        async for event in stream.noack().events():
            self._idle.clear()
            try:
                await self._apply_one(event)
            except asyncio.CancelledError:
                raise
            except Exception as exc:
                await self.crash(exc)
            finally:
                self._idle.set()
            event = None  # an unacknowledged message kept alive would hold up a clean stop

    async def _apply_one(self, event: Any) -> None:
        fetched = event.value
        # One of an earlier assignment comes again, from the state's position. Faust's own count of assignments does
        # not tell: it is raised before the position is found.
        if not isinstance(fetched, Fetched) or fetched.turn != self.turn:
            return
        await self._handle(fetched.records)
        event.ack()

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Bounded, unlike the stock one: the state is fenced, so a batch that lasts longer does no harm."""
        try:
            await asyncio.wait_for(self._idle.wait(), self.grace)
        except TimeoutError:
            return
        await consumer.commit()

    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self._watch())  # a task of the app would start only after the first assignment

    def heard(self) -> None:
        """Records were fetched."""
        self._heard_at = time.monotonic()

    async def _watch(self) -> None:
        """Crash when the consumer is stuck: without assignment, or with records that it does not fetch."""
        bad_since: float | None = None
        while not self.should_stop:
            await asyncio.sleep(1)
            now = time.monotonic()
            bad_since = None if self._assigned() else (bad_since or now)
            if bad_since and now - bad_since > self.stuck_after:
                await self.crash(RuntimeError("no assignment, or an endless rebalance"))
                return
            # The source's heartbeat comes every second: silence is worth a question.
            if self._idle.is_set() and bad_since is None and now - self._heard_at > self.stuck_after:
                self.heard()
                if await self._behind(self._has_partition()):
                    await self.crash(RuntimeError("there are records which are not fetched"))
                    return

    def _assigned(self) -> bool:
        # A worker beside others may rightly have no partition.
        return not self.rebalancing and (not self._alone or self._has_partition())

    def _has_partition(self) -> bool:
        try:
            return bool(self.consumer.assignment())
        except Exception:  # not connected yet counts as none, whatever it raises
            return False
