"""Pipelines under fault, on the session's stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tests.support.stack import Stack


class Kept:
    """A module's airline. What its tests do to it must leave it whole: after one that failed another is made."""

    def __init__(self, stack: Stack, folders: pytest.TempPathFactory) -> None:
        self._stack, self._folders = stack, folders
        self._made: tuple[AbstractContextManager[Pipeline], Pipeline] | None = None
        self._failed = 0

    def get(self, failed: int) -> Pipeline:
        """``failed``: how many tests of this session have."""
        if failed != self._failed:
            self.close()
        if self._made is None:
            made = contextmanager(airline)(Pipeline(self._stack, self._folders.mktemp("airline")))
            self._made, self._failed = (made, made.__enter__()), failed
        pipeline = self._made[1]
        if pipeline.workers[-1].process.poll() is not None:
            pipeline.start_worker()
        return pipeline

    def close(self) -> None:
        if self._made is not None:
            made, self._made = self._made, None
            made[0].__exit__(None, None, None)


@pytest.fixture(scope="module")
def kept(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    holder = Kept(stack, tmp_path_factory)
    try:
        yield holder
    finally:
        holder.close()


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, kept: Kept) -> Pipeline:
    """The module's airline on PostgreSQL, with one worker running, and equal to its source."""
    return kept.get(request.session.testsfailed)
