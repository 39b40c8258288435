"""The worker and a component that is away: named once, waited for, and once more named when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from connectors.topics import Topics
from sync.errors import HeadraceError


class Told:
    """``say`` hears once of what is away, and once that it is back, however often either is found out."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._away = say, False

    def away(self, what: str) -> None:
        if not self._away:
            self._say(what)
        self._away = True

    def back(self, what: str) -> None:
        if self._away:
            self._say(what)
        self._away = False


async def wait_until(what: str, ready: Callable[[], bool], stopping: asyncio.Event, say: Callable[[str], None]) -> None:
    """Wait for a component as long as it takes: said once when it is away, once when it is there.

    Raises SystemExit when the worker is told to stop meanwhile.
    """
    said = False
    while not stopping.is_set():
        try:
            if await asyncio.get_running_loop().run_in_executor(None, ready):
                if said:
                    say(f"{what} answers")
                return
            reason = ""
        except HeadraceError as exc:
            if not exc.retry:
                raise
            reason = f": {exc}"
        if not said:
            say(f"waiting for {what}{reason}")
            said = True
        await asyncio.sleep(0.5)
    raise SystemExit(0)


async def wait_for_kafka(address: str, stopping: asyncio.Event, say: Callable[[str], None]) -> None:
    """Raises KafkaError of one that refuses."""
    topics = Topics(address)

    def answers() -> bool:
        topics.describe("headrace")  # whether it exists does not matter: somebody answered
        return True

    await wait_until(f"Kafka at {address}", answers, stopping, say)
