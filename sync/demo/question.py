"""After the path ends: the demo's RAG app, which asks its one question with the ordinary Weaviate client."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sync.demo.airline import FEATURED_NUMBER
from sync.settings import Settings
from sync.write import wire  # noqa: F401  (silences the client's import)

import weaviate  # isort: skip
from weaviate.classes.init import AdditionalConfig, Timeout  # isort: skip
from weaviate.classes.query import MetadataQuery  # isort: skip
from weaviate.exceptions import WeaviateBaseError  # isort: skip

QUESTION = f"which bookings are affected by the cancelled flight {FEATURED_NUMBER} from FCO to JFK"
ALIAS = "Booking"
ANSWERS = 5
ASK_EVERY = 1.0  # seconds

_LEG = re.compile(rf"flight {FEATURED_NUMBER} .*?Status: ([^.]+)\.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """One booking found: its reference, its distance, and what its text says of the featured flight's status."""

    pnr: str
    distance: float
    status: str | None  # None: the flight is not in it


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers of one asking, nearest first, and the milliseconds it took."""

    answers: tuple[Answer, ...]
    took: float

    @property
    def cancelled(self) -> int:
        """How many of the answers say that the featured flight is cancelled."""
        return sum(answer.status == "cancelled" for answer in self.answers)

    @property
    def meaning(self) -> tuple[tuple[str, str | None], ...]:
        """What a reader would notice: which bookings, and what they say."""
        return tuple((answer.pnr, answer.status) for answer in self.answers)


def status_in(content: str) -> str | None:
    """What a booking's text says of the featured flight; None where it does not fly on it."""
    found = _LEG.search(content)
    return " ".join(found[1].split()) if found else None


class Asking:
    """A thread that asks the question again and again; ``heard`` gets every result."""

    def __init__(self, settings: Settings, heard: Callable[[Asked], None]) -> None:
        self._settings, self._heard = settings, heard
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="question", daemon=True)
        self.trouble: str | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with connect(self._settings) as client:
                    while not self._stopped.is_set():
                        self._heard(ask(client))
                        self.trouble = None
                        self._stopped.wait(ASK_EVERY)
            except WeaviateBaseError as exc:  # shown, and asked again: the view must outlive an outage
                self.trouble = f"the question got no answer ({type(exc).__name__})"
                self._stopped.wait(ASK_EVERY)


def connect(settings: Settings) -> weaviate.WeaviateClient:
    """A client as any app would make it. Raises the client's own WeaviateBaseError."""
    url = urlsplit(settings.weaviate_url)
    host = url.hostname or "127.0.0.1"
    return weaviate.connect_to_custom(
        http_host=host,
        http_port=url.port or 8080,
        http_secure=False,
        grpc_host=host,
        grpc_port=settings.weaviate_grpc_port,
        grpc_secure=False,
        skip_init_checks=True,
        additional_config=AdditionalConfig(timeout=Timeout(query=10)),
    )


def ask(client: weaviate.WeaviateClient) -> Asked:
    """Ask once, by vector search alone."""
    began = time.perf_counter()
    found = client.collections.get(ALIAS).query.near_text(
        QUESTION, limit=ANSWERS, return_metadata=MetadataQuery(distance=True)
    )
    took = (time.perf_counter() - began) * 1000
    return Asked(
        tuple(
            Answer(
                str(one.properties.get("pnr", "?")),
                one.metadata.distance or 0.0,
                status_in(str(one.properties.get("content", ""))),
            )
            for one in found.objects
        ),
        took,
    )
