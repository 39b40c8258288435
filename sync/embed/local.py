"""The embedder that needs no network: wordllama's token vectors, whose weights come inside its package."""

from __future__ import annotations

import importlib.util
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from sync.embed.base import Model, Purpose, Vectors, unit
from sync.errors import EmbedderRefused
from sync.mapping.chunks import token_ids, tokenizer

WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENS_AT_ONCE = 8192  # 8 MB of token vectors: a very long text is averaged in pieces


class LocalEmbedder:
    """wordllama ``l2_supercat``, 256 dimensions: the mean of a text's token vectors, at unit length.

    Gives the vectors of ``WordLlamaInference.embed(texts, norm=True)``, bit for bit and whatever texts
    stand beside one in its batch. Only the package's two data files are read: importing it would
    configure the process's logging, and its loader looks for the tokenizer on the network.
    """

    def __init__(self, *, url: str = "") -> None:
        package = _package()
        try:
            # Half precision would halve these 33 MB and cost a third more time per text.
            with safe_open(package / WEIGHTS, "np") as weights:
                self._matrix = weights.get_tensor("embedding.weight").astype(np.float32)
            read = tokenizer()
        except (OSError, SafetensorError) as error:
            raise EmbedderRefused(
                f"wordllama's files in {package} cannot be read",
                advice="Install wordllama again; its wheel carries weights and tokenizer.",
            ) from error
        unknown = read.token_to_id("<unk>") or 0
        self._nothing = unit(self._matrix[unknown])
        self._model = Model("wordllama-l2-supercat-256", self._matrix.shape[1], "local", url)

    def describe(self) -> Model:
        return self._model

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """As ``Embedder.embed``. This model embeds documents and queries alike, an empty text as ``<unk>``."""
        vectors = np.empty((len(texts), self._model.dimensions), dtype=np.float32)
        for place, text in enumerate(texts):
            vectors[place] = self._mean(token_ids(text))
        return vectors

    def _mean(self, ids: array[int]) -> Vectors:
        if not ids:
            return self._nothing
        total = np.zeros(self._model.dimensions, dtype=np.float32)
        for start in range(0, len(ids), TOKENS_AT_ONCE):
            total += self._matrix[np.frombuffer(ids[start : start + TOKENS_AT_ONCE], dtype=np.uint16)].sum(axis=0)
        return unit(total / np.float32(len(ids)))


def _package() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise EmbedderRefused("the package wordllama is not installed", advice="pip install wordllama")
    return Path(spec.origin).parent
