"""`headrace backfill` on the real components: what the state had wrong is mended while commits go on."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import delete, func, insert, select

from sync.state.backfills import Backfill
from sync.state.owed import Priority, Raise
from sync.state.raises import Raises
from sync.state.registry import BACKFILL, LEDGER, ROW, Registered, load, next_sequence
from tests.stack import conftest
from tests.support.pipeline import Pipeline, wait_until
from tests.support.process import Headrace

if TYPE_CHECKING:
    from tests.support.stack import Stack

SURPLUS = "999999"  # a booking that the source does not have


@pytest.fixture(scope="module")
def airline(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """An airline of 120 bookings, loaded and served."""
    yield from conftest.airline(Pipeline(stack, tmp_path_factory.mktemp("backfill")))


def registered(pipeline: Pipeline) -> Registered:
    with pipeline.state.read() as connection:
        return load(connection, pipeline.name)


def backfill(pipeline: Pipeline, *arguments: str, check: bool = True) -> list[dict[str, Any]]:
    done = pipeline.command("backfill", pipeline.name, *arguments, "--json", check=check)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def spoil(pipeline: Pipeline) -> None:
    """Behind everybody's back: a booking is forgotten, one is altered, one is there that never was; all are written."""
    mapping = registered(pipeline)
    table, kind = mapping.tables["bookings"], mapping.kinds["booking"].id
    with pipeline.state.write() as connection:
        row = connection.execute(select(ROW).where(ROW.c.table_id == table, ROW.c.key == "12")).one()
        image = json.loads(row.image)
        for key, pnr in ((SURPLUS, "NEVER1"), ("12", "WRONG1")):
            text = json.dumps({**image, "booking_id": int(key), "pnr": pnr})
            connection.execute(delete(ROW).where(ROW.c.table_id == table, ROW.c.key == key))
            connection.execute(insert(ROW).values(table_id=table, key=key, image=text, seen=0))
        connection.execute(delete(ROW).where(ROW.c.table_id == table, ROW.c.key == "11"))
        why = Raise(next_sequence(pipeline.state, connection, pipeline.name, 1), 1, "spoiled by the test")
        raises = dict.fromkeys(["11", "12", SURPLUS], why)
        Raises(pipeline.state).raise_keys(connection, kind, raises, Priority.direct)
    wait_until("what is wrong to be written", lambda: (SURPLUS, 0) in pipeline.objects() and not owed(pipeline))
    found = pipeline.objects()
    assert "WRONG1" in found["12", 0]
    assert ("11", 0) not in found


def owed(pipeline: Pipeline) -> int:
    return pipeline.statuses()["booking"].owed


