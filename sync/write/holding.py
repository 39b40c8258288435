"""② write: whose documents these are: everybody's own with SQLite, with PostgreSQL those of the buckets held."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sqlalchemy import Connection


class Holding(Protocol):
    """What the stage asks of whoever knows which buckets this worker has."""

    def buckets(self) -> Collection[int] | None:
        """The buckets whose documents may be taken now; None: of all. Asked while the queue is locked."""

    def hold(self, connection: Connection) -> None:
        """Until this transaction ends nobody takes over from us. Raises Fenced where somebody has."""


class All:
    """One worker has everything."""

    def buckets(self) -> Collection[int] | None:
        return None

    def hold(self, connection: Connection) -> None:
        return None
