"""Cohere's and OpenAI's embedders against tiny servers of their contracts, and `headrace embedder` over HTTP."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.responses import JSONResponse

from sync.embed import server as embedder_server
from sync.embed.base import Embedder, Model, Purpose, Vectors
from sync.embed.cohere import CohereEmbedder
from sync.embed.local import LocalEmbedder
from sync.embed.openai import OpenAIEmbedder
from sync.errors import EmbedderLimited, EmbedderRefused, EmbedderUnreachable, EmbedError, SettingsError
from tests.support.embedding_services import Service, served


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def url(service: Service) -> Iterator[str]:
    with served(service.app) as address:
        yield address


REMOTE: list[Any] = [CohereEmbedder, OpenAIEmbedder]


@pytest.fixture(params=REMOTE)
def remote(request: pytest.FixtureRequest, url: str) -> Iterator[Embedder]:
    with closing(request.param(key="k-secret", model="m", url=url, timeout=5)) as made:
        yield made


def test_texts_go_in_batches_of_96_and_come_back_in_order(remote: Embedder, service: Service) -> None:
    texts = ["x" * (number + 1) for number in range(200)]
    vectors = remote.embed(texts, purpose="document")
    assert [len(body.get("texts") or body["input"]) for body in service.asked] == [96, 96, 8]
    assert vectors.shape == (200, 2)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[:, 0] / vectors[:, 1], range(1, 201), rtol=1e-4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert {body["key"] for body in service.asked} == {"Bearer k-secret"}
    assert {body["model"] for body in service.asked} == {"m"}


def test_it_is_described_after_one_question(remote: Embedder, service: Service) -> None:
    described = [remote.describe() for _ in range(3)]
    assert {model.dimensions for model in described} == {2}
    assert described[0].name == "m"
    assert len(service.asked) == 1
    assert remote.embed([], purpose="query").shape == (0, 2)


def test_cohere_is_told_documents_from_queries_and_cuts_nothing_off(url: str, service: Service) -> None:
    with closing(CohereEmbedder(key="k", url=url)) as cohere:
        cohere.embed(["a"], purpose="document")
        cohere.embed(["a"], purpose="query")
    assert [body["input_type"] for body in service.asked] == ["search_document", "search_query"]
    assert {body["truncate"] for body in service.asked} == {"NONE"}


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"retry-after": "11"}, EmbedderLimited),
        (500, {}, EmbedderUnreachable),
        (503, {}, EmbedderUnreachable),
        (401, {}, EmbedderRefused),
        (400, {}, EmbedderRefused),
        (404, {}, EmbedderRefused),
        (422, {}, EmbedderRefused),
    ],
)
def test_a_refusal_is_told_apart_and_not_retried_here(
    remote: Embedder, service: Service, status: int, headers: dict[str, str], expected: type[EmbedError]
) -> None:
    service.fault = lambda: JSONResponse({"message": "Maria Rossi was here"}, status, headers)
    with pytest.raises(expected) as caught:
        remote.embed(["Maria Rossi"], purpose="document")
    assert type(caught.value) is expected
    assert "Rossi" not in str(caught.value)
    assert len(service.asked) == 1
    if isinstance(caught.value, EmbedderLimited):
        assert caught.value.after == 11


def test_an_answer_of_another_kind_is_refused(remote: Embedder, service: Service) -> None:
    service.fault = lambda: JSONResponse({"id": "x", "embeddings": {"float": [[1.0]]}, "data": [{"index": 0}]})
    with pytest.raises(EmbedderRefused):
        remote.embed(["a", "b"], purpose="document")


def test_nobody_there_is_unreachable() -> None:
    for nobody in (
        CohereEmbedder(key="k", url="http://127.0.0.1:9"),
        OpenAIEmbedder(model="m", url="http://127.0.0.1:9"),
    ):
        with closing(nobody), pytest.raises(EmbedderUnreachable):
            nobody.embed(["a"], purpose="document")


LOCAL = LocalEmbedder()

# -- headrace embedder ---------------------------------------------------------------------------

QUERY = {
    "text": "which flight?",
    "dims": 0,
    "vector": None,
    "error": "",
    "config": {"pooling_strategy": "masked_mean", "task_type": "query"},
}


@pytest.fixture(scope="module")
def own() -> Iterator[httpx.Client]:
    with served(embedder_server.app(LOCAL)) as address, httpx.Client(base_url=address) as client:
        yield client


def local(text: str) -> Vectors:
    vector: Vectors = LOCAL.embed([text], purpose="query")[0]
    return vector


def test_weaviates_module_gets_the_vector_of_its_question(own: httpx.Client) -> None:
    for path in ("/vectors", "/vectors/"):
        answer = own.post(path, json=QUERY)
        assert answer.status_code == 200
        body = answer.json()
        assert (body["text"], body["dims"]) == ("which flight?", 256)
        assert np.array_equal(np.asarray(body["vector"], np.float32), local("which flight?"))


def test_weaviates_module_finds_it_alive_and_described(own: httpx.Client) -> None:
    for path in ("/.well-known/ready", "/.well-known/live"):
        assert own.get(path).status_code < 300
    assert own.get("/meta").json()["dimensions"] == 256


def test_an_openai_client_gets_floats_or_base64(own: httpx.Client) -> None:
    floats = own.post("/v1/embeddings", json={"input": ["a flight", "a seat"], "model": "", "user": "u"}).json()
    packed = own.post("/v1/embeddings", json={"input": "a seat", "encoding_format": "base64"}).json()
    assert [one["index"] for one in floats["data"]] == [0, 1]
    assert floats["object"] == "list"
    assert floats["usage"]["total_tokens"] > 0
    decoded = np.frombuffer(base64.b64decode(packed["data"][0]["embedding"]), "<f4")
    assert np.array_equal(decoded, local("a seat"))
    assert np.array_equal(np.asarray(floats["data"][1]["embedding"], np.float32), decoded)
    assert own.get("/v1/models").json()["data"][0]["id"] == floats["model"]


def test_headraces_own_openai_embedder_understands_it(own: httpx.Client) -> None:
    with closing(OpenAIEmbedder(url=str(own.base_url), model="wordllama-l2-supercat-256")) as client:
        assert client.describe().dimensions == 256
        assert np.allclose(client.embed(["which flight?"], purpose="query")[0], local("which flight?"), atol=1e-6)


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("/vectors", {}, 400, "text: Field required"),
        ("/vectors", {"text": 5}, 400, "valid string"),
        ("/vectors", {"text": "x" * 200_001}, 413, "200000 characters"),
        ("/vectors", {"text": "a", "config": {"dimensions": 64}}, 400, "256 dimensions, not 64"),
        ("/v1/embeddings", {"input": [[1, 2]]}, 400, "check_embedding_ctx_length=False"),
        ("/v1/embeddings", {"input": [1, 2]}, 400, "check_embedding_ctx_length=False"),
        ("/v1/embeddings", {"input": []}, 400, "at least 1"),
        ("/v1/embeddings", {"input": ["a"] * 2049}, 413, "2048"),
        ("/v1/embeddings", {"input": "a", "model": "gpt"}, 404, "wordllama-l2-supercat-256"),
        ("/v1/embeddings", {"input": "a", "dimensions": 3}, 400, "256 dimensions, not 3"),
        ("/v1/embeddings", {"input": "a", "encoding_format": "int8"}, 400, "base64"),
        ("/v1/embeddings", {"input": ["x" * 150_000] * 30}, 413, "4,000,000 bytes"),
        ("/nowhere", {}, 404, "Not Found"),
    ],
)
def test_what_cannot_be_served_is_a_clear_error_in_json(
    own: httpx.Client, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    answer = own.post(path, json=body)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert told in (error["message"] if path.startswith("/v1/") else error)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text": "\\ud800"}', b"\xff\xfe"])
def test_a_broken_body_is_a_clear_error_in_json(own: httpx.Client, body: bytes) -> None:
    answer = own.post("/vectors", content=body)
    assert answer.status_code == 400
    assert "body" in answer.json()["error"]


def test_an_error_does_not_repeat_the_text(own: httpx.Client) -> None:
    assert "Rossi" not in own.post("/vectors", json={"text": ["Maria Rossi"]}).text
    assert "Rossi" not in own.post("/v1/embeddings", json={"input": "a", "model": "Maria Rossi"}).text


class Limited:
    """An embedder behind the server that fails in each way it can."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe(self) -> Model:
        return Model("m", 2, "cohere", "")

    def embed(self, texts: Any, *, purpose: Purpose) -> Vectors:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EmbedderLimited("slow down", after=3.0), 429),
        (EmbedderUnreachable("gone"), 503),
        (EmbedderRefused("no"), 502),
        (ValueError("a bug"), 500),
    ],
)
def test_a_failing_embedder_behind_it_is_answered_in_json(error: Exception, status: int) -> None:
    with served(embedder_server.app(Limited(error))) as address:
        for path, body in (("/vectors", {"text": "a"}), ("/v1/embeddings", {"input": "a"})):
            answer = httpx.post(address + path, json=body)
            assert answer.status_code == status
            assert answer.json()["error"]
            assert answer.headers.get("retry-after") == ("3" if status == 429 else None)


def test_a_taken_port_is_named_with_its_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)) as caught:
            embedder_server.serve("127.0.0.1", port, LOCAL)
    assert "--port" in caught.value.advice
