"""Before the path begins: the small, steady traffic of an airline, as real commits in its database."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from connectors.postgres.address import Address
from sync.demo.airline import FEATURED_FLIGHT, FEATURED_NUMBER, new_pnr
from sync.errors import HeadraceError

RATE = 4.0  # commits per second
TURN_EVERY = 12.0  # seconds between the featured flight's cancellation and its reinstatement
RETRY_AFTER = 1.0  # seconds, where the database went away

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed transaction: the rows it changed as (table, key), and what it was, in words.

    ``began`` and ``ended`` are microseconds since 1970: the commit lies between them.
    """

    what: str
    rows: tuple[tuple[str, str], ...]
    began: int
    ended: int


@dataclass
class Deed:
    """What a transaction did, told by the function that did it."""

    what: str
    rows: list[tuple[str, str]] = field(default_factory=list)


class Traffic:
    """Commits changes one after the other; which ones is a function of the seed and of the rows found."""

    def __init__(self, url: str, *, seed: int = 1) -> None:
        self._address = Address(url)
        self._chance = random.Random(seed)
        self._kinds: list[tuple[Callable[[Connection], Deed | None], int]] = [
            (self.delay, 10),
            (self.cancel, 2),
            (self.reinstate, 8),
            (self.rebook, 25),
            (self.reprice, 30),
            (self.book, 10),
            (self.delete, 8),
            (self.assign_gate, 8),
        ]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to work on. Raises SourceUnreachable and SourceRefused."""
        with self._address.connect() as connection:
            yield connection

    def one(self, connection: Connection) -> Commit:
        """Commit one change of a random kind."""
        while True:
            kinds, weights = zip(*self._kinds, strict=True)
            if (commit := self.commit(connection, self._chance.choices(kinds, weights)[0])) is not None:
                return commit

    def commit(self, connection: Connection, act: Callable[[Connection], Deed | None]) -> Commit | None:
        """Do ``act`` in a transaction; None where there was nothing to do it to."""
        began = time.time_ns() // 1000
        with connection.transaction():
            deed = act(connection)
        if deed is None:
            return None
        return Commit(deed.what, tuple(deed.rows), began, time.time_ns() // 1000)

    # -- flights -----------------------------------------------------------------------------------

    def turn(self, connection: Connection) -> Deed:
        """The featured flight is cancelled, or reinstated where it is."""
        status = _row(connection, "select status_cd from flights where flight_id = %s", FEATURED_FLIGHT)
        new, word = ("ON", "reinstated") if status == ("CX",) else ("CX", "cancelled")
        connection.execute("update flights set status_cd = %s where flight_id = %s", [new, FEATURED_FLIGHT])
        return Deed(f"{FEATURED_NUMBER} {word}", [("flights", str(FEATURED_FLIGHT))])

    def delay(self, connection: Connection) -> Deed | None:
        found = self._flight(connection, "ON")
        if found is None:
            return None
        minutes = self._chance.choice((15, 30, 45, 60, 90))
        connection.execute(
            "update flights set status_cd = 'DL', std = %s where flight_id = %s",
            [found[2] + timedelta(minutes=minutes), found[0]],
        )
        return Deed(f"{found[1]} {minutes} min late", [("flights", str(found[0]))])

    def cancel(self, connection: Connection) -> Deed | None:
        return self._set_status(connection, "DL", "CX", "cancelled")

    def reinstate(self, connection: Connection) -> Deed | None:
        return self._set_status(connection, self._chance.choice(("CX", "CX", "DL")), "ON", "on time again")

    def assign_gate(self, connection: Connection) -> Deed | None:
        found = self._flight(connection, "ON")
        if found is None:
            return None
        gate = f"{self._chance.choice('ABCDE')}{self._chance.randrange(1, 40)}"
        connection.execute("update flights set gate = %s where flight_id = %s", [gate, found[0]])
        return Deed(f"{found[1]} gate {gate} (not mapped)", [("flights", str(found[0]))])

    def _set_status(self, connection: Connection, old: str, new: str, word: str) -> Deed | None:
        found = self._flight(connection, old)
        if found is None:
            return None
        connection.execute("update flights set status_cd = %s where flight_id = %s", [new, found[0]])
        return Deed(f"{found[1]} {word}", [("flights", str(found[0]))])

    def _flight(self, connection: Connection, status: str) -> tuple[Any, ...] | None:
        """A random flight of that status, not the featured one: flight_id, flight_no, std."""
        return _row(
            connection,
            "select flight_id, flight_no, std from flights where status_cd = %s and flight_id <> %s"
            " order by (flight_id * 7919 + %s) %% 10007, flight_id limit 1",
            status,
            FEATURED_FLIGHT,
            self._chance.randrange(10_007),
        )

    # -- bookings ----------------------------------------------------------------------------------

    def rebook(self, connection: Connection) -> Deed | None:
        """A ticket moves to another flight between the same airports, or from the same one."""
        ticket = _row(
            connection,
            "select booking_id, seq_no, flight_id from tickets where flight_id <> %s"
            " and booking_id >= %s order by booking_id, seq_no limit 1",
            FEATURED_FLIGHT,
            self._some_booking(connection),
        )
        if ticket is None:
            return None
        other = _row(
            connection,
            "select f.flight_id, f.flight_no from flights f, flights mine where mine.flight_id = %s"
            " and f.origin = mine.origin and f.flight_id not in (mine.flight_id, %s) and f.status_cd <> 'CX'"
            " order by case when f.dest = mine.dest then 0 else 1 end, f.std, f.flight_id limit 1",
            ticket[2],
            FEATURED_FLIGHT,
        )
        if other is None:
            return None
        connection.execute(
            "update tickets set flight_id = %s where booking_id = %s and seq_no = %s", [other[0], *ticket[:2]]
        )
        return Deed(f"leg {ticket[1]} moved to {other[1]}", [("tickets", f"[{ticket[0]},{ticket[1]}]")])

    def reprice(self, connection: Connection) -> Deed | None:
        found = _row(
            connection,
            "select booking_id, pnr, total_amt from bookings where booking_id >= %s order by booking_id limit 1",
            self._some_booking(connection),
        )
        if found is None:
            return None
        amount = max(1_000, found[2] + self._chance.choice((-4_500, -1_200, 990, 2_500, 7_900)))
        connection.execute("update bookings set total_amt = %s where booking_id = %s", [amount, found[0]])
        return Deed(f"{found[1]} now {amount / 100:,.2f} EUR", [("bookings", str(found[0]))])

    def book(self, connection: Connection) -> Deed | None:
        newest = _row(connection, "select max(booking_id) + 1 from bookings")
        customers = _row(connection, "select max(customer_id) from customers")
        flight = self._flight(connection, "ON")
        if newest is None or newest[0] is None or customers is None or customers[0] is None or flight is None:
            return None
        number, pnr = newest[0], new_pnr(self._chance)
        connection.execute(
            "insert into bookings values (%s, %s, %s, %s, %s, 'WEB')",
            [
                number,
                pnr,
                self._chance.randint(1, customers[0]),
                datetime.now(UTC),
                self._chance.randrange(4_900, 90_000, 10),
            ],
        )
        connection.execute("insert into tickets values (%s, 1, %s, 'Y', null)", [number, flight[0]])
        return Deed(f"{pnr} booked on {flight[1]}", [("bookings", str(number)), ("tickets", f"[{number},1]")])

    def delete(self, connection: Connection) -> Deed | None:
        """A booking goes away; the featured flight keeps its passengers, or there would be nothing to ask about."""
        found = _row(
            connection,
            "select b.booking_id, b.pnr from bookings b where b.booking_id >= %s and not exists"
            " (select 1 from tickets t where t.booking_id = b.booking_id and t.flight_id = %s)"
            " order by b.booking_id limit 1",
            self._some_booking(connection),
            FEATURED_FLIGHT,
        )
        if found is None:
            return None
        legs = connection.execute("delete from tickets where booking_id = %s returning seq_no", [found[0]]).fetchall()
        connection.execute("delete from bookings where booking_id = %s", [found[0]])
        rows = [("bookings", str(found[0])), *(("tickets", f"[{found[0]},{seq}]") for (seq,) in sorted(legs))]
        return Deed(f"{found[1]} deleted", rows)

    def _some_booking(self, connection: Connection) -> int:
        newest = _row(connection, "select max(booking_id) from bookings")
        return self._chance.randint(1, newest[0]) if newest and newest[0] else 1


def _row(connection: Connection, statement: str, *values: Any) -> tuple[Any, ...] | None:
    return connection.execute(statement, list(values) or None).fetchone()


class Pump:
    """A thread that commits ``rate`` changes per second and turns the featured flight every ``TURN_EVERY`` seconds."""

    def __init__(self, traffic: Traffic, heard: Callable[[Commit], None], *, rate: float = RATE) -> None:
        self._traffic, self._heard, self._rate = traffic, heard, rate
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.trouble: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._traffic.connection() as connection:
                    self.trouble = None
                    self._flow(connection)
            except HeadraceError as exc:
                self.trouble = str(exc)
                self._stopped.wait(RETRY_AFTER)

    def _flow(self, connection: Connection) -> None:
        turn_at = time.monotonic() + TURN_EVERY / 3
        due = time.monotonic()
        while not self._stopped.is_set():
            if time.monotonic() >= turn_at:
                commit = self._traffic.commit(connection, self._traffic.turn)
                turn_at += TURN_EVERY
            else:
                commit = self._traffic.one(connection)
            if commit is not None:
                self._heard(commit)
            due += 1 / self._rate
            self._stopped.wait(max(0.0, due - time.monotonic()))
