"""Parts killed at random moments under load: afterwards the collection equals the source, object for object."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.topics import Topics
from sync.state.registry import load
from tests.support.onlooker import Onlooker
from tests.support.pipeline import Pipeline, wait_until
from tests.support.traffic import Traffic

SEED = 20261121
KEPT = 20  # bookings that stay, whichever of these tests runs first on their airline
CAUGHT_UP = 15.0  # seconds after a component's return, as promised


def settled_equal(pipeline: Pipeline, timeout: float = 60.0) -> None:
    """Everything is searchable within ``timeout``, and equal to what SQL renders."""
    pipeline.wait(timeout)
    pipeline.assert_equal()


def test_the_worker_killed_at_ten_random_moments_under_load_loses_nothing(pipeline: Pipeline) -> None:
    chance = random.Random(SEED)
    traffic = Traffic(pipeline.url, SEED, rate=120, kept=KEPT).start()
    for _ in range(10):
        running = time.monotonic() + chance.uniform(0.3, 3.0)
        wait_until("the random moment", lambda end=running: time.monotonic() > end, 10)  # type: ignore[misc]
        pipeline.workers[-1].kill()
        pipeline.start_worker()
    traffic.stop()
    assert traffic.commits > 0
    settled_equal(pipeline, 120)


def test_weaviate_stopped_and_started_under_load_is_caught_up(pipeline: Pipeline) -> None:
    traffic = Traffic(pipeline.url, SEED + 1, rate=60, kept=KEPT).start()
    wait_until("some commits", lambda: traffic.commits > 20)
    pipeline.stack.kill("weaviate")
    wait_until("documents that are owed", lambda: any(one.owed for one in pipeline.statuses().values()))
    before = traffic.commits
    wait_until("commits while Weaviate is away", lambda: traffic.commits > before + 100)
    traffic.stop()
    pipeline.stack.start("weaviate")
    settled_equal(pipeline, CAUGHT_UP)


def test_connect_killed_sends_again_and_nobody_sees_an_older_text(pipeline: Pipeline) -> None:
    """What it sent since it last stored its offsets comes again: here all of it, too much to be applied at once."""
    traffic = Traffic(pipeline.url, SEED + 3, rate=600, kept=KEPT)
    traffic.pair_all()
    with flushing_every(pipeline, 600_000):
        traffic.start()
        wait_until("commits", lambda: traffic.commits > 2000)
        traffic.stop()
        settled_equal(pipeline)
        sent = topic_end(pipeline)
        onlooker = Onlooker(pipeline, KEPT).start()
        try:
            pipeline.stack.kill("connect")
            pipeline.stack.start("connect")
            settled_equal(pipeline)
        finally:
            onlooker.stop()
    assert topic_end(pipeline) > sent + traffic.commits, "nothing to speak of was sent again"
    assert onlooker.looks > KEPT
    assert not onlooker.older, "\n".join(onlooker.older[:20])


@contextmanager
def flushing_every(pipeline: Pipeline, milliseconds: int) -> Iterator[None]:
    """Connect started anew, storing the offsets of what it has sent only so often."""

    def restart(every: int) -> None:
        pipeline.stack.stop("connect")
        pipeline.stack.run("up", f"--set=connect.offset.flush.interval.ms={every}")

    restart(milliseconds)
    try:
        yield
    finally:
        restart(5000)


def topic_end(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        (topic,) = load(connection, pipeline.name).topics.values()
    return Topics(pipeline.stack.env["HEADRACE_KAFKA"]).end(topic)


def test_connect_killed_under_load_is_caught_up(pipeline: Pipeline) -> None:
    traffic = Traffic(pipeline.url, SEED + 5, rate=60, kept=KEPT).start()
    wait_until("some commits", lambda: traffic.commits > 50)
    pipeline.stack.kill("connect")
    before = traffic.commits
    wait_until("commits while Connect is away", lambda: traffic.commits > before + 50)
    traffic.stop()
    pipeline.stack.start("connect")
    settled_equal(pipeline, CAUGHT_UP)


def test_kafka_stopped_and_started_under_load_is_caught_up(pipeline: Pipeline) -> None:
    traffic = Traffic(pipeline.url, SEED + 4, rate=60, kept=KEPT).start()
    wait_until("some commits", lambda: traffic.commits > 20)
    pipeline.stack.stop("kafka")
    before = traffic.commits
    wait_until("commits while Kafka is away", lambda: traffic.commits > before + 50)
    traffic.stop()
    pipeline.stack.start("kafka")
    settled_equal(pipeline, CAUGHT_UP)
