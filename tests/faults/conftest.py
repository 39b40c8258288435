"""Pipelines under fault, on the session's stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack


class Kept:
    """A module's airline. What its tests do to it must leave it whole: after one that failed another is made.

    ``before``: SQL that it begins with.
    """

    def __init__(self, make: Callable[[], Pipeline], *before: str) -> None:
        self._make, self._before = make, before
        self._undo = ExitStack()
        self._pipeline: Pipeline | None = None
        self._failed = 0

    def get(self, failed: int) -> Pipeline:
        """``failed``: how many tests of this session have."""
        if failed != self._failed:
            self.close()
        if self._pipeline is None:
            made = contextmanager(airline)(self._make(), *self._before)
            self._pipeline, self._failed = self._undo.enter_context(made), failed
        if self._pipeline.workers[-1].process.poll() is not None:
            self._pipeline.start_worker()
        return self._pipeline

    def close(self) -> None:
        self._pipeline = None
        self._undo.close()


@pytest.fixture(scope="module")
def kept(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """On PostgreSQL, unless the module has a fixture of this name."""
    with closing(Kept(lambda: Pipeline(stack, tmp_path_factory.mktemp("airline")))) as holder:
        yield holder


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, kept: Kept) -> Pipeline:
    """The module's airline, with one worker running, and equal to its source."""
    return kept.get(request.session.testsfailed)
