"""Components that are down when the worker starts: it says which, waits, and goes on when they come."""

from __future__ import annotations

import pytest

from tests.support.pipeline import Pipeline, wait_until

CAUGHT_UP = 15.0  # seconds after a component's return, as promised


@pytest.mark.parametrize("component", ["kafka", "weaviate"])
def test_the_worker_waits_for_a_component_that_is_down_and_says_which(pipeline: Pipeline, component: str) -> None:
    pipeline.workers[-1].stop()
    pipeline.sql("update bookings set total_amt = total_amt + 5 where booking_id <= 10")
    pipeline.stack.stop(component)
    worker = pipeline.start_worker()
    wait_until("it to say what it waits for", lambda: f"waiting for {component.capitalize()}" in worker.text())
    assert worker.process.poll() is None
    pipeline.stack.start(component)
    pipeline.wait(CAUGHT_UP)
    assert f"{component.capitalize()}" in worker.text().split("answers")[0]
    pipeline.assert_equal()


def test_connect_that_is_down_holds_changes_up_and_loses_none(pipeline: Pipeline) -> None:
    pipeline.stack.stop("connect")
    pipeline.sql("update bookings set total_amt = total_amt + 5 where booking_id <= 10")
    pipeline.workers[-1].stop()
    worker = pipeline.start_worker()
    wait_until("the silence to show", lambda: pipeline.statuses()["booking"].state == "unknown", 30, every=0.3)
    wait_until("the worker to say what is away", lambda: "nothing comes in; Kafka Connect" in worker.text(), 30)
    pipeline.stack.start("connect")
    pipeline.wait(CAUGHT_UP)
    pipeline.assert_equal()
    wait_until("the worker to say that it is back", lambda: "its log comes in again" in worker.text(), 30)


def test_weaviate_that_goes_away_is_named_once_and_once_more_when_it_is_back(pipeline: Pipeline) -> None:
    worker = pipeline.workers[-1]
    pipeline.stack.stop("weaviate")
    pipeline.sql("update bookings set total_amt = total_amt + 5 where booking_id <= 10")
    wait_until("the worker to say what is away", lambda: "what is owed waits: " in worker.text(), 30)
    pipeline.stack.start("weaviate")
    pipeline.wait(CAUGHT_UP)
    wait_until("the worker to say that it goes on", lambda: "is being written again" in worker.text(), 30)
    assert worker.text().count("what is owed waits: ") == 1
    pipeline.assert_equal()
