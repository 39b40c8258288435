"""What `headrace backfill` shows while it goes on: its numbers, and how they look on a terminal, in a pipe, as JSON."""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import update

from sync.cli import backfill_progress
from sync.cli.backfill_figures import WINDOW, Figures, Pace, of_documents, of_reading, result
from sync.cli.backfill_progress import Look, Shown
from sync.state.backfills import Backfill, ask, ended
from sync.state.registry import BACKFILL, SOURCE
from tests.support.airline import first_rows
from tests.support.command import Command
from tests.support.world import World

ONE = Backfill(
    id="headrace-1", source_id=1, tables=("bookings",), condition=None, total=40_000, rows=0, changed=0, removed=0,
    swept=False, stopping=False, asked_at=0.0, claimed_at=1.0, started_at=2.0, ended_at=None, outcome=None,
)  # fmt: skip


def read(pace: Pace, *points: tuple[float, int]) -> float | None:
    rate = None
    for now, done in points:
        rate = pace.rate(now, done)
    return rate


# -- the numbers -----------------------------------------------------------------------------------


def test_a_rate_is_what_came_in_a_second() -> None:
    assert read(Pace(), (10.0, 0), (12.0, 8_000)) == 4_000


def test_a_rate_is_not_guessed_from_an_instant_nor_before_anything_came() -> None:
    assert read(Pace(), (10.0, 0), (10.5, 8_000)) is None
    assert read(Pace(), (10.0, 0), (60.0, 0)) is None


def test_what_was_waited_for_the_first_row_does_not_slow_the_rate() -> None:
    assert read(Pace(), (0.0, 0), (100.0, 0), (102.0, 2_000)) == 1_000


def test_a_rate_follows_what_has_changed_lately() -> None:
    pace = Pace()
    read(pace, *((second, 1_000 * second) for second in range(1, 31)))
    assert read(pace, *((30 + second, 30_000 + 10 * second) for second in range(1, int(WINDOW) + 1))) == 10
    assert read(pace, *((45 + second, 30_150) for second in range(1, int(WINDOW) + 1))) == 0


def test_one_that_began_anew_has_a_rate_of_its_own() -> None:
    assert read(Pace(), (0.0, 5_000), (10.0, 90_000), (11.0, 100), (13.0, 300)) == 100


def test_the_time_left_is_what_is_missing_at_this_rate() -> None:
    figures = of_reading(ONE, 10_000, 1_000.0)
    assert (figures.done, figures.total, figures.left) == (10_000, 40_000, 30.0)
    assert figures.line("airline") == "airline: bookings: 10,000 of 40,000 rows, 1,000/s, 30 s left"
    assert of_reading(ONE, 10_000, 100.0).left_text == "5m 0s left"


@pytest.mark.parametrize("rate", [None, 0.0])
def test_without_a_rate_nobody_knows_the_time_left(rate: float | None) -> None:
    assert of_reading(ONE, 10_000, rate).left is None
    assert "left" not in of_reading(ONE, 10_000, rate).line("airline")


def test_more_rows_than_estimated_are_no_end_and_no_negative_time() -> None:
    figures = of_reading(ONE, 41_000, 1_000.0)
    assert (figures.total, figures.left, figures.left_text) == (41_000, None, "")


def test_a_finished_one_has_read_all_that_there_was() -> None:
    done = of_reading(replace(ONE, rows=39_990, outcome="complete", ended_at=20.0), 39_990, 2_000.0)
    assert (done.total, done.left) == (39_990, 0.0)
    assert done.line("airline") == "airline: bookings: 39,990 of 39,990 rows, complete"


@pytest.mark.parametrize("outcome", ["stopped", "failed: bookings SQL_EXCEPTION"])
def test_an_interrupted_one_says_how_and_promises_nothing(outcome: str) -> None:
    line = of_reading(replace(ONE, outcome=outcome), 123, 50.0).line("airline")
    assert line == f"airline: bookings: 123 of 123 rows, {outcome}"


