"""② write: documents of one collection sent, what they had more of taken away, and those in doubt read back.

What Weaviate refuses is told apart here: for what a document says it is parked; for a reason of Weaviate's own that
passes it waits, and so does a collection that takes none of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from sync.errors import ObjectRefused, WeaviateError, WeaviateRefused
from sync.state.owed import Owed, Settled
from sync.write.draft import Draft, as_settled
from sync.write.objects import Reflects, content_hash, properties
from sync.write.rests import Rests, pause
from sync.write.store import Store
from sync.write.weaviate import StoredObject


@dataclass
class Delivered:
    """What became of the documents of a batch so far; ``wrong`` are in doubt and do not stand as written.

    ``waiting`` are not taken just now, for a reason that passes.
    """

    settled: list[Settled] = field(default_factory=list)
    parked: list[tuple[Owed, str]] = field(default_factory=list)
    wrong: list[Draft] = field(default_factory=list)
    waiting: list[tuple[Draft, WeaviateError]] = field(default_factory=list)

    def documents(self) -> set[int]:
        """Those of which something became."""
        drafts = [*self.wrong, *(draft for draft, _ in self.waiting)]
        known = [*(one.owed for one in self.settled), *(owed for owed, _ in self.parked), *(d.owed for d in drafts)]
        return {owed.id for owed in known}

    def pauses(self) -> dict[float, list[tuple[Draft, WeaviateError]]]:
        """Seconds → the documents that wait so long, longer with each attempt."""
        found: dict[float, list[tuple[Draft, WeaviateError]]] = {}
        for draft, why in self.waiting:
            found.setdefault(pause(draft.owed.attempts), []).append((draft, why))
        return found


class Delivery:
    """Puts, prunes and reads back. Raises WeaviateUnreachable, OutcomeUnknown, WeaviateRefused."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def deliver(self, reflects: Mapping[str, Reflects], drafts: Sequence[Draft], into: Delivered) -> None:
        """The documents of one collection; ``reflects`` says by mapping which moment of its source they show."""
        refused = self._put(reflects, drafts)
        kept: list[Draft] = []
        parked: list[tuple[Owed, str]] = []
        waiting: list[tuple[Draft, WeaviateError]] = []
        for draft in drafts:
            reasons = [refused[one] for one in draft.ids(0, draft.chunks) if one in refused]
            if for_good := [reason for reason in reasons if not reason.retry]:
                parked.append((draft.owed, _why(for_good[0], draft.chunks - len(reasons), draft.chunks)))
            elif reasons:
                waiting.append((draft, reasons[0]))
            else:
                kept.append(draft)
        self._prune(kept)  # before anything is told: what it raises has all of them tried again
        into.parked += parked
        into.waiting += waiting
        wrong = {draft.owed.id for draft in kept if draft.owed.doubtful and not self._stands(draft)}
        into.wrong += [draft for draft in kept if draft.owed.id in wrong]
        into.settled += [as_settled(draft) for draft in kept if draft.owed.id not in wrong]

    def _put(self, reflects: Mapping[str, Reflects], drafts: Sequence[Draft]) -> dict[UUID, ObjectRefused]:
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
        refused: dict[UUID, ObjectRefused] = {}
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


def _why(refusal: ObjectRefused, taken: int, chunks: int) -> str:
    """Why a document is parked; one that shows old chunks beside new ones is said to."""
    mixed = f" {taken} of its {chunks} chunks are new, the others stand as before." if taken else ""
    return f"Weaviate refused it: {refusal}{'.' if mixed else ''}{mixed}"


class Sending:
    """Sends the documents of one collection, and finds out whom a refusal is about."""

    def __init__(self, store: Store, rests: Rests) -> None:
        self._delivery, self._rests = Delivery(store), rests

    def send(
        self,
        reflects: Mapping[str, Reflects],
        type_id: int,
        group: Sequence[Draft],
        done: Delivered,
        turn: AbstractContextManager[None] | None = None,
    ) -> bool:
        """Whether the collection took all that it could; ``done`` says what became of each document.

        Raises WeaviateUnreachable, and OutcomeUnknown for those that ``done`` does not know.
        """
        before = len(done.waiting)
        try:
            with turn or nullcontext():
                self._delivery.deliver(reflects, group, done)
        except WeaviateRefused as refusal:
            if len(group) == 1:  # nobody knows which; another one's turn will tell
                done.waiting.append((group[0], refusal))
                return False
            if not self._one_by_one(reflects, group, done):
                self._rests.failed(type_id)
                done.waiting += [(draft, refusal) for draft in group]
                return False
        waiting = len(done.waiting) - before
        if waiting == len(group) > 1:
            self._rests.failed(type_id)
        elif waiting < len(group):  # of several shards one may take nothing: the others' documents do not wait for it
            self._rests.succeeded(type_id)
        return not waiting

    def _one_by_one(self, reflects: Mapping[str, Reflects], group: Sequence[Draft], done: Delivered) -> bool:
        """Refused together, the first and the last are tried alone: both refused, it is the collection that refuses.

        Then nothing is told of them, and False.
        """
        parked: list[tuple[Owed, str]] = []
        waiting: list[tuple[Draft, WeaviateError]] = []
        for number, draft in enumerate([group[0], group[-1], *group[1:-1]]):
            try:
                self._delivery.deliver(reflects, [draft], done)
            except WeaviateRefused as exc:
                if exc.retry:
                    waiting.append((draft, exc))
                else:
                    parked.append((draft.owed, f"Weaviate refuses it: {exc}"))
            if number == 1 and len(parked) + len(waiting) == 2:
                return False
        done.parked += parked
        done.waiting += waiting
        return True
