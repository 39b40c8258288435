"""Workers that share a state in PostgreSQL: who writes which documents, and that nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from sync.errors import Fenced, StateUnreachable
from sync.state import leases
from sync.state.database import State
from sync.state.owed import BUCKETS, bucket_of
from sync.state.registry import BUCKET, WORKER
from sync.worker.ownership import Ownership
from sync.write.stage import Stage
from tests.support.airline import BOOKING, FLIGHT, first_rows
from tests.support.command import Command
from tests.support.server_state import state_database
from tests.support.world import World

if TYPE_CHECKING:
    from tests.support.stack import Stack


class Flights:
    """What a worker has in flight, as the test says."""

    def __init__(self) -> None:
        self.buckets: set[int] = set()
        self.woken = 0

    @property
    def in_flight(self) -> int:
        return len(self.buckets)

    def buckets_in_flight(self) -> set[int]:
        return self.buckets

    def wake(self) -> None:
        self.woken += 1


class Company:
    """Workers on one state, each with connections of its own; their turns are taken by hand."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.states: list[State] = []

    def worker(self, name: str, flights: Flights | None = None) -> Ownership:
        state = State(self.url)
        self.states.append(state)
        made = Ownership(state, lambda text: None, name)
        made._flights = flights or Flights()
        return made

    def turns(self, *workers: Ownership) -> None:
        for _ in range(3):
            for one in workers:
                # One whose connections were closed on it tries again, as it does by itself.
                with suppress(StateUnreachable):
                    one.turn()

    def expire(self, name: str) -> None:
        """As if it had not extended its lease for long, by the database's clock."""
        with self.states[0].write() as connection:
            connection.execute(update(WORKER).where(WORKER.c.name == name).values(expires_at=0.0))

    def close(self) -> None:
        for state in self.states:
            state.close()


@pytest.fixture
def company(stack: Stack) -> Iterator[Company]:
    with state_database(stack) as url:
        made = Company(url)
        yield made
        made.close()


def held(worker: Ownership) -> set[int]:
    buckets = worker.buckets()
    return set(range(BUCKETS)) if buckets is None else set(buckets)


def test_buckets_are_shared_out_evenly_and_each_has_one_owner(company: Company) -> None:
    a, b, c = (company.worker(name) for name in "abc")
    a.turn()
    assert a.buckets() is None, "alone it has everything"
    company.turns(a, b, c)
    assert sorted(len(held(one)) for one in (a, b, c)) == [85, 85, 86]
    assert held(a) | held(b) | held(c) == set(range(BUCKETS))
    assert [one.leads() for one in (a, b, c)] == [True, False, False]


def test_a_bucket_of_which_something_is_in_flight_is_not_handed_over(company: Company) -> None:
    flights = Flights()
    a, b = company.worker("a", flights), company.worker("b")
    a.turn()
    flights.buckets = {200, 201}
    company.turns(a, b)
    assert not {200, 201} & held(a), "nothing new of it may be taken"
    assert not {200, 201} & held(b), "what is in flight is not finished"
    flights.buckets = set()
    company.turns(a, b)
    assert len(held(a)) == len(held(b)) == BUCKETS // 2


def test_a_worker_that_stops_hands_over_at_once_unless_something_is_in_flight(company: Company) -> None:
    flights = Flights()
    a, b = company.worker("a"), company.worker("b", flights)
    a.start(Flights())
    b.start(flights)
    a.stop()
    b.turn()
    assert b.buckets() is None
    flights.buckets = {1}
    b.stop()
    with company.states[0].read() as connection:
        assert [one.name for one in leases.members(connection)] == ["b"], "it must be taken for dead instead"


def test_the_buckets_of_a_worker_that_died_go_to_those_that_live(company: Company) -> None:
    a, b, c = (company.worker(name) for name in "abc")
    company.turns(a, b, c)
    company.expire("a")
    company.turns(b, c)
    assert len(held(b)) == len(held(c)) == BUCKETS // 2
    assert b.leads() != c.leads()


