"""Several workers on one state: killed, frozen, woken, joined and stopped under load, and nothing is lost or stale."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from connectors.names import names
from connectors.postgres.database import Postgres
from sync.state.leases import Member, members
from sync.state.owed import BUCKETS
from sync.state.registry import DOCUMENT, SOURCE, load
from tests.stack.conftest import SMALL
from tests.support.pipeline import Pipeline, Process, wait_until
from tests.support.proxy import Proxy
from tests.support.server_state import state_database
from tests.support.traffic import Traffic

if TYPE_CHECKING:
    from tests.support.stack import Stack

SEED = 20261122
TAKEN_OVER = 15.0  # seconds, as promised
STARTED = 60.0  # seconds that starting a process may take where everything runs on one busy machine


class Company:
    """A pipeline whose state is in PostgreSQL, and its workers."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def members(self) -> list[Member]:
        with self.pipeline.state.read() as connection:
            return members(connection)

    def shared_by(self, *workers: Process) -> bool:
        """Whether these, and only these, have all buckets."""
        found = self.members()
        mine = {str(worker.process.pid) for worker in workers}
        return (
            {one.name.rpartition(":")[2] for one in found} == mine
            and sum(one.buckets for one in found) == BUCKETS
            and min(one.buckets for one in found) > 0
        )

    def start(self, count: int) -> list[Process]:
        started = [self.pipeline.start_worker() for _ in range(count)]
        return started

    def await_shared(self, *workers: Process, within: float = TAKEN_OVER) -> float:
        """Seconds until these have all buckets."""
        began = time.monotonic()
        wait_until(f"{len(workers)} workers to share everything", lambda: self.shared_by(*workers), within)
        return time.monotonic() - began

    def searchable_within(self, seconds: float) -> float:
        """Everything committed so far is searchable within ``seconds``; how long it took."""
        began = time.monotonic()
        self.pipeline.wait(seconds)
        return time.monotonic() - began

    def epoch(self) -> int:
        with self.pipeline.state.read() as connection:
            return int(connection.execute(select(SOURCE.c.epoch)).scalar_one())

    def sent(self) -> int:
        """How many documents are noted as sent and not confirmed."""
        with self.pipeline.state.read() as connection:
            count = select(func.count()).where(DOCUMENT.c.sent.is_not(None))
            return int(connection.execute(count).scalar_one())

    def applied(self) -> int:
        with self.pipeline.state.read() as connection:
            return int(connection.execute(select(SOURCE.c.offset_)).scalar_one())


@pytest.fixture
def company(stack: Stack, tmp_path: Path) -> Iterator[Company]:
    """An airline with its first load done by three workers."""
    with state_database(stack) as url:
        made = Pipeline(stack, tmp_path, state_url=url)
        made.create_database()
        try:
            made.load_airline(SMALL)
            company = Company(made)
            three = company.start(3)
            made.apply()
            made.wait_loaded()
            company.await_shared(*three, within=STARTED)
            yield company
        finally:
            made.close()


def some_time(traffic: Traffic, commits: int) -> None:
    before = traffic.commits
    wait_until(f"{commits} commits", lambda: traffic.commits > before + commits)


def applier(company: Company) -> Process:
    """The worker that applies the source just now: the one without which it stands still."""
    for worker in company.pipeline.workers:
        worker.send(signal.SIGSTOP)
        try:
            at = company.applied()
            end = time.monotonic() + 2.0
            while time.monotonic() < end and company.applied() == at:
                time.sleep(0.05)
            if company.applied() == at:
                return worker
        finally:
            worker.send(signal.SIGCONT)
    raise AssertionError("nobody applies the source")


