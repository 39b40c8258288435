"""Two mappings, one worker: whatever the first one's source says, or does not say, the second is served."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from sync.errors import Gap, HeadraceError, MappingError, SourceRefused, SourceUnreachable, StateOutdated
from sync.state.registry import MAPPING
from sync.worker import serving
from tests.support.pipeline import wait_until
from tests.support.two_mappings import FIRST, SECOND, Running, TwoMappings, failing, running

WRONG = SourceRefused("the database refuses the connection: password authentication failed")
AWAY = SourceUnreachable("the database does not answer")
SOON = 10.0  # seconds


@pytest.fixture
def world(tmp_path: Path) -> Iterator[TwoMappings]:
    made = TwoMappings(tmp_path)
    yield made
    made.state.close()


@pytest.fixture
def worker(world: TwoMappings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Not started. The first mapping has a gap: its database will be asked before it is served."""
    made = running(world, monkeypatch)
    world.gap(FIRST)
    yield made
    for database in made.databases.values():
        database.goes_on.set()
    if not made.ended.is_set():
        made.stop()


def hinder(worker: Running, how: HeadraceError | None) -> None:
    """The first mapping's database raises this; None: it says nothing at all."""
    if how is None:
        worker.databases[FIRST].hang()
    worker.databases[FIRST].error = how


ways = pytest.mark.parametrize("how", [WRONG, AWAY, None], ids=["refuses", "away", "hangs"])


def asked(worker: Running, times: int = 1) -> None:
    wait_until("the first's database to be asked", lambda: worker.databases[FIRST].asked >= times, SOON)


@ways
def test_the_second_mapping_is_served_whatever_the_firsts_database_does(
    worker: Running, how: HeadraceError | None
) -> None:
    hinder(worker, how)
    worker.start()
    asked(worker)
    wait_until("the second to be served", lambda: worker.serves(SECOND), SOON)
    assert not worker.serves(FIRST)
    assert not worker.ended.is_set()


