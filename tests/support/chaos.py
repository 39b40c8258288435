"""Parts of the system killed, frozen and started again, in an order that a seed gives."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from dataclasses import dataclass, field

from tests.support.pipeline import Pipeline
from tests.support.stack import StackFailed

COMPONENTS = ("worker", "kafka", "connect", "weaviate")  # and the source's database
MOST_AWAY = 2  # at once
OUTAGE = (0.3, 6.0)  # seconds
QUIET = (0.2, 3.0)  # seconds between two blows
LATELY = 60.0  # seconds: an outage, a start, and what is done then
STAYS_WITHIN = 90.0  # seconds, for a component that is started again


@dataclass
class Chaos:
    """``done`` says what was done, in words, for whoever must repeat it. Everything runs again when it ends."""

    pipeline: Pipeline
    seed: int
    done: list[str] = field(default_factory=list)
    kills: int = 0
    freezes: int = 0
    killed_at: dict[str, float] = field(default_factory=dict)
    _coming: dict[str, threading.Thread] = field(default_factory=dict)
    _failures: list[BaseException] = field(default_factory=list)

    def killed_lately(self, component: str) -> bool:
        """Whether it may have come back from a kill only now."""
        return time.monotonic() < self.killed_at.get(component, -LATELY) + LATELY

    def run(self, seconds: float) -> None:
        chance = random.Random(self.seed)
        components = (*COMPONENTS, self.pipeline.kind)
        away: dict[str, tuple[float, bool]] = {}  # component → when it comes back, and whether it is only frozen
        began = time.monotonic()
        strike = began + chance.uniform(*QUIET)
        while (now := time.monotonic()) < began + seconds:
            for component in [name for name, (until, _) in away.items() if until <= now]:
                self._back(component, frozen=away.pop(component)[1])
            self._coming = {name: thread for name, thread in self._coming.items() if thread.is_alive()}
            if now >= strike:
                strike = now + chance.uniform(*QUIET)
                component = chance.choice(components)
                frozen, outage = chance.random() < 0.3, chance.uniform(*OUTAGE)
                if (
                    len(away.keys() | self._coming.keys()) < MOST_AWAY
                    and component not in away.keys() | self._coming.keys()
                ):
                    self._strike(component, frozen=frozen, at=now - began, outage=outage)
                    away[component] = (now + outage, frozen)
            time.sleep(0.02)
        for component, (_, frozen) in away.items():
            self._back(component, frozen=frozen)
        for thread in self._coming.values():
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _strike(self, component: str, *, frozen: bool, at: float, outage: float) -> None:
        self.done.append(f"{at:.1f} s: {component} {'frozen' if frozen else 'killed'} for {outage:.1f} s")
        self.freezes += frozen
        self.kills += not frozen
        if component == "worker":
            worker = self.pipeline.workers[-1]
            worker.send(signal.SIGSTOP) if frozen else worker.kill()
        elif frozen:
            with contextlib.suppress(StackFailed):  # Connect may have ended by itself, for want of Kafka
                self.pipeline.stack.pause(component)
        else:
            self.killed_at[component] = time.monotonic()
            self.pipeline.stack.kill(component)

    def _back(self, component: str, *, frozen: bool) -> None:
        if component == "worker":
            if frozen:
                self.pipeline.workers[-1].send(signal.SIGCONT)
            else:
                self.pipeline.start_worker()
        elif frozen and self._resumed(component):
            return
        else:  # beside what else happens: Connect takes seconds, and does not start without Kafka
            self._coming[component] = threading.Thread(target=self._start, args=(component,), daemon=True)
            self._coming[component].start()

    def _resumed(self, component: str) -> bool:
        """Connect may have ended by itself, for want of Kafka, in the moment before it was frozen."""
        try:
            self.pipeline.stack.resume(component)
        except StackFailed:
            return False
        return True

    def _start(self, component: str) -> None:
        """As a supervisor does: again, until it stays. Connect ends at once while Kafka is away."""
        end = time.monotonic() + STAYS_WITHIN
        while True:
            try:
                return self.pipeline.stack.start(component)
            except StackFailed as exc:
                if time.monotonic() > end:
                    self._failures.append(exc)
                    return
            time.sleep(0.5)
