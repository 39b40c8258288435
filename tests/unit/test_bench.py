"""The bench's arithmetic: goals, percentiles, and which ledger entry answers which change."""

from __future__ import annotations

import json
from collections import Counter

import orjson
import pytest

from bench import generator
from bench.entries import Entry, latencies
from bench.figures import Figure, Goal, NotMeasured, percentile, spread
from bench.generator import Load, Sent
from bench.machine import Machine
from bench.memory import scaled
from bench.report import number, to_json


def sent(key: str, began: int, committed: int) -> Sent:
    return Sent(key, 1000, began, committed, 0)


def entry(key: str, committed_at: int, written_at: int, outcome: str = "written", document: str = "booking") -> Entry:
    return Entry(key, document, outcome, 1, 1, "bookings u", committed_at, written_at)


@pytest.mark.parametrize(
    ("goal", "value", "floor", "met"),
    [
        (Goal("at most", 2), 20.0, 10.0, True),
        (Goal("at most", 2), 20.1, 10.0, False),
        (Goal("at least", 0.6), 600.0, 1000.0, True),
        (Goal("at least", 0.6), 599.0, 1000.0, False),
        (Goal("at least", 10_000), 9_999.0, None, False),
        (Goal("at most", 0), 0.0, None, True),
        (Goal("at most", 0), 1.0, None, False),
    ],
)
def test_a_goal_is_held_against_the_floor_of_the_same_run(
    goal: Goal, value: float, floor: float | None, met: bool
) -> None:
    assert Figure("what", value, "ms", goal, floor).passed is met


def test_figures_go_into_json_with_their_counts_and_raw_samples() -> None:
    figure = Figure("what", 2.0, "ms", Goal("at most", 2), 1.0, {"ledger": Counter({"written": 3})}, (1.5, 2.5))
    machine = Machine(2, "a CPU", 24.0, 0.5, "Linux")
    content = json.loads(orjson.dumps(to_json(machine, [figure], {"memory": "no worker"}, quick=True)))
    assert content["figures"][0]["details"] == {"ledger": {"written": 3}}
    assert content["figures"][0]["samples"] == [1.5, 2.5]
    assert (content["figures"][0]["goal"], content["figures"][0]["passed"]) == ("≤ 2 × floor", True)
    assert content["not_measured"] == {"memory": "no worker"}


def test_a_figure_just_within_its_goal_does_not_read_as_the_goal() -> None:
    assert number(299.6) == "299.6"


def test_a_figure_without_a_goal_neither_passes_nor_fails() -> None:
    assert Figure("floor", 1.0, "ms").passed is None


def test_percentiles_are_real_samples_and_nothing_has_none() -> None:
    samples = [float(n) for n in range(1000, 0, -1)]
    assert (percentile(samples, 50), percentile(samples, 99), percentile(samples, 99.9)) == (500.0, 990.0, 999.0)
    assert spread(samples)["max"] == 1000.0
    with pytest.raises(NotMeasured):
        percentile([], 50)


def test_latency_counts_from_commits_return_to_the_first_write_that_answers() -> None:
    entries = [entry("7", 1_000_500, 1_009_000), entry("7", 1_000_500, 1_020_000), entry("8", 1_000_900, 1_011_000)]
    assert latencies(entries, [sent("7", 1_000_000, 1_001_000), sent("8", 1_000_800, 1_001_000)]) == [8.0, 10.0]


def test_a_write_that_answers_an_earlier_change_does_not_count() -> None:
    entries = [entry("7", 900_000, 1_002_000), entry("7", 1_000_500, 1_009_000)]
    assert latencies(entries, [sent("7", 1_000_000, 1_001_000)]) == [8.0]


@pytest.mark.parametrize(
    "wrong",
    [entry("8", 1_000_500, 1_009_000), entry("7", 1_000_500, 1_009_000, outcome="unchanged"),
     entry("7", 1_000_500, 1_009_000, document="flight")],
)  # fmt: skip
def test_a_change_that_was_never_written_is_no_measurement(wrong: Entry) -> None:
    with pytest.raises(NotMeasured, match="booking 7"):
        latencies([wrong], [sent("7", 1_000_000, 1_001_000)])


def test_bookings_to_change_are_distinct_and_leave_out_what_they_are_told_to() -> None:
    chosen = generator.keys(80, 100, seed=1, apart_from=frozenset(range(1, 21)))
    assert len(set(chosen)) == 80
    assert min(map(int, chosen)) == 21
    with pytest.raises(NotMeasured, match="81 distinct bookings wanted, there are 80"):
        generator.keys(81, 100, seed=1, apart_from=frozenset(range(1, 21)))


def test_a_load_that_fell_behind_says_so() -> None:
    assert Load((), 100, 97.0).kept_up
    assert not Load((), 100, 96.9).kept_up


def test_the_price_reads_as_the_booking_writes_it() -> None:
    assert Sent("7", 1_048_950, 0, 0, 0).words == "10,489.50 EUR"


def test_the_large_airline_has_200_000_rows_in_the_usual_proportion() -> None:
    sizes = scaled(200_000)
    assert abs(sizes.rows - 200_000) < 10
    assert sizes.tickets == pytest.approx(2 * sizes.bookings, abs=2)
