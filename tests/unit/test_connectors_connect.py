from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.connect import Connect
from connectors.status import Status, Task
from sync.errors import ConnectError, ConnectorFailed, ConnectRefused, ConnectUnreachable

Answer = tuple[int, Any]  # status, and a body: bytes go as they are, None is empty, anything else becomes JSON
BUSY: Answer = (409, {"error_code": 409, "message": "Cannot complete request momentarily due to stale configuration"})
CONFIG = {
    "connector.class": "X",
    "database.password": "hunter/2",
    "column.mask.hash.v2.SHA-256.with.salt.pe.pper": "public.t.c",
}


class Server(ThreadingHTTPServer):
    """Answers each request with the next prepared answer for its method and path; the last one stays."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def on(self, request: str, *answers: Answer) -> None:
        self.answers[request] = list(answers)

    def asked(self, request: str) -> list[Any]:
        return [body for asked, body in self.requests if asked == request]


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        request = f"{self.command} {self.path}"
        self.server.requests.append((request, body))
        prepared = self.server.answers.get(request, [(404, {"error_code": 404, "message": f"no {self.path}"})])
        status, content = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    with Connect(server.url, timeout=5, patience=30) as made:
        yield made


def status(state: str, *tasks: str, trace: str = "") -> Answer:
    listed = [{"id": number, "state": each, "trace": trace} for number, each in enumerate(tasks)]
    return 200, {"name": "c", "connector": {"state": state}, "tasks": listed}


def test_a_rebalancing_cluster_is_asked_again_until_it_answers(server: Server, connect: Connect) -> None:
    server.on("GET /connectors", BUSY, BUSY, (500, {"message": "Request timed out"}), (200, ["b", "a"]))
    assert connect.names() == ["a", "b"]
    assert len(server.asked("GET /connectors")) == 4


JETTYS = b'{"url": "/connectors/c/config", "status": "404", "message": "Not Found"}'


@pytest.mark.parametrize("page", [b"", b"<html>Error 404 Not Found</html>", JETTYS])
def test_a_connect_that_starts_and_knows_no_path_yet_does_not_say_that_a_connector_is_gone(
    server: Server, connect: Connect, page: bytes
) -> None:
    """Its server listens some time before the paths are in it: until then it answers 404 to everything."""
    starting: Answer = (404, page)
    server.on("PUT /connectors/c/stop", starting, BUSY, starting, (204, None))
    server.on("GET /connectors/c/status", starting, status("STOPPED"))
    server.on("GET /connectors/c/config", starting, (200, CONFIG))
    server.on("DELETE /connectors/c", starting, (204, None))
    server.on("GET /", starting, (200, {"version": "4.3.0"}))
    assert connect.stop("c")
    assert connect.config("c") == CONFIG
    assert connect.delete("c")
    assert connect.version() == "4.3.0"


def test_one_that_starts_for_too_long_is_unreachable_and_worth_another_try(server: Server) -> None:
    server.on("PUT /connectors/c/stop", (404, b""))
    with Connect(server.url, patience=0.1) as connect, pytest.raises(ConnectUnreachable, match="404 to PUT") as caught:
        connect.stop("c")
    assert caught.value.retry


def test_a_cluster_that_stays_busy_is_unreachable_and_worth_another_try(server: Server) -> None:
    server.on("GET /connectors", BUSY)
    with Connect(server.url, patience=0.3) as connect, pytest.raises(ConnectUnreachable, match=r"409.*stale") as caught:
        connect.names()
    assert caught.value.retry
    assert len(server.asked("GET /connectors")) > 1


def test_a_refusal_is_not_repeated_and_quotes_what_was_said(server: Server, connect: Connect) -> None:
    server.on("GET /connectors", (400, {"error_code": 400, "message": "no such thing"}))
    with pytest.raises(ConnectRefused, match="400 no such thing") as caught:
        connect.names()
    assert not caught.value.retry
    assert len(server.asked("GET /connectors")) == 1


def test_nobody_there_is_unreachable_and_names_the_address() -> None:
    with serving() as gone:
        url = gone.url
    with Connect(url) as connect, pytest.raises(ConnectUnreachable, match=url):
        connect.version()


@pytest.mark.parametrize("page", [b"<html>proxy</html>", b"", b"[1, 2", b"\xff"])
def test_a_proxys_page_in_place_of_an_answer_raises_an_error_of_ours(server: Server, page: bytes) -> None:
    for code in (200, 400, 404, 502):
        server.on("GET /", (code, page))
        with Connect(server.url, patience=0.1) as connect, pytest.raises(ConnectError) as caught:
            connect.version()
        assert "proxy" not in str(caught.value)


@pytest.mark.parametrize("body", [[], 7, None, {"configs": [{}]}, "text", [{"no": "class"}]])
def test_json_of_another_shape_raises_an_error_of_ours(server: Server, connect: Connect, body: Any) -> None:
    for request in ("GET /", "GET /connectors/c/status", "GET /connector-plugins", "GET /connectors/c/config"):
        server.on(request, (200, body))
    for ask in (connect.version, lambda: connect.status("c")):
        with pytest.raises(ConnectError):
            ask()


def test_an_equal_configuration_is_not_sent_again(server: Server, connect: Connect) -> None:
    server.on("GET /connectors/c/config", (200, CONFIG | {"name": "c"}))
    assert connect.put("c", CONFIG) is False
    assert server.asked("PUT /connectors/c/config") == []


def test_a_new_or_different_configuration_is_sent(server: Server, connect: Connect) -> None:
    server.on(
        "GET /connectors/c/config", (404, {"error_code": 404, "message": "not found"}), (200, {"name": "c", "old": "1"})
    )
    server.on("PUT /connectors/c/config", (201, {}), (200, {}))
    assert connect.put("c", CONFIG) is True
    assert connect.put("c", CONFIG) is True
    assert server.asked("PUT /connectors/c/config") == [CONFIG | {"name": "c"}] * 2


def test_no_secret_of_a_configuration_is_in_a_refusal(server: Server, connect: Connect) -> None:
    said = "Invalid: hunter/2 hunter%2F2 salt.pe.pper postgresql://u:other@h/db password=third"
    server.on("PUT /connectors/c/config", (400, {"message": said}))
    with pytest.raises(ConnectRefused) as caught:
        connect.put("c", CONFIG)
    for secret in ("hunter", "pe.pper", "other", "third"):
        assert secret not in str(caught.value)
    assert "Invalid: ***" in str(caught.value)


def test_validation_lists_each_complaint_without_secrets(server: Server, connect: Connect) -> None:
    configs = [
        {"definition": {"name": "lonely"}, "value": None},
        {"value": {"name": "database.hostname", "errors": ["cannot log in with hunter/2", "second"]}},
        {"value": {"name": "fine", "errors": []}},
    ]
    server.on("PUT /connector-plugins/io.x.Y/config/validate", (200, {"error_count": 2, "configs": configs}))
    assert connect.validate("io.x.Y", CONFIG) == [
        "database.hostname: cannot log in with ***",
        "database.hostname: second",
    ]


def test_running_needs_every_task(server: Server, connect: Connect) -> None:
    missing = (404, {"error_code": 404, "message": "No status found"})
    server.on("GET /connectors/c/status", missing, status("RUNNING"), status("RUNNING", "UNASSIGNED", "RUNNING"),
              status("RUNNING", "RUNNING", "RUNNING"))  # fmt: skip
    connect.wait_running("c", 20)
    assert len(server.asked("GET /connectors/c/status")) == 4


TRACE = """org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer.
\tat io.debezium.pipeline.ErrorHandler.setProducerThrowable(ErrorHandler.java:67)
Caused by: io.debezium.DebeziumException: java.sql.SQLException: password=hunter/2 is wrong for hunter/2
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""


