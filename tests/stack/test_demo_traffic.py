"""The demo's airline and its traffic on a real PostgreSQL: commits do what they say, the airline stays whole."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sync.demo import airline
from sync.demo.airline import FEATURED_FLIGHT, Sizes
from sync.demo.traffic import Commit, Pump, Traffic
from sync.errors import SourceRefused

if TYPE_CHECKING:
    from tests.support.stack import Stack

SMALL = Sizes(customers=30, flights=40, bookings=200, tickets=400)


@pytest.fixture
def url(stack: Stack) -> Iterator[str]:
    server = stack.env["POSTGRES_URL"]
    name = f"airline_{uuid.uuid4().hex[:8]}"
    yield airline.database(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def traffic(url: str) -> Traffic:
    assert airline.ensure(url, SMALL)
    return Traffic(url, seed=3)


def value(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def test_the_airline_is_made_once_and_kept(url: str) -> None:
    assert airline.ensure(url, SMALL)
    assert not airline.ensure(url, SMALL)
    assert airline.count(url) == SMALL.rows


def test_tables_of_somebody_else_are_not_touched(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table bookings (mine text)")
    with pytest.raises(SourceRefused, match="has bookings but not the airline's other tables"):
        airline.ensure(url, SMALL)
    with psycopg.connect(url) as connection:
        assert value(connection, "select count(*) from pg_tables where schemaname = 'public'") == 1


def test_the_featured_flight_turns_each_time(traffic: Traffic) -> None:
    with traffic.connection() as connection:
        seen = []
        for _ in range(3):
            assert traffic.commit(connection, traffic.turn) is not None
            seen.append(value(connection, f"select status_cd from flights where flight_id = {FEATURED_FLIGHT}"))
    assert seen == ["CX", "ON", "CX"]


def test_a_rebooking_moves_the_ticket_that_it_names(traffic: Traffic) -> None:
    with traffic.connection() as connection:
        before = dict(connection.execute("select (booking_id, seq_no)::text, flight_id from tickets").fetchall())
        commit = traffic.commit(connection, traffic.rebook)
        after = dict(connection.execute("select (booking_id, seq_no)::text, flight_id from tickets").fetchall())
    assert commit is not None
    moved = [key for key in before if before[key] != after[key]]
    assert [("tickets", key.replace("(", "[").replace(")", "]")) for key in moved] == list(commit.rows)


def test_a_deleted_booking_is_gone_with_its_tickets(traffic: Traffic) -> None:
    with traffic.connection() as connection:
        commit = traffic.commit(connection, traffic.delete)
        assert commit is not None
        number = commit.rows[0][1]
        assert value(connection, f"select count(*) from bookings where booking_id = {number}") == 0
        assert value(connection, f"select count(*) from tickets where booking_id = {number}") == 0
        left = value(connection, "select (select count(*) from bookings) + (select count(*) from tickets)")
        assert SMALL.bookings + SMALL.tickets - left == len(commit.rows)


def test_a_gate_changes_only_what_no_mapping_reads(traffic: Traffic) -> None:
    columns = "(flight_id, flight_no, origin, dest, std, dist_nm, status_cd)::text"
    mapped = f"select md5(string_agg({columns}, ',' order by flight_id))"
    with traffic.connection() as connection:
        before = value(connection, f"{mapped} from flights")
        gates = value(connection, "select string_agg(gate, ',' order by flight_id) from flights")
        assert traffic.commit(connection, traffic.assign_gate) is not None
        assert value(connection, f"{mapped} from flights") == before
        assert value(connection, "select string_agg(gate, ',' order by flight_id) from flights") != gates


def test_three_hundred_commits_leave_passengers_on_the_featured_flight(traffic: Traffic) -> None:
    with traffic.connection() as connection:
        aboard = f"select count(*) from tickets where flight_id = {FEATURED_FLIGHT}"
        before = value(connection, aboard)
        kinds = {traffic.one(connection).what.split()[-1] for _ in range(300)}
        assert value(connection, aboard) == before > 0
        assert len(kinds) > 5


def test_the_pump_commits_until_it_is_stopped_and_its_spans_hold_the_commit(traffic: Traffic) -> None:
    heard: list[Commit] = []
    enough = threading.Event()

    def hear(commit: Commit) -> None:
        heard.append(commit)
        if len(heard) >= 5:
            enough.set()

    pump = Pump(traffic, hear, rate=200)
    pump.start()
    assert enough.wait(20), "waited 20 s for five commits"
    pump.stop()
    count = len(heard)
    assert all(one.began <= two.began and one.ended <= two.began for one, two in pairwise(heard))
    assert len(heard) == count


def test_the_pump_says_what_is_wrong_when_the_database_is_not_there() -> None:
    pump = Pump(Traffic("postgresql://nobody@127.0.0.1:1/none"), lambda _commit: None)
    pump.start()
    end = threading.Event()
    for _ in range(2000):
        if pump.trouble:
            break
        end.wait(0.01)
    pump.stop()
    assert pump.trouble is not None
    assert "does not answer" in pump.trouble
