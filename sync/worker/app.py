"""The worker's Faust app of one source: where it begins, who applies what is fetched, and when it is stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sync.worker.consumer import Transport, faust
from sync.worker.lanes import Lanes

SETTINGS: dict[str, Any] = {
    "store": "memory://",
    "processing_guarantee": "at_least_once",
    "topic_allow_declare": False,
    "topic_disable_leader": True,
    "table_standby_replicas": 0,
    "key_serializer": "raw",
    "value_serializer": "raw",
    "stream_buffer_maxsize": 2,
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
LOOK_AGAIN = 0.01  # seconds between two looks whether what is being applied is


class SourceApp(faust.App):
    """The Faust app of one source: one agent on its one topic.

    ``lanes`` are asked before every fetch, ``behind`` when none came for long: whether the topic has more than
    was applied. It is told whether the partition is ours.
    ``start_offset`` says where to begin and is asked on every assignment. ``handle`` gets the records of a
    fetch, in the consumer's own thread and event loop, and returns when they are durable; an error that it raises
    crashes the app. What it took becomes known to the agent once a second, which acknowledges it: a courtesy for
    those who watch the group's lag.
    """

    grace = 10.0
    stuck_after = 12.0
    look_every = 1.0
    clock = staticmethod(time.monotonic)

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
        self.applying = False  # the consumer's thread has records in its hands
        self.failure: BaseException | None = None  # of ``handle``: the app crashes with it
        self.wait_for_a_lane = lanes.wait
        self.source_name = source
        self._behind, self._heard_at = behind, self.clock()
        channel = self.topic(
            topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
        )
        self.agent(channel, name=f"acknowledge-{name}")(self._acknowledge)

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    async def start_offset(self) -> int:
        return await self._ask_offset()

    async def _acknowledge(self, stream: Any) -> None:
        async for _ in stream.events():  # applied already: the end of the iteration acknowledges it
            pass

    async def take(self, records: Sequence[Any]) -> bool:
        """Have them applied, in the consumer's thread; whether they are."""
        try:
            await self._handle(records)
        except Exception as exc:
            self.failure = exc
        return self.failure is None

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Bounded, unlike the stock one: the state is fenced, so a batch that lasts longer does no harm."""
        until = time.monotonic() + self.grace
        while self.applying:
            if time.monotonic() > until:
                return
            await asyncio.sleep(LOOK_AGAIN)
        await consumer.commit()

    async def on_start(self) -> None:
        await super().on_start()
        self.add_future(self._watch())  # a task of the app would start only after the first assignment

    def heard(self) -> None:
        """Records were fetched."""
        self._heard_at = self.clock()

    async def _watch(self) -> None:
        """Crash when the consumer is stuck: without assignment, or with records that it does not fetch."""
        bad_since: float | None = None
        while not self.should_stop:
            await asyncio.sleep(self.look_every)
            now = self.clock()
            bad_since = None if self._assigned() else (bad_since or now)
            if bad_since and now - bad_since > self.stuck_after:
                await self.crash(RuntimeError("no assignment, or an endless rebalance"))
                return
            # The source's heartbeat comes every second: silence is worth a question.
            if not self.applying and bad_since is None and now - self._heard_at > self.stuck_after:
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
