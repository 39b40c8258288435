"""Kafka's admin client: what it does not answer or end must not hold the caller."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from connectors import topics
from connectors.topics import Topics
from sync.errors import KafkaUnreachable


class Stuck:
    """A client that neither starts nor ends."""

    def __init__(self, **_: Any) -> None: ...

    async def start(self) -> None:
        raise KafkaConnectionError("nobody there")

    async def close(self) -> None:
        await asyncio.Event().wait()


class Silent(Stuck):
    async def start(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("client", [Stuck, Silent])
def test_a_client_that_neither_answers_nor_ends_holds_nobody(
    client: type[Stuck], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "AIOKafkaAdminClient", client)
    monkeypatch.setattr(topics, "CLOSED_WITHIN", 0.01)
    with pytest.raises(KafkaUnreachable):
        Topics("127.0.0.1:1", timeout=0.01).describe("headrace")
