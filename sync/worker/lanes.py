"""Between the consumer and ② write: a fetch may wait a moment for those who build direct changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

# A fetch of one record costs as much as one of fifty. While direct changes are being built, another that is applied
# at once only waits there; fetched a little later, it comes together with others. Seconds, at most.
WAIT_FOR_A_LANE = 0.02


class Lanes:
    """Whether the write stage could begin with a change at once. Asked in the consumers' threads and loops."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy = busy
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = set()

    def freed(self) -> None:
        """Direct changes could be built at once; may be called from any thread."""
        for loop, future in tuple(self._waiting):
            with contextlib.suppress(RuntimeError):  # that loop was closed
                loop.call_soon_threadsafe(_end, future)

    async def wait(self) -> bool:
        """Until direct changes could be built at once, at most ``WAIT_FOR_A_LANE`` seconds; whether one had to wait."""
        if not self._busy():
            return False
        loop = asyncio.get_running_loop()
        entry = loop, loop.create_future()
        self._waiting.add(entry)
        until = loop.call_later(WAIT_FOR_A_LANE, _end, entry[1])
        try:
            if self._busy():  # not freed before this one stood among those who wait
                await entry[1]
        finally:
            until.cancel()
            self._waiting.discard(entry)
        return True


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
