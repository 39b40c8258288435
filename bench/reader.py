"""The proof beside the ledger: a reader that asks Weaviate, on a sample of changes, whether the new text is there."""

from __future__ import annotations

import queue
import threading
import time
from types import TracebackType
from typing import Self

from bench.figures import NotMeasured
from bench.generator import Sent
from bench.rig import MAPPING, Rig
from sync.demo.question import connect
from sync.write.objects import object_id

# Seconds between two looks, at first and at most: a reader that looks often while much is waiting makes it wait longer.
EVERY, SELDOM = 0.003, 0.05
PATIENCE = 20.0


class Reader:
    """Give it sampled changes by ``watch``; it polls each by id, with the ordinary client, until the new text shows."""

    def __init__(self, rig: Rig, one_in: int) -> None:
        self._client = connect(rig.settings)
        self._one_in, self._count = one_in, 0
        self._waiting: queue.SimpleQueue[Sent | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None
        self.seen: list[float] = []  # ms from commit until read

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join(PATIENCE + 10)
        self._client.close()
        if kind is None and self._failure is not None:
            raise self._failure

    def watch(self, sent: Sent) -> None:
        """Called for every change; keeps one in so many."""
        with self._lock:
            self._count += 1
            chosen = self._count % self._one_in == 0
        if chosen:
            self._waiting.put(sent)

    def _run(self) -> None:
        try:
            bookings = self._client.collections.get("Booking")
            while (sent := self._waiting.get()) is not None:
                uuid = object_id(MAPPING, "booking", sent.key, 0)
                end, pause = time.monotonic() + PATIENCE, EVERY
                while True:
                    found = bookings.query.fetch_object_by_id(uuid)
                    if found is not None and sent.words in str(found.properties.get("content")):
                        break
                    if time.monotonic() > end:
                        raise NotMeasured(f"booking {sent.key} does not show {sent.words} after {PATIENCE:.0f} s")
                    time.sleep(pause)
                    pause = min(SELDOM, pause * 1.3)
                self.seen.append((time.time_ns() // 1000 - sent.committed) / 1000)
        except BaseException as exc:  # raised again where the reader was opened
            self._failure = exc
