"""Dead letters over a fake Weaviate: discarded with who and why, tried again, and coming back by themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from connectors.change import Broken
from sync.errors import WeaviateRefused
from sync.state.backfills import under_way
from sync.state.mending import write_anew
from sync.state.owed import Raise
from sync.state.registry import DEAD_LETTER, MARKER, SOURCE, next_sequence
from sync.write.objects import object_id
from tests.component.test_backfill import Asked
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, first_rows
from tests.support.command import Command
from tests.support.world import World

Rows = dict[str, list[dict[str, Any]]]
BAD = {**FLIGHT, "status_cd": "??"}
DISCARD = ("deadletters", "discard", "airline.booking", "7", "--reason", "a test booking")


class Source:
    """Stands for the source's database: its markers come out at once, and it counts rows."""

    def __init__(self, world: World) -> None:
        self.world = world

    def emit(self, token: str) -> None:
        with self.world.state.write() as connection:
            sequence = next_sequence(self.world.state, connection, "airline", 1)
            number = self.world.registered.sources["airline"]
            connection.execute(insert(MARKER).values(token=token, source_id=number, sequence=sequence, seen_at=0.0))

    def count(self, table: str, where: str | None) -> int:
        return 40


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World) -> Command:
    monkeypatch.setattr("connectors.registration.source_database", lambda mapping, source: Source(world))
    monkeypatch.setenv("LOGNAME", "ann")
    state = world.state.url.render_as_string()
    return Command(monkeypatch, capsys, HEADRACE_STATE_URL=state, AIRLINE_URL="postgresql://127.0.0.1:1/airline")


@pytest.fixture
def parked(world: World) -> World:
    """Booking 7 is written and then parked, for its flight has a code without words; 8 is not."""
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    world.log.commit(("flights", "u", BAD))
    settle(world)
    assert world.document("7").parked
    return world


