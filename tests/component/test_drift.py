"""A table that is no longer as mapped, through apply, write and the look at the catalogue; the catalogue is a fake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from connectors.change import Message
from connectors.shape import Shape
from sync.evidence.freshness import status
from sync.evidence.visible import visible
from sync.mapping.lock import LockColumn, SourceLock
from sync.state.backfills import STOPPED, ask, claim, ended
from sync.state.registry import SOURCE
from sync.worker import schema
from sync.worker.schema import Schema
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, first_rows, lock
from tests.support.world import World

LIVE = lock().sources["airline"]


def without(table: str, column: str) -> SourceLock:
    old = LIVE.tables[f"public.{table}"]
    columns = {name: each for name, each in old.columns.items() if name != column}
    return LIVE.model_copy(
        update={"tables": {**LIVE.tables, f"public.{table}": old.model_copy(update={"columns": columns})}}
    )


class Catalogue:
    """The source's database as the look sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.unsaid, self.mend = LIVE, dict[str, str](), False
        self.asked: list[str | None] = []
        self.prepared: list[list[str]] = []
        monkeypatch.setattr(schema, "source_database", lambda *_: SimpleNamespace(shape=self.shape, prepare=self.prep))

    def shape(self, _: object, __: object, marks: str | None, ___: int = 0) -> Shape:
        self.asked.append(marks)
        return Shape(self.now, self.unsaid, self.mend, f"look {len(self.asked)}")

    def prep(self, _: object, tables: Any) -> None:
        self.prepared.append([table.name for table in tables])
        self.mend = False


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    return Catalogue(monkeypatch)


@pytest.fixture
def gaps() -> list[str]:
    return []


@pytest.fixture
def watch(world: World, catalogue: Catalogue, gaps: list[str]) -> Schema:
    world.log.snapshot(first_rows())
    world.settle()
    return Schema(world.state, lambda _: None, lambda mapping, source, reason: gaps.append(reason))


def source_of(world: World) -> Any:
    with world.state.read() as connection:
        return connection.execute(select(SOURCE)).one()


def shown(world: World) -> Any:
    with world.state.read() as connection:
        return status(connection, world.registered, world.registered.kinds["booking"])


