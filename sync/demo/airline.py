"""Before the path begins: the example's source of truth, an airline's database with cryptic names and codes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any, LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from connectors.postgres.address import Address
from sync.errors import SourceRefused

SEED = 20260301
FEATURED_FLIGHT = 1  # the flight that the demo cancels and reinstates
FEATURED_NUMBER = "AZ 602"
FIRST_DEPARTURE = datetime(2026, 4, 1, 5, 0, tzinfo=UTC)
FIRST_BOOKING = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)

# channel_cd, gate and last_login are in no mapping: what changes there must cost nothing.
DDL: dict[str, LiteralString] = {
    "customers": """create table customers (
        customer_id integer primary key, full_name varchar(80) not null, email varchar(120),
        passport_no varchar(12), tier_cd char(1) not null, last_login timestamptz)""",
    "flights": """create table flights (
        flight_id integer primary key, flight_no varchar(8) not null, origin char(3) not null, dest char(3) not null,
        std timestamptz not null, dist_nm integer not null, status_cd varchar(3) not null, gate varchar(4))""",
    "bookings": """create table bookings (
        booking_id integer primary key, pnr char(6) not null,
        customer_id integer not null references customers (customer_id),
        booked_at timestamptz not null, total_amt integer not null, channel_cd varchar(3))""",
    "tickets": """create table tickets (
        booking_id integer not null references bookings (booking_id), seq_no integer not null,
        flight_id integer not null references flights (flight_id), fare_cd char(1) not null, bag_wt numeric(5, 1),
        primary key (booking_id, seq_no))""",
}
INDEXES: tuple[LiteralString, ...] = (
    "create index tickets_flight on tickets (flight_id)",
    "create index bookings_customer on bookings (customer_id)",
)

Row = tuple[Any, ...]

_FIRST = (
    "Maria", "Luca", "Sofia", "Marco", "Giulia", "Anna", "Jonas", "Clara", "Pierre", "Elena", "Tom", "Nadia", "Hugo",
    "Ines", "Oskar", "Freya", "Yusuf", "Leila", "Chen", "Mei", "Kofi", "Amara", "Diego", "Lucia", "Ivan", "Olga",
    "Sven", "Astrid", "Raj", "Priya", "Ken", "Aiko",
)  # fmt: skip
_LAST = (
    "Rossi", "Bianchi", "Schmidt", "Weber", "Martin", "Dubois", "Garcia", "Lopez", "Smith", "Jones", "Novak",
    "Kowalski", "Jansen", "Peeters", "Silva", "Costa", "Larsen", "Berg", "Kaya", "Haddad", "Wang", "Li", "Mensah",
    "Okafor", "Petrov", "Ivanova", "Sharma", "Patel", "Sato", "Tanaka",
)  # fmt: skip
# Code, latitude, longitude: distances are the great circle's.
_AIRPORTS = (
    ("FCO", 41.80, 12.25), ("JFK", 40.64, -73.78), ("LHR", 51.47, -0.45), ("CDG", 49.01, 2.55),
    ("FRA", 50.03, 8.56), ("MAD", 40.47, -3.56), ("AMS", 52.31, 4.76), ("VIE", 48.11, 16.57),
    ("ATH", 37.94, 23.94), ("IST", 41.26, 28.74), ("DXB", 25.25, 55.36), ("SIN", 1.36, 103.99),
    ("NRT", 35.76, 140.39), ("GRU", -23.43, -46.47), ("BOS", 42.36, -71.01), ("LIN", 45.45, 9.28),
)  # fmt: skip
_CARRIERS = ("AZ", "LH", "BA", "AF", "IB", "KL", "OS", "TK")
_PNR = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows of each table. Raises ValueError where a table could not be filled."""

    customers: int = 5_000
    flights: int = 1_000
    bookings: int = 10_000
    tickets: int = 20_000

    def __post_init__(self) -> None:
        if min(self.customers, self.flights, self.bookings) < 1:
            raise ValueError("an airline needs a customer, a flight and a booking")
        if not self.bookings <= self.tickets <= 4 * self.bookings:
            raise ValueError(f"{self.bookings} bookings take {self.bookings} to {4 * self.bookings} tickets")

    @property
    def rows(self) -> int:
        return self.customers + self.flights + self.bookings + self.tickets


def rows(sizes: Sizes, seed: int = SEED) -> dict[str, list[Row]]:
    """All rows by table, in the order that foreign keys allow; a function of sizes and seed alone."""
    flights = list(_flights(sizes.flights, random.Random(f"{seed} flights")))
    return {
        "customers": list(_customers(sizes.customers, random.Random(f"{seed} customers"))),
        "flights": flights,
        "bookings": list(_bookings(sizes, random.Random(f"{seed} bookings"))),
        "tickets": list(_tickets(sizes, flights, random.Random(f"{seed} tickets"))),
    }


