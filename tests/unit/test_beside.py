"""The threads beside the stages: what is away costs one look; what nobody expected is seen by the worker."""

from __future__ import annotations

import asyncio

import pytest

from sync.errors import SourceRefused, SourceUnreachable, StateUnreachable
from sync.settings import Settings
from sync.worker.beside import Beside, each
from sync.worker.service import Worker
from tests.support.pipeline import wait_until


class Looking(Beside):
    def __init__(self, *raises: Exception) -> None:
        super().__init__("looking", every=0.001)
        self._raises, self.looks = list(raises), 0

    def _look(self) -> None:
        self.looks += 1
        if self._raises:
            raise self._raises.pop(0)


def test_what_is_away_costs_one_look_only() -> None:
    looking = Looking(StateUnreachable("away"), StateUnreachable("away"))
    looking.start()
    try:
        wait_until("a third look", lambda: looking.looks > 2)
        assert looking.failure is None
    finally:
        looking.stop()


def test_what_nobody_expected_ends_the_worker() -> None:
    looking = Looking(ZeroDivisionError("a defect"))
    looking.start()
    wait_until("the thread to end", lambda: looking.failure is not None)
    assert looking.looks == 1
    worker = Worker(Settings(_env_file=None), lambda _: None)
    worker.watched = (looking,)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        asyncio.run(worker.serve(asyncio.Event()))


def looked_at(*raises: Exception | None) -> tuple[list[int], Exception | None]:
    """Which of as many things were looked at, of which these are raised, and what came of it all."""
    looks = list[int]()

    def look(number: int) -> None:
        looks.append(number)
        if error := raises[number]:
            raise error

    try:
        each(range(len(raises)), look)
    except Exception as exc:
        return looks, exc
    return looks, None


def test_what_is_wrong_with_one_hides_none_behind_it_and_is_raised_at_the_end() -> None:
    first, second = SourceRefused("first"), SourceUnreachable("second")
    assert looked_at(None, first, None, second, None) == ([0, 1, 2, 3, 4], first)
    assert looked_at(None, None) == ([0, 1], None)


@pytest.mark.parametrize("error", [StateUnreachable("away"), ZeroDivisionError("a defect")])
def test_what_is_wrong_with_the_state_or_with_us_is_raised_at_once(error: Exception) -> None:
    assert looked_at(SourceRefused("no"), error, None) == ([0, 1], error)
