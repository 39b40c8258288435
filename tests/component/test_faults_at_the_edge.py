"""Faults of Weaviate's edge: whatever fails, nothing is lost, and what stands in the end is the newest text."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sync.errors import Fenced, StateConflict, StateError, StateUnreachable
from sync.write import stage as stage_module
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, TICKET, first_rows
from tests.support.pipeline import wait_until
from tests.support.world import World


@pytest.fixture(autouse=True)
def _no_doubt_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "DOUBT_AFTER_TIMEOUT", 0.0)
    monkeypatch.setattr(stage_module, "DOUBT_AFTER_LOSS", 0.0)


def long_rows(legs: int) -> dict[str, list[dict[str, object]]]:
    rows = first_rows()
    rows["tickets"] = [{**TICKET, "seq_no": number} for number in range(1, legs + 1)]
    return rows


def test_a_write_that_took_effect_but_seemed_to_fail_is_written_again_and_read_back(world: World) -> None:
    world.log.snapshot(first_rows())
    world.apply()
    faults = iter(["fail after write"])
    world.store.fault = lambda kind: next(faults, None) if kind == "put" else None
    world.stage.step()
    assert world.document("7").doubtful
    world.write()
    assert world.texts == world.expected(first_rows())
    assert not world.document("7").doubtful


def test_an_old_request_that_lands_late_does_not_win(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    faults = iter(["hold"])
    world.store.fault = lambda kind: next(faults, None) if kind == "put" else None
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "DL"}))
    world.apply()
    world.stage.step()  # times out; the request is still on its way
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    world.log.commit(("flights", "u", rows["flights"][0]))
    world.apply()
    real_read = world.store.read

    def read_after_the_stall(*args: object, **more: object) -> object:
        for land in world.store.held:
            land()
        world.store.held.clear()
        return real_read(*args, **more)  # type: ignore[arg-type]

    world.store.read = read_after_the_stall  # type: ignore[method-assign,assignment]
    world.write()
    assert world.texts == world.expected(rows)


@pytest.mark.parametrize("then", ["u", "d"])
def test_what_a_killed_weaviate_kept_half_written_is_erased(world: World, then: str) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.apply()
    faults = iter(["half"])
    world.store.fault = lambda kind: next(faults, None) if kind == "put" else None
    world.stage.step()
    assert world.store.half
    world.log.commit(("bookings", then, BOOKING))
    world.settle()
    assert not world.store.half
    assert world.texts == (world.expected(rows) if then == "u" else {})


def test_a_document_in_doubt_is_not_written_before_its_time_though_its_row_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_module, "DOUBT_AFTER_TIMEOUT", 60.0)
    world.log.snapshot(first_rows())
    world.settle()
    faults = iter(["hold"])
    world.store.fault = lambda kind: next(faults, None) if kind == "put" else None
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "DL"}))
    world.apply()
    world.stage.step()
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}), ("bookings", "u", BOOKING))
    world.apply()
    assert world.stage.step() == 0
    owed = world.document("7")
    assert owed.doubtful
    assert owed.priority is not None


def test_a_document_that_shrinks_loses_its_surplus_chunks_even_over_a_crash(world: World) -> None:
    rows = long_rows(60)
    world.log.snapshot(rows)
    world.settle()
    assert len(world.texts) > 2
    world.log.commit(*(("tickets", "d", {**TICKET, "seq_no": number}) for number in range(2, 61)))
    world.apply()
    faults = iter([None, "hold"])
    world.store.fault = lambda kind: next(faults, None)
    world.stage.step()  # the new chunk is written, the prune's outcome is unknown
    world.restart()
    world.settle()
    assert world.texts == world.expected(long_rows(1))


def test_a_reader_never_finds_the_document_missing_while_it_is_updated(world: World) -> None:
    rows = long_rows(60)
    world.log.snapshot(rows)
    world.settle()
    holes: list[str] = []

    def look(kind: str) -> None:
        if ("7", 0) not in world.texts:
            holes.append(kind)

    world.store.fault = look
    for number in range(2, 61):
        world.log.commit(("tickets", "d", {**TICKET, "seq_no": number}))
        world.settle()
    assert holes == []
    assert world.texts == world.expected(long_rows(1))


def test_what_weaviate_refuses_is_parked_with_its_reason(world: World) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "BAD000"})
    world.log.snapshot(rows)
    world.store.refuse = lambda properties: "no such property" if properties["pnr"] == "BAD000" else None
    world.settle()
    assert "no such property" in world.document("8").parked
    assert [key for key, _ in world.texts] == ["7"]


def test_a_document_of_which_one_chunk_is_refused_says_that_it_shows_old_and_new_text(world: World) -> None:
    """Weaviate has no transaction over objects, and the old text is gone: what can be had is that it is said."""
    rows = long_rows(60)
    world.log.snapshot(rows)
    world.settle()
    before, chunks = world.texts, len(world.texts)
    assert chunks > 2
    world.store.refuse = lambda properties: "no such chunk" if properties["chunk"] == 1 else None
    world.log.commit(
        ("customers", "u", {**CUSTOMER, "full_name": "Mario Bianchi"}),
        ("flights", "u", {**FLIGHT, "flight_no": "BA 602"}),
    )
    world.settle()
    parked = world.document("7").parked
    assert f"no such chunk. {chunks - 1} of its {chunks} chunks are new" in parked
    assert world.texts["7", 1] == before["7", 1]
    assert world.texts["7", 0] != before["7", 0]
    world.store.refuse = lambda _: None
    world.log.commit(("flights", "u", FLIGHT), ("customers", "u", CUSTOMER))
    world.settle()
    assert world.texts == before


def test_a_slow_weaviate_holds_up_nobody_else_and_nothing_is_sent_twice(world: World) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    sent: list[str] = []
    put = world.store.put

    def listening(collection: str, objects: Sequence[Any]) -> Any:
        sent.extend(one.properties["document_key"] for one in objects)
        return put(collection, objects)

    world.store.put = listening  # type: ignore[method-assign]
    faults = iter(["slow"])
    world.store.fault = lambda _: next(faults, None)
    with ThreadPoolExecutor(1) as lane:
        rows["bookings"][0] = {**rows["bookings"][0], "pnr": "FIRST1"}
        world.log.commit(("bookings", "u", rows["bookings"][0]))
        world.apply()
        slow = lane.submit(world.stage.step)
        wait_until("the first request to leave", lambda: world.store.slow == 1, every=0.005)
        # Another document's change is written meanwhile; a newer one of the slow document waits for its answer.
        rows["bookings"][0] = {**rows["bookings"][0], "pnr": "NEWER1"}
        world.log.commit(("bookings", "u", rows["bookings"][0]))
        rows["bookings"][1] = {**rows["bookings"][1], "pnr": "SECND2"}
        world.log.commit(("bookings", "u", rows["bookings"][1]))
        world.apply()
        world.write()
        assert sent == ["7", "8"]
        assert world.texts["8", 0] == world.expected(rows)["8", 0]
        assert "NEWER1" not in world.texts["7", 0]
        world.store.released.set()
        assert slow.result(30) == 1
    world.write()
    assert sent == ["7", "8", "7"]
    assert world.texts == world.expected(rows)


def test_documents_stay_owed_while_weaviate_is_away(world: World) -> None:
    world.log.snapshot(first_rows())
    world.apply()
    world.store.away = True
    asked: list[bool] = []

    def ready() -> bool:
        asked.append(True)
        world.store.away = len(asked) < 2
        return not world.store.away

    world.store.ready = ready  # type: ignore[method-assign]
    world.write()
    assert len(asked) == 2
    assert world.texts == world.expected(first_rows())


def test_raised_while_in_flight_a_document_stays_owed(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()

    def change_meanwhile(kind: str) -> None:
        world.store.fault = lambda _: None
        world.log.commit(("customers", "u", {**CUSTOMER, "full_name": "Mario Bianchi"}))
        world.apply()

    world.store.fault = change_meanwhile
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.apply()
    world.stage.step()
    owed = world.document("7")
    assert owed.priority is not None
    assert owed.wanted > owed.written
    world.write()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    rows["customers"] = [{**CUSTOMER, "full_name": "Mario Bianchi"}]
    assert world.texts == world.expected(rows)


def test_a_worker_that_may_not_send_any_more_confirms_nothing_and_goes_on(world: World) -> None:
    world.log.snapshot(first_rows())
    world.apply()
    refusals = iter([Fenced("taken for dead")])

    def fenced(kind: str) -> None:
        if error := next(refusals, None):
            raise error

    world.store.fault = fenced
    assert world.stage.step() > 0
    assert world.texts == {}
    assert world.document("7").priority is not None
    assert not world.document("7").doubtful
    world.write()
    assert world.texts == world.expected(first_rows())


@pytest.mark.parametrize("error", [StateUnreachable("away"), StateConflict("a deadlock")], ids=["away", "conflict"])
def test_a_state_that_fails_in_the_middle_of_a_write_leaves_the_document_owed(
    world: World, monkeypatch: pytest.MonkeyPatch, error: StateError
) -> None:
    world.log.snapshot(first_rows())
    world.apply()
    failures, confirm = iter([error]), world.stage.documents.confirm

    def failing(*arguments: object) -> None:
        if failure := next(failures, None):
            raise failure
        confirm(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(world.stage.documents, "confirm", failing)
    world.write()
    assert world.document("7").priority is None
    assert world.texts == world.expected(first_rows())


def test_what_is_in_doubt_stays_in_our_hands_until_the_state_knows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.log.snapshot(first_rows())
    world.apply()
    faults = iter(["fail after write"])
    world.store.fault = lambda kind: next(faults, None) if kind == "put" else None
    failures, postpone = iter([StateUnreachable("away")]), world.stage.documents.postpone

    def failing(*arguments: object, **more: object) -> None:
        if failure := next(failures, None):
            raise failure
        postpone(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(world.stage.documents, "postpone", failing)
    monkeypatch.setattr(stage_module, "STATE_AGAIN", 0.0)
    world.stage.step()
    assert world.document("7").doubtful
    world.write()
    assert world.texts == world.expected(first_rows())
