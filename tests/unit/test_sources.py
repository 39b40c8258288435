"""The end of a source's consumer that has crashed: nobody waits for one that does not stop."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from sync.worker import sources


def app(stop: Any) -> Any:
    return SimpleNamespace(stop=stop, conf=SimpleNamespace(id="one"))


def test_one_that_swallows_its_cancellation_is_left_behind() -> None:
    assert asyncio.run(ended_beside_one_that_does_not_stop())


async def ended_beside_one_that_does_not_stop() -> bool:
    over = asyncio.Event()

    async def stop() -> None:
        while not over.is_set():
            try:
                await over.wait()
            except asyncio.CancelledError:
                continue

    ending = asyncio.ensure_future(sources.end(app(stop), 0.01))
    done, _ = await asyncio.wait({ending}, timeout=5)
    over.set()
    return bool(done)


def test_one_that_stops_with_an_error_has_stopped() -> None:
    async def stop() -> None:
        raise RuntimeError("Event loop is closed")

    asyncio.run(sources.end(app(stop)))
