"""MariaDB's or MySQL's binary log no longer continues where it was read to: everything is read again by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from connectors.connect import Connect
from connectors.mariadb.marks import CLOCK
from sync.state.registry import SOURCE
from tests.faults.test_gaps import AGAIN, change_unseen, epoch, mended, replace_files
from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack


pytestmark = pytest.mark.suite  # for its length


# How each says it: begin the log anew, its last transactions, where it ends.
RESET = {"mariadb": "reset master", "mysql": "reset binary logs and gtids"}
LAST = {"mariadb": "gtid_binlog_pos", "mysql": "gtid_executed"}
END = {"mariadb": "show master status", "mysql": "show binary log status"}


@pytest.fixture(params=[MariaDBPipeline, ON_MYSQL], ids=lambda each: each.kind)
def pipeline(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    yield from airline(request.param(stack, tmp_path), RESET[request.param.kind])  # numbers are small then


def test_a_log_that_was_purged_or_began_anew_is_read_again(pipeline: Pipeline) -> None:
    before, connector = epoch(pipeline), f"headrace-{pipeline.name}-{pipeline.name}"
    with Connect(pipeline.env["HEADRACE_CONNECT_URL"]) as connect:
        connect.stop(connector)
        change_unseen(pipeline)
        pipeline.sql("flush binary logs")
        purge(pipeline)
        connect.resume(connector)
    if pipeline.kind == "mysql":  # there the connector finds it by itself, and reads everything again
        wait_until("the new snapshot", pipeline.equals, AGAIN, every=0.5)
        pipeline.wait(AGAIN)
        pipeline.assert_equal()
    else:
        mended(pipeline, before)

    wait_until("a look at the log", lambda: marks(pipeline) is not None)
    before = epoch(pipeline)
    with Connect(pipeline.env["HEADRACE_CONNECT_URL"]) as connect:
        connect.stop(connector)
        change_unseen(pipeline)
        last = number(pipeline)
        pipeline.sql(RESET[pipeline.kind])
        pipeline.sql("flush binary logs; flush binary logs")  # it has as many files as the old one, too
        # The log that began anew has soon more transactions than the old one had, numbered alike.
        gates = range(last + 50)
        pipeline.sql("; ".join(f"update flights set gate = {gate} where flight_id = 1" for gate in gates))
        connect.resume(connector)
    mended(pipeline, before)


def test_a_server_that_was_restarted_goes_on_with_the_same_log(pipeline: Pipeline) -> None:
    then: dict[str, int] = wait_until("a look at the log", lambda: marks(pipeline))
    before = epoch(pipeline)
    pipeline.stack.stop(pipeline.kind)
    pipeline.stack.start(pipeline.kind)
    wait_until("a look at the log", lambda: (marks(pipeline) or then)["started"] > then["started"] + CLOCK, AGAIN)
    pipeline.sql("update bookings set total_amt = total_amt + 7 where booking_id < 9")
    pipeline.wait(AGAIN)
    pipeline.assert_equal()
    assert epoch(pipeline) == before


def test_a_restored_server_is_found_though_its_transactions_have_the_numbers_of_those_applied(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Restored and written to while nothing else runs: the connector skips what it takes for known."""
    before = epoch(pipeline)
    where, copy = Path(pipeline.query("select @@datadir")[0][0]), tmp_path / "copy"
    replace_files(pipeline, where, copy)
    pipeline.sql("update bookings set total_amt = total_amt + 7 where booking_id <= 60")  # the restore undoes it
    last = heartbeat(pipeline)
    wait_until("another heartbeat", lambda: heartbeat(pipeline) != last)
    pipeline.wait(AGAIN)
    applied = number(pipeline)
    pipeline.workers[-1].stop()
    pipeline.stack.stop("connect")
    replace_files(pipeline, copy, where)
    change_unseen(pipeline)
    for gate in range(applied - number(pipeline) + 50):
        pipeline.sql(f"update flights set gate = {gate} where flight_id = 1")
    pipeline.stack.start("connect")
    pipeline.start_worker()
    mended(pipeline, before)


def heartbeat(pipeline: Pipeline) -> str | None:
    with pipeline.state.read() as connection:
        found: str | None = connection.execute(select(SOURCE.c.heartbeat)).scalar_one()
        return found


def number(pipeline: Pipeline) -> int:
    """That of the server's last transaction."""
    (position,) = pipeline.query(f"select @@global.{LAST[pipeline.kind]}")[0]
    return int(position.rpartition("-")[2])


def purge(pipeline: Pipeline) -> None:
    """The connector's server thread may hold the file for a moment after it has gone."""
    newest = pipeline.query(END[pipeline.kind])[0][0]

    def purged() -> bool:
        pipeline.sql(f"purge binary logs to '{newest}'")
        return [row[0] for row in pipeline.query("show binary logs")] == [newest]

    wait_until("the binary logs to be purged", purged)


def marks(pipeline: Pipeline) -> dict[str, int] | None:
    with pipeline.state.read() as connection:
        kept = connection.execute(select(SOURCE.c.log_marks).where(SOURCE.c.mapping == pipeline.name)).scalar_one()
    return json.loads(kept) if kept else None
