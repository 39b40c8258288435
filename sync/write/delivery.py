"""② write: documents of one collection sent, what they had more of taken away, and those in doubt read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from sync.state.owed import Owed, Settled
from sync.write.draft import Draft, as_settled
from sync.write.objects import Reflects, content_hash, properties
from sync.write.store import Store
from sync.write.weaviate import StoredObject


@dataclass
class Delivered:
    """What became of the documents of a batch so far; ``wrong`` are in doubt and do not stand as written."""

    settled: list[Settled] = field(default_factory=list)
    parked: list[tuple[Owed, str]] = field(default_factory=list)
    wrong: list[Draft] = field(default_factory=list)

    def documents(self) -> set[int]:
        """Those of which something became."""
        known = [*(one.owed for one in self.settled), *(owed for owed, _ in self.parked), *(d.owed for d in self.wrong)]
        return {owed.id for owed in known}


class Delivery:
    """Puts, prunes and reads back. Raises WeaviateUnreachable, OutcomeUnknown, WeaviateRefused."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def deliver(self, reflects: Mapping[str, Reflects], drafts: Sequence[Draft], into: Delivered) -> None:
        """The documents of one collection; ``reflects`` says by mapping which moment of its source they show."""
        refused = self._put(reflects, drafts)
        kept: list[Draft] = []
        for draft in drafts:
            reasons = [refused[one] for one in draft.ids(0, draft.chunks) if one in refused]
            if reasons:
                into.parked.append((draft.owed, f"Weaviate refused it: {reasons[0]}"))
            else:
                kept.append(draft)
        self._prune(kept)
        wrong = {draft.owed.id for draft in kept if draft.owed.doubtful and not self._stands(draft)}
        into.wrong += [draft for draft in kept if draft.owed.id in wrong]
        into.settled += [as_settled(draft) for draft in kept if draft.owed.id not in wrong]

    def _put(self, reflects: Mapping[str, Reflects], drafts: Sequence[Draft]) -> dict[UUID, str]:
        now = datetime.now(UTC)
        by_collection: dict[tuple[str, bool], list[StoredObject]] = {}
        for draft in drafts:
            if draft.built is None:
                continue
            objects = by_collection.setdefault((draft.kind.kind.collection, draft.owed.doubtful), [])
            registered = draft.kind.registered
            for number, (one, vector) in enumerate(zip(draft.ids(0, draft.chunks), draft.vectors, strict=True)):
                values = properties(
                    draft.built,
                    number,
                    key=draft.owed.key,
                    level=draft.kind.level,
                    version=registered.plan.version,
                    reflects=reflects[registered.name],
                    now=now,
                )
                objects.append(StoredObject(one, values, np.frombuffer(vector, dtype="<f4")))
        refused: dict[UUID, str] = {}
        for (collection, doubtful), objects in by_collection.items():
            refused.update((self.store.renew if doubtful else self.store.put)(collection, objects))
        return refused

    def _prune(self, drafts: Sequence[Draft]) -> None:
        """Take away chunks beyond the new count, up to the highest number ever noted as sent."""
        surplus: dict[tuple[str, bool], list[UUID]] = {}
        for draft in drafts:
            if draft.owed.sent_chunks > draft.chunks:
                ids = draft.ids(draft.chunks, draft.owed.sent_chunks)
                surplus.setdefault((draft.kind.kind.collection, draft.owed.doubtful), []).extend(ids)
        for (collection, doubtful), ids in surplus.items():
            (self.store.erase if doubtful else self.store.delete)(collection, ids)

    def _stands(self, draft: Draft) -> bool:
        """Whether it is read as it was written, though an earlier request's outcome is unknown."""
        ids = draft.ids(0, max(draft.chunks, draft.owed.sent_chunks))
        found = self.store.read(draft.kind.kind.collection, ids)
        texts = draft.built.chunks if draft.built else ()
        wanted = {one: content_hash(text) for one, text in zip(ids, texts, strict=False)}
        return {one: str(values.get("content_hash")) for one, values in found.items()} == wanted
