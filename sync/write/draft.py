"""② write: a document between being built and being confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sync.mapping.build import Built
from sync.state.owed import Owed, Settled
from sync.write.gather import Kind
from sync.write.objects import object_id


@dataclass
class Draft:
    """A document between build and confirmation."""

    owed: Owed
    kind: Kind
    built: Built | None
    vectors: list[bytes] = field(default_factory=list)
    new: list[tuple[int, str, bytes]] = field(default_factory=list)
    embedded: int = 0
    digest: str = ""

    @property
    def chunks(self) -> int:
        return len(self.built.chunks) if self.built else 0

    def ids(self, start: int, stop: int) -> list[UUID]:
        mapping, name = self.kind.registered.name, self.kind.kind.name
        return [object_id(mapping, name, self.owed.key, number) for number in range(start, stop)]


def by_type(drafts: Sequence[Draft]) -> dict[int, list[Draft]]:
    groups: dict[int, list[Draft]] = {}
    for draft in drafts:
        groups.setdefault(draft.owed.type_id, []).append(draft)
    return groups


def digest(draft: Draft) -> str:
    """What a written document is compared by: any change of the mapping makes it another."""
    return f"{draft.kind.registered.plan.version}:{draft.built.digest}" if draft.built else ""


def as_written(draft: Draft) -> bool:
    owed = draft.owed
    return owed.digest == draft.digest and not owed.doubtful and owed.sent is None


def as_settled(draft: Draft) -> Settled:
    discarded = draft.owed.discarded is not None
    return Settled(
        draft.owed,
        "written" if draft.built else "discarded" if discarded else "removed",
        draft.chunks,
        draft.digest or None,
        tuple(draft.new),
        draft.embedded,
        gone=draft.built is None and not discarded,  # whose rows are there, and may change
    )