def _customers(count: int, chance: random.Random) -> Iterator[Row]:
    for number in range(1, count + 1):
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        email = f"{first}.{last}{number}@example.com".lower()
        passport = f"Y{chance.choice('ABC')}{chance.randrange(10**7):07d}"
        tier = chance.choices("BSG", (70, 20, 10))[0]
        yield number, f"{first} {last}", email, passport, tier, None


def _flights(count: int, chance: random.Random) -> Iterator[Row]:
    yield FEATURED_FLIGHT, FEATURED_NUMBER, "FCO", "JFK", datetime(2026, 4, 2, 10, 15, tzinfo=UTC), 3720, "ON", "E12"
    numbers = (f"{_CARRIERS[n % len(_CARRIERS)]} {n // len(_CARRIERS) + 1001}" for n in range(count))
    for flight, number in zip(range(FEATURED_FLIGHT + 1, count + 1), numbers, strict=False):
        start, end = chance.sample(_AIRPORTS, 2)
        departs = FIRST_DEPARTURE + timedelta(minutes=5 * chance.randrange(30 * 24 * 12))
        status = chance.choices(("ON", "DL", "OFF"), (88, 7, 5))[0]
        gate = f"{chance.choice('ABCDE')}{chance.randrange(1, 40)}"
        yield flight, number, start[0], end[0], departs, _nautical_miles(start[1:], end[1:]), status, gate


def _nautical_miles(start: tuple[float, float], end: tuple[float, float]) -> int:
    """The haversine formula on a sphere of 3,440 nautical miles radius."""
    (lat1, lon1), (lat2, lon2) = ((radians(lat), radians(lon)) for lat, lon in (start, end))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return round(2 * 3440 * asin(sqrt(half)))


def _bookings(sizes: Sizes, chance: random.Random) -> Iterator[Row]:
    for number in range(1, sizes.bookings + 1):
        booked = FIRST_BOOKING + timedelta(minutes=chance.randrange(80 * 24 * 60))
        amount = chance.randrange(4_900, 240_000, 10)
        yield (
            number,
            new_pnr(chance),
            chance.randint(1, sizes.customers),
            booked,
            amount,
            chance.choice(("WEB", "APP", "AGT")),
        )


def new_pnr(chance: random.Random) -> str:
    return "".join(chance.choices(_PNR, k=6))


def _tickets(sizes: Sizes, flights: list[Row], chance: random.Random) -> Iterator[Row]:
    legs = [1] * sizes.bookings
    open_ = list(range(sizes.bookings))
    for _ in range(sizes.tickets - sizes.bookings):
        place = chance.randrange(len(open_))
        legs[open_[place]] += 1
        if legs[open_[place]] == 4:
            open_[place] = open_[-1]
            open_.pop()
    leaving: dict[str, list[Row]] = {}
    for flight in flights:
        leaving.setdefault(flight[2], []).append(flight)
    for booking, count in enumerate(legs, 1):
        flight = chance.choice(flights)
        for leg in range(1, count + 1):
            fare = chance.choices("YJF", (80, 15, 5))[0]
            bag = None if chance.random() < 0.3 else chance.randrange(50, 320) / 10
            yield booking, leg, flight[0], fare, bag
            # The next leg leaves from where this one arrives, where any flight does.
            flight = chance.choice(leaving.get(flight[3], flights))


# -- into a database ---------------------------------------------------------------------------------


def database(server_url: str, name: str = "airline") -> str:
    """The url of database ``name`` on that server, created where it is missing.

    Raises SourceUnreachable and SourceRefused.
    """
    server = Address(server_url)
    with server.connect() as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    login = quote(server.user, safe="") + (f":{quote(server.password, safe='')}" if server.password else "")
    return f"postgresql://{login}@{server.host}:{server.port}/{quote(name, safe='')}"


def ensure(url: str, sizes: Sizes, *, seed: int = SEED) -> bool:
    """Create and fill the airline's tables; False where they stand already, which keeps their rows.

    All in one transaction, so tables that stand are whole. Raises SourceUnreachable and SourceRefused; the
    latter also where only some of the names are there: those tables are somebody else's.
    """
    with Address(url).connect() as connection, connection.transaction():
        found = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public' and table_name = any(%s)",
            [list(DDL)],
        ).fetchall()
        standing = {str(name) for (name,) in found}
        if standing == set(DDL):
            return False
        if standing:
            raise SourceRefused(
                f"the database has {', '.join(sorted(standing))} but not the airline's other tables",
                advice="Give the example a database of its own.",
            )
        made = rows(sizes, seed)
        for table, statement in DDL.items():
            connection.execute(statement)
            _copy(connection, table, made[table])
        for statement in INDEXES:
            connection.execute(statement)
    return True


def count(url: str) -> int:
    """How many rows the airline's tables hold now. Raises SourceUnreachable and SourceRefused."""
    with Address(url).connect() as connection:
        counted = [
            connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()
            for table in DDL
        ]
    return sum(row[0] for row in counted if row is not None)


def _copy(connection: psycopg.Connection[Any], table: str, content: Iterable[Row]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table))) as target,
    ):
        for row in content:
            target.write_row(row)
