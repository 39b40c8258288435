"""Who gets which owed documents: the rules that keep direct changes quick, and every document in one lane."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.state.owed import Owed, Priority
from sync.write.queue import FEW, Queue
from tests.support.pipeline import wait_until


def owed(number: int, priority: Priority = Priority.direct) -> Owed:
    return Owed(number, 1, str(number), 1, 0, int(priority), number, 0, None, None, 0, None, 0, False)


def taken(queue: Queue, documents: list[Owed], limit: int = 2) -> list[int]:
    return [one.id for one in queue.reserve(limit, lambda most: documents[:most])]


def called(queue: Queue) -> bool:
    """Whether a lane that waits now would look at once."""
    return queue._unseen


def test_direct_changes_go_before_others_and_alone() -> None:
    queue = Queue(3)
    assert taken(queue, [owed(1), owed(2, Priority.fan_out)], 5) == [1]
    assert called(queue)  # another lane looks for the rest
    assert taken(queue, [owed(1), owed(2, Priority.fan_out)], 5) == [2]


def test_what_comes_while_direct_changes_are_written_waits_for_that_lane() -> None:
    queue = Queue(3)
    first = queue.reserve(5, lambda most: [owed(1)])
    assert queue.busy
    assert taken(queue, [owed(1), owed(2)], 5) == []
    queue.release(first)
    assert called(queue)
    assert taken(queue, [owed(2)], 5) == [2]


def test_the_next_direct_changes_are_built_while_a_lane_waits_for_weaviate() -> None:
    queue = Queue(3)
    first = queue.reserve(5, lambda most: [owed(1)])
    queue.wake()
    queue.built(first)
    assert called(queue)
    second = queue.reserve(5, lambda most: [owed(1), owed(2)])
    assert [one.id for one in second] == [2]
    queue.built(second)
    assert queue.busy
    assert (
        taken(queue, [owed(1), owed(2), owed(3)], 5) == []
    )  # two requests at a time cost more than one after the other
    queue.release(first)
    assert called(queue)
    assert taken(queue, [owed(3)], 5) == [3]


def test_what_was_built_and_released_makes_no_room_for_two_that_build() -> None:
    queue = Queue(3)
    first = queue.reserve(5, lambda most: [owed(1)])
    queue.built(first)
    queue.release(first)
    assert taken(queue, [owed(2)], 5) == [2]
    assert queue.busy
    assert taken(queue, [owed(2), owed(3)], 5) == []


def test_a_waiting_lane_is_called_when_what_came_meanwhile_may_be_built() -> None:
    queue = Queue(2)
    first = queue.reserve(5, lambda most: [owed(1)])
    woken = threading.Event()

    def wait() -> None:
        queue.wait(30)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until("the lane to wait", lambda: queue._changed._waiters, every=0.001)  # type: ignore[attr-defined]
    queue.wake()
    assert not woken.is_set()
    queue.built(first)
    assert woken.wait(10), "the lane was not called"
    thread.join()


def test_others_that_are_built_let_no_direct_changes_in_twice() -> None:
    queue = Queue(3)
    fan_out = queue.reserve(5, lambda most: [owed(1, Priority.fan_out)])
    queue.built(fan_out)
    assert taken(queue, [owed(2)], 5) == [2]
    assert taken(queue, [owed(3)], 5) == []


def test_more_direct_changes_than_a_lane_can_take_are_shared() -> None:
    queue = Queue(3)
    documents = [owed(1), owed(2), owed(3), owed(4)]
    assert taken(queue, documents) == [1, 2]
    assert called(queue)
    assert taken(queue, documents) == [3, 4]


def test_fan_out_leaves_a_lane_for_direct_changes() -> None:
    queue = Queue(3)
    wide = [owed(number, Priority.fan_out) for number in range(10)]
    assert taken(queue, wide) == [0, 1]
    assert taken(queue, wide) == [2, 3]
    assert taken(queue, wide) == []
    assert taken(queue, [owed(99), *wide]) == [99]


def test_fan_out_comes_in_small_batches_while_direct_changes_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(3)
    wide = [owed(number, Priority.fan_out) for number in range(200)]
    assert len(taken(queue, wide, 128)) == 128
    queue.release(queue.reserve(5, lambda most: [owed(999)]))
    assert queue.brisk
    assert len(taken(queue, wide, 128)) == FEW
    assert called(queue)  # the rest waits for nobody
    queue.release(wide)
    monkeypatch.setattr("sync.write.queue.RECENTLY", 0.0)
    assert len(taken(queue, wide, 128)) == 128


def test_a_queue_of_one_lane_takes_everything_in_turn() -> None:
    queue = Queue(1)
    assert taken(queue, [owed(1, Priority.backfill)]) == [1]


def test_a_document_raised_while_it_is_written_is_looked_for_again() -> None:
    queue = Queue(3)
    mine = queue.reserve(2, lambda most: [owed(1)])
    assert taken(queue, [owed(1)]) == []
    queue.release(mine)
    assert called(queue)


def test_a_call_reaches_a_waiting_lane_and_a_stop_all() -> None:
    queue = Queue(2)
    woken = threading.Event()

    def wait() -> None:
        queue.wait(30)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    queue.wake()
    assert woken.wait(10), "the lane was not woken"
    thread.join()
    queue.stop()
    taken(queue, [])
    queue.wait(30)  # returns at once
    queue.pause(30)
    assert queue.stopped


def test_the_end_of_direct_changes_is_told() -> None:
    told: list[bool] = []
    queue = Queue(2, on_free=lambda: told.append(queue.busy))
    queue.release(queue.reserve(2, lambda most: [owed(1, Priority.fan_out)]))
    assert told == []
    queue.release(queue.reserve(2, lambda most: [owed(1)]))
    assert told == [False]
    queue.built(queue.reserve(2, lambda most: [owed(2)]))
    assert told == [False, False]


@given(
    st.lists(st.tuples(st.sampled_from(["reserve", "built", "release"]), st.integers(0, 3)), max_size=40),
    st.integers(1, 4),
)
def test_no_document_is_ever_in_two_lanes_and_none_is_forgotten(steps: list[tuple[str, int]], lanes: int) -> None:
    queue = Queue(lanes)
    todo = {number: owed(number, Priority(number % 3)) for number in range(12)}
    held: list[list[Owed]] = []
    for step, which in steps:
        if step == "built" and held:
            queue.built(held[which % len(held)])
        elif step == "release" and held:
            done = held.pop(which % len(held))
            for one in done:
                del todo[one.id]
            queue.release(done)
        else:
            order = sorted(todo.values(), key=lambda one: (one.priority, one.id))
            if got := queue.reserve(2, lambda most: order[:most]):  # noqa: B023
                held.append(got)
        ids = [one.id for part in held for one in part]
        assert len(ids) == len(set(ids))
        assert queue.in_flight == len(ids)
    while todo:
        for done in held:
            for one in done:
                del todo[one.id]
            queue.release(done)
        order = sorted(todo.values(), key=lambda one: (one.priority, one.id))
        held = [got] if (got := queue.reserve(2, lambda most: order[:most])) else []  # noqa: B023
        assert held or not todo, "nobody takes what is owed"
