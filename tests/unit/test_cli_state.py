"""`headrace status`, `wait`, `deadletters`: what they say of a state, and how they find what is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from connectors.change import Broken
from sync.state.database import State
from sync.state.owed import Priority, Raise
from sync.state.raises import Raises
from sync.state.registry import DEAD_LETTER, DOCUMENT, LEDGER, MARKER, SOURCE, TERMS, next_sequence
from sync.worker.continuity import note_gap
from tests.support.airline import FLIGHT, first_rows
from tests.support.command import Command
from tests.support.world import World

NAMED = ["mapping", "document", "collection", "state"]
FIELDS = [*NAMED, "owed", "parked", "documents", "objects", "position", "lag_seconds", "trouble", "discarded"]
SECRET = "postgresql://me:hunter2@127.0.0.1:1/airline"


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys, HEADRACE_STATE_URL=f"sqlite:///{tmp_path}/state.db", AIRLINE_URL=SECRET)


@pytest.fixture
def airline(tmp_path: Path) -> Iterator[World]:
    """The applied mapping `airline`, its first load done, heard of just now."""
    world = World(tmp_path)
    heard(world, loaded=True, heard_at=time.time(), committed_at=time.time_ns() // 1000)
    yield world
    world.state.close()


def heard(world: World, **values: Any) -> None:
    with world.state.write() as connection:
        connection.execute(update(SOURCE).values(**values))


def owe(world: World, *keys: str, kind: str = "booking") -> None:
    with world.state.write() as connection:
        why = Raise(next_sequence(world.state, connection, "airline", 1), 1, "bookings u")
        kinds = world.registered.kinds
        Raises(world.state).raise_keys(connection, kinds[kind].id, dict.fromkeys(keys, why), Priority.direct)


def park(world: World, key: str, reason: str, since: int = 1_700_000_000_000_000) -> None:
    owe(world, key)
    kind = world.registered.kinds["booking"].id
    with world.state.write() as connection:
        connection.execute(update(DOCUMENT).where(DOCUMENT.c.key == key).values(parked=reason, priority=None))
        connection.execute(
            insert(LEDGER).values(type_id=kind, key=key, outcome="parked", chunks=0, embedded=0, written_at=since)
        )


def test_status_in_json_has_these_fields_and_no_others(headrace: Command, airline: World) -> None:
    rows = headrace("status", "--json").json
    assert [list(row) for row in rows] == [FIELDS, FIELDS]
    assert [(row["document"], row["collection"]) for row in rows] == [("booking", "Booking"), ("terms", "AirlineTerms")]
    assert rows[0]["state"] == "fresh"
    assert rows[0]["lag_seconds"] < 5


def test_status_of_nothing_says_what_to_do(headrace: Command) -> None:
    ran = headrace("status")
    assert ran.code == 0
    assert "state.db; `headrace apply FILE`" in ran.out
    assert headrace("status", "--json").json == []


@pytest.mark.parametrize("command", ["status", "wait", "doctor", "deadletters list", "backfill airline"])
def test_looking_makes_no_state_where_there_is_none(headrace: Command, tmp_path: Path, command: str) -> None:
    headrace(*command.split())
    assert list(tmp_path.glob("state.db*")) == []


@pytest.mark.parametrize("made", [False, True], ids=["no state", "an empty one"])
def test_wait_vouches_for_nothing_where_nothing_is_applied(headrace: Command, tmp_path: Path, made: bool) -> None:
    if made:
        State(f"sqlite:///{tmp_path}/state.db").close()
    for options in ([], ["--json"]):
        ran = headrace("wait", *options)
        assert (ran.code, ran.out) == (2, "")
        assert "no mapping" in ran.err
        assert "HEADRACE_STATE_URL" in ran.err


def test_wait_says_how_a_time_is_written(headrace: Command, airline: World) -> None:
    ran = headrace("wait", "--timeout", "5parsecs")
    assert ran.code == 2
    assert "500ms, 30s or 5m" in ran.err


def test_status_that_is_not_fresh_names_the_command_that_says_why(headrace: Command, airline: World) -> None:
    assert "doctor" not in headrace("status").out
    heard(airline, heard_at=time.time() - 60)
    assert "`headrace doctor` says which component" in headrace("status").out


def test_status_is_unknown_when_nothing_was_heard_and_the_exit_code_is_still_good(
    headrace: Command, airline: World
) -> None:
    heard(airline, heard_at=time.time() - 60)
    ran = headrace("status")
    assert ran.code == 0
    assert "? unknown" in ran.out
    assert "fresh" not in ran.out


def test_status_shows_what_is_in_the_way(headrace: Command, airline: World) -> None:
    heard(airline, trouble="the topic was made anew")
    assert "airline: the topic was made anew" in headrace("status").out


def test_a_record_that_could_not_be_applied_is_shown_wherever_freshness_is(
    headrace: Command, airline: World, log: Log
) -> None:
    with airline.state.write() as connection:
        values = {"mapping": "airline", "source": "airline", "epoch": 1, "offset_": 70, "reason": "not JSON"}
        connection.execute(insert(DEAD_LETTER).values(**values, found_at=1_700_000_000.0))
    out = headrace("status").out
    assert "? unknown" in out
    assert "fresh" not in out
    assert "records that could not be applied" in out
    assert "airline, source airline, position 1:70, since 2023-11-14 22:13:20 UTC\n  not JSON" in out
    assert headrace("status", "--json").json[0]["trouble"] == "not applied: 1:70 not JSON"
    waited = headrace("wait", "airline")
    assert waited.code == 1
    assert "the record at 1:70 could not be applied: not JSON" in waited.err
    listed = headrace("deadletters", "list")
    assert listed.code == 1
    assert "headrace deadletters discard airline 1:70 --reason" in listed.out


def test_a_discarded_record_makes_the_mapping_fresh_again(headrace: Command, airline: World) -> None:
    with airline.state.write() as connection:
        values = {"mapping": "airline", "source": "airline", "epoch": 1, "offset_": 70, "reason": "not JSON"}
        connection.execute(insert(DEAD_LETTER).values(**values, found_at=1_700_000_000.0))
    discard = ("deadletters", "discard", "airline", "1:70", "--reason", "its row was deleted")
    assert headrace(*discard).out == "1 record discarded\n"
    assert "fresh" in headrace("status").out
    assert headrace("deadletters", "list").code == 0
    assert headrace(*discard).code == 1
    assert headrace("deadletters", "discard", "airline", "seven", "--reason", "x").code == 2


def test_a_mapping_that_is_not_applied_is_met_with_the_nearest(headrace: Command, airline: World) -> None:
    ran = headrace("status", "airlin")
    assert ran.code == 2
    assert "no mapping airlin is applied (nearest: airline)" in ran.err


def test_parked_documents_are_named_with_reason_time_and_the_command_that_retries(
    headrace: Command, airline: World
) -> None:
    park(airline, "7", "code of tier_cd has no words")
    out = headrace("status").out
    assert "1 document parked:" in out
    assert "airline.booking 7, since 2023-11-14 22:13:20 UTC" in out
    assert "code of tier_cd has no words" in out
    assert "headrace deadletters retry airline.booking 7" in out


def test_the_named_command_makes_a_parked_document_owed_again(headrace: Command, airline: World) -> None:
    park(airline, "7", "no words")
    park(airline, "8", "no words")
    assert headrace("deadletters", "retry", "airline.booking", "7").out == "1 document owed again\n"
    row = headrace("status", "--json").json[0]
    assert (row["owed"], row["parked"]) == (1, 1)
    assert headrace("deadletters", "retry", "booking").out == "1 document owed again\n"
    assert headrace("deadletters", "retry", "booking").out == "nothing of it is parked\n"


def test_dead_letters_are_findings(headrace: Command, airline: World) -> None:
    assert headrace("deadletters", "list").code == 0
    park(airline, "7", "no words")
    ran = headrace("deadletters", "list", "--json")
    assert ran.code == 1
    assert [(each["document"], each["key"], each["reason"]) for each in ran.json] == [("booking", "7", "no words")]


def test_an_unknown_document_is_met_with_the_nearest(headrace: Command, airline: World) -> None:
    ran = headrace("deadletters", "retry", "bookng", "7")
    assert ran.code == 2
    assert "no document bookng is applied (nearest: booking)" in ran.err


class Log:
    """Stands for the source's database: a marker comes out at the other end at once, or never."""

    def __init__(self, world: World) -> None:
        self.world, self.arrives, self.tokens = world, True, list[str]()
        self._act: Callable[[], None] | None = None

    def after_the_first(self, act: Callable[[], None]) -> None:
        """The first marker does not come out: ``act`` happens behind it. The next ones do."""
        self._act = act

    def emit(self, token: str) -> None:
        self.tokens.append(token)
        if self._act is not None:
            act, self._act = self._act, None
            act()
        elif self.arrives:
            self._arrive(token)

    def _arrive(self, token: str) -> None:
        with self.world.state.write() as connection:
            sequence = next_sequence(self.world.state, connection, "airline", 1)
            source = self.world.registered.sources["airline"]
            connection.execute(insert(MARKER).values(token=token, source_id=source, sequence=sequence, seen_at=0.0))


