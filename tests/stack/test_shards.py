"""A shard of a collection takes no writes for a while: its documents wait, the others go on, and nothing is parked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
from sqlalchemy import func, select

from sync.state.registry import DOCUMENT
from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(scope="module")
def sharded(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Its bookings lie in three shards."""
    for made in airline(Pipeline(stack, tmp_path_factory.mktemp("sharded")), HEADRACE_CHECK_EVERY="0.5"):
        made.workers[-1].stop()
        schema = http(made, "GET", "")
        schema["shardingConfig"] = {"desiredCount": 3}
        http(made, "DELETE", "")
        answer = requests.post(f"{made.env['HEADRACE_WEAVIATE_URL']}/v1/schema", json=schema, timeout=30)
        assert answer.ok, answer.text
        made.start_worker(HEADRACE_CHECK_EVERY="0.5")
        wait_until("all to be written anew", made.equals, 60, 0.3)
        yield made


def http(pipeline: Pipeline, method: str, path: str, body: Any = None) -> Any:
    name = pipeline.name.capitalize() + "Booking_g1"
    url = f"{pipeline.env['HEADRACE_WEAVIATE_URL']}/v1/schema/{name}{path}"
    answer = requests.request(method, url, json=body, timeout=30)
    assert answer.ok, answer.text
    return answer.json() if answer.text else None


def turned_away(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        found = connection.execute(select(func.count()).where(DOCUMENT.c.attempts > 0)).scalar_one()
    return int(found)


@pytest.mark.parametrize("read_only", [1, 3])
def test_while_shards_are_read_only_their_documents_wait_and_nothing_is_parked(
    sharded: Pipeline, read_only: int
) -> None:
    shards = [shard["name"] for shard in http(sharded, "GET", "/shards")]
    assert len(shards) == 3
    for shard in shards[:read_only]:
        http(sharded, "PUT", f"/shards/{shard}", {"status": "READONLY"})
    before = sharded.objects()
    sharded.sql("update bookings set total_amt = total_amt + 100 where booking_id > 5")
    gone = "(select booking_id from bookings order by booking_id desc limit 20)"
    sharded.sql(f"delete from tickets where booking_id in {gone}; delete from bookings where booking_id in {gone}")
    wait_until("writes to be refused", lambda: turned_away(sharded) > 10)
    if read_only == 1:
        wait_until("the other shards' documents", lambda: len(before.items() - sharded.objects().items()) > 50)
        wanted = sharded.rendered_by_sql()
        wait_until(
            "all but those of one shard",
            lambda: 10 < len(wanted.items() - sharded.objects().items()) <= turned_away(sharded),
        )
    assert sharded.statuses()["booking"].parked == 0
    for shard in shards[:read_only]:
        http(sharded, "PUT", f"/shards/{shard}", {"status": "READY"})
    sharded.wait(90)
    sharded.assert_equal()
    assert sharded.statuses()["booking"].parked == 0
    assert turned_away(sharded) == 0
