"""A thread that goes on beside a test until it is stopped; what made it fail is raised then."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """``_go_on`` returns soon after ``_stopped`` is set."""

    def __init__(self, name: str) -> None:
        self.failure: BaseException | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it after what it does just now. Raises what made it fail."""
        self._stopped.set()
        self._thread.join(60)
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            self._go_on()
        except BaseException as exc:
            self.failure = exc

    @abstractmethod
    def _go_on(self) -> None: ...
