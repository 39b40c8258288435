"""Beside the worker's stages: what keeps the state small and quick."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import delete, func, select

from sync.errors import HeadraceError
from sync.state.database import State
from sync.state.registry import APPLIED, DOCUMENT, LEDGER, MARKER, SOURCE, TYPE
from sync.worker.beside import Beside

LEDGER_KEPT = 200_000
MARKERS_KEPT = 86_400.0  # seconds
CHECKPOINT_EVERY = 1.0
PRUNE_EVERY = 10.0


class Housekeeping(Beside):
    """A thread that checkpoints SQLite's log every second and prunes evidence that nobody can ask for any more.

    Of several workers only the one prunes that ``leads``.
    """

    def __init__(self, state: State, leads: Callable[[], bool] = lambda: True) -> None:
        super().__init__("housekeeping", CHECKPOINT_EVERY, leads, patience=10.0)
        self._state = state
        self._pruned = time.monotonic()

    def _turn(self) -> None:
        try:
            self._look()  # whoever leads: each has a log of its own to checkpoint
        except HeadraceError as exc:
            if not exc.retry:
                raise

    def _look(self) -> None:
        self._state.checkpoint()
        if time.monotonic() - self._pruned > PRUNE_EVERY and self._leads():
            prune(self._state)
            self._pruned = time.monotonic()


def prune(state: State) -> None:
    """Drop applied positions that no owed document can ask for, old markers, and the ledger's old end."""
    with state.write() as connection:
        for source_id, mapping in connection.execute(select(SOURCE.c.id, SOURCE.c.mapping)).all():
            lowest = connection.execute(
                select(func.min(DOCUMENT.c.owed_from))
                .join(TYPE, TYPE.c.id == DOCUMENT.c.type_id)
                .where(DOCUMENT.c.priority.is_not(None), TYPE.c.mapping == mapping)
            ).scalar()
            mine = APPLIED.c.source_id == source_id
            newest = select(func.max(APPLIED.c.sequence)).where(mine)
            if lowest is not None:
                newest = newest.where(APPLIED.c.sequence < lowest)
            keep = connection.execute(newest).scalar()
            if keep is not None:
                connection.execute(delete(APPLIED).where(mine, APPLIED.c.sequence < keep))
        connection.execute(delete(MARKER).where(MARKER.c.seen_at < time.time() - MARKERS_KEPT))
        last = connection.execute(select(func.max(LEDGER.c.id))).scalar()
        if last is not None:
            connection.execute(delete(LEDGER).where(LEDGER.c.id < last - LEDGER_KEPT))
