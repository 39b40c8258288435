"""The airline that the demo and the bench run on: deterministic, whole, and what mappings/airline.yml says it is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from connectors.postgres.address import Address
from sync.demo import airline
from sync.demo.airline import DDL, FEATURED_FLIGHT, FEATURED_NUMBER, Sizes, rows
from sync.mapping.load import load
from sync.mapping.model import Mapping

MAPPING = Path(__file__).resolve().parents[2] / "mappings" / "airline.yml"
SMALL = Sizes(customers=50, flights=40, bookings=200, tickets=400)


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    found = load(MAPPING).mapping
    assert found is not None
    return found


def columns(table: str) -> list[str]:
    body = DDL[table].split("(", 1)[1]
    names = re.findall(r"(?:^|,)\s*([a-z_]+) (?:integer|varchar|char|timestamptz|numeric)", body)
    assert names
    return names


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    assert rows(SMALL) == rows(SMALL)
    assert rows(SMALL) != rows(SMALL, seed=7)


def test_each_table_has_exactly_as_many_rows_as_asked_for() -> None:
    made = rows(Sizes())
    assert {table: len(content) for table, content in made.items()} == {
        "customers": 5_000,
        "flights": 1_000,
        "bookings": 10_000,
        "tickets": 20_000,
    }


def test_each_row_has_a_value_for_every_column_of_its_table() -> None:
    for table, content in rows(SMALL).items():
        assert {len(row) for row in content} == {len(columns(table))}, table


def test_keys_are_unique_and_every_reference_leads_to_a_row() -> None:
    made = rows(SMALL)
    customers, flights, bookings = ({row[0] for row in made[t]} for t in ("customers", "flights", "bookings"))
    assert len(customers) == 50
    assert len(flights) == 40
    assert len(bookings) == 200
    assert {row[2] for row in made["bookings"]} <= customers
    assert {row[2] for row in made["tickets"]} <= flights
    assert {row[0] for row in made["tickets"]} == bookings, "every booking has a ticket"
    assert max(Counter((row[0], row[1]) for row in made["tickets"]).values()) == 1


def test_the_featured_flight_is_the_only_one_of_its_number_and_has_passengers() -> None:
    made = rows(Sizes())
    assert [row[0] for row in made["flights"] if row[1] == FEATURED_NUMBER] == [FEATURED_FLIGHT]
    assert sum(row[2] == FEATURED_FLIGHT for row in made["tickets"]) >= 5


def test_every_code_in_the_data_has_words_in_the_mapping(mapping: Mapping) -> None:
    made = rows(Sizes())
    for table, column in (("customers", "tier_cd"), ("flights", "status_cd"), ("tickets", "fare_cd")):
        values = mapping.tables[table].columns[column].values
        assert isinstance(values, dict)
        place = columns(table).index(column)
        assert {row[place] for row in made[table]} <= set(values), f"{table}.{column}"


def test_the_mapping_reads_columns_that_exist_and_leaves_some_out(mapping: Mapping) -> None:
    left_out = set()
    for table in DDL:
        mapped = set(mapping.tables[table].columns)
        assert mapped <= set(columns(table)), table
        left_out |= {f"{table}.{column}" for column in set(columns(table)) - mapped}
    assert left_out == {"customers.last_login", "flights.gate", "bookings.channel_cd"}


@pytest.mark.parametrize(("bookings", "tickets"), [(10, 9), (10, 41)])
def test_sizes_that_cannot_be_filled_are_refused(bookings: int, tickets: int) -> None:
    with pytest.raises(ValueError, match="10 bookings take 10 to 40 tickets"):
        Sizes(1, 1, bookings, tickets)


def test_the_fullest_sizes_fill_every_booking_with_four_tickets() -> None:
    made = rows(Sizes(1, 1, 10, 40))
    assert set(Counter(row[0] for row in made["tickets"]).values()) == {4}


def test_a_password_with_special_characters_survives_into_the_databases_url(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering:
        def __enter__(self) -> Answering:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def execute(self, *_: object) -> Answering:
            return self

        def fetchone(self) -> tuple[int]:
            return (1,)

    monkeypatch.setattr(Address, "connect", lambda _self: Answering())
    url = airline.database("postgresql://me:p%40ss%2Fword@127.0.0.1:5432/postgres", "air")
    assert Address(url).password == "p@ss/word"
    assert Address(url).database == "air"
