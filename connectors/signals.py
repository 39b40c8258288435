"""Tells a running connector something through the signal topic that it listens to.

Format: Debezium's "sending signals to a connector", Kafka channel: the key is `topic.prefix`, the value a JSON object.
"""
# aiokafka ships no type hints.
# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import asyncio
import json

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError as ForeignKafkaError

from connectors.names import Names
from connectors.topics import Topics
from sync.errors import KafkaUnreachable

WITHIN = 15.0  # seconds


def stop_reading(kafka: str, names: Names, identity: str) -> None:
    """End an incremental snapshot; a connector that is down finds the signal later. Raises KafkaUnreachable."""
    signal = {"id": identity, "type": "stop-snapshot", "data": {"type": "INCREMENTAL"}}
    asyncio.run(_produce(kafka, names.signal_topic, names.prefix, json.dumps(signal)))


def forget(kafka: str, names: Names) -> None:
    """Delete what was told so far: after a crash, a connector does again whatever the topic still holds.

    It stores how far it has read the topic only when it ends in good order. Raises KafkaError, KafkaUnreachable.
    """
    Topics(kafka).empty(names.signal_topic)


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
