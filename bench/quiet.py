"""What a change must not cost: no write where nothing mapped is altered, no embedding where no text is."""

from __future__ import annotations

import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from bench.course import Course
from bench.entries import Entry, since
from bench.figures import Figure, Goal, NotMeasured
from bench.rig import Rig
from connectors.postgres.address import Address
from sync.embed.local import LocalEmbedder

ROWS = 200
NOTHING = Goal("at most", 0)
_OF = f"booking_id between 1 and {ROWS}"
UNMAPPED = f"update bookings set channel_cd = case channel_cd when 'WEB' then 'APP' else 'WEB' end where {_OF}"
NO_TEXT = f"update bookings set booked_at = date_trunc('minute', booked_at) + interval '17.5 s' where {_OF}"
NOT_SHOWN = f"update customers set passport_no = 'YZ' || customer_id where customer_id between 1 and {ROWS}"
TEXT = "update bookings set total_amt = total_amt + 7 where booking_id between 1 and 3"


class Gate:
    """How many texts the embedder was asked for, counted where they pass, outside of Headrace."""

    def __init__(self, url: str) -> None:
        self.url, self.texts = url, 0


def measure(course: Course) -> list[Figure]:
    rig = course.rig
    rig.settle()
    course.say("changes that must cost nothing")
    with _counting(rig) as counter:
        rig.stop_worker()
        rig.start_worker(
            {
                "HEADRACE_EMBEDDER": "openai",
                "HEADRACE_EMBEDDER_URL": counter.url,
                "HEADRACE_EMBEDDER_MODEL": LocalEmbedder().describe().name,
            }
        )
        _do(rig, counter, TEXT)  # the counter must be able to count, or its zeros would mean nothing
        if counter.texts < 3:
            raise NotMeasured(f"three changed texts made {counter.texts} calls: the counter does not count")
        unmapped, unmapped_calls = _do(rig, counter, UNMAPPED)
        no_text, no_text_calls = _do(rig, counter, NO_TEXT)
        not_shown, not_shown_calls = _do(rig, counter, NOT_SHOWN)
        rig.stop_worker()
    rig.start_worker()
    rig.settle()
    if _outcomes(no_text)["written"] < ROWS:
        raise NotMeasured("the changes of a filter alone did not reach their objects")
    embedded = sum(one.embedded for one in (*no_text, *not_shown))
    calls = no_text_calls + not_shown_calls
    return [
        Figure(f"{ROWS} changes of no mapped column: writes", _writes(unmapped), "writes", NOTHING,
               details={"ledger": _outcomes(unmapped), "texts_embedded": unmapped_calls}),
        Figure(f"{2 * ROWS} changes of no text: texts embedded", max(calls, embedded), "texts", NOTHING,
               details={"filter_alone": _outcomes(no_text), "column_not_shown": _outcomes(not_shown),
                        "by_ledger": embedded, "by_counter": calls}),
    ]  # fmt: skip


def _do(rig: Rig, counter: Gate, statement: str) -> tuple[list[Entry], int]:
    """Commit it, wait until it is through; returns the ledger's entries and how many texts were embedded meanwhile."""
    before, texts = rig.last_entry(), counter.texts
    with Address(rig.url).connect() as connection:
        connection.execute(statement)
    rig.settle()
    return since(rig, before), counter.texts - texts


def _outcomes(entries: list[Entry]) -> Counter[str]:
    return Counter(one.outcome for one in entries)


def _writes(entries: list[Entry]) -> int:
    return sum(one.outcome in ("written", "removed") for one in entries)


@contextmanager
def _counting(rig: Rig) -> Iterator[Gate]:
    """A server in front of `headrace embedder` that counts the texts which go through."""
    target = rig.settings.embedder_url.rstrip("/")
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            asked = orjson.loads(body)["input"]
            # The embedder asks for one text once, to learn the dimensions.
            if asked != ["dimensions"]:
                with lock:
                    counter.texts += 1 if isinstance(asked, str) else len(asked)
            request = urllib.request.Request(
                target + self.path, body, {"content-type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(request) as answer:
                content = answer.read()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    counter = Gate(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield counter
    finally:
        server.shutdown()
        server.server_close()
