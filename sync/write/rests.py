"""② write: what failed is left alone for a while, each time longer, so that no lane is spent on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

FIRST = 1.0  # seconds
LONGEST = 60.0


def pause(times: int) -> float:
    """Seconds to wait after so many failures in succession. The exponent is bounded: a number of 1,024 bits is none."""
    return min(LONGEST, FIRST * 2.0 ** min(times, 20))


class Rests:
    """Collections and the embedder by any name, and until when each rests. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Hashable, float] = {}
        self._times: dict[Hashable, int] = {}

    def failed(self, what: Hashable, after: float | None = None, *, forgiven: int = 0) -> float:
        """Let it rest for ``after`` seconds, as it may have asked for, or twice as long as the last time; how long.

        The first ``forgiven`` failures in succession cost no rest.
        """
        with self._lock:
            times = self._times.get(what, 0) - forgiven
            self._times[what] = times + forgiven + 1
            seconds = after if after is not None else pause(times) if times >= 0 else 0.0
            self._until[what] = time.monotonic() + seconds
            return seconds

    def left(self, what: Hashable) -> float:
        """For how many seconds it still rests."""
        return max(0.0, self._until.get(what, 0.0) - time.monotonic())

    def succeeded(self, what: Hashable) -> None:
        if what in self._times:
            with self._lock:
                self._times.pop(what, None)
                self._until.pop(what, None)

    def any(self) -> bool:
        """Whether something failed that has not succeeded since."""
        return bool(self._times)
