"""A log that no longer continues where it was applied to: found, shown, and everything read again by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from sqlalchemy import select

from connectors.names import Names, names
from connectors.postgres import slot
from connectors.postgres.address import Address
from connectors.postgres.database import Postgres
from connectors.topics import Topics
from sync.state.registry import SOURCE, load
from tests.faults.conftest import Kept
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack

AGAIN = 60.0  # seconds until everything was read again


def topic(pipeline: Pipeline) -> str:
    return f"headrace.{pipeline.name}.{pipeline.name}"


def epoch(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        return int(connection.execute(select(SOURCE.c.epoch).where(SOURCE.c.mapping == pipeline.name)).scalar_one())


def forget_records(pipeline: Pipeline) -> None:
    """What retention does: the log begins at its end."""

    async def delete() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.env["HEADRACE_KAFKA"])
        await admin.start()
        try:
            end = RecordsToDelete(before_offset=-1)
            await admin.delete_records({TopicPartition(topic(pipeline), 0): end})
        finally:
            await admin.close()

    asyncio.run(delete())


def mended(pipeline: Pipeline, before: int) -> None:
    """Read again by itself, and until then never called fresh."""
    called = set()

    def progress() -> tuple[int, bool]:
        with pipeline.state.read() as connection:
            found = connection.execute(select(SOURCE.c.epoch, SOURCE.c.loaded).where(SOURCE.c.mapping == pipeline.name))
            number, loaded = found.one()
            return number, loaded

    def read_again() -> bool:
        at, state = progress(), pipeline.statuses()["booking"].state
        number, loaded = at
        if number > before and not loaded and progress() == at:
            called.add(state)
        return number > before and loaded and state == "fresh"

    try:
        wait_until("a new epoch", lambda: progress()[0] > before, AGAIN)
        wait_until("the new snapshot", read_again, AGAIN)
    except AssertionError as exc:
        raise AssertionError(f"{exc}; {_source(pipeline)}; {pipeline.whereabouts()}; {pipeline._worker()}") from exc
    assert called
    assert "fresh" not in called
    pipeline.wait(AGAIN)
    pipeline.assert_equal()


def change_unseen(pipeline: Pipeline) -> None:
    """Every operation that a log with a hole would leave unknown."""
    two = f"{30 + 2 * epoch(pipeline)}, {31 + 2 * epoch(pipeline)}"  # others for each test
    pipeline.sql("update bookings set total_amt = total_amt + 3 where booking_id <= 30")
    pipeline.sql(f"delete from tickets where booking_id in ({two}); delete from bookings where booking_id in ({two})")


@pytest.fixture(scope="module")
def kept_on_mariadb(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with closing(Kept(lambda: MariaDBPipeline(stack, tmp_path_factory.mktemp("airline")))) as holder:
        yield holder


@pytest.fixture(params=["kept", "kept_on_mariadb"], ids=["postgres", "mariadb"])
def either(request: pytest.FixtureRequest) -> Pipeline:
    """As ``pipeline``, on each database."""
    kept: Kept = request.getfixturevalue(request.param)
    return kept.get(request.session.testsfailed)


def test_records_deleted_before_they_were_applied_are_read_again(either: Pipeline) -> None:
    pipeline = either
    before = epoch(pipeline)
    pipeline.workers[-1].stop()
    applied = Topics(pipeline.env["HEADRACE_KAFKA"]).end(topic(pipeline))
    change_unseen(pipeline)
    wait_until(
        "the changes in Kafka", lambda: Topics(pipeline.env["HEADRACE_KAFKA"]).end(topic(pipeline)) > applied + 30
    )
    forget_records(pipeline)
    pipeline.start_worker()
    mended(pipeline, before)


@pytest.mark.parametrize("running", [False, True], ids=["worker stopped", "worker running"])
def test_a_topic_that_was_made_anew_is_read_again(either: Pipeline, running: bool) -> None:
    pipeline = either
    before = epoch(pipeline)
    if not running:
        pipeline.workers[-1].stop()
    topics = Topics(pipeline.env["HEADRACE_KAFKA"])
    topics.delete([topic(pipeline)])
    topics.ensure(topic(pipeline))
    change_unseen(pipeline)
    if not running:
        pipeline.start_worker()
    mended(pipeline, before)


def test_a_slot_that_is_gone_is_found_and_everything_is_read_again(pipeline: Pipeline) -> None:
    """Dropped while Connect is down: its connector could only go on with a hole."""
    before = epoch(pipeline)
    pipeline.stack.stop("connect")
    assert Postgres(pipeline.url, "public").start_over(_names(pipeline))
    change_unseen(pipeline)
    pipeline.stack.start("connect")
    mended(pipeline, before)


@pytest.mark.parametrize("running", [False, True], ids=["Connect stopped", "Connect running"])
def test_a_slot_that_was_made_anew_is_found_and_everything_is_read_again(pipeline: Pipeline, running: bool) -> None:
    """It has the old one's name and begins later. So it also stands when a Connect worker that was frozen wakes up,
    and stores its older offset over the newer one."""
    before = epoch(pipeline)
    for _ in range(50):  # by what it counts the server tells the slots apart
        pipeline.sql("update bookings set total_amt = total_amt + 1 where booking_id = 1")
    wait_until("a look at the slot", lambda: _marks(pipeline).get("transactions", 0) > 50)
    if not running:
        pipeline.stack.stop("connect")
    change_unseen(pipeline)
    make_slot_anew(pipeline, _names(pipeline).slot)
    if not running:
        pipeline.stack.start("connect")
    mended(pipeline, before)


def test_a_database_restored_to_an_earlier_point_is_found_and_everything_is_read_again(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """From a copy of its files, the slot included: the connector goes on, and skips what lies below its offset."""
    before = epoch(pipeline)
    where, copy = data_directory(pipeline), tmp_path / "copy"
    replace_files(pipeline, where, copy)
    pipeline.wait(AGAIN)
    change_unseen(pipeline)
    for _ in range(2):  # the first may be short of a segment's end; the second goes on a whole one
        pipeline.sql("select pg_switch_wal()")
        pipeline.sql("update flights set status_cd = 'CX'")
    pipeline.wait(AGAIN)
    wait_until("Connect to store how far it is", lambda: _stored(pipeline) >= _applied(pipeline))
    replace_files(pipeline, copy, where)
    mended(pipeline, before)


def test_a_restored_database_is_found_though_its_log_has_grown_past_what_was_applied(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """Restored and written to while nothing else runs: no LSN says so, and the connector skips the first changes."""
    before = epoch(pipeline)
    where, copy = data_directory(pipeline), tmp_path / "copy"
    replace_files(pipeline, where, copy)
    pipeline.sql("update bookings set total_amt = total_amt + 7 where booking_id <= 60")  # the restore undoes it
    wait_for_another_heartbeat(pipeline)
    pipeline.wait(AGAIN)
    applied = _source(pipeline).database_position
    pipeline.workers[-1].kill()
    pipeline.stack.stop("connect")
    replace_files(pipeline, copy, where)
    change_unseen(pipeline)
    while _end_of_log(pipeline) <= json.loads(applied)[1]:
        pipeline.sql("select pg_switch_wal()")
        pipeline.sql("update flights set status_cd = 'CX'")
    pipeline.stack.start("connect")
    pipeline.start_worker()
    mended(pipeline, before)


def test_a_slot_that_lost_its_log_is_found_and_everything_is_read_again(pipeline: Pipeline) -> None:
    """Nobody read it for long, and the server keeps so much log and no more."""
    before = epoch(pipeline)
    pipeline.stack.stop("connect")
    change_unseen(pipeline)
    limit(pipeline, "alter system set max_slot_wal_keep_size = '1MB'")
    try:

        def lost() -> bool:
            for statement in ("select pg_switch_wal()", "update flights set status_cd = 'CX'", "checkpoint"):
                pipeline.sql(statement)
            found = slot.read(Address(pipeline.url), _names(pipeline).slot)
            return found is not None and found.lost

        wait_until("the server to discard the slot's log", lost)
        pipeline.stack.start("connect")
        mended(pipeline, before)
    finally:
        limit(pipeline, "alter system reset max_slot_wal_keep_size")


def test_a_heartbeat_table_that_was_dropped_is_made_again(pipeline: Pipeline) -> None:
    """Whether the log is still the same one is unknown then: everything is read again."""
    before = epoch(pipeline)
    wait_for_another_heartbeat(pipeline)  # the first one after a snapshot follows none
    pipeline.sql(f"drop table headrace.{_names(pipeline).heartbeat_table}")
    mended(pipeline, before)
    wait_for_another_heartbeat(pipeline)


def data_directory(pipeline: Pipeline) -> Path:
    with pipeline.database() as connection:
        (where,) = connection.execute("show data_directory").fetchone() or ("",)
    return Path(where)


def replace_files(pipeline: Pipeline, source: Path, target: Path) -> None:
    """Copy the database's files from one place to the other while it is stopped."""
    pipeline.stack.stop(pipeline.kind)
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", source, target], check=True)
    pipeline.stack.start(pipeline.kind)


