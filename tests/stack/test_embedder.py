"""`headrace embedder` as a process: what it answers, how fast, and how it ends."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest

from sync.embed.local import LocalEmbedder
from sync.embed.openai import OpenAIEmbedder
from tests.support import embedder as embedder_process

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    with embedder_process.running(stack.env) as address:
        yield address


def test_it_gives_an_app_the_vectors_that_documents_have(url: str) -> None:
    client = OpenAIEmbedder(url=url, model="wordllama-l2-supercat-256")
    texts = ["which flights are cancelled?", "", "émoji 😀"]
    theirs = client.embed(texts, purpose="query")
    ours = LocalEmbedder().embed([texts[0], " ", texts[2]], purpose="document")
    assert np.allclose(theirs, ours, atol=1e-6)
    client.close()


def test_a_question_takes_milliseconds(url: str) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    body = json.dumps({"text": "which flights are cancelled?", "config": {"task_type": "query"}})
    took: list[float] = []
    for _ in range(200):
        began = time.perf_counter()
        connection.request("POST", "/vectors", body, {"content-type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        took.append(time.perf_counter() - began)
    connection.close()
    assert statistics.median(took) < 0.02, "a median of 1 ms is usual; a busy machine may take several"
