"""The worker killed a hundred times over 20,000 changes. Of the suite only, for its length."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.test_worker_and_weaviate import SEED, settled_equal
from tests.support.pipeline import Pipeline, wait_until
from tests.support.traffic import Traffic

pytestmark = pytest.mark.suite
KILLS, CHANGES = 100, 20_000


def test_the_worker_killed_a_hundred_times_over_20_000_changes_loses_nothing(pipeline: Pipeline) -> None:
    chance = random.Random(SEED)
    traffic = Traffic(pipeline.url, SEED, rate=120).start()
    kills = 0
    while kills < KILLS or traffic.changes < CHANGES:
        running = time.monotonic() + chance.uniform(0.3, 4.0)
        wait_until("the random moment", lambda end=running: time.monotonic() > end, 10)  # type: ignore[misc]
        pipeline.workers[-1].kill()
        pipeline.start_worker()
        kills += 1
    traffic.stop()
    settled_equal(pipeline, 300)
    print(f"seed {SEED}: {kills} kills -9, {traffic.commits} commits of {traffic.changes} rows: equal")