def test_a_record_that_lacks_a_mapped_column_parks_what_reads_its_table(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    text = world.texts["7", 0]
    world.log.commit(("flights", "u", {"flight_id": 40, "flight_no": "AZ 603", "note": ""}))
    world.settle()
    assert "its column status_cd comes no longer" in world.document("7").parked
    assert "`headrace apply`" in world.document("7").parked
    assert world.texts["7", 0] == text
    assert (shown(world).state, shown(world).parked) == ("unknown", 1)
    assert "status_cd" in shown(world).trouble


def test_a_new_document_of_such_a_table_is_parked_too_and_waiting_says_why(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    world.log.commit(("flights", "u", {"flight_id": 40, "flight_no": "AZ 603", "note": ""}))
    world.log.commit(("bookings", "c", {**BOOKING, "booking_id": 8}))
    world.log.records.append(Message(len(world.log.records), 1, "headrace", "token"))
    world.settle()
    assert world.document("8").parked
    with world.state.read() as connection:
        found = visible(connection, world.registered, ["token"])
        of_terms = visible(connection, world.registered, ["token"], (world.registered.kinds["$terms"].id, "x"))
    assert not found.yes
    assert found.drift
    assert of_terms.drift == ()


def test_a_value_that_was_not_sent_is_no_change_of_the_table(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    short = {name: value for name, value in FLIGHT.items() if name != "note"}
    world.log.change("flights", "u", {**short, "status_cd": "CX"}, unsent=frozenset({"note"}))
    world.settle()
    assert world.document("7").parked is None
    assert "cancelled" in world.texts["7", 0]


def test_another_key_is_told_by_the_first_record(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    world.log.change("customers", "u", CUSTOMER)
    record = world.log.records[-1]
    object.__setattr__(record, "key", {"customer_id": 1, "tier_cd": "G"})
    world.settle()
    assert "the key of public.customers is now (customer_id, tier_cd)" in world.document("7").parked


def test_a_look_finds_what_no_record_says_and_parks_at_once(world: World, watch: Schema, catalogue: Catalogue) -> None:
    watch.look()
    assert source_of(world).drift is None
    old = LIVE.tables["public.flights"]
    flights = old.model_copy(update={"columns": {**old.columns, "flight_no": LockColumn(type="integer")}})
    catalogue.now = LIVE.model_copy(update={"tables": {**LIVE.tables, "public.flights": flights}})
    watch.look()
    world.settle()
    assert "column flight_no is now integer, and was text" in world.document("7").parked
    assert catalogue.asked == [None, "look 1"]


def test_a_table_that_is_as_it_was_again_is_read_again_but_not_for_ever(
    world: World, watch: Schema, catalogue: Catalogue, gaps: list[str]
) -> None:
    catalogue.now = without("flights", "status_cd")
    watch.look()
    catalogue.now = LIVE
    watch.look()
    assert gaps == ["table public.flights is as it was"]
    assert (source_of(world).snapshot_due, source_of(world).drift) == (True, None)
    watch.look()
    assert len(gaps) == 1, "one that is read again already is not looked at"
    world.applier.reload()
    world.log.snapshot(first_rows())
    world.settle()
    assert world.document("7").parked is None


def test_rows_that_changed_in_silence_are_read_again_and_the_publication_is_mended(
    world: World, watch: Schema, catalogue: Catalogue, gaps: list[str]
) -> None:
    catalogue.unsaid, catalogue.mend = {"public.tickets": "table public.tickets was made anew"}, True
    watch.look()
    assert gaps == ["table public.tickets was made anew"]
    assert catalogue.prepared == [[f"public.{name}" for name in ("customers", "flights", "bookings", "tickets")]]
    assert source_of(world).shape_marks is None, "taken before the snapshot"


def test_marks_are_taken_after_the_publication_was_mended(world: World, watch: Schema, catalogue: Catalogue) -> None:
    catalogue.mend = True
    watch.look()
    assert source_of(world).shape_marks == "look 2"
    assert not source_of(world).snapshot_due


def test_while_a_connector_reads_tables_again_the_publication_is_left_alone_and_looked_at_afterwards(
    world: World, watch: Schema, catalogue: Catalogue, gaps: list[str]
) -> None:
    watch.look()
    with world.state.write() as connection:
        ask(connection, world.registered, "airline", "one", ("tickets",), None, 0)
        claim(connection, "one", 0.0)
    catalogue.unsaid, catalogue.mend = {"public.tickets": "table public.tickets was made anew"}, True
    watch.look()
    assert (catalogue.prepared, gaps, source_of(world).shape_marks) == ([], [], "look 1")
    with world.state.write() as connection:
        ended(connection, ["one"], STOPPED)
    watch.look()
    assert len(catalogue.prepared) == 1
    assert gaps == ["table public.tickets was made anew"]


def test_a_table_that_is_gone_is_left_out_of_what_is_mended(world: World, watch: Schema, catalogue: Catalogue) -> None:
    tables = {name: table for name, table in LIVE.tables.items() if name != "public.flights"}
    catalogue.now, catalogue.mend = LIVE.model_copy(update={"tables": tables}), True
    catalogue.unsaid = {"public.flights": "was not published for a while"}
    watch.look()
    assert "public.flights" not in catalogue.prepared[0]
    assert not source_of(world).snapshot_due
    assert "gone from the database" in source_of(world).drift


def test_a_snapshot_that_such_a_table_might_fail_is_begun_anew_without_it(
    world: World, catalogue: Catalogue, gaps: list[str]
) -> None:
    watch = Schema(world.state, lambda _: None, lambda mapping, source, reason: gaps.append(reason))
    catalogue.now = without("flights", "status_cd")
    watch.look()
    assert ["column status_cd is gone" in reason for reason in gaps] == [True]
