"""Pipelines on the session's stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from sync.demo.airline import Sizes
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack

P = TypeVar("P", bound=Pipeline)
SMALL = Sizes(customers=50, flights=20, bookings=120, tickets=240)


def airline(made: P, *before: str, sizes: Sizes = SMALL, **env: str) -> Iterator[P]:
    """An airline of 120 bookings, applied, first load done, one worker running in ``env``; ``before``: SQL first."""
    made.create_database()
    try:
        made.load_airline(sizes)
        for statement in before:
            made.sql(statement)
        made.start_worker(**env)  # before anything is applied: it must notice by itself
        made.apply()
        made.wait_loaded()
        yield made
    finally:
        made.close()


@pytest.fixture
def pipeline(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """The airline on PostgreSQL."""
    yield from airline(Pipeline(stack, tmp_path))
