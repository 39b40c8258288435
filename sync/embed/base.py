"""What the write stage asks of an embedder: two methods, behind which local, Cohere and OpenAI look alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Purpose = Literal["document", "query"]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Model:
    """Which vectors these are. Two builds whose models differ in ``name`` or ``dimensions`` need two generations."""

    name: str
    dimensions: int
    kind: Literal["local", "cohere", "openai"]  # decides which of Weaviate's modules embeds an app's query
    url: str  # where Weaviate reaches that embedder; empty: the module's own default


class Embedder(Protocol):
    """Turns texts into vectors. Safe to use from several threads at once."""

    def describe(self) -> Model:
        """The model behind this embedder. Called at start and whenever a generation is planned.

        An embedder over the network asks its server at most once. Raises as ``embed`` does.
        """
        ...

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> Vectors:
        """Vectors of shape ``(len(texts), dimensions)``, float32, of unit length, in the order of ``texts``.

        Called with chunk texts whose vectors are not stored, before they are written (``document``), and
        with an app's question (``query``). May be called twice with the same text, after a crash for one:
        it must then cost no more than money and time. No texts give shape ``(0, dimensions)``.

        Raises EmbedderUnreachable (nothing answered), EmbedderLimited (it asks for a pause of ``after``
        seconds) or EmbedderRefused (it answered and said no).
        """
        ...


def unit(vectors: npt.ArrayLike) -> Vectors:
    """The same vectors at length one, as cosine distance sees them; a vector of zeros stays as it is."""
    array = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=-1, keepdims=True)
    scaled: Vectors = np.divide(array, lengths, out=np.zeros_like(array), where=lengths > 0)
    return scaled