def test_documents_are_counted_from_the_most_that_were_owed() -> None:
    assert of_documents(30, 100, 7.0) == Figures("documents", "documents", 70, 100, 7.0)
    assert of_documents(0, 100, 7.0).left_text == ""


def test_the_result_names_removed_rows_among_those_that_differed() -> None:
    assert result("airline", replace(ONE, rows=40, outcome="complete")) == (
        "airline: bookings: 40 rows read, 0 were not as stored"
    )
    assert result("airline", replace(ONE, rows=40_000, changed=1_200, removed=34, tables=("bookings", "flights"))) == (
        "airline: bookings, flights: 40,000 rows read, 1,234 were not as stored, 34 of them gone at the source"
    )


# -- what is shown ---------------------------------------------------------------------------------


def looks(*, owed: int = 0, heard_at: float | None = None, tables: tuple[str, ...] = ("bookings",)) -> list[Look]:
    one, heard = replace(ONE, tables=tables), time.time() if heard_at is None else heard_at
    return [Look([one], {one.id: rows}, owed, heard) for rows in (0, 10_000, 20_000)]


def shown(seen: list[Look], *, width: int = 80, tty: bool = False, as_json: bool = False) -> str:
    """What is on the screen after the last look; one every five seconds."""
    console = Console(file=io.StringIO(), width=width, force_terminal=tty, color_system=None, markup=False)
    made = Shown("airline", {1: "airline"}, json=as_json, console=console)
    with made.progress:
        for number, each in enumerate(seen):
            made.update(each, 100.0 + 5 * number)
        made.progress.refresh()
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()


