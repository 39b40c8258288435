"""The topics that sources write to: made, measured and removed through Kafka's admin protocol, for the command line.

Synchronous; each call opens a connection of its own. From a running event loop use `asyncio.to_thread`.
"""
# aiokafka ships no type hints.
# mypy: disable-error-code="import-untyped,no-any-return"

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import BrokerResponseError, for_code
from aiokafka.errors import KafkaError as ForeignKafkaError
from aiokafka.protocol.offset import OffsetRequest

from connectors.kafka_metadata import TopicRequest
from sync.errors import KafkaError, KafkaUnreachable

RETENTION_MS = 7 * 24 * 3600 * 1000
NO_ERROR, UNKNOWN_TOPIC, TOPIC_EXISTS = 0, 3, 36  # of Kafka's protocol
BEGINNING, END = -2, -1  # Kafka's timestamps for the first offset and the one after the last
CLOSED_WITHIN = 5.0  # seconds
SET_ON_TOPIC = 1  # describe_configs: this value was given to the topic itself
T = TypeVar("T")


class Described(NamedTuple):
    """A topic as the broker knows it: ``id`` is Kafka's UUID of it, which a recreated topic does not share."""

    id: str
    partitions: int
    leader: int


class Topics:
    """Topics of one Kafka cluster; ``bootstrap`` is host:port[,host:port], ``timeout`` seconds per call.

    Raises KafkaUnreachable where no broker answers in time, KafkaError where one refuses.
    """

    def __init__(self, bootstrap: str, *, timeout: float = 15.0) -> None:
        self.bootstrap, self.timeout = bootstrap, timeout

    def ensure(self, name: str, config: Mapping[str, str] | None = None) -> bool:
        """Create ``name`` with one partition, or set what differs on the one there is; True if it was created.

        Unless ``config`` says otherwise: cleanup.policy=delete and a retention of 7 days; replication as the broker
        defaults to. Raises KafkaError for a topic with several partitions: the order of the log is lost there.
        """
        wanted = {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)} | dict(config or {})
        return self._run(lambda admin: self._ensure(admin, name, wanted))

    def delete(self, names: Iterable[str]) -> list[str]:
        """Delete topics and wait until they are gone; returns those that there were."""
        return self._run(lambda admin: self._delete(admin, list(names)))

    def describe(self, name: str) -> Described | None:
        """None if there is no such topic."""
        return self._run(lambda admin: _describe(admin, name))

    def topic_id(self, name: str) -> str | None:
        """Kafka's UUID of the topic; None if there is no such topic."""
        found = self.describe(name)
        return found.id if found else None

    def beginning(self, name: str) -> int:
        """The first offset that the topic still has."""
        return self._run(lambda admin: _offset(admin, name, BEGINNING))

    def end(self, name: str) -> int:
        """The offset that the next record will get."""
        return self._run(lambda admin: _offset(admin, name, END))

    def configuration(self, name: str) -> dict[str, str]:
        """What is set on the topic itself, without what it has from the broker."""
        return self._run(lambda admin: _set_on_topic(admin, name))

    def _run(self, act: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        return asyncio.run(self._with_admin(act))

    async def _with_admin(self, act: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=int(self.timeout * 1000))
        try:
            async with asyncio.timeout(self.timeout):
                await admin.start()
                return await act(admin)
        except (OSError, TimeoutError) as exc:
            raise KafkaUnreachable(f"Kafka at {self.bootstrap} does not answer within {self.timeout:.0f} s") from exc
        except ForeignKafkaError as exc:
            if isinstance(exc, BrokerResponseError) and not exc.retriable:
                raise KafkaError(f"Kafka at {self.bootstrap} refuses: {exc}") from exc
            raise KafkaUnreachable(f"Kafka at {self.bootstrap} does not answer: {exc}") from exc
        finally:
            await _close(admin)

    async def _ensure(self, admin: AIOKafkaAdminClient, name: str, wanted: dict[str, str]) -> bool:
        found = await _describe(admin, name)
        created = False
        if found is None:
            created = await _create(admin, name, wanted)
            found = await self._until(admin, name, exists=True)
        if found is None or found.partitions != 1:
            raise KafkaError(
                f"topic {name} has {found.partitions if found else 0} partitions; a source's topic has one,"
                " for the order of the log",
                advice="Delete the topic, then apply again: it is made with one partition.",
            )
        if not created:
            await _set(admin, name, wanted)
        return created

    async def _delete(self, admin: AIOKafkaAdminClient, names: list[str]) -> list[str]:
        there = [name for name in names if await _describe(admin, name) is not None]
        if there:
            answer = await admin.delete_topics(there, int(self.timeout * 1000))
            for name, code in answer.topic_error_codes:
                _check(code, f"cannot delete topic {name}", UNKNOWN_TOPIC)
        for name in there:
            await self._until(admin, name, exists=False)
        return there

    async def _until(self, admin: AIOKafkaAdminClient, name: str, *, exists: bool) -> Described | None:
        """The brokers learn of a new or deleted topic a moment after the controller; the call's timeout bounds it."""
        while ((found := await _describe(admin, name)) is not None) is not exists:
            await asyncio.sleep(0.02)
        return found


async def _close(admin: AIOKafkaAdminClient) -> None:
    """Bounded: it waits for connections to a broker and for a task of its own, and the caller waits for it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSED_WITHIN):
            await admin.close()


async def _describe(admin: AIOKafkaAdminClient, name: str) -> Described | None:
    answer = await admin._send_request(TopicRequest(name))
    topic = answer.to_object()["topics"][0]
    if topic["error_code"] == UNKNOWN_TOPIC:
        return None
    _check(topic["error_code"], f"cannot describe topic {name}")
    partitions = topic["partitions"]
    return Described(str(topic["topic_id"]), len(partitions), partitions[0]["leader"] if partitions else -1)


async def _create(admin: AIOKafkaAdminClient, name: str, config: dict[str, str]) -> bool:
    # "The broker's default" can be asked for only in a later version of the request than aiokafka speaks.
    replication = int(await _broker_setting(admin, "default.replication.factor"))
    answer = await admin.create_topics([NewTopic(name, 1, replication, topic_configs=config)])
    _, code, message = answer.topic_errors[0]
    _check(code, f"cannot create topic {name}: {message}", TOPIC_EXISTS)
    return bool(code != TOPIC_EXISTS)


async def _set(admin: AIOKafkaAdminClient, name: str, wanted: dict[str, str]) -> None:
    have = await _set_on_topic(admin, name)
    if wanted.items() <= have.items():
        return
    # The request replaces everything that is set on the topic, so what others set goes with it.
    resource = ConfigResource(ConfigResourceType.TOPIC, name, configs=have | wanted)
    for answer in await admin.alter_configs([resource]):
        for code, message, *_ in answer.resources:
            _check(code, f"cannot set the configuration of topic {name}: {message}")


async def _set_on_topic(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    entries = await _configuration(admin, ConfigResource(ConfigResourceType.TOPIC, name))
    return {entry[0]: entry[1] for entry in entries if entry[3] == SET_ON_TOPIC}


async def _broker_setting(admin: AIOKafkaAdminClient, setting: str) -> str:
    node = str(admin._client.get_random_node())
    entries = await _configuration(admin, ConfigResource(ConfigResourceType.BROKER, node, configs={setting: None}))
    return next(entry[1] for entry in entries if entry[0] == setting)


async def _configuration(admin: AIOKafkaAdminClient, resource: ConfigResource) -> list[tuple[str, str, bool, int]]:
    """(name, value, read-only, where it was set), ..."""
    (answer,) = await admin.describe_configs([resource])
    code, message, _, name, entries = answer.resources[0]
    _check(code, f"cannot read the configuration of {name}: {message}")
    return [(entry[0], entry[1], entry[2], entry[3]) for entry in entries]


async def _offset(admin: AIOKafkaAdminClient, name: str, timestamp: int) -> int:
    found = await _describe(admin, name)
    if found is None:
        raise KafkaError(f"there is no topic {name}", advice="`headrace apply` the mapping: it makes its topics.")
    answer = await admin._send_request_to_node(found.leader, OffsetRequest(-1, 0, [(name, [(0, timestamp)])]))
    partition = answer.to_object()["topics"][0]["partitions"][0]
    _check(partition["error_code"], f"cannot read the offsets of topic {name}")
    return int(partition["offset"])


def _check(code: int, what: str, *allowed: int) -> None:
    if code in (NO_ERROR, *allowed):
        return
    kind = for_code(code)
    if kind.retriable:
        raise kind(what)
    raise KafkaError(f"{what} ({kind.__name__})")
