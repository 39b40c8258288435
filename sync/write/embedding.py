"""② write, embed: vectors for a batch's chunks, bought only for new texts; what needs none never waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sync.embed.base import Embedder
from sync.errors import EmbedderLimited, EmbedderRefused, EmbedError
from sync.state.database import State
from sync.state.documents import Documents
from sync.write.objects import vector_hash
from sync.write.rests import Rests

if TYPE_CHECKING:
    from sync.write.draft import Draft

EMBEDDER = "embedder"
HARMLESS = "Booking 7"  # a text that an embedder which is well takes


@dataclass
class Embedded:
    """What became of a batch: ``ready`` to be sent, ``refused`` for its own text, ``waiting`` for the embedder."""

    ready: list[Draft] = field(default_factory=list)
    refused: list[tuple[Draft, str]] = field(default_factory=list)
    waiting: list[Draft] = field(default_factory=list)
    pause: float = 0.0
    failure: EmbedError | None = None  # None: it still rests from an earlier one


class Embedding:
    """Fills drafts with vectors. Safe to use from several threads."""

    def __init__(self, state: State, documents: Documents, embedder: Embedder, rests: Rests) -> None:
        self._state, self._documents, self._embedder, self._rests = state, documents, embedder, rests
        self._model = embedder.describe().name

    def fill(self, drafts: Sequence[Draft]) -> Embedded:
        """Raises StateUnreachable, and nothing of the embedder's."""
        found = Embedded()
        texts = {each.owed.id: self._texts(each) for each in drafts}
        wanted = {text_hash: text for one in texts.values() for text_hash, text in one}
        stored = self._stored(list(wanted))
        missing = [text_hash for text_hash in wanted if text_hash not in stored]
        lacking = [each for each in drafts if any(text_hash not in stored for text_hash, _ in texts[each.owed.id])]
        if lacking and (left := self._rests.left(EMBEDDER)):
            found.waiting, found.pause = lacking, left
        elif lacking:
            try:
                stored |= self._buy({text_hash: wanted[text_hash] for text_hash in missing})
            except EmbedderRefused as exc:
                self._one_by_one(lacking, texts, stored, exc, found)
            except EmbedError as exc:
                self._wait(lacking, exc, found)
        aside = {each.owed.id for each in (*found.waiting, *(draft for draft, _ in found.refused))}
        fresh = set(missing)
        for each in drafts:
            if each.owed.id not in aside:
                _take(each, texts[each.owed.id], stored, fresh)
                found.ready.append(each)
        return found

    def _texts(self, draft: Draft) -> list[tuple[str, str]]:
        chunks = draft.built.chunks if draft.built else ()
        return [(vector_hash(self._model, text), text) for text in chunks]

    def _stored(self, hashes: list[str]) -> dict[str, bytes]:
        if not hashes:
            return {}
        with self._state.read() as connection:
            return self._documents.stored_vectors(connection, hashes)

    def _buy(self, texts: dict[str, str]) -> dict[str, bytes]:
        bought = self._embedder.embed(list(texts.values()), purpose="document")
        self._rests.succeeded(EMBEDDER)
        vectors = (np.asarray(vector, dtype="<f4").tobytes() for vector in bought)
        return dict(zip(texts, vectors, strict=True))

    def _one_by_one(
        self,
        lacking: Sequence[Draft],
        texts: dict[int, list[tuple[str, str]]],
        stored: dict[str, bytes],
        refusal: EmbedderRefused,
        found: Embedded,
    ) -> None:
        """A refusal may be about one text, or about everybody's: an embedder that takes no text at all is unwell."""
        try:
            self._embedder.embed([HARMLESS], purpose="document")
        except EmbedError:
            self._wait(lacking, refusal, found)
            return
        for number, draft in enumerate(lacking):
            try:
                stored |= self._buy({h: text for h, text in texts[draft.owed.id] if h not in stored})
            except EmbedderRefused as exc:
                found.refused.append((draft, f"the embedder refuses its text: {exc} {exc.advice}".strip()))
            except EmbedError as exc:
                self._wait(lacking[number:], exc, found)
                return

    def _wait(self, drafts: Sequence[Draft], why: EmbedError, found: Embedded) -> None:
        found.waiting, found.failure = list(drafts), why
        found.pause = self._rests.failed(EMBEDDER, why.after if isinstance(why, EmbedderLimited) else None)


def _take(draft: Draft, texts: Sequence[tuple[str, str]], stored: dict[str, bytes], fresh: set[str]) -> None:
    for number, (text_hash, _) in enumerate(texts):
        draft.vectors.append(stored[text_hash])
        draft.new.append((number, text_hash, stored[text_hash]))
        draft.embedded += text_hash in fresh
