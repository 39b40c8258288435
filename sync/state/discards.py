"""Dead letters that a person sets aside, with who and why; of a document the removal is owed.

What Weaviate shows of such a document would be stale and say nothing of it. So it goes, by the one way by which
anything changes there: the document is owed, as one of which nothing stands. Whoever raises it afterwards (a row of it
changed, somebody tries it again) makes it a document like any other.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, update

from sync.state.owed import Priority, Raise
from sync.state.raises import as_it_is
from sync.state.registry import DEAD_LETTER, DOCUMENT


@dataclass(frozen=True, slots=True)
class Discard:
    """Who says so, and why; never a value of a row, for both are kept and shown."""

    by: str
    reason: str

    def values(self) -> dict[str, object]:
        return {"discarded": self.reason, "discarded_by": self.by, "discarded_at": time.time()}


def discard_documents(
    connection: Connection, type_id: int, keys: Collection[str], discard: Discard, why: Raise
) -> list[str]:
    """Set parked documents of a type aside, and owe their removal; returns the keys of those that were parked."""
    known = (DOCUMENT.c.parked.is_not(None), DOCUMENT.c.discarded.is_(None), DOCUMENT.c.key.in_(list(keys)))
    mine = (DOCUMENT.c.type_id == type_id, *known)
    values = {**as_it_is(why, Priority.direct), "parked": DOCUMENT.c.parked, **discard.values()}
    return sorted(connection.execute(update(DOCUMENT).where(*mine).values(values).returning(DOCUMENT.c.key)).scalars())


def discard_record(connection: Connection, mapping: str, position: str, discard: Discard) -> int:
    """Take it that a record which could not be applied does no harm; returns how many stood at ``position``.

    ``position`` is ``epoch:offset`` as `headrace status` prints it. Raises ValueError where it is no position.
    """
    epoch, _, offset = position.partition(":")
    at = (DEAD_LETTER.c.epoch == int(epoch), DEAD_LETTER.c.offset_ == int(offset))
    mine = (DEAD_LETTER.c.mapping == mapping, *at, DEAD_LETTER.c.discarded.is_(None))
    return connection.execute(update(DEAD_LETTER).where(*mine).values(discard.values())).rowcount
