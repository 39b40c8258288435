"""`headrace backfill` on MariaDB: its connector reads rows in line with its log, too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.stack.test_backfill import backfill, settled, spoil, written
from tests.support.pipeline_mariadb import MariaDBPipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(scope="module")
def maria(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDBPipeline]:
    yield from airline(MariaDBPipeline(stack, tmp_path_factory.mktemp("backfill")))


@contextmanager
def commits(pipeline: MariaDBPipeline) -> Iterator[None]:
    """Updates, inserts, deletes and key changes all along."""
    stopping = threading.Event()
    failed: list[BaseException] = []

    def go_on() -> None:
        try:
            for number in range(1, 1_000_000):
                if stopping.wait(0.005):
                    return
                booking, new = 20 + number % 80, 5000 + number
                pipeline.sql(
                    f"update bookings set total_amt = {number} where booking_id = {booking};"
                    f" insert into bookings select {new}, 'NEW001', customer_id, booked_at, 1, null from bookings"
                    f" where booking_id = {booking}"
                )
                if number % 3 == 0:
                    pipeline.sql(f"delete from bookings where booking_id = {new - 1}")
                if number % 7 == 0:
                    pipeline.sql(f"update bookings set booking_id = booking_id + 100000 where booking_id = {new}")
        except BaseException as exc:
            failed.append(exc)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    assert not failed


def test_what_the_state_has_wrong_is_mended_while_commits_go_on(maria: MariaDBPipeline) -> None:
    spoil(maria)
    with commits(maria):
        (done,) = backfill(maria)
    assert done["outcome"] == "complete"
    assert done["swept"]
    assert done["changed"] >= 2
    assert done["removed"] == 1
    settled(maria)


def test_a_filtered_one_mends_what_it_shows_and_writes_nothing_else(maria: MariaDBPipeline) -> None:
    maria.wait()
    before = written(maria)
    (done,) = backfill(maria, "bookings", "--where", "booking_id in (11, 12)")
    assert (done["outcome"], done["rows"], done["changed"], done["removed"]) == ("complete", 2, 0, 0)
    assert written(maria) == before
    settled(maria)
