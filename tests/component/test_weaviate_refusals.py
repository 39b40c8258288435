"""What Weaviate refuses: objects and whole requests, for good or for now; and no value leaks."""

from __future__ import annotations

import logging

import grpc
import pytest

from sync.errors import WeaviateRefused
from sync.write.weaviate import Weaviate
from tests.support.edge import one, said
from tests.support.fake_weaviate import FakeWeaviate, refuse, refuse_objects

from weaviate.proto.v1 import batch_delete_pb2  # isort: skip


def test_refused_objects_are_returned_each_with_its_own_reason(fake: FakeWeaviate, store: Weaviate) -> None:
    fake.faults["BatchObjects"] = refuse_objects({0: "no cats", 2: "no dogs"})
    objects = [one(1), one(2), one(3)]
    assert said(store.put("Booking", objects)) == {objects[0].uuid: "no cats", objects[2].uuid: "no dogs"}


def test_where_all_are_refused_each_keeps_its_reason_and_nothing_is_logged(
    fake: FakeWeaviate, store: Weaviate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "Maria Rossi"
    fake.faults["BatchObjects"] = refuse_objects(
        {
            0: f"invalid date property 'x': requires a date, but the given value is '{secret}'",
            1: f"whatever about {secret}, of property name",
        }
    )
    objects = [one(1, name=secret), one(2, name=secret)]
    refused = said(store.put("Booking", objects))
    assert set(refused) == {each.uuid for each in objects}
    assert "invalid date property 'x'" in refused[objects[0].uuid]
    assert secret not in str(refused)
    assert secret not in caplog.text


def test_an_object_that_cannot_be_sent_is_refused_and_the_others_are_written(
    fake: FakeWeaviate, store: Weaviate
) -> None:
    bad = one(1, price=float("nan"))
    refused = said(store.put("Booking", [bad, one(2)]))
    assert list(refused) == [bad.uuid]
    assert "price" in refused[bad.uuid]
    assert list(fake.objects) == [str(one(2).uuid)]


@pytest.mark.parametrize(
    ("reason", "advice", "retry"),
    [
        ("class 'Booking' not present in schema", "headrace apply", True),
        ("no such prop with name 'x' found in class 'Booking'", "headrace apply", False),
        ("vector dimensions do not match the index dimensions", "model", False),
        ("rbac: forbidden action: user has insufficient permissions", "HEADRACE_WEAVIATE_API_KEY", False),
    ],
)
def test_a_reason_that_is_not_about_the_object_refuses_the_whole_request(
    fake: FakeWeaviate, store: Weaviate, reason: str, advice: str, retry: bool
) -> None:
    fake.faults["BatchObjects"] = refuse_objects({0: reason})
    with pytest.raises(WeaviateRefused, match=reason[:20]) as caught:
        store.put("Booking", [one(1)])
    assert advice in caught.value.advice
    assert caught.value.retry is retry


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("store is read-only due to: disk usage too high", "free disk space"),
        ("shard has status READONLY", "free disk space"),
        ("not enough memory", "memory"),
        ("usage limit exceeded: objects count limit of 5 reached", "limits"),
    ],
)
def test_a_reason_that_passes_is_told_of_its_objects_and_the_others_are_written(
    fake: FakeWeaviate, store: Weaviate, reason: str, advice: str
) -> None:
    fake.faults["BatchObjects"] = refuse_objects({0: reason, 1: "no cats"})
    objects = [one(1), one(2), one(3)]
    refused = store.put("Booking", objects)
    assert said(refused) == {objects[0].uuid: f"Weaviate refuses: {reason}", objects[1].uuid: "no cats"}
    assert [refused[each.uuid].retry for each in objects[:2]] == [True, False]
    assert advice in refused[objects[0].uuid].advice


def test_a_text_that_speaks_of_a_shortage_is_not_taken_for_one(fake: FakeWeaviate, store: Weaviate) -> None:
    said_of = "invalid date property 'x': requires a date, but the given value is 'store is read-only, READONLY'"
    fake.faults["BatchObjects"] = refuse_objects({0: said_of})
    assert store.put("Booking", [one(1)])[one(1).uuid].retry is False


@pytest.mark.parametrize(
    ("code", "details", "passes"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "the tenant has had its share", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "usage limit exceeded: objects", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (2 vs. 1)", False),
        (grpc.StatusCode.UNAVAILABLE, "Received http2 header with status: 429", True),
        (grpc.StatusCode.UNKNOWN, "batch objects: cannot process batch: not enough memory", True),
    ],
)
def test_a_limit_passes_and_the_size_of_a_message_does_not(
    fake: FakeWeaviate, store: Weaviate, code: grpc.StatusCode, details: str, passes: bool
) -> None:
    fake.faults["BatchObjects"] = refuse(code, details)
    with pytest.raises(WeaviateRefused) as caught:
        store.put("Booking", [one(1)])
    assert caught.value.retry is passes


def test_of_a_document_with_a_chunk_that_cannot_be_sent_none_is_sent(fake: FakeWeaviate, store: Weaviate) -> None:
    good, bad = one(1, document_key="7"), one(2, document_key="7", price=float("nan"))
    other = one(3, document_key="8")
    refused = store.put("Booking", [good, bad, other])
    assert set(refused) == {good.uuid, bad.uuid}
    assert "price" in str(refused[good.uuid])
    assert list(fake.objects) == [str(other.uuid)]


def test_a_failed_delete_is_not_taken_for_a_deletion(fake: FakeWeaviate, store: Weaviate) -> None:
    fake.faults["BatchDelete"] = lambda *_: batch_delete_pb2.BatchDeleteReply(matches=2, successful=1, failed=1)
    with pytest.raises(WeaviateRefused, match="1 objects of Booking") as caught:
        store.delete("Booking", [one(1).uuid, one(2).uuid])
    assert caught.value.retry, "no object is to blame for it"
