"""Two mappings of one worker: one whose database refuses while it must be read again stops nothing of the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from connectors.topics import Topics
from tests.stack.conftest import SMALL, airline
from tests.support.pipeline import Pipeline, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

ROLE, PASSWORD = "airline_reader", "the right one"
NOTED = 30.0  # seconds: a topic that seems to be gone is looked for several times
AGAIN = 25.0  # fewer than what was refused is left alone for


@pytest.fixture
def first(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """Its database is read by a role of its own."""
    made = Pipeline(stack, tmp_path)
    address = made.url.rpartition("@")[2]
    made.env["AIRLINE_URL"] = f"postgresql://{ROLE}:{PASSWORD.replace(' ', '%20')}@{address}"
    made.env["SECOND_URL"] = made.url.replace(made.name, f"{made.name}second")  # for the worker of both
    administer(made, f"create role {ROLE} superuser login password '{PASSWORD}'")
    try:
        yield from airline(made)
    finally:
        administer(made, f"drop role {ROLE}")


@pytest.fixture
def second(first: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Another database and mapping in the same state, served by the first one's worker."""
    made = Pipeline(first.stack, tmp_path_factory.mktemp("second"), state_url=first.env["HEADRACE_STATE_URL"])
    made.name, made.url = f"{first.name}second", first.env["SECOND_URL"]
    made.mapping_text = first.mapping_text.replace(first.name, made.name).replace("AIRLINE_URL", "SECOND_URL")
    made.file, made.env, made.workers = made.directory / "second.yml", first.env, first.workers
    made.create_database()
    try:
        made.load_airline(SMALL)
        made.apply()
        made.wait_loaded()
        yield made
    finally:
        made.close()


def administer(pipeline: Pipeline, statement: str) -> None:
    with psycopg.connect(pipeline.admin_url, autocommit=True) as connection:
        connection.execute(statement)


def test_a_wrong_password_at_a_gap_is_this_mappings_trouble_alone(first: Pipeline, second: Pipeline) -> None:
    first.workers[-1].stop()
    Topics(first.env["HEADRACE_KAFKA"]).delete([f"headrace.{first.name}.{first.name}"])
    administer(first, f"alter role {ROLE} password 'another one'")
    worker = first.start_worker()
    second.sql("update bookings set total_amt = total_amt + 1 where booking_id <= 5")
    second.wait()
    second.assert_equal()
    wait_until("its trouble", lambda: "password" in (first.statuses()["booking"].trouble or ""), NOTED)
    shown = first.status()["booking"]
    assert shown["state"] == "unknown"
    assert "topic" in shown["trouble"]  # why it must be read again
    assert "password authentication failed" in shown["trouble"]
    assert "Check user, password and database" in shown["trouble"]
    assert second.status()["booking"]["trouble"] is None
    second.sql("update bookings set total_amt = total_amt + 1 where booking_id <= 5")
    second.wait()
    second.assert_equal()
    assert worker.process.poll() is None
    assert worker.text().count("password authentication failed") == 1

    first.sql("delete from tickets where booking_id = 30; delete from bookings where booking_id = 30")
    administer(first, f"alter role {ROLE} password '{PASSWORD}'")
    first.apply()  # anew: the worker does not wait any longer
    wait_until("the new snapshot", lambda: first.statuses()["booking"].state == "fresh", AGAIN, every=0.3)
    first.wait()
    first.assert_equal()
    assert first.statuses()["booking"].trouble is None