def _applied(pipeline: Pipeline) -> int:
    return int(json.loads(_source(pipeline).database_position)[0])


def _stored(pipeline: Pipeline) -> int:
    """The offset from which the connector would go on; without one it would take a snapshot by itself."""
    where = f"{pipeline.env['HEADRACE_CONNECT_URL']}/connectors/{_names(pipeline).connector}/offsets"
    found = requests.get(where, timeout=10).json()["offsets"]
    return max((one["offset"].get("lsn_commit") or 0 for one in found), default=0)


def wait_for_another_heartbeat(pipeline: Pipeline) -> None:
    """One that was committed after this call is applied."""
    query = f"select token from headrace.{_names(pipeline).heartbeat_table}"
    ((now,),) = pipeline.query(query)
    wait_until("another heartbeat", lambda: now != pipeline.query(query)[0][0] == _source(pipeline).heartbeat)


def limit(pipeline: Pipeline, statement: str) -> None:
    pipeline.sql(statement)
    pipeline.sql("select pg_reload_conf()")


def make_slot_anew(pipeline: Pipeline, slot: str) -> None:
    """As a DBA would in haste; a connector that runs takes the new one at once."""
    with pipeline.database() as connection:

        def dropped() -> bool:
            connection.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = %s", [slot]
            )
            try:
                connection.execute("select pg_drop_replication_slot(%s)", [slot])
            except psycopg.errors.ObjectInUse:
                return False
            return True

        wait_until("the slot to be dropped", dropped, every=0.01)
        connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])


def _marks(pipeline: Pipeline) -> dict[str, Any]:
    found = _source(pipeline).log_marks
    return json.loads(found) if found else {}


def _source(pipeline: Pipeline) -> Any:
    with pipeline.state.read() as connection:
        return connection.execute(select(SOURCE)).one()


def _names(pipeline: Pipeline) -> Names:
    with pipeline.state.read() as connection:
        return names(load(connection, pipeline.name).plan.mapping, pipeline.name)


def _end_of_log(pipeline: Pipeline) -> int:
    ((end,),) = pipeline.query("select (pg_current_wal_lsn() - '0/0')::bigint")
    return int(end)
