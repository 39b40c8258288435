"""Beside the worker's stages: a thread that looks every so often, until it is stopped."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeVar

from sync.errors import HeadraceError, StateError

log = logging.getLogger("headrace.worker")
T = TypeVar("T")


class Beside(ABC):
    """Looks every ``every`` seconds; of several workers only the one that ``leads``.

    ``patience`` is how many seconds ``stop`` waits for a look that is under way. What nobody expected ends it and
    stands in ``failure``: the worker sees it and ends, too.
    """

    failure: BaseException | None = None

    def __init__(
        self, name: str, every: float, leads: Callable[[], bool] = lambda: True, patience: float = 15.0
    ) -> None:
        self._every, self._leads, self._patience = every, leads, patience
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(self._patience)

    def _run(self) -> None:
        try:
            while not self._stopped.wait(self._pause()):
                self._turn()
        except BaseException as exc:  # in a thread that nobody waits for it would go unnoticed
            self.failure = exc

    def _pause(self) -> float:
        return self._every

    def _turn(self) -> None:
        if not self._leads():
            return
        try:
            self._look()
        except HeadraceError as exc:  # something is away, which others show: looked at again
            log.debug("%s: %s", self._thread.name, exc)

    @abstractmethod
    def _look(self) -> None:
        """One look. A HeadraceError that it raises costs this look only."""


def each(found: Iterable[T], look: Callable[[T], None]) -> None:
    """Look at every one, whatever is wrong with those before it. Raises the first HeadraceError at the end.

    What is wrong with the state is so for all: it is raised at once.
    """
    first: HeadraceError | None = None
    for one in found:
        try:
            look(one)
        except StateError:
            raise
        except HeadraceError as exc:
            log.debug("looked at the others first: %s", exc)
            first = first or exc
    if first is not None:
        raise first
