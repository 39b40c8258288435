"""Pipelines under fault, on the session's stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack


class Kept:
    """A module's airline. What its tests do to it must leave it whole: after one that failed another is made."""

    def __init__(self, stack: Stack, folders: pytest.TempPathFactory, kind: type[Pipeline] = Pipeline) -> None:
        self._stack, self._folders, self._kind = stack, folders, kind
        self._undo = ExitStack()
        self._pipeline: Pipeline | None = None
        self._failed = 0

    def get(self, failed: int) -> Pipeline:
        """``failed``: how many tests of this session have."""
        if failed != self._failed:
            self.close()
        if self._pipeline is None:
            made = self._kind(self._stack, self._folders.mktemp("airline"))
            self._pipeline, self._failed = self._undo.enter_context(contextmanager(airline)(made)), failed
        if self._pipeline.workers[-1].process.poll() is not None:
            self._pipeline.start_worker()
        return self._pipeline

    def close(self) -> None:
        self._pipeline = None
        self._undo.close()


@pytest.fixture(scope="module")
def kept(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """PostgreSQL's, or that of each pipeline that the module parametrizes this with."""
    holder = Kept(stack, tmp_path_factory, getattr(request, "param", Pipeline))
    try:
        yield holder
    finally:
        holder.close()


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, kept: Kept) -> Pipeline:
    """The module's airline, with one worker running, and equal to its source."""
    return kept.get(request.session.testsfailed)