@pytest.mark.parametrize("what", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_whoever_applies_the_source_dies_or_hangs_and_another_goes_on_in_time(
    company: Company, what: signal.Signals
) -> None:
    gone = applier(company)
    company.searchable_within(30)
    left = [worker for worker in company.pipeline.workers if worker is not gone]
    gone.send(what)
    company.pipeline.sql("update bookings set total_amt = total_amt + 1")
    took = company.searchable_within(TAKEN_OVER)
    company.pipeline.assert_equal()
    company.await_shared(*left)
    print(f"{what.name}: everything committed afterwards was searchable after {took:.1f} s")


def test_three_workers_under_load_one_killed_one_frozen_and_woken(company: Company) -> None:
    killed, frozen, left = company.pipeline.workers
    traffic = Traffic(company.pipeline.url, SEED, rate=100).start()
    some_time(traffic, 60)
    killed.kill()
    took = company.await_shared(frozen, left)
    print(f"killed: taken over after {took:.1f} s")
    some_time(traffic, 60)
    frozen.send(signal.SIGSTOP)
    took = company.await_shared(left)
    print(f"frozen: taken over after {took:.1f} s")
    some_time(traffic, 60)
    traffic.stop()  # nothing is to be written any more that could hide what the woken one writes
    company.searchable_within(60)
    company.pipeline.assert_equal()
    frozen.send(signal.SIGCONT)
    company.await_shared(left, frozen)
    assert "taken for dead" in frozen.text()
    company.searchable_within(60)
    company.pipeline.assert_equal()


@pytest.mark.suite
def test_workers_join_and_stop_under_load_and_nobody_waits_for_a_lease(company: Company) -> None:
    one, two, three = company.pipeline.workers
    traffic = Traffic(company.pipeline.url, SEED + 1, rate=80).start()
    assert two.stop() == 0
    took = company.await_shared(one, three)
    (four,) = company.start(1)
    company.await_shared(one, three, four, within=STARTED)
    assert one.stop() == 0
    company.await_shared(three, four)
    some_time(traffic, 60)
    traffic.stop()
    company.searchable_within(30)
    company.pipeline.assert_equal()
    print(f"stopped: handed over after {took:.1f} s")


@pytest.mark.suite
def test_a_gap_is_mended_by_one_worker_and_all_go_on_behind_it(company: Company) -> None:
    """The leader frozen, so that whoever takes over must also do what only one may do."""
    pipeline = company.pipeline
    oldest = company.members()[0].name.rpartition(":")[2]
    leader = next(worker for worker in pipeline.workers if str(worker.process.pid) == oldest)
    leader.send(signal.SIGSTOP)
    pipeline.stack.stop("connect")
    with pipeline.state.read() as connection:
        own = names(load(connection, pipeline.name).plan.mapping, pipeline.name)
    assert Postgres(pipeline.url, "public").start_over(own)
    pipeline.sql("update bookings set total_amt = total_amt + 3 where booking_id <= 30")
    pipeline.stack.start("connect")
    wait_until("a new epoch", lambda: company.epoch() == 2, 90)
    leader.send(signal.SIGCONT)
    wait_until("the new snapshot", lambda: pipeline.statuses()["booking"].state == "fresh", 60, every=0.3)
    company.searchable_within(60)
    pipeline.assert_equal()
    began = [worker.text().count("everything is read again") for worker in pipeline.workers]
    assert sum(began) == 1, f"the source was begun anew by {began} of the workers"
    assert company.epoch() == 2


@pytest.mark.suite
def test_the_state_database_killed_under_load_is_caught_up(company: Company) -> None:
    pipeline = company.pipeline
    traffic = Traffic(pipeline.url, SEED + 2, rate=60).start()
    some_time(traffic, 40)
    pipeline.stack.kill("postgres")
    pipeline.stack.start("postgres")
    some_time(traffic, 40)
    traffic.stop()
    pipeline.state.engine.dispose()
    wait_until("the workers to share everything again", lambda: company.shared_by(*pipeline.workers), 30)
    company.searchable_within(60)
    pipeline.assert_equal()


def test_what_a_frozen_worker_had_on_the_wire_lands_later_and_does_not_stay(stack: Stack, tmp_path: Path) -> None:
    with state_database(stack) as url:
        pipeline = Pipeline(stack, tmp_path, state_url=url)
        company = Company(pipeline)
        proxy = Proxy(int(stack.env["HEADRACE_WEAVIATE_GRPC_PORT"]))
        pipeline.create_database()
        try:
            pipeline.load_airline(SMALL)
            stalled = pipeline.start_worker(HEADRACE_WEAVIATE_GRPC_PORT=str(proxy.port))
            pipeline.apply()
            pipeline.wait_loaded()
            other = pipeline.start_worker()
            company.await_shared(stalled, other, within=STARTED)
            proxy.stall()
            pipeline.sql("update bookings set total_amt = total_amt + 1")
            wait_until("writes on the wire", lambda: company.sent() > 10 and proxy.held > 0)
            stalled.send(signal.SIGSTOP)
            pipeline.sql("update bookings set total_amt = total_amt + 1")
            proxy.release()
            company.await_shared(other)
            company.searchable_within(60)
            pipeline.assert_equal()
            stalled.send(signal.SIGCONT)
            company.await_shared(other, stalled)
            pipeline.sql("update bookings set total_amt = total_amt + 1")
            company.searchable_within(60)
            pipeline.assert_equal()
        finally:
            pipeline.close()
            proxy.close()
