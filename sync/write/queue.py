"""② write: which owed documents a lane works on now; no document is ever in two lanes at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from sync.state.owed import Owed, Priority, bucket_of

RECENTLY = 2.0  # seconds for which direct changes count as coming
FEW = 64  # documents of a batch beside them, which they may have to wait for
DIRECT = 2  # lanes that may have direct changes in their hands: one builds while the other waits for Weaviate


class Queue:
    """Owed documents handed to lanes. What is owed stands in the state; here is only what is in flight.

    One lane builds direct changes as long as it can take them all: what arrives meanwhile becomes the next batch,
    which costs less than two lanes with half of it each. The next one may be built while that lane waits for Weaviate.
    Fan-out and backfill leave one of the ``lanes`` free for direct changes, where there are several, and come in small
    batches while such changes arrive. ``on_free`` is called, in a lane's thread, when direct changes could be built at
    once again.
    """

    def __init__(self, lanes: int = 1, on_free: Callable[[], None] | None = None) -> None:
        self.on_free = on_free
        self._most_others = max(1, lanes - 1)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._in_flight: dict[int, Owed] = {}
        self._unseen = False  # something was owed since a lane last looked
        self._skipped = False  # a lane saw an owed document in another one's hands
        self._on_direct = 0  # lanes that have direct changes in their hands
        self._built: set[int] = set()  # of these lanes' batches those that are built, by their first document
        self._on_others = 0
        self._direct_at = -RECENTLY  # when direct changes were taken last

    def wake(self) -> None:
        """Something may be owed now: one lane looks, and calls another where there is more than it can take.

        While direct changes would have to wait nobody is called: a lane looks when they need not.
        """
        with self._changed:
            self._unseen = True
            if not self.busy:
                self._changed.notify()

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

    def buckets_in_flight(self) -> set[int]:
        """Of what lanes hold now. What a lane takes next follows what ``read`` of ``reserve`` knows by then."""
        with self._changed:
            return {bucket_of(owed.type_id, owed.key) for owed in self._in_flight.values()}

    @property
    def busy(self) -> bool:
        """Whether direct changes would have to wait: a lane builds some, or two have some in their hands."""
        return self._on_direct >= DIRECT or self._on_direct > len(self._built)

    @property
    def brisk(self) -> bool:
        """Whether direct changes are coming: whatever else is written then keeps out of their way."""
        return time.monotonic() - self._direct_at < RECENTLY

    def built(self, owed: Sequence[Owed]) -> None:
        """All that is left of them is to wait for Weaviate: the next direct changes may be built meanwhile."""
        if owed[0].priority != Priority.direct:
            return
        with self._changed:
            self._built.add(owed[0].id)
            self._let_in(called=self._unseen)  # its own lane does not look soon

    def _let_in(self, *, called: bool) -> None:
        if self.busy:
            return
        if self.on_free is not None:
            self.on_free()
        if called or self._skipped:
            self._skipped = False
            self._call()

    def wait(self, timeout: float) -> None:
        """Wait until something may be owed, at most ``timeout`` seconds: postponed documents come due unannounced."""
        with self._changed:
            self._changed.wait_for(lambda: self._unseen or self.stopped, timeout)

    def pause(self, seconds: float) -> None:
        """Wait, whatever happens but a stop."""
        self._stopping.wait(seconds)  # not the condition: it would take the call that is meant for a waiting lane

    def reserve(self, limit: int, read: Callable[[int], list[Owed]]) -> list[Owed]:
        """Up to ``limit`` of the documents ``read(n)``, of one urgency; they are this lane's until released."""
        with self._changed:
            self._unseen = False
            found = read(limit + len(self._in_flight))
            free = [owed for owed in found if owed.id not in self._in_flight]
            direct = [owed for owed in free if owed.priority == Priority.direct]
            others = [owed for owed in free if owed.priority != Priority.direct]
            mine = direct and (not self.busy or len(direct) >= limit)
            most = FEW if not mine and self.brisk else limit
            taken = (direct if mine else others if self._on_others < self._most_others else [])[:most]
            self._in_flight.update((owed.id, owed) for owed in taken)
            if mine:
                self._on_direct += 1
                self._direct_at = time.monotonic()
            elif taken:
                self._on_others += 1
            if len(taken) == most or (mine and others):
                self._call()
            self._skipped = self._skipped or len(taken) < len(found)
            return taken

    def release(self, owed: Sequence[Owed]) -> None:
        """They may be taken again; raised meanwhile, they are owed again, and somebody must look."""
        if not owed:
            return
        with self._changed:
            for one in owed:
                self._in_flight.pop(one.id, None)
            if owed[0].priority == Priority.direct:
                self._on_direct -= 1
                self._built.discard(owed[0].id)
                self._let_in(called=False)
                return
            self._on_others -= 1
            if self._skipped:
                self._skipped = False
                self._call()