@pytest.fixture
def log(airline: World, monkeypatch: pytest.MonkeyPatch) -> Log:
    made = Log(airline)
    monkeypatch.setattr("connectors.registration.source_database", lambda mapping, source: made)
    return made


def test_wait_returns_when_nothing_before_the_marker_is_owed_and_says_how_long_it_took(
    headrace: Command, log: Log
) -> None:
    ran = headrace("wait", "airline")
    assert ran.code == 0
    assert ran.out.startswith("airline: searchable after ")
    assert ran.out.endswith(" ms\n")
    assert headrace("wait", "--json").json[0]["visible"] is True
    assert len(set(log.tokens)) == 2


def test_wait_gives_up_when_what_was_committed_before_is_still_owed(
    headrace: Command, airline: World, log: Log
) -> None:
    owe(airline, "7", "8")
    ran = headrace("wait", "airline", "--timeout", "50ms")
    assert ran.code == 1
    assert "2 documents still owed after 50ms" in ran.err


def test_a_marker_that_went_with_a_log_that_was_lost_is_committed_anew(
    headrace: Command, airline: World, log: Log
) -> None:
    """The source begins a new epoch while the wait is on: what was in its old log is not read any more."""

    def gap() -> None:
        note_gap(airline.state, airline.registered.sources["airline"], "slot headrace_airline is gone", epoch=1)
        with airline.state.write() as connection:
            connection.execute(update(SOURCE).values(loaded=True))

    log.after_the_first(gap)
    assert headrace("wait", "airline", "--timeout", "10s").code == 0
    assert len(log.tokens) == 2


