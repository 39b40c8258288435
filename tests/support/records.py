"""Reads a source's topic as tests need it: decoded, in order, until something is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition

from connectors.change import Record
from connectors.envelope import decode


class Log:
    """A source's topic from its beginning. ``records`` and ``raw`` (key, value) hold all that was returned."""

    def __init__(self, kafka: str, topic: str) -> None:
        self.kafka, self.topic = kafka, topic
        self.records: list[Record] = []
        self.raw: list[tuple[bytes | None, bytes | None]] = []
        self._ahead: list[tuple[Record, bytes | None, bytes | None]] = []

    def __enter__(self) -> Log:
        self._runner = asyncio.Runner()
        self._runner.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._consumer.stop())
        self._runner.close()

    async def _start(self) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka, enable_auto_commit=False, fetch_max_wait_ms=50)
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self.topic, 0)])
        await self._consumer.seek_to_beginning()

    def until(self, condition: Callable[[Record], bool], within: float = 60.0) -> list[Record]:
        """The next records, up to and with the first that meets ``condition``."""
        deadline = time.monotonic() + within
        found: list[Record] = []
        while time.monotonic() < deadline:
            while self._ahead:
                record, key, value = self._ahead.pop(0)
                found.append(record)
                self.records.append(record)
                self.raw.append((key, value))
                if condition(record):
                    return found
            for batch in self._runner.run(self._consumer.getmany(timeout_ms=200)).values():
                self._ahead += [(decode(r.key, r.value, r.headers, r.offset), r.key, r.value) for r in batch]
        seen = ", ".join(type(record).__name__ for record in found[-10:]) or "nothing"
        raise TimeoutError(f"{self.topic}: what was waited for did not come within {within:.0f} s; last came {seen}")
