"""One stack of real components for a whole test session: native by default, Docker's where `--stack=docker`."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.support.stack import Stack


# The same examples in every run of CI: what it finds must be found again; a developer's runs go on searching.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")


# Started by a shell's `&`, this process ignores Ctrl-C, and so would every command that tests send it to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("native", "docker"),
        default="native",
        help="where the real components of stack tests come from",
    )

    parser.addoption("--fault-seeds", type=int, default=1, help="how many schedules of faults are run")
    parser.addoption("--fault-first", type=int, default=9, help="the first one's seed; the others count on")
    parser.addoption("--fault-seconds", type=float, default=15.0, help="how long each is")
    parser.addoption("--use-stack", metavar="NAME", help="a native stack that is up already, and stays up")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: unit, component, stack, faults."""
    order = ("unit", "component", "stack", "faults")

    def rank(item: pytest.Item) -> int:
        parts = item.path.parts
        return next((number for number, name in enumerate(order) if name in parts), len(order))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The real Kafka, Connect, Debezium, PostgreSQL and Weaviate, on random ports, stopped at the session's end."""
    from tests.support.stack import DockerStack, Stack

    if name := request.config.getoption("--use-stack"):
        yield Stack.running(name)
        return
    if request.config.getoption("--stack") == "docker":
        made: Stack = DockerStack.up(request)  # type: ignore[assignment]
    else:
        made = Stack.up()
    try:
        yield made
    finally:
        made.down()


@pytest.fixture(autouse=True)
def restored(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test stopped or froze of the session's stack, and did not start again because it failed, is started."""
    yield
    if "stack" in request.fixturenames and hasattr(made := request.getfixturevalue("stack"), "restore"):
        made.restore()
