"""The broker killed under load. Of the suite only: once in five runs the changes did not arrive within 120 s, and the
cause is not known yet; `make faults` runs it, and says where they stood."""

from __future__ import annotations

import pytest

from tests.faults.test_worker_and_weaviate import SEED, settled_equal
from tests.support.pipeline import Pipeline, wait_until
from tests.support.traffic import Traffic

pytestmark = pytest.mark.suite


def test_kafka_killed_and_started_under_load_is_caught_up(pipeline: Pipeline) -> None:
    traffic = Traffic(pipeline.url, SEED + 2, rate=60).start()
    wait_until("some commits", lambda: traffic.commits > 20)
    pipeline.stack.kill("kafka")
    before = traffic.commits
    wait_until("commits while Kafka is away", lambda: traffic.commits > before + 50)
    pipeline.stack.start("kafka")
    traffic.stop()
    settled_equal(pipeline, 120)
