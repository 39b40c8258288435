"""② write: what the stage needs of a vector store; sync/write/weaviate.py is the one that serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

from sync.errors import ObjectRefused


class Store(Protocol):
    """Each method may be called twice with the same arguments.

    Raises WeaviateUnreachable, OutcomeUnknown, WeaviateRefused.
    """

    def ready(self) -> bool:
        """Whether it answers at all; asked while documents wait for it to come back."""

    def put(self, collection: str, objects: Sequence[Any]) -> dict[UUID, ObjectRefused]:
        """Insert or replace; returns the refused ones with their reason, all others are searchable."""

    def renew(self, collection: str, objects: Sequence[Any]) -> dict[UUID, ObjectRefused]:
        """As put, and what a crash of the store left half written of them is found again; readers miss nothing."""

    def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        """Objects that are not there count as deleted."""

    def erase(self, collection: str, ids: Sequence[UUID]) -> None:
        """As delete, and what a crash of the store left half written of them, which no search finds, is gone too."""

    def read(self, collection: str, ids: Sequence[UUID], *, vectors: bool = False) -> dict[UUID, dict[str, Any]]:
        """Properties of those that exist."""
