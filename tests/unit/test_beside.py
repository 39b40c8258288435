"""The threads beside the stages: what is away costs one look; what nobody expected is seen by the worker."""

from __future__ import annotations

import asyncio

import pytest

from sync.errors import StateUnreachable
from sync.settings import Settings
from sync.worker.beside import Beside
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