def test_a_failed_task_tells_what_its_trace_ends_in_without_secrets(server: Server, connect: Connect) -> None:
    server.on("GET /connectors/c/status", status("RUNNING", "FAILED", trace=TRACE))
    server.on("GET /connectors/c/config", (200, CONFIG))
    with pytest.raises(ConnectorFailed, match=r"connector c is FAILED: password=\*\*\* is wrong for \*\*\*$"):
        connect.wait_running("c", 20)


def test_a_task_that_never_starts_is_named_with_its_state(server: Server, connect: Connect) -> None:
    server.on("GET /connectors/c/status", status("RUNNING", "RESTARTING"))
    with pytest.raises(ConnectorFailed, match="RUNNING with task 0 RESTARTING"):
        connect.wait_running("c", 0.2)


def test_stopping_waits_until_no_task_is_left(server: Server, connect: Connect) -> None:
    server.on("PUT /connectors/c/stop", BUSY, (204, None))
    server.on("GET /connectors/c/status", status("RUNNING", "RUNNING"), status("STOPPED", "RUNNING"), status("STOPPED"))
    assert connect.stop("c") is True
    assert len(server.asked("GET /connectors/c/status")) == 3


def test_what_does_not_exist_is_no_error_to_stop_delete_or_forget(connect: Connect) -> None:
    assert (connect.stop("c"), connect.delete("c"), connect.delete_offsets("c")) == (False, False, False)
    assert (connect.status("c"), connect.config("c")) == (None, None)


