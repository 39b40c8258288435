"""Weaviate's edge without Weaviate: a real gRPC server and a real HTTP server that fail as they are told.

Faults are what a real one cannot be made to do at will: lose the answer after the write, hold it,
refuse some objects and not others, or be busy with something it does not say.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any

import grpc

import sync.write.wire  # noqa: F401  first: it silences the client's import

from weaviate.proto.v1 import (  # isort: skip
    batch_delete_pb2,
    batch_pb2,
    health_weaviate_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

Answer = Callable[["FakeWeaviate", Any, grpc.ServicerContext], Any]


def refuse(code: grpc.StatusCode, details: str) -> Answer:
    """The whole request, with a gRPC status."""

    def answer(fake: FakeWeaviate, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(code, details)

    return answer


def refuse_objects(reasons: dict[int, str]) -> Answer:
    """These objects of a put, by their place in the request."""

    def answer(fake: FakeWeaviate, request: Any, context: grpc.ServicerContext) -> Any:
        errors = [batch_pb2.BatchObjectsReply.BatchError(index=place, error=text) for place, text in reasons.items()]
        return batch_pb2.BatchObjectsReply(took=0.0, errors=errors)

    return answer


def fail_after_write(fake: FakeWeaviate, request: Any, context: grpc.ServicerContext) -> Any:
    """The write takes effect, then the connection breaks before the answer."""
    fake.store(request)
    fake.break_connections()
    return batch_pb2.BatchObjectsReply()


def hold(fake: FakeWeaviate, request: Any, context: grpc.ServicerContext) -> Any:
    """No answer until the test releases it."""
    fake.released.wait(30)
    fake.store(request)
    return batch_pb2.BatchObjectsReply()


class FakeWeaviate(weaviate_pb2_grpc.WeaviateServicer):
    """Counts every call, stores what is put, and answers as ``faults[method]`` says where that is set."""

    OPTIONS = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 104_858_000))

    def __init__(self, *, key: str = "", ssl: tuple[bytes, bytes] | None = None, port: int = 0) -> None:
        self.key = key
        self.ssl = ssl
        self.faults: dict[str, Answer] = {}
        self.calls: list[tuple[str, Any]] = []
        self.objects: dict[str, Any] = {}
        self.released = threading.Event()
        self._lock = threading.Lock()
        self.port = port
        self._server: grpc.Server | None = None

    def start(self) -> None:
        server = grpc.server(ThreadPoolExecutor(16), options=self.OPTIONS)
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(self, server)  # type: ignore[no-untyped-call]
        server.add_generic_rpc_handlers((_health(),))
        address = f"127.0.0.1:{self.port}"
        if self.ssl:
            self.port = server.add_secure_port(address, grpc.ssl_server_credentials([self.ssl]))
        else:
            self.port = server.add_insecure_port(address)
        server.start()
        self._server = server

    def stop(self) -> None:
        self.released.set()
        if self._server is not None:
            self._server.stop(None).wait(10)
            self._server = None

    def break_connections(self) -> None:
        assert self._server is not None
        self._server.stop(None)

    def store(self, request: Any) -> None:
        with self._lock:
            self.objects.update({one.uuid: one for one in request.objects})

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def _answer(self, method: str, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.calls.append((method, request))
        metadata = dict(context.invocation_metadata())
        if self.key and metadata.get("authorization") != f"Bearer {self.key}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "unauthorized: invalid api key")
        if method in self.faults:
            return self.faults[method](self, request, context)
        return None

    def BatchObjects(self, request: Any, context: grpc.ServicerContext) -> Any:
        answer = self._answer("BatchObjects", request, context)
        if answer is None:
            self.store(request)
        return answer or batch_pb2.BatchObjectsReply()

    def BatchDelete(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer("BatchDelete", request, context) or batch_delete_pb2.BatchDeleteReply()

    def Search(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self._answer("Search", request, context) or search_get_pb2.SearchReply()


def _health() -> Any:
    def check(request: Any, context: grpc.ServicerContext) -> Any:
        serving = health_weaviate_pb2.WeaviateHealthCheckResponse.SERVING
        return health_weaviate_pb2.WeaviateHealthCheckResponse(status=serving)

    handler = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=health_weaviate_pb2.WeaviateHealthCheckRequest.FromString,
        response_serializer=health_weaviate_pb2.WeaviateHealthCheckResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})


Route = tuple[int, Any]


@contextmanager
def http_server(
    routes: dict[str, Route], *, key: str = "", ssl: SSLContext | None = None
) -> Iterator[tuple[int, list[str]]]:
    """An HTTP server of fixed answers by path; yields its port and the list of requests it saw."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            seen.append(f"{self.command} {path}")
            status, body = routes.get(path, (404, {"error": [{"message": "not found"}]}))
            if key and self.headers.get("authorization") != f"Bearer {key}":
                status, body = 401, {"code": 401, "message": "unauthorized: invalid api key"}
            self.rfile.read(int(self.headers.get("content-length", 0)))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if ssl is not None:
        server.socket = ssl.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        server.server_close()


META = {"/v1/meta": (200, {"version": "1.39.0"}), "/v1/.well-known/ready": (200, {})}
