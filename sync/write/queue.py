"""② write: which owed documents a lane works on now; no document is ever in two lanes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from sync.state.documents import Owed


class Queue:
    """Owed documents handed to lanes. What is owed stands in the state; here is only what is in flight."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_flight: set[int] = set()
        self._woken = 0
        self._stopped = False

    def wake(self) -> None:
        """Something may be owed now."""
        with self._changed:
            self._woken += 1
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    def wait(self, seen: int, timeout: float) -> int:
        """Wait until woken since ``seen``, at most ``timeout`` seconds (postponed documents come due unannounced)."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken != seen or self._stopped, timeout)
            return self._woken

    def pause(self, seconds: float) -> None:
        """Wait, whatever happens but a stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def reserve(self, limit: int, read: Callable[[int], list[Owed]]) -> list[Owed]:
        """Up to ``limit`` documents of ``read(n)`` that no other lane has; they are this lane's until released."""
        with self._changed:
            free = [owed for owed in read(limit + len(self._in_flight)) if owed.id not in self._in_flight][:limit]
            self._in_flight.update(owed.id for owed in free)
            return free

    def release(self, owed: Iterable[Owed]) -> None:
        with self._changed:
            self._in_flight.difference_update(one.id for one in owed)
            self._changed.notify_all()
