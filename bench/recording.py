"""The source's topic as it really is: every record with the moment it arrived, by a plain consumer without Faust."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.figures import NotMeasured
from bench.rig import Rig
from connectors.change import Change, Message, Record, SnapshotNotice
from connectors.envelope import decode
from connectors.postgres.address import Address
from connectors.postgres.marker import emit
from connectors.topics import Topics

PATIENCE = 300.0


@dataclass
class Recording:
    """Raw Kafka records in order; ``arrived`` are µs since 1970, one for each."""

    records: list[Any] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)

    def decoded(self) -> list[Record]:
        return [decode(raw.key, raw.value, raw.headers, raw.offset) for raw in self.records]


def is_change(raw: Any) -> bool:
    return isinstance(decode(raw.key, raw.value, raw.headers, raw.offset), Change)


def completed(raw: Any) -> bool:
    """Whether this is the end of a snapshot."""
    record = decode(raw.key, raw.value, raw.headers, raw.offset)
    return isinstance(record, SnapshotNotice) and record.kind == "COMPLETED"


def record(rig: Rig, until: Callable[[Any], bool], *, keep: bool = True, patience: float = PATIENCE) -> Recording:
    """Everything from the topic's beginning to the first record of which ``until`` is true."""
    return asyncio.run(_record(rig.settings.kafka, rig.topic, 0, until, keep=keep, patience=patience))


def up_to_now(rig: Rig) -> Recording:
    """Everything that was committed before this call, from the topic's beginning; a marker of ours is its end."""
    token = uuid.uuid4().hex
    emit(Address(rig.url), token)

    def ours(raw: Any) -> bool:
        found = decode(raw.key, raw.value, raw.headers, raw.offset)
        return isinstance(found, Message) and found.content == token

    return record(rig, ours)


class Listening:
    """Records what arrives from now on, in a thread of its own, until ``stop``."""

    def __init__(self, rig: Rig) -> None:
        self._kafka, self._topic = rig.settings.kafka, rig.topic
        self._from = Topics(rig.settings.kafka).end(rig.topic)
        self._stop = threading.Event()
        self.recording = Recording()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True)
        self._thread.start()

    async def _listen(self) -> None:
        consumer = await _consumer(self._kafka, self._topic, self._from)
        try:
            while not self._stop.is_set():
                await _take(consumer, self.recording, 100)
        finally:
            await consumer.stop()

    def stop(self) -> Recording:
        self._stop.set()
        self._thread.join(30)
        return self.recording


async def _consumer(kafka: str, topic: str, offset: int) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, enable_auto_commit=False, fetch_max_wait_ms=50, max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, offset)
    return consumer


async def _take(consumer: AIOKafkaConsumer, into: Recording, wait_ms: int) -> list[Any]:
    fetched = await consumer.getmany(timeout_ms=wait_ms, max_records=5000)
    now = time.time_ns() // 1000
    taken = [raw for records in fetched.values() for raw in records]
    into.records.extend(taken)
    into.arrived.extend([now] * len(taken))
    return taken


async def _record(
    kafka: str, topic: str, offset: int, until: Callable[[Any], bool], *, keep: bool, patience: float
) -> Recording:
    consumer = await _consumer(kafka, topic, offset)
    recording = Recording()
    end = time.monotonic() + patience
    try:
        while time.monotonic() < end:
            taken = await _take(consumer, recording, 200)
            for number, raw in enumerate(taken):
                if until(raw):
                    surplus = len(taken) - number - 1
                    if surplus:
                        del recording.records[-surplus:], recording.arrived[-surplus:]
                    return recording
            if not keep:
                recording = Recording()
    finally:
        await consumer.stop()
    raise NotMeasured(f"the end that was waited for did not come out of {topic} within {patience:.0f} s")
