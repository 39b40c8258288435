"""A Connect worker freezes, a second one takes over, and the first wakes up with old records in its hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.faults.test_worker_and_weaviate import SEED, settled_equal
from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.stack import Stack
from tests.support.traffic import Traffic

pytestmark = pytest.mark.suite  # for its length: a stack of its own with two Connect workers


@pytest.fixture(params=[Pipeline, MariaDBPipeline], ids=lambda each: each.kind)
def on_two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipeline]:
    """An airline on a stack of its own with two Connect workers."""
    if request.config.getoption("--stack") == "docker":
        pytest.fail("the Docker stack has one Connect worker: run this on the native one")
    stack = Stack.up(connect_workers=2)
    try:
        yield from airline(request.param(stack, tmp_path))
    finally:
        stack.down()


def runs_the_task(pipeline: Pipeline, asked: str) -> str | None:
    """The component (connect, connect2) that runs the source's task, as the one at ``asked`` says."""
    try:
        names = requests.get(f"{asked}/connectors", timeout=5).json()
        status = requests.get(f"{asked}/connectors/{names[0]}/status", timeout=5).json()
    except (requests.RequestException, ValueError, IndexError, KeyError):
        return None
    running = [task["worker_id"] for task in status.get("tasks", []) if task["state"] == "RUNNING"]
    ports = {urlsplit(pipeline.stack.env[variable]).port: name for name, variable in REST.items()}
    return ports[int(running[0].rsplit(":", 1)[1])] if running else None


REST = {"connect": "HEADRACE_CONNECT_URL", "connect2": "HEADRACE_CONNECT2_URL"}


def test_records_that_a_woken_worker_sends_late_are_not_taken_for_news(on_two: Pipeline) -> None:
    rest = {name: on_two.stack.env[variable] for name, variable in REST.items()}
    first = wait_until("the task to run", lambda: runs_the_task(on_two, rest["connect"]))
    second = "connect2" if first == "connect" else "connect"
    traffic = Traffic(on_two.url, SEED + 4, rate=100).start()
    wait_until("some commits", lambda: traffic.commits > 50)
    on_two.stack.pause(first)
    wait_until("the other worker to take over", lambda: runs_the_task(on_two, rest[second]) == second, 120, 0.5)
    before = traffic.commits
    wait_until("commits through the other one", lambda: traffic.commits > before + 50)
    on_two.stack.resume(first)
    before = traffic.commits
    wait_until("commits after it woke up", lambda: traffic.commits > before + 50)
    traffic.stop()
    settled_equal(on_two, 120)