def last_frame(text: str) -> list[str]:
    """The lines of the last picture that a terminal was given."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [line.rstrip() for line in plain.splitlines() if line.strip()]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("tables", [("bookings",), ("passenger_name_records_of_the_year", "flights", "tickets")])
def test_a_terminal_shows_rows_rate_and_time_left_on_one_line(width: int, tables: tuple[str, ...]) -> None:
    line = last_frame(shown(looks(tables=tables), width=width, tty=True))[-1]
    assert "20,000 of 40,000" in line
    assert "2,000/s" in line
    assert line.endswith("10 s left")
    assert width - 2 <= len(line) <= width
    assert line.startswith(tables[0] if len(tables) == 1 else f"{tables[0]} and 2 more")


def test_a_terminal_shows_the_documents_below() -> None:
    frame = last_frame(shown([*looks(), *looks(owed=50)[-1:], *looks(owed=20)[-1:]], tty=True))
    assert frame[-2].startswith("bookings")
    assert frame[-1].startswith("documents")
    assert "30 of 50" in frame[-1]


@pytest.mark.parametrize("width", [80, 120])
def test_a_pipe_has_a_line_every_few_seconds_and_none_is_broken(width: int) -> None:
    assert shown(looks(), width=width).splitlines() == [
        "airline: bookings: 0 of 40,000 rows",
        "airline: bookings: 10,000 of 40,000 rows, 2,000/s, 15 s left",
        "airline: bookings: 20,000 of 40,000 rows, 2,000/s, 10 s left",
    ]


def test_a_pipe_is_not_flooded() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    made = Shown("airline", {1: "airline"}, json=False, console=console)
    for number in range(40):  # ten seconds of looks
        made.update(looks()[0], number * backfill_progress.EVERY)
    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == 4


def test_a_program_has_one_object_a_line() -> None:
    lines = [json.loads(line) for line in shown(looks(owed=3), as_json=True).splitlines()]
    assert lines[-1] == {
        "mapping": "airline",
        "source": "airline",
        "tables": ["bookings"],
        "rows": 20_000,
        "total": 40_000,
        "rows_per_second": 2_000.0,
        "seconds_left": 10.0,
        "documents_owed": 3,
        "silent_seconds": lines[-1]["silent_seconds"],
        "outcome": None,
    }
    assert [line["rows_per_second"] for line in lines] == [None, 2_000.0, 2_000.0]


def test_silence_of_the_source_is_said_once_and_to_a_program_as_a_number() -> None:
    silent = looks(heard_at=time.time() - 60)
    assert shown(silent).count("nothing was heard of the source") == 1
    lines = [json.loads(line) for line in shown(silent, as_json=True).splitlines()]
    assert all(line["silent_seconds"] >= 60 for line in lines)


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    url = f"sqlite:///{tmp_path}/state.db"
    return Command(monkeypatch, capsys, HEADRACE_STATE_URL=url, AIRLINE_URL="postgresql://127.0.0.1:1/airline")


@pytest.fixture
def reading(tmp_path: Path) -> Any:
    """A backfill of bookings that a person asked for and that is under way."""
    world = World(tmp_path)
    world.log.snapshot(first_rows())
    world.settle()
    with world.state.write() as connection:
        connection.execute(update(SOURCE).values(heard_at=time.time()))
        ask(connection, world.registered, "airline", "headrace-1", ["bookings"], None, 40)
    yield world
    world.state.close()


def step(world: World, **values: Any) -> None:
    with world.state.write() as connection:
        ended(connection, ["headrace-1"], **values)


@pytest.mark.parametrize(
    ("values", "code", "out", "err"),
    [
        ({"outcome": "complete", "rows": 40, "changed": 2, "removed": 1, "swept": True}, 0,
         "airline: bookings: 40 rows read, 3 were not as stored, 1 of them gone at the source\n", ""),
        ({"outcome": "complete", "rows": 40}, 0, "airline: bookings: 40 rows read, 0 were not as stored\n",
         "The reading was interrupted, so rows that the source no longer has were not looked for."),
        ({"outcome": "failed: bookings SQL_EXCEPTION"}, 1, "", "airline: bookings: failed: bookings SQL_EXCEPTION"),
        ({"outcome": "stopped", "rows": 7}, 1, "", "airline: bookings: stopped"),
    ],
)  # fmt: skip
def test_it_is_looked_at_until_it_has_ended(
    headrace: Command, reading: World, monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any], code: int, out: str, err: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("sync.cli.backfill_progress.time.sleep", lambda _: step(reading, **values))
    ran = headrace("backfill", "airline", "--watch")
    assert (ran.code, ran.out) == (code, out)
    assert "airline: bookings: 0 of 40 rows\n" in ran.err
    assert err in ran.err


def test_with_json_the_result_alone_is_on_standard_output(
    headrace: Command, reading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"outcome": "complete", "rows": 40, "swept": True}
    monkeypatch.setattr("sync.cli.backfill_progress.time.sleep", lambda _: step(reading, **values))
    ran = headrace("backfill", "airline", "--watch", "--json")
    assert [(one["rows"], one["outcome"]) for one in ran.json] == [(40, "complete")]
    (line,) = ran.err.splitlines()
    assert (json.loads(line)["total"], json.loads(line)["outcome"]) == (40, None)


def test_ctrl_c_ends_the_looking_and_not_the_reading(
    headrace: Command, reading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sync.cli.backfill_progress.time.sleep", interrupt)
    ran = headrace("backfill", "airline", "--watch")
    assert ran.code == 0
    assert "it goes on; look again: headrace backfill airline --watch" in ran.err
    with reading.state.read() as connection:
        assert connection.execute(BACKFILL.select()).one().outcome is None


def test_who_looks_again_sees_what_was_read_meanwhile(
    headrace: Command, reading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a restart of the command: everything is in the state."""
    from tests.component.test_backfill import Asked

    monkeypatch.setattr("tests.component.test_backfill.ask", lambda *_: None)
    asked = Asked(reading, "bookings", identity="headrace-1")
    asked.begin()
    asked.show("bookings", *first_rows()["bookings"])
    reading.apply()
    monkeypatch.setattr("sync.cli.backfill_progress.time.sleep", lambda _: step(reading, outcome="complete", rows=1))
    assert "airline: bookings: 1 of 40 rows\n" in headrace("backfill", "airline", "--watch").err
