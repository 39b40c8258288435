"""`headrace backfill` on MariaDB and MySQL: their connectors read rows in line with its log, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.stack.test_backfill import backfill, mend_beside, settled, written
from tests.support.background import Background
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(scope="module", params=[MariaDBPipeline, ON_MYSQL], ids=lambda each: each.kind)
def maria(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MariaDBPipeline]:
    yield from airline(request.param(stack, tmp_path_factory.mktemp("backfill")))


class Commits(Background):
    """Updates, inserts, deletes and key changes all along."""

    def __init__(self, pipeline: MariaDBPipeline) -> None:
        super().__init__("commits")
        self._pipeline = pipeline

    def _go_on(self) -> None:
        sql = self._pipeline.sql
        for number in range(1, 1_000_000):
            if self._stopped.wait(0.005):
                return
            booking, new = 20 + number % 80, 5000 + number
            sql(
                f"update bookings set total_amt = {number} where booking_id = {booking};"
                f" insert into bookings select {new}, 'NEW001', customer_id, booked_at, 1, null from bookings"
                f" where booking_id = {booking}"
            )
            if number % 3 == 0:
                sql(f"delete from bookings where booking_id = {new - 1}")
            if number % 7 == 0:
                sql(f"update bookings set booking_id = booking_id + 100000 where booking_id = {new}")


@contextmanager
def commits(pipeline: MariaDBPipeline) -> Iterator[None]:
    going_on = Commits(pipeline).start()
    try:
        yield
    finally:
        going_on.stop()


def test_what_the_state_has_wrong_is_mended_while_commits_go_on(maria: MariaDBPipeline) -> None:
    mend_beside(maria, commits(maria))


def test_a_filtered_one_mends_what_it_shows_and_writes_nothing_else(maria: MariaDBPipeline) -> None:
    maria.wait()
    before = written(maria)
    (done,) = backfill(maria, "bookings", "--where", "booking_id in (11, 12)")
    assert (done["outcome"], done["rows"], done["changed"], done["removed"]) == ("complete", 2, 0, 0)
    assert written(maria) == before
    settled(maria)
