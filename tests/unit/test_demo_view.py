"""What the demo shows: changes joined with the ledger, in words, on narrow and wide screens, as lines and as JSON."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import insert, update

from sync.demo import words
from sync.demo.feed import Change, Feed, Standing, percentile
from sync.demo.live import Json, Lines, Summary
from sync.demo.question import Answer, Asked, status_in
from sync.demo.screen import View, picture
from sync.demo.traffic import Commit
from sync.evidence.freshness import Status
from sync.state.registry import LEDGER, SOURCE
from tests.support.world import World

BOOKED = 1_700_000_000_000_000


def change(**more: object) -> Change:
    made = Change("K3XQ2A now 489.50 EUR", (("bookings", "7"),), BOOKED, BOOKED + 2_000)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def status(state: str = "fresh", parked: int = 0) -> Status:
    return Status("airline", "booking", "Booking", state, 0, parked, 10, 12, "1:9", 0.4)


# -- the feed ----------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def enter(world: World, key: str, committed_at: int, written_at: int, outcome: str = "written") -> None:
    with world.state.write() as connection:
        connection.execute(
            insert(LEDGER).values(
                type_id=world.registered.kinds["booking"].id,
                key=key,
                outcome=outcome,
                chunks=1,
                embedded=1,
                cause="flights 7 u",
                committed_at=committed_at,
                written_at=written_at,
            )
        )


def applied_to(world: World, committed_at: int) -> None:
    with world.state.write() as connection:
        connection.execute(update(SOURCE).values(committed_at=committed_at))


def test_ledger_entries_go_to_the_commit_in_whose_span_they_were_committed(world: World) -> None:
    feed = Feed(world.state, "airline")
    feed.committed(Commit("first", (("flights", "1"),), BOOKED, BOOKED + 1000))
    feed.committed(Commit("second", (("flights", "2"),), BOOKED + 5000, BOOKED + 6000))
    enter(world, "7", BOOKED + 500, BOOKED + 9_500)
    enter(world, "8", BOOKED + 500, BOOKED + 12_500)
    enter(world, "9", BOOKED + 5500, BOOKED + 13_500)
    feed.look(BOOKED)
    second, first = feed.latest(10)
    assert (first.what, sum(first.outcomes.values()), first.milliseconds) == ("first", 2, 12.0)
    assert (second.what, sum(second.outcomes.values()), second.milliseconds) == ("second", 1, 8.0)


def test_a_commit_by_somebody_else_is_shown_too(world: World) -> None:
    feed = Feed(world.state, "airline")
    enter(world, "7", BOOKED + 500, BOOKED + 9_500)
    feed.look(BOOKED)
    (other,) = feed.latest(10)
    assert (other.what, words.place(other)[0], words.effect(other)) == (
        "by somebody else",
        "flights",
        "booking 7 written, 1 chunk embedded",
    )


def test_what_was_in_the_ledger_before_the_demo_began_is_not_shown(world: World) -> None:
    enter(world, "7", BOOKED, BOOKED + 1)
    feed = Feed(world.state, "airline")
    feed.look(BOOKED)
    assert feed.latest(10) == []


def test_a_change_is_settled_only_when_something_committed_after_it_is_applied(world: World) -> None:
    feed = Feed(world.state, "airline")
    feed.committed(Commit("gate", (("flights", "1"),), BOOKED, BOOKED + 1000))
    applied_to(world, BOOKED + 1000)
    feed.look(BOOKED)
    assert feed.take_settled() == []
    applied_to(world, BOOKED + 1001)
    feed.look(BOOKED)
    assert [words.effect(one) for one in feed.take_settled()] == ["no document reads it"]
    assert feed.take_settled() == [], "each is returned once"


def test_a_change_whose_documents_are_still_owed_is_not_settled(world: World) -> None:
    world.log.snapshot({"bookings": [{"booking_id": 7, "pnr": "A", "customer_id": 1, "total_amt": 1}]})
    world.apply()
    feed = Feed(world.state, "airline")
    feed.committed(Commit("price", (("bookings", "7"),), 1, 2))
    feed.look(BOOKED)
    owed_at = world.document("7").owed_at
    feed.committed(Commit("later", (("bookings", "7"),), owed_at, owed_at + 1))
    applied_to(world, owed_at + 1_000_000)
    feed.look(BOOKED)
    assert [one.what for one in feed.take_settled()] == ["price"]
    world.write()
    feed.look(BOOKED)
    assert [one.what for one in feed.take_settled()] == ["later"]


@pytest.mark.parametrize(("percent", "expected"), [(50, 2.0), (99, 4.0), (100, 4.0), (1, 1.0)])
def test_percentiles_are_samples(percent: float, expected: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == expected


def test_no_samples_have_no_percentile() -> None:
    assert percentile([], 50) is None


# -- words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (change(), "…"),
        (change(settled=True), "no document reads it"),
        (
            change(outcomes=Counter({("booking", "written"): 1}), documents=[("booking", "7")], embedded=1),
            "booking 7 written, 1 chunk embedded",
        ),
        (
            change(outcomes=Counter({("booking", "unchanged"): 1}), documents=[("booking", "7")]),
            "booking 7 unchanged",
        ),
        (
            change(outcomes=Counter({("booking", "written"): 1}), documents=[("booking", "7")]),
            "booking 7 written, nothing embedded",
        ),
        (
            change(
                outcomes=Counter({("booking", "written"): 2000, ("flight", "written"): 1}),
                documents=[("booking", "1"), ("booking", "2"), ("flight", "3")],
                embedded=2001,
            ),
            "2,000 bookings written, 1 flight written, 2,001 chunks embedded",
        ),
        (change(outcomes=Counter({("booking", "parked"): 1}), documents=[("booking", "7")]), "booking 7 parked"),
    ],
)
def test_an_effect_is_told_in_words(made: Change, said: str) -> None:
    assert words.effect(made) == said


def test_a_change_of_several_rows_says_how_many_more() -> None:
    assert words.place(change(rows=(("bookings", "7"), ("tickets", "[7,1]")))) == ("bookings", "7 +1")


def test_the_worst_state_speaks_for_all() -> None:
    assert words.worst([status("fresh"), status("unknown"), status("stale")]) == "unknown"
    assert words.worst([]) == "unknown", "nothing known is never fresh"


def test_parked_documents_come_first_in_the_status_line() -> None:
    assert words.standing(Standing((status(parked=2),), 8.0, 60.0, 5))[0] == "parked 2"


def test_a_bookings_text_says_what_became_of_the_featured_flight() -> None:
    first = "Booking K\n\nLeg 1: flight LH 1 from A to B,\n1 May. Status: delayed.\n"
    text = first + "Leg 2: flight AZ 602 from FCO to JFK,\n2 April 2026, 10:15 UTC. Status: on\ntime.\n"
    assert status_in(text) == "on time"
    assert status_in(text.replace("AZ 602", "AZ 603")) is None


def test_the_answer_is_a_sentence() -> None:
    asked = Asked((Answer("A", 0.1, "cancelled"), Answer("B", 0.2, None)), 3.0)
    assert words.verdict(asked) == "1 of the 2 nearest say: AZ 602 is cancelled"
    reinstated = Asked((Answer("A", 0.1, "on time"), Answer("B", 0.2, None)), 3.0)
    assert words.verdict(reinstated) == "none of the 2 nearest says cancelled; 1 on AZ 602"
    assert asked.meaning != reinstated.meaning


# -- the three forms ---------------------------------------------------------------------------------


def view() -> View:
    many = [
        change(
            what="a change told in so many words that no terminal of ordinary width has room for all of them",
            outcomes=Counter({("booking", "written"): 22, ("flight", "written"): 1}),
            documents=[("booking", "1"), ("booking", "2"), ("booking", "3")],
            embedded=23,
            committed_at=BOOKED,
            written_at=BOOKED + 41_000,
        )
    ] * 60
    answers = tuple(Answer("K3XQ2A", 0.4, "cancelled") for _ in range(5))
    url = "postgresql://postgres:postgres@127.0.0.1:5432/airline"
    return View(url, many, Asked(answers, 3.2), BOOKED, Standing((status(),), 8.2, 61.0, 9), None)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (60, 20)])
def test_the_picture_fits_the_terminal(width: int, height: int) -> None:
    output = io.StringIO()
    Console(file=output, width=width, height=height).print(picture(view(), width, height))
    lines = output.getvalue().rstrip("\n").split("\n")
    assert max(map(len, lines)) <= width
    assert len(lines) <= height
    assert any("AZ 602 is cancelled" in line for line in lines)
    assert any("fresh" in line for line in lines)


def test_a_trouble_takes_the_place_of_the_hint() -> None:
    shown = view()
    shown.trouble = "the question got no answer"
    output = io.StringIO()
    Console(file=output, width=80).print(picture(shown, 80, 24))
    assert "! the question got no answer" in output.getvalue()
    assert "psql" not in output.getvalue()


def settled_feed(world: World) -> Feed:
    feed = Feed(world.state, "airline")
    feed.committed(Commit("[7] is now 1 EUR", (("bookings", "7"),), BOOKED, BOOKED + 1000))
    enter(world, "7", BOOKED + 500, BOOKED + 9_500)
    applied_to(world, BOOKED + 2000)
    feed.look(BOOKED)
    return feed


def test_lines_are_whole_however_narrow_the_pipe_and_markup_is_left_alone(world: World) -> None:
    output = io.StringIO()
    Lines(Console(file=output, width=20)).changed(settled_feed(world))
    (line,) = output.getvalue().splitlines()
    assert line.endswith("bookings 7: [7] is now 1 EUR -> booking 7 written, 1 chunk embedded, 9.0 ms")


def test_json_lines_say_the_same(world: World) -> None:
    output = io.StringIO()
    teller = Json(Console(file=output, width=20))
    summary = Summary(seconds=2.0, commits=1)
    summary.count(teller.changed(settled_feed(world)))
    teller.end(summary)
    told, end = (json.loads(line) for line in output.getvalue().splitlines())
    assert told["rows"] == [{"table": "bookings", "key": "7"}]
    assert told["documents"] == {"written": 1}
    assert told["milliseconds"] == 9.0
    assert (end["type"], end["p50_ms"], end["documents"]) == ("summary", 9.0, 1)
