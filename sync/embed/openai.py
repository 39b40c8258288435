"""The embedder for any server of OpenAI's `POST /v1/embeddings`: OpenAI, vLLM, Ollama, TEI, or `headrace embedder`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx
import numpy as np

from sync.embed.answers import checked, failure
from sync.embed.base import Model, Purpose, Vectors
from sync.errors import EmbedderRefused, EmbedderUnreachable, SettingsError

PUBLIC_URL = "https://api.openai.com"
PUBLIC_MODEL = "text-embedding-3-small"
TEXTS_AT_ONCE = 96


class OpenAIEmbedder:
    """Vectors of a server that speaks OpenAI's embeddings API. ``url`` is what stands before `/v1/embeddings`."""

    def __init__(self, *, key: str = "", model: str = "", url: str = "", timeout: float = 30.0) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        if not self._url and not key:
            raise SettingsError("HEADRACE_EMBEDDER is openai: set HEADRACE_EMBEDDER_API_KEY or HEADRACE_EMBEDDER_URL")
        if self._url and not model:
            raise SettingsError("HEADRACE_EMBEDDER_URL names a server: say which model with HEADRACE_EMBEDDER_MODEL")
        self._name = model or PUBLIC_MODEL
        self._client = httpx.Client(
            base_url=self._url or PUBLIC_URL,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
        )

    def close(self) -> None:
        self._client.close()

    def describe(self) -> Model:
        """As ``Embedder.describe``; the dimensions are those of a first short text."""
        return Model(self._name, self._dimensions, "openai", self._url)

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """As ``Embedder.embed``. The API knows no purpose: documents and queries are embedded alike."""
        if not texts:
            return np.empty((0, self._dimensions), dtype=np.float32)
        parts = [texts[i : i + TEXTS_AT_ONCE] for i in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self._ask(part) for part in parts])

    @cached_property
    def _dimensions(self) -> int:
        return int(self._ask(["dimensions"]).shape[1])

    def _ask(self, texts: Sequence[str]) -> Vectors:
        # OpenAI refuses an empty input.
        body = {"model": self._name, "input": [text or " " for text in texts], "encoding_format": "float"}
        service = self._url or "OpenAI"
        try:
            answer = self._client.post("/v1/embeddings", json=body)
        except httpx.HTTPError as error:
            raise EmbedderUnreachable(f"no answer from {service} ({type(error).__name__})") from error
        said = _json(answer)
        if answer.status_code != 200:
            raise failure(service, answer.status_code, answer.headers, said)
        try:
            vectors = [item["embedding"] for item in sorted(said["data"], key=lambda item: item["index"])]
        except (TypeError, KeyError) as error:
            raise EmbedderRefused(f"{service} answered something else than OpenAI's embeddings") from error
        return checked(service, vectors, len(texts))


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:  # an error page of a proxy is HTML
        return None
