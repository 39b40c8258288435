"""Between the consumer and ② write: a fetch may wait a moment for those who write direct changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

# A fetch of one record costs as much as one of fifty. While direct changes are being written, another that is applied
# at once only waits there; fetched a little later, it comes together with others. Seconds, at most.
WAIT_FOR_A_LANE = 0.02


class Lanes:
    """Whether the write stage could begin with a change at once. Made in the event loop of those who ask."""

    def __init__(self, busy: Callable[[], bool]) -> None:
        self._busy, self._loop, self._free = busy, asyncio.get_running_loop(), asyncio.Event()

    def freed(self) -> None:
        """Direct changes were written; may be called from any thread."""
        if not self._free.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._free.set)

    async def wait(self) -> bool:
        """Until no direct change is being written, at most ``WAIT_FOR_A_LANE`` seconds; whether one had to wait."""
        if not self._busy():
            return False
        self._free.clear()
        if self._busy():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), WAIT_FOR_A_LANE)
        return True
