"""① apply: records that cannot be applied are set aside by position and row, and settled when that is shown again."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, insert, select, update

from connectors.change import Broken
from sync.mapping.image import image, key_of
from sync.mapping.plan import TablePlan
from sync.state.registry import DEAD_LETTER, Registered

SHOWN_AGAIN = "its row was shown again, whole"
READ_AGAIN = "its table was read again, whole"
NO_KEY = "a change without a key"

At = tuple[str, str]


class DeadLetters:
    """Those of one source that stand. Not for use by two threads at once."""

    def __init__(self, registered: Registered, source: str, max_text_bytes: int) -> None:
        self._registered, self._source, self._limit = registered, source, max_text_bytes
        self._mine = (DEAD_LETTER.c.mapping == registered.name, DEAD_LETTER.c.source == source)
        self._standing: set[At] = set()
        self._any = False
        self._known = False

    @contextmanager
    def kept_in_step(self) -> Iterator[None]:
        """What a transaction that is rolled back set aside or settled must not be remembered."""
        try:
            yield
        except BaseException:
            self._known = False
            raise

    def refresh(self, connection: Connection) -> None:
        """Read which stand, once, and again where the state knows better."""
        if self._known:
            return
        found = connection.execute(
            select(DEAD_LETTER.c.source_table, DEAD_LETTER.c.row_key).where(
                *self._mine, DEAD_LETTER.c.discarded.is_(None)
            )
        ).all()
        self._any, self._known = bool(found), True
        self._standing = {(table, key) for table, key in found if table is not None and key is not None}

    def set_aside(
        self, connection: Connection, within: tuple[int, int], record: Broken, table: TablePlan | None
    ) -> None:
        """Keep where it stands, why, and its row's key as far as it tells; never a value.

        ``within`` are the epoch and the number of the latest snapshot. A row that stands already came once more in
        vain: it stays one dead letter, called by its first position.
        """
        epoch, snapshot = within
        key = None
        if table is not None and record.key is not None:
            key = key_of(table, image(table, record.key, self._limit))
            at = None if key is None else (table.name, key)
            if at in self._standing and self._came_again(connection, at, snapshot, record.reason):
                return
        connection.execute(
            insert(DEAD_LETTER).values(
                mapping=self._registered.name,
                source=self._source,
                epoch=epoch,
                offset_=record.offset,
                reason=record.reason,
                source_table=table.name if table else record.table,
                row_key=key,
                found_at=time.time(),
                attempts=1,
                seen=snapshot,
            )
        )
        self._any = True
        if table is not None and key is not None:
            self._standing.add((table.name, key))

    def _came_again(self, connection: Connection, at: At, snapshot: int, reason: str) -> bool:
        """Count it where it stands; somebody may have discarded it since the state was read."""
        its = (DEAD_LETTER.c.source_table == at[0], DEAD_LETTER.c.row_key == at[1])
        counted = {"attempts": DEAD_LETTER.c.attempts + 1, "seen": snapshot, "reason": reason}
        standing = (*self._mine, DEAD_LETTER.c.discarded.is_(None), *its)
        return connection.execute(update(DEAD_LETTER).where(*standing).values(counted)).rowcount > 0

    def settle(self, connection: Connection, whole: Collection[At]) -> None:
        """These rows are known whole again: what could not be applied of them before does no harm any more."""
        for table, key in self._standing.intersection(whole):
            self._settle(connection, SHOWN_AGAIN, DEAD_LETTER.c.source_table == table, DEAD_LETTER.c.row_key == key)
            self._standing.discard((table, key))

    def read_again(self, connection: Connection, tables: Collection[str], snapshot: int) -> None:
        """Every row of these tables was shown; where these are all tables, that settles records of unknown rows too.

        What came in vain since that snapshot began is not settled by it: it is a row that it showed, or a later change.
        """
        if not self._any or not tables:
            return
        before = DEAD_LETTER.c.seen < snapshot
        if all(table.name in tables for table in self._registered.tables_of(self._source)):
            self._settle(connection, READ_AGAIN, before)
        else:
            self._settle(connection, READ_AGAIN, before, DEAD_LETTER.c.source_table.in_(list(tables)))
        self._known = False

    def _settle(self, connection: Connection, why: str, *which: object) -> None:
        connection.execute(
            update(DEAD_LETTER)
            .where(*self._mine, DEAD_LETTER.c.discarded.is_(None), *which)  # type: ignore[arg-type]
            .values(discarded=why, discarded_at=time.time())
        )
