"""② write: what the stage notes in the state: sent, settled, put off; only of documents that are still ours.

With SQLite each is one transaction. With PostgreSQL others write at the same time: a transaction notes those documents
that nobody changes just now, and the next one the rest, so that it never waits with something in its hands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection

from sync.errors import StateConflict
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.leases import changeable
from sync.state.owed import Owed, Settled
from sync.write.gather import Gathering
from sync.write.holding import Holding

TRIES = 5  # of a transaction that another one took back


class Book:
    """The stage's entries. Every method raises StateUnreachable, StateConflict, and Fenced: nothing is noted then."""

    def __init__(self, state: State, documents: Documents, holding: Holding) -> None:
        self._state, self._documents, self._holding = state, documents, holding

    def sent(self, sent: Sequence[tuple[Owed, int]]) -> None:
        """Before a request leaves: the revision and how many chunks."""

        def note(connection: Connection, mine: Collection[int]) -> None:
            self._documents.note_sent(connection, [one for one in sent if one[0].id in mine])

        self._each([owed for owed, _ in sent], note)

    def settle(self, gathering: Gathering, settled: Sequence[Settled], parked: Sequence[tuple[Owed, str, str]]) -> None:
        """Weaviate has them, or they cannot be written as they are: ``parked`` with reason and position."""
        by_mapping: dict[str, list[Settled]] = {}
        for one in settled:
            by_mapping.setdefault(gathering.kind_of(one.owed).registered.name, []).append(one)

        def note(connection: Connection, mine: Collection[int]) -> None:
            for mapping, done in by_mapping.items():
                if ours := [one for one in done if one.owed.id in mine]:
                    self._documents.confirm(connection, ours, gathering.next_sequence[mapping])
            if ours_parked := [one for one in parked if one[0].id in mine]:
                self._documents.park(connection, ours_parked)

        self._each([*(one.owed for one in settled), *(one[0] for one in parked)], note)

    def postpone(self, owed: Sequence[Owed], seconds: float, *, doubtful: bool) -> None:
        """Still owed, not to be tried again for ``seconds``."""

        def note(connection: Connection, mine: Collection[int]) -> None:
            ours = [one for one in owed if one.id in mine]
            self._documents.postpone(connection, ours, seconds, doubtful=doubtful)

        self._each(owed, note)

    def _each(self, owed: Sequence[Owed], note: Callable[[Connection, Collection[int]], None]) -> None:
        left = {one.id for one in owed}
        tries = TRIES
        while left:
            try:
                done = self._once(left, note)
            except StateConflict:
                tries -= 1
                if not tries:
                    raise
                continue
            if not done:
                return  # their mapping was removed meanwhile
            left -= done

    def _once(self, left: set[int], note: Callable[[Connection, Collection[int]], None]) -> set[int]:
        with self._state.write() as connection:
            if self._state.is_sqlite:
                mine = set(left)
            else:
                self._holding.hold(connection)
                mine = changeable(self._state, connection, left)
            if mine:
                note(connection, mine)
        return mine
