"""Asks a running connector for something, through the signal topic that it listens to: to read tables again.

Format: Debezium's "sending signals to a connector", Kafka channel: the key is `topic.prefix`, the value a JSON object.
"""
# aiokafka ships no type hints.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as ForeignKafkaError

from connectors.debezium import literally
from connectors.names import Names
from connectors.topics import Topics
from sync.errors import KafkaUnreachable

WITHIN = 15.0  # seconds


def read_again(kafka: str, names: Names, identity: str, tables: Sequence[str], filters: Mapping[str, str]) -> None:
    """Have the connector show all rows of ``tables`` ("schema.table") again while it goes on with the log.

    ``filters`` maps a table to a condition in the database's own SQL; ``identity`` comes back with every notification.
    Returns when the signal stands in its topic: a connector that is down finds it later. Raises KafkaUnreachable.
    """
    data: dict[str, Any] = {"type": "INCREMENTAL", "data-collections": [literally(table) for table in tables]}
    if filters:
        data["additional-conditions"] = [
            {"data-collection": literally(table), "filter": text} for table, text in filters.items()
        ]
    _send(kafka, names, {"id": identity, "type": "execute-snapshot", "data": data})


def forget(kafka: str, names: Names) -> None:
    """Delete what was asked for so far: after a crash, a connector does again whatever the topic still holds.

    It stores how far it has read the topic only when it ends in good order. Raises KafkaError, KafkaUnreachable.
    """
    Topics(kafka).empty(names.signal_topic)


def stop_reading(kafka: str, names: Names, identity: str) -> None:
    """End what `read_again` began. Raises KafkaUnreachable."""
    _send(kafka, names, {"id": identity, "type": "stop-snapshot", "data": {"type": "INCREMENTAL"}})


def _send(kafka: str, names: Names, signal: dict[str, Any]) -> None:
    asyncio.run(_produce(kafka, names.signal_topic, names.prefix, json.dumps(signal)))


async def _produce(kafka: str, topic: str, key: str, value: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", request_timeout_ms=int(WITHIN * 1000))
    try:
        async with asyncio.timeout(WITHIN):
            await producer.start()
            await producer.send_and_wait(topic, value.encode(), key.encode(), partition=0)
    except (OSError, TimeoutError, ForeignKafkaError) as exc:
        raise KafkaUnreachable(f"Kafka at {kafka} does not take a signal for topic {topic}: {exc}") from exc
    finally:
        await producer.stop()
