"""What a failed request to Weaviate means: never sent, refused, or nobody knows."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import httpx
import pytest
from weaviate.exceptions import WeaviateConnectionError, WeaviateTimeoutError

from sync.errors import Fenced, OutcomeUnknown, WeaviateError, WeaviateRefused, WeaviateUnreachable
from sync.write.outcome import Calls, asking, from_grpc

Code = grpc.StatusCode


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


REFUSED = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect"


@pytest.mark.parametrize(
    ("code", "details", "write", "read"),
    [
        # These texts were seen: a port without a listener, kill -9, SIGSTOP, and an orderly stop.
        (Code.UNAVAILABLE, REFUSED, WeaviateUnreachable, WeaviateUnreachable),
        (Code.UNAVAILABLE, "recvmsg:Connection reset by peer", OutcomeUnknown, WeaviateUnreachable),
        (Code.UNAVAILABLE, "Socket closed", OutcomeUnknown, WeaviateUnreachable),
        (Code.DEADLINE_EXCEEDED, "Deadline Exceeded", OutcomeUnknown, WeaviateUnreachable),
        (Code.UNKNOWN, "batch delete: cannot find objects: no read replica found", OutcomeUnknown, WeaviateUnreachable),
        (Code.UNKNOWN, 'resolve node name "node1" to host', OutcomeUnknown, WeaviateUnreachable),
        # These are what the code of gRPC and of Weaviate can say.
        (Code.UNAVAILABLE, "DNS resolution failed for weaviate:50051", WeaviateUnreachable, WeaviateUnreachable),
        (Code.UNAVAILABLE, "server is in maintenance mode", WeaviateRefused, WeaviateRefused),
        (Code.UNAVAILABLE, "", OutcomeUnknown, WeaviateUnreachable),
        (Code.CANCELLED, "Channel closed!", OutcomeUnknown, WeaviateUnreachable),
        (Code.INTERNAL, "Received RST_STREAM with error code 2", OutcomeUnknown, WeaviateUnreachable),
        (Code.RESOURCE_EXHAUSTED, "Received RST_STREAM with error code 11", OutcomeUnknown, WeaviateUnreachable),
        (Code.RESOURCE_EXHAUSTED, "usage limit exceeded: objects", WeaviateRefused, WeaviateRefused),
        (Code.UNKNOWN, "Stream removed", OutcomeUnknown, WeaviateUnreachable),
        (Code.UNKNOWN, "batch objects: cannot process batch: not enough memory", WeaviateRefused, WeaviateRefused),
        (Code.UNAUTHENTICATED, "invalid api key", WeaviateRefused, WeaviateRefused),
        (Code.PERMISSION_DENIED, "rbac: forbidden", WeaviateRefused, WeaviateRefused),
        (Code.INVALID_ARGUMENT, "bad", WeaviateRefused, WeaviateRefused),
    ],
)
def test_a_grpc_failure_is_told_apart_for_writes_and_reads(
    code: grpc.StatusCode, details: str, write: type[WeaviateError], read: type[WeaviateError]
) -> None:
    assert type(from_grpc(Failed(code, details), writes=True)) is write
    assert type(from_grpc(Failed(code, details), writes=False)) is read


@pytest.mark.parametrize("code", list(Code))
def test_no_failure_without_words_is_taken_for_harmless(code: grpc.StatusCode) -> None:
    assert type(from_grpc(Failed(code, ""), writes=True)) is OutcomeUnknown


def test_a_broken_connection_says_lost_and_a_deadline_does_not() -> None:
    assert "lost" in str(from_grpc(Failed(Code.UNAVAILABLE, "Socket closed"), writes=True))
    assert "lost" not in str(from_grpc(Failed(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"), writes=True))


def test_a_refusal_carries_its_cure() -> None:
    assert "HEADRACE_WEAVIATE_API_KEY" in from_grpc(Failed(Code.UNAUTHENTICATED, "no"), writes=True).advice
    asked = from_grpc(
        Failed(Code.UNKNOWN, "vectorize params: remote client vectorize: dial tcp: connection refused"), writes=False
    )
    assert isinstance(asked, WeaviateRefused)
    assert "headrace embedder" in asked.advice
    assert asked.retry


@pytest.mark.parametrize(
    ("raised", "write", "read"),
    [
        (WeaviateConnectionError("x"), WeaviateUnreachable, WeaviateUnreachable),
        (httpx.ConnectTimeout("x"), WeaviateUnreachable, WeaviateUnreachable),
        (httpx.PoolTimeout("x"), WeaviateUnreachable, WeaviateUnreachable),
        (WeaviateTimeoutError("x"), OutcomeUnknown, WeaviateUnreachable),
        (httpx.ReadError("x"), OutcomeUnknown, WeaviateUnreachable),
        (httpx.RemoteProtocolError("x"), OutcomeUnknown, WeaviateUnreachable),
        (httpx.WriteTimeout("x"), OutcomeUnknown, WeaviateUnreachable),
    ],
)
def test_an_http_failure_is_told_apart_for_writes_and_reads(
    raised: Exception, write: type[WeaviateError], read: type[WeaviateError]
) -> None:
    for writes, expected in ((True, write), (False, read)):
        with pytest.raises(expected, match="could not drop it") as caught, asking("drop it", writes=writes):
            raise raised
        assert type(caught.value) is expected
        assert caught.value.__cause__ is raised


def test_an_error_of_ours_passes_through_unchanged() -> None:
    ours = OutcomeUnknown("mine")
    with pytest.raises(OutcomeUnknown) as caught, asking("drop it"):
        raise ours
    assert caught.value is ours


class Stub:
    """Notes with which deadline each of its methods was called."""

    def __init__(self) -> None:
        self.called: list[tuple[str, float]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda request, timeout: self.called.append((name, timeout))


def test_a_write_may_take_no_longer_than_what_is_left_of_the_lease_and_a_query_as_long_as_it_may() -> None:
    stub = Stub()
    calls = Calls(stub, lambda: True, lambda: 6.0)
    calls.BatchObjects("objects", timeout=30.0)
    calls.BatchDelete("objects", timeout=2.0)
    calls.Search("question", timeout=30.0)
    assert stub.called == [("BatchObjects", 6.0), ("BatchDelete", 2.0), ("Search", 30.0)]


def test_without_a_lease_no_write_leaves() -> None:
    def expired() -> float:
        raise Fenced("the lease has expired")

    stub = Stub()
    with pytest.raises(Fenced):
        Calls(stub, lambda: True, expired).BatchObjects("objects", timeout=30.0)
    assert stub.called == []