def test_a_name_with_awkward_characters_is_quoted_in_the_path(server: Server, connect: Connect) -> None:
    server.on("DELETE /connectors/a%2Fb%20%C3%A9", (204, None))
    assert connect.delete("a/b é") is True


def test_creating_again_what_a_lost_answer_had_created_is_fine(server: Server, connect: Connect) -> None:
    server.on("POST /connectors", (500, {"message": "Request timed out"}), (409, {"message": "already exists"}),
              (400, {"message": "Connector c already exists"}))  # fmt: skip
    server.on("GET /connectors/c/config", (200, CONFIG | {"name": "c"}))
    server.on("PUT /connectors/c/stop", (204, None))
    server.on("GET /connectors/c/status", status("STOPPED"))
    connect.create_stopped("c", CONFIG)
    assert server.asked("POST /connectors")[0]["initial_state"] == "STOPPED"


def test_a_missing_plugin_is_named_beside_the_nearest_one(server: Server, connect: Connect) -> None:
    server.on(
        "GET /connector-plugins", (200, [{"class": "io.debezium.connector.mysql.MySqlConnector", "version": "3"}])
    )
    with pytest.raises(ConnectRefused, match=r"the nearest is io\.debezium\.connector\.mysql"):
        connect.require_plugin("io.debezium.connector.postgresql.PostgresConnector")


# As Debezium says it (3.5): the cause alone names no table, and the statement may hold anything.
UNREAD = """org.apache.kafka.connect.errors.ConnectException: x
Caused by: io.debezium.text.ParsingException: DDL statement couldn't be parsed. Please open a GitHub issue at
 https://github.com/debezium/dbz/issues with the statement 'CREATE TABLE `shop`.`item` (
  `ip` inet6 DEFAULT 'S3CRET'
no viable alternative at input
Caused by: org.antlr.v4.runtime.NoViableAltException
"""


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        ("", "it gives no reason"),
        ("a.b.C: x", "x"),
        ("plain", "plain"),
        (UNREAD, "it cannot read how table shop.item is made, or a statement about it"),
    ],
)
def test_a_reason_is_found_in_any_trace(trace: str, reason: str) -> None:
    assert Status("RUNNING", "", (Task(0, "FAILED", trace),)).reason == reason


@pytest.mark.parametrize(
    "said",
    [
        "but this is no longer available on the server. Reconfigure the connector",
        "Could not find GTID state requested by slave in any binlog files. Probably the slave state is too old and"
        " required binlog files have been purged. Error code: 1236; SQLSTATE: HY000.",
        "Error: connecting slave requested to start from GTID 0-1-100, which is not in the master's binlog",
        "Encountered change event for table shop.item whose schema isn't known to this connector",
        'Cannot invoke "com.github.shyiko.mysql.binlog.event.deserialization.ColumnType.ordinal()" because the return'
        ' value of "com.github.shyiko.mysql.binlog.event.deserialization.ColumnType.byCode(int)" is null',
        "Error processing row in item, internal schema size 9, but row size 3 , restart connector with schema recovery",
    ],
)
def test_what_can_only_be_read_again_is_told_from_other_failures(said: str) -> None:
    trace = f"org.apache.kafka.connect.errors.ConnectException: x\nCaused by: io.debezium.DebeziumException: {said}\n"
    assert Status("RUNNING", "", (Task(0, "FAILED", trace),)).lost
    assert Status("RUNNING", "", (Task(0, "RUNNING", ""),)).lost is None
    other = "log event entry exceeded max_allowed_packet. Error code: 1236; SQLSTATE: HY000."
    assert Status("RUNNING", "", (Task(0, "FAILED", other),)).lost is None