def test_a_marker_that_a_connectors_second_first_snapshot_passed_by_is_committed_anew(
    headrace: Command, airline: World, log: Log
) -> None:
    """Stopped before it had noted where that ends, a connector begins with another one, in the same epoch."""
    log.after_the_first(lambda: heard(airline, snapshot='{"number": 2, "under_way": false}'))
    assert headrace("wait", "airline", "--timeout", "10s").code == 0
    assert len(log.tokens) == 2


def test_wait_says_so_when_the_marker_never_comes_out(headrace: Command, log: Log) -> None:
    log.arrives = False
    ran = headrace("wait", "airline", "--timeout", "50ms")
    assert ran.code == 1
    assert "the marker did not come out of the source's log within 50ms" in ran.err
    assert "headrace run" in ran.err


def test_wait_names_parked_documents_and_does_not_wait_for_them(headrace: Command, airline: World, log: Log) -> None:
    park(airline, "7", "no words")
    began = time.monotonic()
    ran = headrace("wait", "airline", "--timeout", "30s")
    assert time.monotonic() - began < 20
    assert ran.code == 1
    assert "airline.booking 7 is parked: no words" in ran.err


def test_waiting_for_one_document_is_not_held_by_others(headrace: Command, airline: World, log: Log) -> None:
    owe(airline, "7")
    park(airline, "8", "no words")
    assert headrace("wait", "--document", "booking", "9", "--timeout", "50ms").code == 0
    assert headrace("wait", "--document", "booking", "7", "--timeout", "50ms").code == 1
    assert headrace("wait", "--document", "booking", "8", "--timeout", "50ms").code == 1


