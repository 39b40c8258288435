"""The Cohere embedder: `/v2/embed` through Cohere's SDK, with one input type for documents and one for queries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import cohere
import httpx
import numpy as np
from cohere.core import ApiError

from sync.embed.answers import checked, failure
from sync.embed.base import Model, Purpose, Vectors
from sync.errors import EmbedderRefused, EmbedderUnreachable, SettingsError

DEFAULT_MODEL = "embed-multilingual-v3.0"  # also the default of Weaviate's text2vec-cohere
TEXTS_AT_ONCE = 96  # the most that /v2/embed takes


class CohereEmbedder:
    """Cohere's embeddings. ``url`` is set where a gateway or a private deployment stands in for api.cohere.com."""

    def __init__(self, *, key: str, model: str = "", url: str = "", timeout: float = 30.0) -> None:
        if not key:
            raise SettingsError("HEADRACE_EMBEDDER is cohere, and HEADRACE_EMBEDDER_API_KEY is not set")
        self._name = model or DEFAULT_MODEL
        self._url = url.rstrip("/")
        self._connections = httpx.Client(timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)))
        self._client = cohere.ClientV2(
            api_key=key,
            base_url=self._url or None,
            timeout=timeout,
            httpx_client=self._connections,
            log_warning_experimental_features=False,
        )

    def close(self) -> None:
        self._connections.close()

    def describe(self) -> Model:
        """As ``Embedder.describe``; the dimensions are those of a first short query."""
        return Model(self._name, self._dimensions, "cohere", self._url)

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """As ``Embedder.embed``, in requests of at most 96 texts.

        A text that is longer than the model reads is refused: cutting it off would answer for words
        that were never embedded.
        """
        if not texts:
            return np.empty((0, self._dimensions), dtype=np.float32)
        parts = [texts[i : i + TEXTS_AT_ONCE] for i in range(0, len(texts), TEXTS_AT_ONCE)]
        return np.concatenate([self._ask(part, purpose) for part in parts])

    @cached_property
    def _dimensions(self) -> int:
        return int(self._ask(["dimensions"], "query").shape[1])

    def _ask(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        try:
            answer = self._client.embed(
                model=self._name,
                input_type="search_document" if purpose == "document" else "search_query",
                texts=list(texts),
                embedding_types=["float"],
                truncate="NONE",
                request_options={"max_retries": 0},  # the write stage retries; documents stay owed meanwhile
            )
        except ApiError as error:
            raise failure("Cohere", error.status_code or 0, error.headers or {}, error.body) from error
        except httpx.HTTPError as error:
            raise EmbedderUnreachable(f"no answer from Cohere ({type(error).__name__})") from error
        if answer.embeddings is None or answer.embeddings.float_ is None:
            raise EmbedderRefused("Cohere answered without float embeddings")
        return checked("Cohere", answer.embeddings.float_, len(texts))
