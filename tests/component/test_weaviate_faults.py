"""The edge to Weaviate when it fails: every failure is told apart, at once, and no value leaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any
from uuid import uuid5

import grpc
import pytest
import trustme
from pydantic import SecretStr

from sync.errors import HeadraceError, OutcomeUnknown, SettingsError, WeaviateRefused, WeaviateUnreachable
from sync.settings import Settings
from sync.write.addresses import addresses
from sync.write.weaviate import IDS_AT_ONCE, Weaviate
from sync.write.wire import BYTES_AT_ONCE, OBJECTS_AT_ONCE
from tests.support.edge import NAMESPACE, one, said, settings
from tests.support.fake_weaviate import (
    META,
    FakeWeaviate,
    fail_after_write,
    hold,
    http_server,
    refuse,
    refuse_objects,
)

from weaviate.proto.v1 import batch_delete_pb2  # isort: skip


def until(condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        threading.Event().wait(0.02)


def test_where_nothing_listens_it_says_so_at_once(fake: FakeWeaviate, store: Weaviate) -> None:
    assert store.put("Booking", [one(1)]) == {}
    fake.stop()
    began = time.monotonic()
    for call in (
        lambda: store.put("Booking", [one(1)]),
        lambda: store.delete("Booking", [one(1).uuid]),
        lambda: store.read("Booking", [one(1).uuid]),
    ):
        until(lambda call=call: _raises(call, WeaviateUnreachable), "the broken connection is noticed")  # type: ignore[misc]
    assert not store.ready()
    assert time.monotonic() - began < 6, "the client's own retries take seven seconds and more"


def _raises(call: Callable[[], object], expected: type[Exception]) -> bool:
    try:
        call()
    except expected:
        return True
    except OutcomeUnknown:
        return False
    raise AssertionError("nothing was raised")


def test_without_a_server_from_the_start_it_is_unreachable_and_then_connects() -> None:
    with http_server({}) as (port, _):
        pass
    nobody = Weaviate(settings(port, 1))
    assert not nobody.ready()
    with pytest.raises(WeaviateUnreachable, match="HEADRACE_WEAVIATE_URL"):
        nobody.put("Booking", [one(1)])


def test_a_weaviate_that_comes_back_is_found_again(fake: FakeWeaviate, store: Weaviate) -> None:
    store.put("Booking", [one(1)])
    fake.stop()
    until(lambda: not store.ready(), "it is gone")
    fake.start()
    until(store.ready, "it is back", seconds=5)
    assert store.put("Booking", [one(2)]) == {}


def test_an_answer_lost_after_the_write_is_an_unknown_outcome_and_is_not_sent_again(
    fake: FakeWeaviate, store: Weaviate
) -> None:
    fake.faults["BatchObjects"] = fail_after_write
    with pytest.raises(OutcomeUnknown, match="lost"):
        store.put("Booking", [one(1)])
    assert len(fake.objects) == 1
    assert fake.count("BatchObjects") == 1


def test_a_busy_answer_is_an_unknown_outcome_and_is_not_sent_again(fake: FakeWeaviate, store: Weaviate) -> None:
    fake.faults["BatchObjects"] = refuse(grpc.StatusCode.UNAVAILABLE, "try later")
    fake.faults["BatchDelete"] = refuse(grpc.StatusCode.UNAVAILABLE, "try later")
    fake.faults["Search"] = refuse(grpc.StatusCode.UNAVAILABLE, "try later")
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        store.put("Booking", [one(1)])
    with pytest.raises(OutcomeUnknown):
        store.delete("Booking", [one(1).uuid])
    with pytest.raises(WeaviateUnreachable):
        store.read("Booking", [one(1).uuid])
    assert [name for name, _ in fake.calls] == ["BatchObjects", "BatchDelete", "Search"]
    assert time.monotonic() - began < 6, "the client's own retries take seven seconds and more"


def test_a_held_answer_is_an_unknown_outcome_after_the_timeout(fake: FakeWeaviate, store: Weaviate) -> None:
    fake.faults["BatchObjects"] = hold
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown, match="in time") as caught:
        store.put("Booking", [one(1)])
    assert "lost" not in str(caught.value)
    assert 0.9 < time.monotonic() - began < 5


def test_a_weaviate_that_starts_and_does_not_know_its_collections_yet_is_unreachable(fake: FakeWeaviate) -> None:
    fake.faults["BatchObjects"] = refuse_objects({0: "could not find index for class Booking. It might have been …"})
    fake.faults["Search"] = refuse(grpc.StatusCode.UNKNOWN, "could not find class Booking in schema")
    starting = {**META, "/v1/.well-known/ready": (503, {})}
    with http_server(starting) as (port, _), Weaviate(settings(port, fake.port)) as store:
        with pytest.raises(WeaviateUnreachable, match="starting"):
            store.put("Booking", [one(1)])
        with pytest.raises(WeaviateUnreachable, match="starting"):
            store.read("Booking", [one(1).uuid])


def test_an_object_that_was_lost_inside_weaviate_has_an_unknown_outcome(fake: FakeWeaviate, store: Weaviate) -> None:
    fake.faults["BatchObjects"] = refuse_objects({1: "put object: context deadline exceeded"})
    with pytest.raises(OutcomeUnknown, match="lost"):
        store.put("Booking", [one(1), one(2)])


def test_many_objects_go_in_requests_of_bounded_count_and_bytes_in_their_order(
    fake: FakeWeaviate, store: Weaviate
) -> None:
    many = [one(number) for number in range(2 * OBJECTS_AT_ONCE + 1)]
    store.put("Booking", many)
    large = [one(number, body="x" * (BYTES_AT_ONCE // 3)) for number in range(7)]
    store.put("Booking", large)
    sizes = [len(request.objects) for _, request in fake.calls]
    assert sizes == [OBJECTS_AT_ONCE, OBJECTS_AT_ONCE, 1, 2, 2, 2, 1]
    sent = [each.uuid for _, request in fake.calls for each in request.objects]
    assert sent == [str(each.uuid) for each in [*many, *large]]


def test_a_weaviate_that_takes_less_is_sent_less(fake: FakeWeaviate) -> None:
    meta = {**META, "/v1/meta": (200, {"version": "1.39.0", "grpcMaxMessageSize": 100_000})}
    with http_server(meta) as (port, _), Weaviate(settings(port, fake.port)) as store:
        too_large = one(9, body="x" * 100_000)
        refused = said(store.put("Booking", [one(number, body="x" * 40_000) for number in range(5)] + [too_large]))
        assert list(refused) == [too_large.uuid]
        assert "100,000 bytes" in refused[too_large.uuid]
    assert [len(request.objects) for _, request in fake.calls] == [2, 2, 1]


def test_many_deletes_go_in_pages_and_a_page_is_repeated_until_nothing_is_left(
    fake: FakeWeaviate, store: Weaviate
) -> None:
    remaining = iter([(3000, 1000), (2000, 2000)])

    def answer(*_: object) -> object:
        matches, successful = next(remaining, (0, 0))
        return batch_delete_pb2.BatchDeleteReply(matches=matches, successful=successful)

    fake.faults["BatchDelete"] = answer
    ids = [uuid5(NAMESPACE, str(number)) for number in range(12 * IDS_AT_ONCE + 1)]
    store.delete("Booking", ids)
    assert fake.count("BatchDelete") == 14


def test_several_threads_write_through_one_connection(fake: FakeWeaviate) -> None:
    with http_server(META) as (port, seen), Weaviate(settings(port, fake.port)) as store:
        gate = threading.Barrier(8)
        refused: list[object] = []

        def write(number: int) -> None:
            gate.wait(10)  # all of them find it not yet connected
            for step in range(20):
                refused.append(store.put("Booking", [one(number * 100 + step)]))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert refused == [{}] * 160
        assert len(fake.objects) == 160
        assert seen == ["GET /v1/meta"], "one connection, and nothing asked beyond the version"


def test_the_api_key_goes_with_every_request_and_a_wrong_one_is_named(fake: FakeWeaviate) -> None:
    fake.key = "right"
    with http_server(META, key="right") as (port, _):
        with Weaviate(settings(port, fake.port, weaviate_api_key=SecretStr("right"))) as store:
            assert store.put("Booking", [one(1)]) == {}
            fake.key = "changed"
            with pytest.raises(WeaviateRefused, match="unauthorized") as caught:
                store.put("Booking", [one(1)])
            assert "HEADRACE_WEAVIATE_API_KEY" in caught.value.advice
        with Weaviate(settings(port, fake.port, weaviate_api_key=SecretStr("wrong"))) as store:
            assert not store.ready()
            with pytest.raises(WeaviateRefused) as caught:
                store.put("Booking", [one(1)])
            assert "HEADRACE_WEAVIATE_API_KEY" in caught.value.advice
            assert "wrong" not in str(caught.value)


def test_an_https_address_encrypts_both_ways_in_and_checks_the_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    fake = FakeWeaviate(ssl=(certificate.private_key_pem.bytes(), chain))
    fake.start()
    context = SSLContext(PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    with http_server(META, ssl=context) as (port, _):
        secure = Settings(weaviate_url=f"https://127.0.0.1:{port}", weaviate_grpc_port=fake.port)
        with Weaviate(secure) as stranger, pytest.raises(WeaviateUnreachable):
            stranger.put("Booking", [one(1)])
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        with Weaviate(secure) as store:
            assert store.put("Booking", [one(1)]) == {}
    fake.stop()


def test_grpc_may_have_an_address_of_its_own(fake: FakeWeaviate) -> None:
    with http_server(META) as (port, _):
        elsewhere = Settings(
            weaviate_url=f"http://localhost:{port}",
            weaviate_grpc_port=1,
            weaviate_grpc_url=f"http://127.0.0.1:{fake.port}",
        )
        with Weaviate(elsewhere) as store:
            assert store.put("Booking", [one(1)]) == {}


@pytest.mark.parametrize(
    ("given", "host", "port", "secure"),
    [
        ({}, "db.example", 50051, True),
        ({"weaviate_grpc_port": 443}, "db.example", 443, True),
        ({"weaviate_grpc_url": "https://grpc-db.example"}, "grpc-db.example", 443, True),
        ({"weaviate_grpc_url": "http://10.0.0.7:50052"}, "10.0.0.7", 50052, False),
    ],
)
def test_where_grpc_is_found(given: dict[str, Any], host: str, port: int, secure: bool) -> None:
    found = addresses(Settings(weaviate_url="https://db.example", **given))
    assert (found["http_host"], found["http_port"], found["http_secure"]) == ("db.example", 443, True)
    assert (found["grpc_host"], found["grpc_port"], found["grpc_secure"]) == (host, port, secure)


@pytest.mark.parametrize("text", ["grpc.example:443", "ftp://x", "https://", "https://x:port"])
def test_an_address_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_WEAVIATE_GRPC_URL") as caught:
        addresses(Settings(weaviate_grpc_url=text))
    assert "https://host:443" in caught.value.advice


def test_a_weaviate_too_old_for_the_client_is_refused_with_the_version_needed(fake: FakeWeaviate) -> None:
    with (
        http_server({"/v1/meta": (200, {"version": "1.20.0"})}) as (port, _),
        Weaviate(settings(port, fake.port)) as store,
        pytest.raises(WeaviateRefused) as caught,
    ):
        store.put("Booking", [one(1)])
    assert "1.32" in caught.value.advice


@pytest.mark.parametrize(
    ("status", "expected", "retry"),
    [
        (503, OutcomeUnknown, True),
        (429, WeaviateRefused, True),
        (422, WeaviateRefused, False),
        (403, WeaviateRefused, False),
    ],
)
def test_http_answers_are_told_apart(
    fake: FakeWeaviate, status: int, expected: type[HeadraceError], retry: bool
) -> None:
    routes = {**META, "/v1/schema": (status, {"error": [{"message": "leader not found"}]})}
    with (
        http_server(routes) as (port, _),
        Weaviate(settings(port, fake.port)) as store,
        pytest.raises(expected, match="Booking_g1") as caught,
    ):
        store.create_collection({"class": "Booking_g1"})
    assert caught.value.retry is retry