def written(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        return int(connection.execute(select(func.count()).select_from(LEDGER)).scalar_one())


def last(pipeline: Pipeline) -> Backfill | None:
    """The latest one; quick, so that a test can interfere while it is under way."""
    with pipeline.state.read() as connection:
        row = connection.execute(select(BACKFILL).order_by(BACKFILL.c.asked_at.desc()).limit(1)).one_or_none()
    return Backfill.of(row) if row else None


def noted(pipeline: Pipeline) -> bool:
    found = last(pipeline)
    return found is not None and found.outcome is None


def begun(pipeline: Pipeline) -> bool:
    found = last(pipeline)
    return found is not None and found.started_at is not None


def told_to_stop(pipeline: Pipeline) -> bool:
    return ("stop-snapshot",) in pipeline.query(f"select type from headrace.headrace_{pipeline.name}_signal")


def enlarge(pipeline: Pipeline) -> None:
    """Customers without bookings, so many that a backfill takes a second or two."""
    pipeline.sql(
        "insert into customers select (jsonb_populate_record(c, jsonb_build_object('customer_id', 100000 + n))).*"
        " from customers c, generate_series(1, 15000) n where customer_id = 1 on conflict do nothing"
    )
    pipeline.wait()


@contextmanager
def commits(pipeline: Pipeline) -> Iterator[None]:
    """Updates, inserts, deletes and a key change all along; one transaction that began before and ends after."""
    stopping = threading.Event()

    def go_on() -> None:
        with pipeline.database() as connection:
            for number in range(1, 1_000_000):
                if stopping.wait(0.005):
                    return
                booking, new = 20 + number % 80, 5000 + number
                connection.execute("update bookings set total_amt = %s where booking_id = %s", [number, booking])
                connection.execute(
                    "insert into bookings select %s, 'NEW001', customer_id, booked_at, 1 from bookings"
                    " where booking_id = %s",
                    [new, booking],
                )
                if number % 3 == 0:
                    connection.execute("delete from bookings where booking_id = %s", [new - 1])
                if number % 7 == 0:
                    connection.execute(
                        "update bookings set booking_id = booking_id + 100000 where booking_id = %s", [new]
                    )

    with psycopg.connect(pipeline.url) as long:
        long.execute("update bookings set pnr = 'LATE01' where booking_id = 13")
        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            long.commit()


def settled(pipeline: Pipeline) -> None:
    pipeline.wait()
    pipeline.assert_equal()


def mend_beside(pipeline: Pipeline, commits: AbstractContextManager[None]) -> None:
    """What the state has wrong is mended while ``commits`` go on."""
    spoil(pipeline)
    with commits:
        (done,) = backfill(pipeline)
    assert done["outcome"] == "complete"
    assert done["swept"]
    assert done["changed"] >= 2
    assert done["removed"] == 1
    assert sorted(done["tables"]) == ["bookings", "customers", "flights", "tickets"]
    settled(pipeline)


def test_what_the_state_has_wrong_is_mended_while_commits_go_on(airline: Pipeline) -> None:
    mend_beside(airline, commits(airline))


def test_reading_what_is_as_stored_writes_nothing(airline: Pipeline) -> None:
    airline.wait()
    before = written(airline)
    said = airline.command("backfill", airline.name).stdout
    assert "rows read, 0 were not as stored" in said
    assert written(airline) == before


def test_a_filtered_backfill_mends_what_it_shows_and_removes_nothing(airline: Pipeline) -> None:
    spoil(airline)
    (done,) = backfill(airline, "bookings", "--where", "booking_id in (11, 12)")
    assert (done["rows"], done["changed"], done["removed"], done["swept"]) == (2, 2, 0, False)
    airline.wait()
    found, wanted = airline.objects(), airline.rendered_by_sql()
    assert found.keys() - wanted.keys() == {(SURPLUS, 0)}
    assert {at: found[at] for at in wanted} == wanted
    (whole,) = backfill(airline, "bookings")
    assert (whole["removed"], whole["changed"]) == (1, 0)
    settled(airline)


def test_a_condition_that_is_none_is_refused_before_anything_is_asked(airline: Pipeline) -> None:
    for condition, said in (
        ("no_such = 1", 'column "no_such" does not exist'),
        ("true); drop table tickets; --", "refuses"),
    ):
        done = airline.command("backfill", airline.name, "bookings", "--where", condition, check=False)
        assert done.returncode == 2
        assert said in done.stderr
    assert not noted(airline)


def test_ctrl_c_leaves_it_to_go_on_and_crashes_of_connect_and_worker_do_not_end_it(
    airline: Pipeline, tmp_path: Path
) -> None:
    enlarge(airline)
    spoil(airline)
    airline.stack.stop("connect")
    looking = Headrace(["backfill", airline.name], airline.env, tmp_path / "looking.log")
    wait_until("the backfill to be noted", lambda: noted(airline))
    looking.send(signal.SIGINT)
    assert looking.process.wait(20) == 0, looking.text()
    assert f"look again: headrace backfill {airline.name} --watch" in looking.text()
    assert "stopped after 0 rows" in airline.command("backfill", airline.name, "--stop").stdout
    assert "nothing is being read again" in airline.command("backfill", airline.name, "--stop").stdout
    backfill(airline, "--detach")
    second = airline.command("backfill", airline.name, "bookings", check=False)
    assert second.returncode == 2
    assert "is being read again already" in second.stderr
    airline.stack.start("connect")
    wait_until("the backfill to begin", lambda: begun(airline), every=0.01)
    airline.stack.kill("connect")
    airline.workers[-1].kill()
    assert noted(airline), "it has ended before the kill"
    airline.stack.start("connect")
    airline.start_worker()
    (done,) = backfill(airline, "--watch")
    assert done["outcome"] == "complete"
    if not done["swept"]:  # the connector went on where it was; otherwise it began anew
        backfill(airline)
    settled(airline)


def test_one_that_is_stopped_in_the_middle_removes_nothing(airline: Pipeline, tmp_path: Path) -> None:
    enlarge(airline)
    spoil(airline)
    backfill(airline, "--detach")
    wait_until("the backfill to begin", lambda: begun(airline) and noted(airline), every=0.01)
    airline.stack.pause("connect")
    stopping = Headrace(["backfill", airline.name, "--stop"], airline.env, tmp_path / "stopping.log")
    try:
        wait_until("the signal to stop", lambda: told_to_stop(airline))
    finally:
        airline.stack.resume("connect")
    assert stopping.process.wait(30) == 0, stopping.text()
    found = last(airline)
    assert found is not None
    assert found.outcome == "stopped"
    airline.wait()
    assert (SURPLUS, 0) in airline.objects()
    (done,) = backfill(airline)
    assert done["swept"]
    settled(airline)
