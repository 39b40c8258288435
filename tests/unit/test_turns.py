"""One request at a time, those of direct changes first, and none for ever."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

from sync.write.turns import Turns
from tests.support.pipeline import wait_until


def begin(pool: ThreadPoolExecutor, turns: Turns, order: list[str], name: str, *, direct: bool) -> Future[None]:
    def take() -> None:
        with turns.taken(direct=direct):
            order.append(name)

    return pool.submit(take)


def test_direct_changes_go_before_others_that_waited_longer() -> None:
    turns, order = Turns(longest=60.0), list[str]()
    with ThreadPoolExecutor(3) as pool:
        with turns.taken(direct=False):
            others = begin(pool, turns, order, "others", direct=False)
            wait_until("the others to wait", lambda: len(turns._changed._waiters) == 1, every=0.001)  # type: ignore[attr-defined]
            direct = begin(pool, turns, order, "direct", direct=True)
            wait_until("both to wait", lambda: len(turns._changed._waiters) == 2, every=0.001)  # type: ignore[attr-defined]
            assert order == []
        direct.result(10)
        others.result(10)
    assert order == ["direct", "others"]


def test_nobody_waits_for_a_request_that_is_not_answered() -> None:
    turns, order = Turns(longest=0.01), list[str]()
    with ThreadPoolExecutor(1) as pool, turns.taken(direct=True):
        begin(pool, turns, order, "next", direct=True).result(10)
        assert order == ["next"]


def test_a_request_that_fails_gives_its_turn_back() -> None:
    turns = Turns(longest=60.0)
    over = threading.Event()
    try:
        with turns.taken(direct=True):
            raise RuntimeError
    except RuntimeError:
        over.set()
    assert over.is_set()
    with ThreadPoolExecutor(1) as pool:
        begin(pool, turns, [], "next", direct=False).result(10)
