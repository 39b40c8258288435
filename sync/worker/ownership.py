"""Beside the worker's stages, where several share a state: which buckets are this worker's, and until when for certain.

What it may do follows from a deadline by its own clock, which is never later than the lease's end by the database's:
past it nothing is taken and nothing sent, though the state cannot be asked. A process that was stopped finds its
deadline passed when it wakes up; a request already on its way carries it as its own deadline, so that Weaviate drops
what arrives later. What the state must say is asked in the transaction that depends on it (sync/state/leases.py).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy import Connection

from sync.errors import Fenced, HeadraceError
from sync.state import leases
from sync.state.database import State
from sync.state.owed import BUCKETS

log = logging.getLogger("headrace.worker")

EVERY = 1.0  # seconds between two extensions
MARGIN = 1.0  # seconds of a lease with which nothing is begun any more
DOUBT = 2.0  # seconds that Weaviate may still work on what a dead worker had sent, after that request's deadline
HAND_OVER = 1.0  # seconds that documents in flight may hold up a bucket before the next turn
LOOK = 0.01
LEADER = 0  # who has this bucket also does what only one worker may do


class Flights(Protocol):
    """What is in flight: the stage's queue."""

    @property
    def in_flight(self) -> int: ...
    def buckets_in_flight(self) -> set[int]: ...
    def wake(self) -> None: ...


def clock() -> float:
    """Seconds that pass while the machine sleeps, too, where the system has such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Ownership:
    """This worker among others. It joins when started, and again whenever it was taken for dead meanwhile."""

    def __init__(self, state: State, say: Callable[[str], None], name: str = "") -> None:
        self._state, self._say = state, say
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.failure: BaseException | None = None
        self._flights: Flights
        self._worker: int | None = None
        self._until = 0.0
        self._active: frozenset[int] = frozenset()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=run.__name__.strip("_"), daemon=True) for run in (self._keep, self._hear)
        ]

    def start(self, flights: Flights) -> None:
        self._flights = flights
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Hand everything over. What is still in flight keeps the lease until it expires: it is in doubt then."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(10)
        worker, self._active = self._worker, frozenset()
        if worker is None or self._flights.in_flight or self._threads[0].is_alive():
            return
        try:
            leases.leave(self._state, worker)
        except HeadraceError as exc:
            log.warning("the lease is left to expire: %s", exc)

    # -- what the stages ask ---------------------------------------------------------------------

    def buckets(self) -> Collection[int] | None:
        """As ``Holding.buckets``."""
        if self._until - clock() < MARGIN:
            return ()
        active = self._active
        return None if len(active) == BUCKETS else active

    def hold(self, connection: Connection) -> None:
        """As ``Holding.hold``."""
        if self._worker is None:
            raise Fenced("this worker was taken for dead: others write its documents now")
        leases.hold(self._state, connection, self._worker)

    def left(self) -> float:
        """Seconds that a write may take which begins now. Raises Fenced where none may begin."""
        left = self._until - clock()
        if left < MARGIN:
            raise Fenced("this worker could not extend its lease in time: it sends nothing")
        return left

    def leads(self) -> bool:
        """Whether it is this worker that does what only one may do."""
        return LEADER in self._active and self._until - clock() >= MARGIN

    # -- the turn --------------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            while True:
                try:
                    self.turn()
                except HeadraceError as exc:
                    if not exc.retry:
                        raise
                    log.debug("the lease: %s", exc)
                if self._stopped.wait(EVERY):
                    return
        except BaseException as exc:  # the worker sees it and ends
            self.failure = exc

    def turn(self) -> None:
        """Extend the lease, take over from the dead, take and give up what is to be shared out."""
        if self._worker is None and not self._join():
            return
        if not self._extend():
            return
        leases.end_sessions_of_the_dead(self._state)
        if freed := leases.take_over(self._state, DOUBT):
            self._say(f"a worker has died: its {len(freed)} buckets are shared out anew")
        assert self._worker is not None
        mine, surplus = leases.share(self._state, self._worker)
        leaving = set(sorted(mine)[len(mine) - surplus :])
        gained = mine - leaving - self._active
        self._active = frozenset(mine - leaving)
        if gained:
            log.info("%d of %d buckets are this worker's", len(self._active), BUCKETS)
            self._flights.wake()
        if leaving:
            self._give_up(leaving)

    def _join(self) -> bool:
        if self._flights.in_flight:
            return False  # taken under the old lease: the new one must not cover them
        self._worker = leases.join(self._state, self.name)
        return True

    def _extend(self) -> bool:
        assert self._worker is not None
        began = clock()
        now = leases.extend(self._state, self._worker)
        if now is None:
            self._worker, self._until, self._active = None, 0.0, frozenset()
            self._say("this worker was taken for dead; it begins anew as another one")
            return False
        self._until = began + leases.LEASE
        self._state.ahead = now - time.time()
        return True

    def _give_up(self, leaving: set[int]) -> None:
        assert self._worker is not None
        until = clock() + HAND_OVER
        while (busy := leaving & self._flights.buckets_in_flight()) and clock() < until and not self._stopped.is_set():
            time.sleep(LOOK)
        if leaving - busy:
            leases.release(self._state, self._worker, leaving - busy)

    # -- what other workers applied --------------------------------------------------------------

    def _hear(self) -> None:
        """Wake the stage when another worker has raised documents. Without it they are found half a second later."""
        while not self._stopped.is_set():
            try:
                self._state.listen(self._flights.wake, self._stopped.is_set)
            except HeadraceError as exc:
                log.debug("listening: %s", exc)
                self._stopped.wait(1.0)
