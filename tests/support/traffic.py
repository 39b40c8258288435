"""Mixed commits on an airline database, from a seed: what the system must survive while its parts are killed."""

from __future__ import annotations

import random
import time
from typing import Any

from tests.support.background import Background
from tests.support.session import AWAY, Session, session


class Traffic(Background):
    """A thread that commits inserts, updates, deletes, key changes, moves, large transactions and truncates.

    ``commits`` counts transactions, ``changes`` rows. A database that is away is tried again until ``stop``.
    Bookings up to ``kept`` stay, and of each the price and its tickets' baggage are one number, always changed in one
    transaction, and never falls: no reader may miss such a booking, find two numbers in it, or an older one.
    """

    def __init__(self, url: str, seed: int, *, rate: float = 100.0, truncates: bool = False, kept: int = 0) -> None:
        super().__init__("traffic")
        self.url, self.rate, self.truncates, self.kept = url, rate, truncates, kept
        self.chance = random.Random(seed)
        self.commits = self.changes = 0
        self._last_number = 1_000_000
        self._pairs_made = 1000  # above those of `pair_all`

    def _go_on(self) -> None:
        while not self._stopped.is_set():
            try:
                with session(self.url) as connection:
                    self._number_after_the_last(connection)
                    self._commit_until_stopped(connection)
            except AWAY:
                self._stopped.wait(0.2)  # the database is being killed and started: that is what is tested

    def _number_after_the_last(self, connection: Session) -> None:
        """Another traffic may have been here; a deleted row's number is not given again by this one."""
        keys = {"bookings": "booking_id", "customers": "customer_id", "flights": "flight_id"}
        for table, key in keys.items():
            (last,) = connection.execute(f"select max({key}) from {table}").fetchone()
            self._last_number = max(self._last_number, last or 0)

    def _number(self) -> int:
        """A key that no row had."""
        self._last_number += 1
        return self._last_number

    def _commit_until_stopped(self, connection: Session) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            with connection.transaction():
                rows = self._change(connection)
            self.commits += 1
            self.changes += rows
            due += max(1, rows) / self.rate
            if (pause := due - time.monotonic()) > 0:
                self._stopped.wait(pause)
            else:
                due = time.monotonic()

    def _change(self, connection: Session) -> int:
        changed = getattr(self, "_" + self.chance.choice(self._kinds()))(connection)
        return int(changed)

    def _kinds(self) -> list[str]:
        """The names of the changes to choose from, each as often as it is likely."""
        kinds = ["amount"] * 8 + ["status"] * 2 + ["name", "move", "rebook", "insert", "insert", "delete", "rekey"]
        kinds += ["pair"] * 8 + ["pairs"] if self.kept else []
        return kinds + ["children", "large"] + (["truncate"] if self.truncates and self.chance.random() < 0.1 else [])

    def _some(self, connection: Session, table: str, key: str, above: int = 0) -> Any:
        """One of the keys above this; None where there is none."""
        (count,) = connection.execute(f"select count(*) from {table} where {key} > %s", [above]).fetchone()
        at = int(self.chance.random() * count)
        found = connection.execute(
            f"select {key} from {table} where {key} > %s order by {key} limit 1 offset %s", [above, at]
        ).fetchone()
        return found[0] if found else None

    def _booking(self, connection: Session) -> Any:
        """A booking whose price may change by itself, and which may go."""
        return self._some(connection, "bookings", "booking_id", self.kept)

    def _pair(self, connection: Session, more: int = 0) -> int:
        """Price and baggage of a kept booking, in two statements of one transaction."""
        self._pairs_made += 1
        first, number = self.chance.randrange(1, self.kept + 1), self._pairs_made
        some = [first, min(first + more, self.kept)]
        rows = connection.execute(
            "update bookings set total_amt = %s where booking_id between %s and %s", [100 * number, *some]
        ).rowcount
        return (
            rows
            + connection.execute(
                "update tickets set bag_wt = %s where booking_id between %s and %s", [number / 10, *some]
            ).rowcount
        )

    def _pairs(self, connection: Session) -> int:
        """The same of many: what is cut there stays in halves for longer."""
        return self._pair(connection, self.kept // 2)

    def pair_all(self) -> None:
        """Make price and baggage of the kept bookings one number; before the first look at them."""
        with session(self.url) as connection, connection.transaction():
            connection.execute("update bookings set total_amt = 100 * booking_id where booking_id <= %s", [self.kept])
            connection.execute("update tickets set bag_wt = booking_id / 10.0 where booking_id <= %s", [self.kept])

    def _amount(self, connection: Session) -> int:
        booking = self._booking(connection)
        amount = self.chance.randrange(1, 900_000)
        return connection.execute(
            "update bookings set total_amt = %s where booking_id = %s", [amount, booking]
        ).rowcount

    def _status(self, connection: Session) -> int:
        flight = self._some(connection, "flights", "flight_id")
        status = self.chance.choice(["ON", "OFF", "DL", "CX"])
        return connection.execute("update flights set status_cd = %s where flight_id = %s", [status, flight]).rowcount

    def _name(self, connection: Session) -> int:
        customer = self._some(connection, "customers", "customer_id")
        return connection.execute(
            "update customers set full_name = %s, tier_cd = %s where customer_id = %s",
            [self.chance.choice("ABCDEFG") + " Name", self.chance.choice("BSG"), customer],
        ).rowcount

    def _move(self, connection: Session) -> int:
        customer = self._some(connection, "customers", "customer_id")
        booking = self._some(connection, "bookings", "booking_id")
        return connection.execute(
            "update bookings set customer_id = %s where booking_id = %s", [customer, booking]
        ).rowcount

    def _rebook(self, connection: Session) -> int:
        flight = self._some(connection, "flights", "flight_id")
        booking = self._some(connection, "bookings", "booking_id")
        return connection.execute("update tickets set flight_id = %s where booking_id = %s", [flight, booking]).rowcount

    def _insert(self, connection: Session) -> int:
        booking = self._number()
        customer = self._some(connection, "customers", "customer_id")
        connection.execute(
            "insert into bookings values (%s, %s, %s, '2026-03-01 09:00:00', %s, 'WEB')",
            [booking, f"N{booking % 100000:05d}", customer, self.chance.randrange(1, 99999)],
        )
        legs = self.chance.randrange(0, 4)
        for leg in range(legs):
            flight = self._some(connection, "flights", "flight_id")
            connection.execute("insert into tickets values (%s, %s, %s, 'Y', null)", [booking, leg + 1, flight])
        return 1 + legs

    def _delete(self, connection: Session) -> int:
        booking = self._booking(connection)
        gone = connection.execute("delete from tickets where booking_id = %s", [booking]).rowcount
        return gone + connection.execute("delete from bookings where booking_id = %s", [booking]).rowcount

    def _rekey(self, connection: Session) -> int:
        """A primary key changes: of a booking without tickets, and of a ticket."""
        booking, new = self._booking(connection), self._number()
        gone = connection.execute("delete from tickets where booking_id = %s", [booking]).rowcount
        return (
            gone
            + connection.execute("update bookings set booking_id = %s where booking_id = %s", [new, booking]).rowcount
        )

    def _children(self, connection: Session) -> int:
        """Every ticket of a few bookings in one transaction."""
        booking = self._booking(connection)
        return connection.execute(
            "update tickets set bag_wt = %s where booking_id between %s and %s",
            [self.chance.randrange(1, 300) / 10, booking, (booking or 0) + 10],
        ).rowcount

    def _large(self, connection: Session) -> int:
        """A transaction over all tables that no reader may see half of."""
        step = self.chance.randrange(1, 7)
        rows = connection.execute(
            "update bookings set total_amt = total_amt + 1 where booking_id %% 7 = %s and booking_id > %s",
            [step, self.kept],
        ).rowcount
        return (
            rows
            + connection.execute("update flights set dist_nm = dist_nm + 1 where flight_id %% 7 = %s", [step]).rowcount
        )

    def _truncate(self, connection: Session) -> int:
        """The bookings that are kept have a ticket again at once: there must be something to find half of."""
        connection.execute("truncate tickets")
        return connection.execute(
            "insert into tickets select booking_id, 1, (select min(flight_id) from flights), 'Y', total_amt / 1000.0"
            " from bookings where booking_id <= %s",
            [self.kept],
        ).rowcount
