"""A log that no longer continues where it was applied to: found, shown, and everything read again by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from sqlalchemy import select

from connectors.names import names
from connectors.postgres.database import Postgres
from connectors.topics import Topics
from sync.state.registry import SOURCE, load
from tests.support.pipeline import Pipeline, wait_until

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
    wait_until("a new epoch", lambda: epoch(pipeline) > before, AGAIN)
    wait_until("the new snapshot", lambda: pipeline.statuses()["booking"].state == "fresh", AGAIN, every=0.3)
    pipeline.wait(AGAIN)
    pipeline.assert_equal()


def change_unseen(pipeline: Pipeline) -> None:
    """Every operation that a log with a hole would leave unknown."""
    two = f"{30 + 2 * epoch(pipeline)}, {31 + 2 * epoch(pipeline)}"  # others for each test
    pipeline.sql("update bookings set total_amt = total_amt + 3 where booking_id <= 30")
    pipeline.sql(f"delete from tickets where booking_id in ({two}); delete from bookings where booking_id in ({two})")


def test_records_deleted_before_they_were_applied_are_read_again(pipeline: Pipeline) -> None:
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
def test_a_topic_that_was_made_anew_is_read_again(pipeline: Pipeline, running: bool) -> None:
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
    with pipeline.state.read() as connection:
        own = names(load(connection, pipeline.name).plan.mapping, pipeline.name)
    assert Postgres(pipeline.url, "public").start_over(own)
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
    with pipeline.state.read() as connection:
        own = names(load(connection, pipeline.name).plan.mapping, pipeline.name)
    if not running:
        pipeline.stack.stop("connect")
    change_unseen(pipeline)
    make_slot_anew(pipeline, own.slot)
    if not running:
        pipeline.stack.start("connect")
    mended(pipeline, before)


def test_a_database_restored_to_an_earlier_point_is_found_and_everything_is_read_again(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    """From a copy of its files, the slot included: the connector goes on, and skips what lies below its offset."""
    before = epoch(pipeline)
    with pipeline.database() as connection:
        (where,) = connection.execute("show data_directory").fetchone() or ("",)
    copy = tmp_path / "copy"
    pipeline.stack.stop("postgres")
    subprocess.run(["cp", "-a", where, copy], check=True)
    pipeline.stack.start("postgres")
    pipeline.wait(AGAIN)
    change_unseen(pipeline)
    pipeline.sql("select pg_switch_wal()")
    pipeline.sql("update flights set status_cd = 'CX'")
    pipeline.wait(AGAIN)
    pipeline.stack.stop("postgres")
    shutil.rmtree(where)
    subprocess.run(["cp", "-a", copy, where], check=True)
    pipeline.stack.start("postgres")
    mended(pipeline, before)


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
    with pipeline.state.read() as connection:
        found = connection.execute(select(SOURCE.c.log_marks)).scalar_one()
    return json.loads(found) if found else {}
