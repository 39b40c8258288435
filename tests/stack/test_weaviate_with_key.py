"""A Weaviate that lets nobody in without its key: the whole path with it, and what is said without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from sync.demo.airline import Sizes
from tests.stack.conftest import airline
from tests.support.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.support.stack import Stack

KEY = "a-key-of-the-tests"
SETTINGS = (
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=false",
    "AUTHENTICATION_APIKEY_ENABLED=true",
    f"AUTHENTICATION_APIKEY_ALLOWED_KEYS={KEY}",
    "AUTHENTICATION_APIKEY_USERS=headrace",
    "AUTHORIZATION_ADMINLIST_ENABLED=true",
    "AUTHORIZATION_ADMINLIST_USERS=headrace",
)


@pytest.fixture(scope="module")
def locked() -> Iterator[Stack]:
    from tests.support.stack import Stack

    made = Stack.up(settings=[f"weaviate.{one}" for one in SETTINGS])
    made.env["HEADRACE_WEAVIATE_API_KEY"] = KEY
    try:
        yield made
    finally:
        made.down()


@pytest.fixture
def pipeline(locked: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    yield from airline(Pipeline(locked, tmp_path), sizes=Sizes(customers=10, flights=5, bookings=20, tickets=40))


def test_rows_reach_a_weaviate_that_asks_for_a_key(pipeline: Pipeline) -> None:
    pipeline.sql("update bookings set total_amt = 77700 where booking_id = 7")
    pipeline.wait()
    collection = f"{pipeline.env['HEADRACE_WEAVIATE_URL']}/v1/objects?class={pipeline.name.capitalize()}Booking_g1"
    assert requests.get(collection, timeout=10).status_code == 401
    found = requests.get(f"{collection}&limit=100", headers={"authorization": f"Bearer {KEY}"}, timeout=10).json()
    texts = {one["properties"]["document_key"]: one["properties"]["content"] for one in found["objects"]}
    assert len(texts) == 20
    assert "for 777.00 EUR" in texts["7"]
    hits = pipeline.command("search", "booking", "777.00 EUR", "--mode", "keyword", "--json").stdout
    assert "777.00 EUR" in hits


def test_without_the_right_key_a_mapping_is_refused_and_nothing_is_left(pipeline: Pipeline) -> None:
    pipeline.command("remove", pipeline.name, "--collections", "--yes")
    pipeline.env["HEADRACE_WEAVIATE_API_KEY"] = "another-key"
    done = pipeline.command("apply", str(pipeline.file), "--auto-approve", check=False)
    assert done.returncode == 2
    assert "HEADRACE_WEAVIATE_API_KEY" in done.stderr
    assert "another-key" not in done.stdout + done.stderr
    pipeline.env["HEADRACE_WEAVIATE_API_KEY"] = KEY
    assert pipeline.command("status", "--json").stdout.strip() == "[]"
