"""Several workers: how much faster three build a first load than one, where the embedder takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson

from bench.entries import since
from bench.figures import Figure, Goal, NotMeasured
from bench.first_load import owed
from bench.rig import Rig, Say, rig
from sync.demo.airline import Sizes
from sync.embed.local import LocalEmbedder
from sync.state.database import State
from sync.state.leases import members
from sync.state.owed import BUCKETS
from sync.state.registry import TERMS

CALL = 0.020  # seconds that the embedder takes for a call
TEXTS = 2  # documents, and so texts, of one call: small, as where texts are long
LANES = 1  # of each worker, so that what is compared waits for the embedder, not for the machine's two cores
WORKERS = 3
FASTER = 2.5
SIZES = Sizes(customers=500, flights=60, bookings=2_000, tickets=4_000)
QUICK = Sizes(customers=200, flights=40, bookings=800, tickets=1_600)


@dataclass(frozen=True)
class Loaded:
    documents: int
    seconds: float
    by_worker: tuple[int, ...]  # buckets

    @property
    def rate(self) -> float:
        return self.documents / self.seconds


def measure(say: Say, *, quick: bool) -> Figure:
    """Each on a stack of its own, with the state in PostgreSQL, so that nothing but the number of workers differs."""
    sizes = QUICK if quick else SIZES
    one, several = (_load(sizes, count, say) for count in (1, WORKERS))
    return Figure(
        f"first load by {WORKERS} workers, {CALL * 1000:.0f} ms a call of the embedder",
        several.rate,
        "documents/s",
        Goal("at least", FASTER),
        one.rate,
        {
            "faster": round(several.rate / one.rate, 2),
            "documents": several.documents,
            "seconds": {"one": round(one.seconds, 2), "several": round(several.seconds, 2)},
            "buckets": several.by_worker,
            "texts_a_call": TEXTS,
            "lanes": LANES,
        },
    )


def _load(sizes: Sizes, count: int, say: Say) -> Loaded:
    with _slow_embedder() as url:
        with rig(sizes, say, before=partial(_start, count, url), state_on_server=True) as made:
            say(f"first load by {count} of {WORKERS} workers")
            completed = made.await_(lambda: made.source().loaded and time.time_ns() // 1000, "COMPLETED", every=0.005)
            made.await_(lambda: owed(made) == 0, "the first load to end", patience=600.0, every=0.2)
            entries = [one for one in since(made, 0) if one.document != TERMS]
            with made.state.read() as connection:
                buckets = tuple(one.buckets for one in members(connection))
        if len(entries) < sizes.bookings or any(one.outcome != "written" for one in entries):
            raise NotMeasured("the first load did not write every booking, each once")
    last = max(one.written_at for one in entries)
    return Loaded(len(entries), (last - completed) / 1e6, buckets)


def _start(count: int, url: str, made: Rig) -> None:
    """The workers, sharing everything before there is anything to do."""
    for number in range(count):
        made.start_worker(
            {
                "HEADRACE_EMBEDDER": "openai",
                "HEADRACE_EMBEDDER_URL": url,
                "HEADRACE_EMBEDDER_MODEL": LocalEmbedder().describe().name,
                "HEADRACE_WRITE_BATCH": str(TEXTS),
                "HEADRACE_WRITE_LANES": str(LANES),
            },
            name=f"run-{number}",
        )
    state = State(made.environment["HEADRACE_STATE_URL"])

    def shared() -> bool:
        with state.read() as connection:
            found = members(connection)
        return len(found) == count and sum(one.buckets for one in found) == BUCKETS

    try:
        made.await_(shared, f"{count} workers to share the documents", every=0.1)
    finally:
        state.close()


@contextmanager
def _slow_embedder() -> Iterator[str]:
    """A server of OpenAI's embeddings that takes its time for every call and does nothing with it."""
    vector = [0.0625] * 256

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            time.sleep(CALL)
            data = [{"index": number, "embedding": vector} for number in range(len(texts))]
            content = orjson.dumps({"data": data, "model": body["model"]})
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
