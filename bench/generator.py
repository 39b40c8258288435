"""The load: changes that alter a booking's text, committed on an open-loop schedule over several connections.

Open loop: each change has its moment whether or not earlier ones are through, so that a slow system cannot slow its
own load down (coordinated omission). Latency counts from the real commit; how late commits were is kept beside it.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from bench.figures import NotMeasured
from connectors.postgres.address import Address

CONNECTIONS = 8
_AMOUNTS = itertools.count(10_000_01)  # cents, never the same twice in a run: every change alters the text


@dataclass(frozen=True, slots=True)
class Sent:
    """A committed change. ``began`` and ``committed`` (when COMMIT returned) are µs since 1970, ``late`` is µs."""

    key: str
    amount: int
    began: int
    committed: int
    late: int

    @property
    def words(self) -> str:
        """How the new price reads in the booking's text."""
        return f"{self.amount / 100:,.2f} EUR"


@dataclass(frozen=True)
class Load:
    """What was sent, and at what rate it really was."""

    sent: tuple[Sent, ...]
    asked: float
    reached: float

    @property
    def kept_up(self) -> bool:
        return self.reached >= 0.97 * self.asked


def keys(count: int, whole: int, *, seed: int, apart_from: frozenset[int] = frozenset()) -> list[str]:
    """``count`` distinct booking numbers of 1..``whole``, in random order. Raises NotMeasured if there are fewer."""
    free = [number for number in range(1, whole + 1) if number not in apart_from]
    if count > len(free):
        raise NotMeasured(f"{count} distinct bookings wanted, there are {len(free)}")
    return [str(number) for number in random.Random(seed).sample(free, count)]


def run(
    url: str,
    rate: float,
    wanted: Sequence[str],
    *,
    heard: Callable[[Sent], None] | None = None,
    until: threading.Event | None = None,
) -> Load:
    """Change the price of each booking in ``wanted``, ``rate`` a second; ends early when ``until`` is set."""
    return _Schedule(url, rate, wanted, heard, until or threading.Event()).run()


@contextmanager
def beside(url: str, rate: float, wanted: Sequence[str]) -> Iterator[list[Sent]]:
    """Such changes while something else is done; the list holds what was sent once that is over."""
    sent: list[Sent] = []
    until = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(run, url, rate, wanted, until=until)
        try:
            yield sent
        finally:
            until.set()
        sent += going_on.result().sent


class _Schedule:
    def __init__(
        self,
        url: str,
        rate: float,
        wanted: Sequence[str],
        heard: Callable[[Sent], None] | None,
        until: threading.Event,
    ) -> None:
        self._address, self._rate, self._wanted = Address(url), rate, wanted
        self._heard, self._until = heard, until
        self._next = itertools.count()
        self._sent: list[Sent] = []
        self._failure: BaseException | None = None
        self._start = 0
        self._ready = threading.Barrier(CONNECTIONS, action=self._begin)

    def run(self) -> Load:
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failure is not None:
            raise self._failure
        sent = tuple(sorted(self._sent, key=lambda one: one.committed))
        if not sent:
            raise NotMeasured("nothing was committed")
        span = max(sent[-1].committed - self._start, 1) / 1e6
        return Load(sent, self._rate, max(len(sent) - 1, 1) / span)

    def _begin(self) -> None:
        """The first change is due once everybody is connected."""
        self._start = time.time_ns() // 1000 + 10_000

    def _work(self) -> None:
        try:
            with self._address.connect(prepare_threshold=1) as connection:
                connection.execute("select 1")
                self._ready.wait(30)
                while (number := next(self._next)) < len(self._wanted) and not self._until.is_set():
                    due = self._start + int(number * 1e6 / self._rate)
                    time.sleep(max(0, due - time.time_ns() // 1000) / 1e6)
                    amount = next(_AMOUNTS)
                    began = time.time_ns() // 1000
                    connection.execute(
                        "update bookings set total_amt = %s where booking_id = %s",
                        [amount, int(self._wanted[number])],
                    )
                    committed = time.time_ns() // 1000
                    sent = Sent(self._wanted[number], amount, began, committed, max(0, began - due))
                    self._sent.append(sent)
                    if self._heard:
                        self._heard(sent)
        except BaseException as exc:  # told by run(), in the thread that asked
            self._failure = exc
            self._until.set()