def test_wait_for_terminology_goes_by_its_readable_name(headrace: Command, airline: World, log: Log) -> None:
    owe(airline, "term:PNR", kind=TERMS)
    assert headrace("wait", "--document", "terms", "term:PNR", "--timeout", "50ms").code == 1
    assert headrace("wait", "--document", "booking", "1", "--timeout", "50ms").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--timeout", "soon"), "'soon' is no duration"),
        (("--document", "bookin", "7"), "nearest: booking"),
        (("--document", "booking", "[7,2]"), "[7,2] is no key of bookings: its key is booking_id"),
        (("nobody",), "no mapping nobody is applied"),
    ],
)
def test_wait_for_what_makes_no_sense_cannot_run(
    headrace: Command, log: Log, arguments: tuple[str, ...], said: str
) -> None:
    ran = headrace("wait", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert log.tokens == []


def test_wait_without_the_sources_variable_names_it(
    headrace: Command, airline: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRLINE_URL")
    ran = headrace("wait", "airline")
    assert ran.code == 2
    assert "AIRLINE_URL is not set" in ran.err


def test_a_source_that_does_not_answer_is_named_without_its_password(headrace: Command, airline: World) -> None:
    ran = headrace("wait", "airline")
    assert ran.code == 2
    assert "PostgreSQL me@127.0.0.1:1/airline does not answer" in ran.err
    assert "hunter2" not in ran.out + ran.err


def test_a_state_that_cannot_be_opened_is_named(headrace: Command) -> None:
    ran = headrace("status", HEADRACE_STATE_URL="sqlite:////nowhere/at/all/state.db")
    assert ran.code == 2
    assert "/nowhere/at/all/state.db" in ran.err
    assert "HEADRACE_STATE_URL" in ran.err


def test_a_parked_document_is_shown_with_its_rows_and_no_value_of_them(headrace: Command, airline: World) -> None:
    rows = first_rows()
    rows["flights"] = [{**FLIGHT, "status_cd": "??"}]
    airline.log.snapshot(rows)
    airline.settle()
    retry = ("deadletters", "retry", "airline.booking", "7")
    assert headrace(*retry).code == 0
    airline.write()
    shown = headrace("deadletters", "show", "airline.booking", "7", "--json").json
    assert shown["attempts"] == 2
    assert shown["position"] == f"1:{len(airline.log.records) - 1}"
    assert shown["rows"] == [
        {"table": "bookings", "key": "7"},
        {"table": "customers", "key": "1"},
        {"table": "tickets", "key": "[7,1]"},
        {"table": "flights", "key": "40"},
    ]
    out = headrace("deadletters", "show", "booking", "7").out
    assert "status_cd" in out
    assert "    tickets [7,1]\n" in out
    assert "Maria Rossi" not in out
    assert headrace("deadletters", "show", "booking", "8").code == 2


def test_a_record_that_was_not_applied_is_shown_with_its_row_and_what_reads_it_again(
    headrace: Command, airline: World
) -> None:
    airline.log.snapshot(first_rows())
    key = {"booking_id": 7}
    airline.log._add(Broken, committed_at=0, reason="not JSON", table="public.bookings", key=key)
    airline.apply()
    position = f"1:{len(airline.log.records) - 1}"
    shown = headrace("deadletters", "show", "airline", position)
    assert "row bookings 7; settled by itself" in shown.out
    assert f"again: headrace deadletters retry airline {position}\n" in shown.out
    assert headrace("deadletters", "show", "airline", position, "--json").json["key"] == "7"
    assert f"again: headrace deadletters retry airline {position}\n" in headrace("deadletters", "list").out
    assert headrace("deadletters", "show", "airline", "1:999").code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("airline", "booking"), "mapping airline has no table booking (nearest: bookings)"),
        (("airline", "--where", "true"), "--where needs the table that it filters"),
        (("airline", "--source", "nowhere"), "mapping airline has no source nowhere"),
        (("airline", "--watch", "--stop"), "exclude each other"),
        (("airline", "--watch"), "no table of airline was read again so far"),
        (("airlin",), "no mapping airlin is applied (nearest: airline)"),
        (("airline",), "PostgreSQL me@127.0.0.1:1/airline does not answer"),
    ],
)
def test_a_backfill_that_makes_no_sense_cannot_run(
    headrace: Command, airline: World, arguments: tuple[str, ...], said: str
) -> None:
    ran = headrace("backfill", *arguments)
    assert ran.code == 2
    assert said in ran.err
