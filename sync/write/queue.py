"""② write: which owed documents a lane works on now; no document is ever in two lanes at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from sync.state.documents import Owed


class Queue:
    """Owed documents handed to lanes. What is owed stands in the state; here is only what is in flight.

    ``on_idle`` is called, in the lane's own thread, when a lane has nothing to do.
    """

    def __init__(self, on_idle: Callable[[], None] | None = None) -> None:
        self.on_idle = on_idle
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._in_flight: set[int] = set()
        self._unseen = False  # something was owed since a lane last looked
        self._skipped = False  # a lane saw an owed document in another one's hands
        self._idle = 0

    def wake(self) -> None:
        """Something may be owed now: one lane looks, and calls another where there is more than it can take."""
        with self._changed:
            self._call()

    def _call(self) -> None:
        self._unseen = True
        self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        return self._stopping.is_set()

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def idle(self) -> int:
        """How many lanes wait for something to do."""
        return self._idle

    def wait(self, timeout: float) -> None:
        """Wait until something may be owed, at most ``timeout`` seconds: postponed documents come due unannounced."""
        with self._changed:
            self._idle += 1
            if self.on_idle is not None:
                self.on_idle()
            try:
                self._changed.wait_for(lambda: self._unseen or self.stopped, timeout)
            finally:
                self._idle -= 1

    def pause(self, seconds: float) -> None:
        """Wait, whatever happens but a stop."""
        self._stopping.wait(seconds)  # not the condition: it would take the call that is meant for a waiting lane

    def reserve(self, limit: int, read: Callable[[int], list[Owed]]) -> list[Owed]:
        """Up to ``limit`` documents of ``read(n)`` that no other lane has; they are this lane's until released."""
        with self._changed:
            self._unseen = False
            found = read(limit + len(self._in_flight))
            free = [owed for owed in found if owed.id not in self._in_flight]
            self._skipped = self._skipped or len(free) < len(found)
            taken = free[:limit]
            self._in_flight.update(owed.id for owed in taken)
            if len(taken) == limit:
                self._call()
            return taken

    def release(self, owed: Iterable[Owed]) -> None:
        """They may be taken again; raised meanwhile, they are owed again, and somebody must look."""
        with self._changed:
            self._in_flight.difference_update(one.id for one in owed)
            if self._skipped:
                self._skipped = False
                self._call()
