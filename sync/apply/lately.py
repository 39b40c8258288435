"""① apply: rows that the log changed a short while ago, of which what a backfill read may be older."""

from __future__ import annotations

from collections import OrderedDict

FOR = 10_000_000  # microseconds of the database's clock
MOST = 20_000  # rows


class Lately:
    """Remembers rows by what names them, and when they were changed.

    PostgreSQL sends a commit before other sessions see it. Debezium reads a piece of a table as soon as it hears of a
    change, so the piece may show the row as it was before, and it is sent after the change: so 3.6.1 reads, and once a
    row was back whose key had changed. Its own window leaves out only what it hears of later.
    """

    def __init__(self) -> None:
        self._changed: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._newest = 0

    def note(self, row: tuple[str, str], committed_at: int) -> None:
        self._changed[row] = committed_at
        self._changed.move_to_end(row)
        if len(self._changed) > MOST:
            self._changed.popitem(last=False)

    def advance(self, committed_at: int) -> None:
        """The log has come to here; a row that was read has no time of its own, and stands where it stands."""
        self._newest = max(self._newest, committed_at)
        while self._changed and next(iter(self._changed.values())) < self._newest - FOR:
            self._changed.popitem(last=False)

    def __contains__(self, row: object) -> bool:
        return row in self._changed
