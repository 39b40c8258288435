"""A request to the real Weaviate stalls, is given up, and lands later: the older text must not stay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from sync.state.registry import DOCUMENT
from tests.stack.conftest import SMALL
from tests.support.pipeline import Pipeline, wait_until
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from tests.support.stack import Stack

ROWS = "update bookings set total_amt = total_amt + 1 where booking_id <= 20"


@pytest.fixture
def stalling(stack: Stack, tmp_path: Path) -> Iterator[tuple[Pipeline, Proxy]]:
    """An airline whose worker reaches Weaviate's gRPC port through a proxy, and gives up after two seconds."""
    proxy = Proxy(int(stack.env["HEADRACE_WEAVIATE_GRPC_PORT"]))
    made = Pipeline(stack, tmp_path)
    made.create_database()
    try:
        made.load_airline(SMALL)
        made.apply()
        made.start_worker(HEADRACE_WEAVIATE_GRPC_PORT=str(proxy.port), HEADRACE_REQUEST_TIMEOUT="2")
        made.wait_loaded()
        yield made, proxy
    finally:
        made.close()
        proxy.close()


def doubtful(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        return int(connection.execute(select(func.count()).where(DOCUMENT.c.doubtful)).scalar_one())


def test_a_write_that_was_given_up_and_lands_later_does_not_stay(stalling: tuple[Pipeline, Proxy]) -> None:
    pipeline, proxy = stalling
    proxy.stall()
    pipeline.sql(ROWS)
    wait_until("writes whose outcome nobody knows", lambda: doubtful(pipeline) >= 20)
    assert proxy.held > 0
    assert any(one.owed for one in pipeline.statuses().values()), "what is doubtful must stay owed"
    pipeline.sql(ROWS)
    proxy.release()
    pipeline.sql(ROWS)
    pipeline.wait(90)
    pipeline.assert_equal()
    wait_until("nothing to be doubtful any more", lambda: doubtful(pipeline) == 0)
