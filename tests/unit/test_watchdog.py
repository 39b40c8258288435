"""A consumer that is stuck is crashed by its watchdog, and the worker makes one anew: without time passing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

from sync.worker.app import SourceApp
from sync.worker.lanes import Lanes

LOOKS = 60  # in a second of the app's own clock each


class Watched(SourceApp):
    """A source's app that no Kafka knows. Its clock goes on by a second at each look; after ``LOOKS`` it is told to
    stop."""

    look_every = 0.0

    def __init__(self, directory: Path, *, partitions: set[str], alone: bool = True, behind: bool = False) -> None:
        self.now = 1000.0
        self.asked: list[bool] = []  # whether the partition was said to be ours, each time it was asked
        self.busy_until = self.fetches_until = self.rebalances_until = 0.0

        async def is_behind(ours: bool) -> bool:
            self.asked.append(ours)
            return behind

        super().__init__(
            "watched",
            source="airline",
            kafka="127.0.0.1:1",
            topic="watched",
            start_offset=None,  # type: ignore[arg-type]
            handle=None,  # type: ignore[arg-type]
            lanes=Lanes(lambda: False),
            behind=is_behind,
            alone=alone,
            datadir=str(directory),
        )
        self.consumer = SimpleNamespace(assignment=lambda: partitions)  # type: ignore[assignment]

    def clock(self) -> float:
        return self.now

    @property
    def should_stop(self) -> bool:
        """Asked once a look."""
        self.now += 1.0
        self.applying = self.now < self.busy_until
        self.rebalancing = self.now < self.rebalances_until
        if self.now < self.fetches_until:
            self.heard()
        return self.now > 1000.0 + LOOKS

    def watch(self) -> float:
        """Watch it; returns after how many seconds it crashed."""

        async def watch() -> None:
            await self._watch()

        asyncio.run(asyncio.wait_for(watch(), 30))
        return self.now - 1000.0


def test_a_consumer_that_fetches_and_has_its_partition_is_left_alone(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    app.fetches_until = 2000.0
    app.watch()
    assert app.crash_reason is None
    assert app.asked == [], "nobody asks Kafka about a source whose heartbeats come"


def test_a_consumer_without_its_partition_is_crashed_in_time(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set())
    took = app.watch()
    assert "no assignment" in str(app.crash_reason)
    assert app.stuck_after < took < app.stuck_after + 3


def test_a_consumer_that_is_not_connected_has_no_partition(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set())
    app.consumer = None  # type: ignore[assignment]
    app.watch()
    assert "no assignment" in str(app.crash_reason)


def test_an_endless_rebalance_is_no_assignment_and_a_short_one_is_nothing(tmp_path: Path) -> None:
    short, endless = (Watched(tmp_path, partitions={"tp"}) for _ in range(2))
    short.rebalances_until, endless.rebalances_until = 1000.0 + short.stuck_after, 2000.0
    short.watch()
    assert short.crash_reason is None
    endless.watch()
    assert "endless rebalance" in str(endless.crash_reason)


def test_a_worker_beside_others_may_have_no_partition_and_asks_for_it(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions=set(), alone=False)
    app.watch()
    assert app.crash_reason is None
    assert app.asked, "whether anybody fetches is asked all the same"
    assert not any(app.asked), "it is asked as one whose partition it is not"


def test_records_that_are_not_fetched_crash_the_consumer_in_time(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    took = app.watch()
    assert "not fetched" in str(app.crash_reason)
    assert app.asked == [True]
    assert app.stuck_after < took < app.stuck_after + 3


def test_a_quiet_source_is_asked_about_again_and_again_and_left_alone(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=False)
    app.watch()
    assert app.crash_reason is None
    assert len(app.asked) == LOOKS // (app.stuck_after + 1)


def test_what_is_being_applied_for_long_is_no_silence(tmp_path: Path) -> None:
    app = Watched(tmp_path, partitions={"tp"}, behind=True)
    app.busy_until = 2000.0
    app.watch()
    assert app.crash_reason is None
