"""② write: whose request is under way at Weaviate: one at a time, direct changes before others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Two requests at a time take Weaviate as long as one after the other, and half as much work again (measured).

    Nobody waits longer than ``longest`` seconds: a request that is not answered must not hold up others.
    """

    def __init__(self, longest: float = 0.5) -> None:
        self._longest = longest
        self._changed = threading.Condition()
        self._inside = 0
        self._direct_waiting = 0

    @contextmanager
    def taken(self, *, direct: bool) -> Iterator[None]:
        with self._changed:
            self._direct_waiting += direct
            try:
                self._changed.wait_for(lambda: not self._inside and (direct or not self._direct_waiting), self._longest)
            finally:
                self._direct_waiting -= direct
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()
