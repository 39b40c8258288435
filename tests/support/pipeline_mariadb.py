"""The same pipeline on MariaDB: the airline in its types, and its documents as its own SQL renders them."""

from __future__ import annotations

from typing import Any, ClassVar

from connectors.mariadb.database import MariaDB
from sync.demo import airline
from sync.mapping.lock import Lock
from sync.mapping.lockfile import lock_text
from tests.support import airline_in_sql
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


def server_url(stack: Stack, kind: str) -> str:
    """The address of the stack's MariaDB or MySQL, which joins it when the first test asks for it."""
    variable = f"{kind.upper()}_URL"
    if variable not in stack.env:
        stack.start(kind)
    return stack.env[variable]


class MariaDBPipeline(Pipeline):
    """As `Pipeline`, with a database of MariaDB's."""

    kind = "mariadb"
    in_sql = airline_in_sql.MARIADB
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