@pytest.mark.parametrize("how", [WRONG, AWAY, MappingError("source airline of mapping airline has no url")])
def test_status_names_what_is_in_the_way_why_and_what_to_do(
    worker: Running, world: TwoMappings, how: HeadraceError
) -> None:
    hinder(worker, how)
    world.set(FIRST, heard_at=time.time(), committed_at=time.time_ns() // 1000)
    world.set(SECOND, heard_at=time.time(), committed_at=time.time_ns() // 1000, loaded=True)
    worker.start()
    shown = wait_until("it to be noted", lambda: str(how) in (world.status(FIRST).trouble or ""), SOON)
    assert shown
    assert world.status(FIRST).trouble == f"its topic is gone; {how}. {how.advice}"
    assert world.status(FIRST).state == "unknown"
    assert (world.status(SECOND).state, world.status(SECOND).trouble) == ("fresh", None)


def test_what_was_refused_is_said_once_and_tried_again_until_it_works(
    worker: Running, world: TwoMappings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "REFUSED_FOR", 0.01)
    hinder(worker, WRONG)
    worker.start()
    asked(worker, 5)
    assert len([text for text in worker.said if "password authentication failed" in text]) == 1
    assert len([text for text in worker.said if "everything is read again" in text]) == 1
    worker.databases[FIRST].error = None
    wait_until("the first to be served", lambda: worker.serves(FIRST), SOON)
    assert world.status(FIRST).trouble == "its topic is gone"  # until the first record of the new snapshot
    assert not world.source(FIRST).snapshot_due


@pytest.mark.parametrize("how", [AWAY, None], ids=["away", "hangs"])
def test_a_database_that_answers_again_is_served_at_once(worker: Running, how: HeadraceError | None) -> None:
    hinder(worker, how)
    worker.start()
    asked(worker)
    worker.databases[FIRST].error = None
    worker.databases[FIRST].goes_on.set()
    wait_until("the first to be served", lambda: worker.serves(FIRST), SOON)


def test_what_was_refused_is_left_alone_until_its_mapping_is_applied_anew(worker: Running, world: TwoMappings) -> None:
    hinder(worker, WRONG)
    worker.start()
    wait_until("it to be noted", lambda: "password" in (world.status(FIRST).trouble or ""), SOON)
    worker.looks_go_on()
    assert worker.databases[FIRST].asked == 1
    worker.databases[FIRST].error = None
    with world.state.write() as connection:
        connection.execute(update(MAPPING).where(MAPPING.c.name == FIRST).values(applied_at=time.time() + 1))
    wait_until("the first to be served", lambda: worker.serves(FIRST), SOON)
    assert len(worker.of(SECOND)) == 1  # nothing was the matter with it


@ways
def test_a_mapping_removed_while_it_is_begun_is_left_and_may_come_again(
    worker: Running, world: TwoMappings, how: HeadraceError | None
) -> None:
    hinder(worker, how)
    worker.start()
    asked(worker)
    world.remove(FIRST)
    wait_until("its task to end", lambda: set(worker.serving._tasks.values()) == {SECOND}, SOON)
    world.both[FIRST] = world.put(FIRST)
    world.gap(FIRST)
    worker.looks_go_on()  # what hangs cannot be called back: it is not asked a second time meanwhile
    worker.databases[FIRST].error = None
    worker.databases[FIRST].goes_on.set()
    with world.state.write() as connection:
        connection.execute(update(MAPPING).where(MAPPING.c.name == FIRST).values(applied_at=time.time() + 1))
    wait_until("it to be served again", lambda: worker.serves(FIRST), SOON)
    assert worker.databases[FIRST].asked_at_once == 1
    assert len(worker.of(SECOND)) == 1
    assert worker.serves(SECOND)


def test_a_mapping_that_is_applied_again_begins_after_its_old_app_has_ended(
    worker: Running, world: TwoMappings
) -> None:
    worker.start()
    wait_until("both to be served", lambda: worker.serves(FIRST) and worker.serves(SECOND), SOON)
    (old,) = worker.of(FIRST)
    old.may_stop.clear()
    world.remove(FIRST)
    wait_until("it to be left", lambda: FIRST not in worker.serving._lives, SOON)
    world.put(FIRST)
    wait_until("it to be taken up", lambda: FIRST in worker.serving._lives, SOON)
    worker.looks_go_on()
    assert worker.of(FIRST) == [old]
    worker._loop.call_soon_threadsafe(old.may_stop.set)
    wait_until("it to be served again", lambda: worker.serves(FIRST), SOON)
    assert len(worker.of(SECOND)) == 1


@ways
def test_an_app_that_crashes_is_made_anew_while_the_other_source_is_stuck(
    worker: Running, how: HeadraceError | None
) -> None:
    hinder(worker, how)
    worker.start()
    asked(worker)
    wait_until("the second to be served", lambda: worker.serves(SECOND), SOON)
    worker.of(SECOND)[0].crash_reason = RuntimeError("there are records which are not fetched")
    wait_until("its app to be made anew", lambda: worker.serves(SECOND), SOON)
    assert [app.stopped for app in worker.of(SECOND)] == [True, False]


@ways
def test_a_gap_that_another_worker_found_is_followed_while_the_other_source_is_stuck(
    worker: Running, world: TwoMappings, how: HeadraceError | None
) -> None:
    hinder(worker, how)
    worker.several()
    worker.start()
    asked(worker)
    wait_until("the second to be served", lambda: worker.serves(SECOND), SOON)
    worker.leads = False
    world.gap(SECOND)
    wait_until("its app to be stopped", lambda: worker.of(SECOND)[0].stopped, SOON)
    assert isinstance(worker.of(SECOND)[0].crash_reason, Gap)
    assert not worker.serves(SECOND)
    world.set(SECOND, snapshot_due=False)  # the one that leads has begun it anew
    wait_until("the second to be served again", lambda: worker.serves(SECOND), SOON)


def test_what_a_crashed_app_says_of_its_source_alone_is_its_trouble(worker: Running, world: TwoMappings) -> None:
    worker.start()
    wait_until("both to be served", lambda: worker.serves(FIRST) and worker.serves(SECOND), SOON)
    worker.of(FIRST)[0].crash_reason = WRONG
    wait_until("it to be noted", lambda: str(WRONG) in (world.status(FIRST).trouble or ""), SOON)
    assert worker.serves(SECOND)
    assert not worker.ended.is_set()


@pytest.mark.parametrize("error", [StateOutdated("its tables are those of another version"), ZeroDivisionError("!")])
def test_what_concerns_the_whole_worker_ends_it(
    worker: Running, monkeypatch: pytest.MonkeyPatch, error: HeadraceError
) -> None:
    monkeypatch.setattr(serving, "ensure", failing(error))
    worker.start()
    assert worker.ended.wait(SOON)
    assert worker.failure is error


@ways
def test_a_worker_that_is_told_to_stop_waits_for_no_database(worker: Running, how: HeadraceError | None) -> None:
    hinder(worker, how)
    worker.start()
    asked(worker)
    wait_until("the second to be served", lambda: worker.serves(SECOND), SOON)
    worker._loop.call_soon_threadsafe(worker._stopping.set)
    assert worker.ended.wait(SOON)
    assert worker.failure is None
    assert [app.stopped for app in worker.apps] == [True]
