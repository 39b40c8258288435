"""The same statements on PostgreSQL as the state: apply and write through a real server, by several at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from connectors.change import Broken
from sync.errors import Fenced, StateConflict
from sync.evidence.parked import parked, unapplied
from sync.state.database import State
from sync.state.discards import Discard, discard_documents, discard_record
from sync.state.leases import changeable
from sync.state.mending import write_anew
from sync.state.owed import Priority, Raise
from sync.state.raises import Raises
from sync.state.registry import DOCUMENT
from tests.support.airline import BOOKING, FLIGHT, first_rows
from tests.support.pipeline import wait_until
from tests.support.server_state import state_database
from tests.support.world import World

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture
def world(stack: Stack, tmp_path: Path) -> Iterator[World]:
    with state_database(stack) as url:
        made = World(tmp_path, state_url=url)
        try:
            yield made
        finally:
            made.state.close()


def test_apply_and_write_work_on_a_state_in_postgresql(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    world.log.commit(("flights", "u", rows["flights"][0]))
    world.settle()
    assert world.texts == world.expected(rows)
    assert "cancelled" in world.texts["7", 0]
    world.log.commit(("bookings", "d", BOOKING))
    world.settle()
    assert world.texts == {}


def test_dead_letters_are_discarded_and_come_again_on_a_state_in_postgresql(world: World) -> None:
    world.log.snapshot(first_rows())
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "??"}))
    world.settle()
    kind, why = world.registered.kinds["booking"].id, Raise(1_000, time.time_ns() // 1000, "discarded")
    with world.state.write() as connection:
        assert discard_documents(connection, kind, ["7", "8"], Discard("ann", "a test booking"), why) == ["7"]
    world.write()
    with world.state.write() as connection:
        write_anew(connection, kind, None, why)
    world.write()
    assert world.texts == {}
    assert (world.document("7").discarded, world.document("7").priority) == ("a test booking", None)
    for _ in range(2):
        world.log._add(Broken, committed_at=0, reason="x", table="public.bookings", key={"booking_id": 7})
        world.apply()
    with world.state.write() as connection:
        (record,) = unapplied(connection, "airline")
        assert record.attempts == 2
        assert [one.discarded_by for one in parked(connection, all_=True)] == ["ann"]
        assert discard_record(connection, "airline", record.position, Discard("ann", "looked at")) == 1
        assert list(unapplied(connection, "airline")) == []
    world.log.commit(("flights", "u", FLIGHT))
    world.settle()
    assert world.texts == world.expected(first_rows())


def test_of_two_that_apply_one_log_each_record_counts_once(world: World) -> None:
    """Two workers that both believe the partition is theirs: what one applies, the other finds applied."""
    world.log.snapshot(first_rows())
    for number in range(40):
        world.log.commit(("flights", "u", {**FLIGHT, "dist_nm": number}))
    applied, failures = [0, 0], []

    def work(which: int) -> None:
        from sync.apply.apply import Applier

        applier = Applier(world.state, world.registered, "airline", max_text_bytes=1000)
        last = len(world.log.records) - 1
        try:
            while applier.reload().offset < last:
                start = applier.progress.offset + 1
                try:
                    applier.apply(world.log.records[start : start + 3])
                    applied[which] += len(world.log.records[start : start + 3])
                except Fenced:
                    continue
        except BaseException as exc:
            failures.append(exc)

    run_all([lambda: work(0), lambda: work(1)])
    assert failures == []
    assert sum(applied) == len(world.log.records)
    world.write()
    assert world.texts == world.expected({**first_rows(), "flights": [{**FLIGHT, "dist_nm": 39}]})


def test_confirmations_and_fan_out_over_the_same_documents_never_wait_for_each_other(world: World) -> None:
    """Each takes them in another order, which is what deadlocks are made of."""
    kind = world.registered.kinds["booking"].id
    keys = [str(number) for number in range(200)]
    raises = Raises(world.state)
    why = Raise(1, 1, "test")
    with world.state.write() as connection:
        raises.raise_keys(connection, kind, dict.fromkeys(keys, why), Priority.direct)
    with world.state.read() as connection:
        ids = [row.id for row in connection.execute(select(DOCUMENT.c.id).where(DOCUMENT.c.type_id == kind))]
    conflicts: list[StateConflict] = []
    rounds = 30

    def raise_backwards() -> None:
        for _ in range(rounds):
            try:
                with world.state.write() as connection:
                    raises.raise_keys(connection, kind, dict.fromkeys(keys[::-1], why), Priority.direct)
            except StateConflict as exc:
                conflicts.append(exc)

    def change(mine: list[int]) -> None:
        for _ in range(rounds):
            left = set(mine)
            while left:
                with world.state.write() as connection:
                    got = changeable(world.state, connection, left)
                    for one in sorted(got):
                        connection.execute(text("update document set attempts = 1 where id = :id"), {"id": one})
                left -= got

    run_all([raise_backwards, lambda: change(ids[:100]), lambda: change(ids[100:])])
    assert conflicts == []


def test_a_listener_hears_of_what_another_process_applied_and_not_of_its_own(world: World) -> None:
    url = world.state.url.render_as_string(hide_password=False)
    other, stop, heard = State(url), threading.Event(), []
    thread = threading.Thread(target=other.listen, args=(lambda: heard.append("woken"), stop.is_set))
    thread.start()
    try:
        wait_until("the listener", lambda: sessions(world, "LISTEN%"))
        with other.write() as connection:
            other.announce(connection)
        world.log.snapshot(first_rows())
        world.apply()
        wait_until("the other process to be told", lambda: heard)
        assert heard == ["woken"]  # notifications come in order: its own would have come first
    finally:
        stop.set()
        thread.join(10)
        other.close()


def sessions(world: World, query: str) -> int:
    with world.state.read() as connection:
        return int(
            connection.execute(
                text("select count(*) from pg_stat_activity where datname = current_database() and query like :q"),
                {"q": query},
            ).scalar_one()
        )


def run_all(jobs: list[Callable[[], Any]]) -> None:
    failures: list[BaseException] = []

    def guarded(job: Callable[[], Any]) -> None:
        try:
            job()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
