"""The same pipeline on MariaDB: the airline in its types, and its documents rendered in its SQL."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.mariadb.database import MariaDB
from sync.demo import airline
from sync.mapping.lock import Lock
from sync.mapping.lockfile import lock_text
from tests.support.pipeline import Pipeline, Stack
from tests.support.session import mariadb

# A DATETIME knows no zone, a TIMESTAMP is in the session's: both must read alike.
DDL = {
    "customers": """create table customers (
        customer_id int primary key, full_name varchar(80) not null, email varchar(120), passport_no varchar(12),
        tier_cd char(1) not null, last_login timestamp null)""",
    "flights": """create table flights (
        flight_id int unsigned primary key, flight_no varchar(8) not null, origin char(3) not null,
        dest char(3) not null, std datetime not null, dist_nm int not null, status_cd varchar(3) not null,
        gate varchar(4))""",
    "bookings": """create table bookings (
        booking_id int primary key, pnr char(6) not null, customer_id int not null, booked_at timestamp not null,
        total_amt int not null, channel_cd varchar(3),
        constraint bookings_customer_id_fkey foreign key (customer_id) references customers (customer_id))""",
    "tickets": """create table tickets (
        booking_id int not null, seq_no int not null, flight_id int unsigned not null, fare_cd char(1) not null,
        bag_wt decimal(5, 1), primary key (booking_id, seq_no),
        constraint tickets_booking_id_fkey foreign key (booking_id) references bookings (booking_id),
        constraint tickets_flight_id_fkey foreign key (flight_id) references flights (flight_id))""",
}
BOOKING_TEXT = """
with leg as (
  select t.booking_id, group_concat(
    'Leg ', t.seq_no, ': flight ', coalesce(f.flight_no, 'not recorded'),
    ' from ', coalesce(f.origin, 'not recorded'), ' to ', coalesce(f.dest, 'not recorded'), ',\n',
    coalesce(concat(date_format(f.std, '%e %M %Y, %H:%i'), ' UTC'), 'not recorded'), ', ',
    coalesce(concat(format(f.dist_nm, 0), ' nautical miles'), 'not recorded'), ', ',
    case t.fare_cd when 'Y' then 'economy' when 'J' then 'business' when 'F' then 'first' end, ' class,\n',
    'checked baggage ', coalesce(concat(format(t.bag_wt, 1), ' kg'), 'none'),
    '. Status: ', coalesce(case f.status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
         when 'DL' then 'delayed' when 'CX' then 'cancelled' end, 'not recorded'), '.'
    order by t.seq_no separator '\n') as legs
  from tickets t left join flights f using (flight_id) group by t.booking_id)
select cast(b.booking_id as char), concat('Booking ', b.pnr, '\n',
  'Booking ', b.pnr, ' was made on ', date_format(b.booked_at, '%e %M %Y, %H:%i'), ' UTC by ',
  coalesce(concat(left(c.full_name, 1), '.'), 'not recorded'), ',\na ',
  coalesce(case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end, 'not recorded'),
  ' member, for ', format(b.total_amt / 100.0, 2), ' EUR.',
  coalesce(concat('\n', leg.legs), ''))
from bookings b left join customers c using (customer_id) left join leg using (booking_id)
"""


def server_url(stack: Stack, kind: str) -> str:
    """The address of the stack's MariaDB or MySQL, which joins it when the first test asks for it."""
    variable = f"{kind.upper()}_URL"
    if variable not in stack.env:
        stack.start(kind)
    return stack.env[variable]


class MariaDBPipeline(Pipeline):
    """As `Pipeline`, with a database of MariaDB's."""

    kind = "mariadb"
    booking_text = BOOKING_TEXT
    source: ClassVar[type[MariaDB]] = MariaDB

    def server(self) -> str:
        self.mapping_text = self.mapping_text.replace(
            'connector: postgres, url: "${AIRLINE_URL}", schema: public',
            f'connector: {self.kind}, url: "${{AIRLINE_URL}}", schema: {self.name}',
            1,
        )
        return server_url(self.stack, self.kind)

    def create_database(self) -> None:
        self._run(self.admin_url, f"create database {self.name} character set utf8mb4")

    def drop_database(self) -> None:
        self._run(self.admin_url, f"drop database if exists {self.name}")

    def load_airline(self, sizes: airline.Sizes) -> None:
        made = airline.rows(sizes)
        with mariadb(self.url) as connection, connection.cursor() as cursor:
            for table, statement in DDL.items():
                cursor.execute(statement)
                places = ", ".join(["%s"] * len(made[table][0]))
                cursor.executemany(f"insert into {table} values ({places})", made[table])

    def lock(self) -> str:
        return lock_text(Lock(sources={self.name: self.source(self.url).catalogue()}))

    def sql(self, text: str) -> None:
        self._run(self.url, text)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with mariadb(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def emit(self, token: str) -> None:
        self.source(self.url).emit(token)

    def _run(self, url: str, text: str) -> None:
        with mariadb(url) as connection, connection.cursor() as cursor:
            cursor.execute(text)
            while cursor.nextset():  # what a later statement raises comes with its result
                pass