def settle(world: World) -> None:
    world.settle()
    with world.state.write() as connection:
        connection.execute(update(SOURCE).values(heard_at=time.time(), committed_at=time.time_ns() // 1000))


def shown(world: World) -> set[str]:
    return {key for key, _ in world.texts}


def booking(headrace: Command) -> dict[str, Any]:
    rows: list[dict[str, Any]] = headrace("status", "--json").json
    return next(row for row in rows if row["document"] == "booking")


def test_a_discarded_document_leaves_weaviate_and_stands_in_nobodys_way(parked: World, headrace: Command) -> None:
    assert headrace("wait", "airline").code == 1
    assert shown(parked) == {"7", "8"}  # the old text of rows that have changed
    done = headrace(*DISCARD)
    assert (done.code, done.out) == (0, "1 document discarded; what Weaviate has of it is removed\n")
    assert headrace("wait", "airline", "--timeout", "50ms").code == 1  # owed until nothing of it is left
    settle(parked)
    assert shown(parked) == {"8"}
    assert headrace("wait", "airline").code == 0
    row = booking(headrace)
    assert (row["state"], row["parked"], row["discarded"], row["owed"]) == ("fresh", 0, 1, 0)
    assert "1 document discarded, not in Weaviate: headrace deadletters list --all" in headrace("status").out
    assert parked.ledger()[-1] == ("7", "discarded")


def test_who_waits_for_a_discarded_document_by_name_is_told(parked: World, headrace: Command) -> None:
    headrace(*DISCARD)
    settle(parked)
    waited = headrace("wait", "--document", "booking", "7")
    assert waited.code == 1
    assert "airline.booking 7 is discarded, and nothing of it searchable: a test booking" in waited.err
    assert headrace("wait", "--document", "booking", "8").code == 0


def test_a_discarded_document_is_listed_with_who_why_when_and_why_it_was_parked(
    parked: World, headrace: Command
) -> None:
    headrace(*DISCARD)
    settle(parked)
    plain = headrace("deadletters", "list")
    assert (plain.code, "1 document discarded: --all" in plain.out) == (0, True)
    listed = headrace("deadletters", "list", "--all")
    assert listed.code == 0
    assert "status_cd" in listed.out
    assert "  discarded by ann@" in listed.out
    assert " UTC: a test booking\n  again: headrace deadletters retry airline.booking 7\n" in listed.out
    (one,) = headrace("deadletters", "list", "--all", "--json").json
    assert (one["key"], one["discarded"], one["attempts"]) == ("7", "a test booking", 1)
    assert one["discarded_by"].startswith("ann@")
    assert abs(one["discarded_at"] - time.time()) < 60
    assert "discarded by ann@" in headrace("deadletters", "show", "booking", "7").out


@pytest.mark.parametrize("restart", [False, True])
def test_a_discarded_document_comes_back_by_itself_when_a_row_of_it_changes(
    parked: World, headrace: Command, restart: bool
) -> None:
    headrace(*DISCARD)
    if restart:
        parked.restart()
    settle(parked)
    parked.log.commit(("flights", "u", {**BAD, "note": "still bad"}))
    settle(parked)
    assert (booking(headrace)["parked"], booking(headrace)["discarded"]) == (1, 0)
    assert headrace("wait", "airline").code == 1
    headrace(*DISCARD)
    settle(parked)
    parked.log.commit(("flights", "u", FLIGHT))
    settle(parked)
    assert shown(parked) == {"7", "8"}
    assert (booking(headrace)["parked"], booking(headrace)["discarded"]) == (0, 0)


def test_a_row_that_changes_before_its_removal_is_carried_out_wins(parked: World, headrace: Command) -> None:
    headrace(*DISCARD)
    parked.log.commit(("flights", "u", FLIGHT))
    settle(parked)
    assert shown(parked) == {"7", "8"}
    assert parked.document("7").discarded is None


def test_a_row_that_changes_while_its_removal_is_under_way_wins(parked: World, headrace: Command) -> None:
    real, done = parked.store.delete, list[int]()

    def delete(collection: str, ids: Any) -> None:
        real(collection, ids)
        if not done:
            done.append(1)
            parked.log.commit(("flights", "u", FLIGHT))
            parked.apply()

    parked.store.delete = delete  # type: ignore[method-assign]
    headrace(*DISCARD)
    settle(parked)
    assert done
    assert shown(parked) == {"7", "8"}


def test_one_whose_root_row_goes_is_forgotten(parked: World, headrace: Command) -> None:
    headrace(*DISCARD)
    settle(parked)
    parked.log.commit(("bookings", "d", BOOKING))
    settle(parked)
    assert parked.document("7") is None


def test_a_collection_made_anew_does_not_bring_back_what_was_discarded(parked: World, headrace: Command) -> None:
    headrace(*DISCARD)
    settle(parked)
    parked.store.objects.clear()
    with parked.state.write() as connection:
        kind = parked.registered.kinds["booking"].id
        sequence = next_sequence(parked.state, connection, "airline", 1)
        write_anew(connection, kind, None, Raise(sequence, 1, "collection made anew"))
    settle(parked)
    assert shown(parked) == {"8"}
    assert (booking(headrace)["parked"], booking(headrace)["discarded"]) == (0, 1)


def test_retry_takes_a_discarded_document_only_where_it_is_named(parked: World, headrace: Command) -> None:
    headrace(*DISCARD)
    settle(parked)
    assert headrace("deadletters", "retry", "booking").out == "nothing of it is parked\n"
    assert headrace("deadletters", "retry", "booking", "7").out == "1 document owed again\n"
    settle(parked)
    assert headrace("deadletters", "show", "booking", "7", "--json").json["attempts"] == 2
    assert "tried 2 times in vain" in headrace("deadletters", "show", "booking", "7").out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("airline.booking", "8"), 1, "airline.booking 8 is not parked"),
        (("airline.booking", "[7,2]"), 2, "[7,2] is no key of bookings"),
        (("airline.bookin", "7"), 2, "nearest: airline.booking"),
        (("airline", "7"), 2, "7 is no position of a record of airline"),
        (("airline", "1:999"), 1, "airline 1:999: no such record stands there"),
    ],
)
def test_what_cannot_be_discarded_is_said(
    parked: World, headrace: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = headrace("deadletters", "discard", *arguments, "--reason", "x")
    assert ran.code == code
    assert said in ran.err
    assert booking(headrace)["parked"] == 1


def test_a_reason_must_say_something(parked: World, headrace: Command) -> None:
    assert headrace(*DISCARD[:-1], "  ").code == 2
    assert booking(headrace)["parked"] == 1


def test_what_weaviate_will_not_remove_is_in_the_way_again_and_says_so(parked: World, headrace: Command) -> None:
    real = parked.store.delete

    def refuse(collection: str, ids: Sequence[UUID]) -> None:
        if object_id("airline", "booking", "7", 0) in ids:
            raise WeaviateRefused("read-only")
        real(collection, ids)

    parked.store.delete = refuse  # type: ignore[method-assign]
    headrace(*DISCARD)
    parked.stage.step()  # alone, nobody knows whether it is the collection that refuses
    assert (booking(headrace)["owed"], booking(headrace)["discarded"]) == (1, 1)
    assert headrace("wait", "airline", "--timeout", "50ms").code == 1
    parked.log.commit(("customers", "u", {**CUSTOMER, "tier_cd": "?"}))
    settle(parked)
    assert booking(headrace)["parked"] == 2
    headrace("deadletters", "discard", "booking", "7", "8", "--reason", "both")
    settle(parked)
    assert shown(parked) == {"7"}
    assert (booking(headrace)["parked"], booking(headrace)["discarded"]) == (1, 1)
    assert "Weaviate refuses it: read-only" in headrace("deadletters", "show", "booking", "7").out


# -- records -------------------------------------------------------------------------------------------


def broken(world: World, table: str | None = "public.bookings", key: dict[str, Any] | None = None) -> str:
    """A record that cannot be applied; returns its position."""
    world.log._add(Broken, committed_at=0, reason="not JSON", table=table, key=key)
    settle(world)
    return f"1:{len(world.log.records) - 1}"


def records(headrace: Command, *more: str) -> list[tuple[str, int, str | None]]:
    found = headrace("deadletters", "list", "airline", "--json", *more).json
    return [(each["position"], each["attempts"], each["discarded"]) for each in found]


def asked_for(world: World) -> list[str]:
    with world.state.read() as connection:
        return [table for each in under_way(connection) for table in each.tables]


@pytest.fixture
def loaded(world: World) -> World:
    world.log.snapshot(first_rows())
    settle(world)
    return world


def taken_up(world: World, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The backfill that a command asked for, for the test to carry out."""
    with world.state.read() as connection:
        (one,) = under_way(connection)
    monkeypatch.setattr("tests.component.test_backfill.ask", lambda *_: None)
    return Asked(world, *one.tables, identity=one.id)


def test_retrying_a_record_reads_its_table_again_and_settles_it(
    loaded: World, headrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = broken(loaded, key={"booking_id": 7})
    ran = headrace("deadletters", "retry", "airline", position)
    assert (ran.code, ran.out) == (
        0,
        "1 record: bookings read again from the source\nlook: headrace backfill airline --watch\n",
    )
    assert asked_for(loaded) == ["bookings"]
    taken_up(loaded, monkeypatch).whole(first_rows())
    settle(loaded)
    assert records(headrace) == []
    assert records(headrace, "--all") == [(position, 1, "its row was shown again, whole")]
    assert "settled: its row was shown again, whole" in headrace("deadletters", "list", "--all").out


def test_a_row_that_comes_in_vain_again_stays_one_record_and_counts(
    loaded: World, headrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading its table to the end must not settle a row that this very reading could not read."""
    position = broken(loaded, key={"booking_id": 7})
    assert headrace("deadletters", "retry", "airline", position).code == 0
    asked = taken_up(loaded, monkeypatch)
    asked.begin()
    broken(loaded, key={"booking_id": 7})
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    settle(loaded)
    assert records(headrace) == [(position, 2, None)]
    assert booking(headrace)["state"] == "unknown"
    assert "tried 2 times in vain, since " in headrace("deadletters", "show", "airline", position).out


def test_what_a_reading_could_not_read_of_an_unknown_row_stands_after_it(loaded: World, headrace: Command) -> None:
    before = broken(loaded)
    asked = Asked(loaded)
    asked.begin()
    within = broken(loaded)
    for table in asked.tables:
        asked.show(table, *first_rows().get(table, []))
        asked.scanned(table)
    asked.notice("COMPLETED")
    settle(loaded)
    assert records(headrace) == [(within, 1, None)]
    assert (before, 1, "its table was read again, whole") in records(headrace, "--all")


def test_a_change_before_a_broken_record_of_its_row_does_not_settle_it(loaded: World, headrace: Command) -> None:
    loaded.log.commit(("bookings", "u", {**BOOKING, "total_amt": 1}))
    position = broken(loaded, key={"booking_id": 7})  # both in one batch
    assert records(headrace) == [(position, 1, None)]


def test_a_restarted_worker_knows_the_row_that_comes_again(loaded: World, headrace: Command) -> None:
    position = broken(loaded, key={"booking_id": 7})
    loaded.restart()
    broken(loaded, key={"booking_id": 7})
    assert records(headrace) == [(position, 2, None)]


@pytest.mark.parametrize("table", [None, "public.not_mapped"])
def test_a_record_that_does_not_tell_its_table_has_all_read_again(
    loaded: World, headrace: Command, table: str | None
) -> None:
    broken(loaded, table)
    ran = headrace("deadletters", "retry", "airline", "--json")
    assert ran.code == 0
    assert sorted(asked_for(loaded)) == ["bookings", "customers", "flights", "tickets"]
    assert sorted(ran.json["backfills"][0]["tables"]) == sorted(asked_for(loaded))


def test_retrying_what_does_not_stand_reads_nothing(loaded: World, headrace: Command) -> None:
    assert headrace("deadletters", "retry", "airline").out == "every record of it was applied\n"
    ran = headrace("deadletters", "retry", "airline", "1:999")
    assert (ran.code, "every record at 1:999 was applied" in ran.err) == (2, True)
    assert asked_for(loaded) == []


def test_retrying_twice_says_that_it_is_under_way(loaded: World, headrace: Command) -> None:
    position = broken(loaded)
    assert headrace("deadletters", "retry", "airline", position).code == 0
    again = headrace("deadletters", "retry", "airline", position)
    assert again.code == 2
    assert "is being read again already" in again.err


def test_who_discarded_a_record_and_why_is_kept_and_its_row_comes_back_with_the_next_bad_change(
    loaded: World, headrace: Command
) -> None:
    position = broken(loaded, key={"booking_id": 7})
    assert headrace("deadletters", "discard", "airline", position, "--reason", "row 7 is gone").code == 0
    assert booking(headrace)["state"] == "fresh"
    assert records(headrace) == []
    out = headrace("deadletters", "show", "airline", position).out
    assert "discarded by ann@" in out
    assert "row 7 is gone" in out
    loaded.restart()  # a running worker remembers which stand
    later = broken(loaded, key={"booking_id": 7})
    assert records(headrace) == [(later, 1, None)]


def test_a_worker_that_remembers_a_record_which_was_discarded_since_keeps_the_next_one(
    loaded: World, headrace: Command
) -> None:
    position = broken(loaded, key={"booking_id": 7})
    headrace("deadletters", "discard", "airline", position, "--reason", "row 7 is gone")
    later = broken(loaded, key={"booking_id": 7})
    assert records(headrace) == [(later, 1, None)]


def test_no_value_of_a_row_is_kept_of_a_record(loaded: World, headrace: Command) -> None:
    broken(loaded, key={"booking_id": 7, "pnr": "SECRET"})
    with loaded.state.read() as connection:
        (row,) = connection.execute(DEAD_LETTER.select()).all()
    assert "SECRET" not in repr(row)