def test_a_worker_that_was_taken_for_dead_is_fenced_and_begins_anew(company: Company) -> None:
    flights = Flights()
    a, b = company.worker("a", flights), company.worker("b")
    company.turns(a, b)
    flights.buckets = {3}
    company.expire("a")
    b.turn()
    token = a._worker
    assert token is not None
    with company.states[1].write() as connection, pytest.raises(Fenced):
        leases.hold(company.states[1], connection, token)
    company.turns(a, b)
    assert held(a) == set(), "what it took under the old lease is still in flight"
    assert not a.leads()
    with pytest.raises(Fenced):
        a.left()
    flights.buckets = set()
    company.turns(a, b)
    assert len(held(a)) == BUCKETS // 2


def test_a_lease_that_could_not_be_extended_ends_by_the_workers_own_clock(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sync.worker import ownership

    a = company.worker("a")
    a.turn()
    now = ownership.clock()
    monkeypatch.setattr(ownership, "clock", lambda: now + leases.LEASE)
    assert held(a) == set()
    with pytest.raises(Fenced):
        a.left()


def test_a_lease_that_nobody_took_over_may_be_extended_however_late(company: Company) -> None:
    a = company.worker("a")
    a.turn()
    company.expire("a")
    a.turn()
    assert a.buckets() is None


def test_whoever_was_stopped_in_a_transaction_does_not_hold_up_the_others(company: Company) -> None:
    a, b = company.worker("a"), company.worker("b")
    company.turns(a, b)
    engine = company.states[0].engine.execution_options(headrace_write=True)
    with suppress(OperationalError), engine.connect() as stopped:
        stopped.execute(select(BUCKET.c.number).with_for_update())
        stopped.execute(select(WORKER.c.id).where(WORKER.c.name == "a").with_for_update(key_share=True, read=True))
        with company.states[1].write() as connection:
            connection.execute(update(WORKER).where(WORKER.c.name == "a").values(expires_at=0.0))
        company.turns(b)
        assert b.buckets() is None


def test_status_and_doctor_name_the_workers_that_live_and_how_many_buckets_each_has(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c = (company.worker(name) for name in ("here:1", "there:2", "gone:3"))
    company.turns(a, b, c)
    company.expire("gone:3")
    company.turns(a, b)
    headrace = Command(monkeypatch, capsys, HEADRACE_STATE_URL=company.url)
    said = "2 workers: here:1 (128 buckets), there:2 (128 buckets)"
    assert said in " ".join(headrace("status").out.split())
    assert headrace("status", "--json").json == []
    checks = {each["what"]: each["found"] for each in headrace("doctor", "--json").json["checks"]}
    assert said in checks["state"]


def test_what_a_dead_worker_had_sent_is_doubtful_for_whoever_takes_over_and_only_that(
    stack: Stack, tmp_path: Path
) -> None:
    with state_database(stack) as url:
        world, company = World(tmp_path, state_url=url), Company(url)
        try:
            rows = first_rows()
            rows["bookings"].append({**BOOKING, "booking_id": 8})
            world.log.snapshot(rows)
            world.settle()
            a, b = company.worker("a"), company.worker("b")
            company.turns(a, b)
            dead, living = (a, b) if bucket(world, "7") in held(a) else (b, a)
            changed = [{**FLIGHT, "status_cd": "CX"}]
            world.log.commit(("flights", "u", changed[0]))
            world.apply()
            stages = {one: stage_of(world, one) for one in (dead, living)}
            die_after_the_put(world, stages[dead])
            assert world.document("7").sent is not None
            company.expire(dead.name)
            company.turns(living)
            assert world.document("7").doubtful
            assert world.document("7").not_before > world.state.now()
            assert not world.document("8").doubtful
            with world.state.write() as connection:
                connection.execute(text("update document set not_before = 0"))
            while stages[living].step():
                pass
            assert not world.document("7").doubtful
            assert world.texts == world.expected({**rows, "flights": changed})
        finally:
            company.close()
            world.state.close()


def bucket(world: World, key: str) -> int:
    return bucket_of(world.registered.kinds["booking"].id, key)


def stage_of(world: World, worker: Ownership) -> Stage:
    stage = Stage(world.state, world.store, world.embedder, lanes=1, holding=worker)
    stage.serve([world.registered])
    return stage


def die_after_the_put(world: World, stage: Stage) -> None:
    class Died(BaseException):
        pass

    def die(kind: str) -> str | None:
        raise Died

    world.store.fault = die
    with pytest.raises(Died):
        stage.step()
    world.store.fault = lambda kind: None
