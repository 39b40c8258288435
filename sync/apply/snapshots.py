"""① apply: what a snapshot's notifications mean for the rows it did not show."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from connectors.change import SnapshotNotice

SHOWN = frozenset({"SUCCEEDED", "EMPTY"})
INITIAL, INCREMENTAL = "Initial Snapshot", "Incremental Snapshot"


@dataclass
class Snapshot:
    """The latest snapshot of one source. ``number`` counts them; rows carry the number that showed them.

    A table may be swept (rows not shown are gone at the source) only when, between STARTED and COMPLETED of
    this snapshot, it reported its own SUCCEEDED or EMPTY, and nothing filtered the rows: a COMPLETED follows
    a table without key, an unknown one and an SQL error just as well, with no rows shown.

    ``doubt`` says why an incremental one may sweep nothing although it completes: Debezium goes on with it after a
    restart, or takes further tables into one that runs, under the identity of the last that was asked for.
    ``rows`` were shown, ``changed`` of them were not as they are stored. ``emptied`` tables were truncated since: what
    is shown of them may have been read before, and all that they hold by now comes in line.
    """

    number: int = 0
    identity: str = ""
    kind: str = ""
    under_way: bool = False
    filtered: bool = False
    doubt: str = ""
    statuses: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    changed: int = 0
    emptied: list[str] = field(default_factory=list)

    @classmethod
    def from_json(cls, text: str | None) -> Snapshot:
        return cls(**orjson.loads(text)) if text else cls()

    def to_json(self) -> str:
        return orjson.dumps(self.__dict__).decode()

    @property
    def backfilling(self) -> bool:
        """Whether tables are read again while the log goes on."""
        return self.under_way and self.kind == INCREMENTAL

    def notice(self, notice: SnapshotNotice) -> bool:
        """Take a notification in; True when the snapshot is now complete."""
        if notice.kind == "STARTED":
            self.start(notice)
            return False
        if not self.under_way:
            return False
        if notice.snapshot == self.kind == INCREMENTAL and notice.identity != self.identity:
            self.doubt = self.doubt or "another one was asked for meanwhile"
        if notice.snapshot != self.kind:
            if notice.kind == "SKIPPED":  # a connector's first word after its start
                self.doubt = self.doubt or "its connector was started again meanwhile"
        elif notice.kind == "TABLE_SCAN_COMPLETED":
            if notice.table:
                self.statuses[notice.table] = notice.status or ""
        elif notice.kind == "ABORTED":
            self.under_way = False
        elif notice.kind == "COMPLETED":
            self.under_way = False
            return True
        return False

    def start(self, notice: SnapshotNotice) -> None:
        """A new start voids the earlier attempt, whatever that had reported."""
        self.number += 1
        self.identity, self.kind = notice.identity, notice.snapshot
        self.under_way, self.filtered, self.doubt = True, bool(notice.details.get("filter")), ""
        self.statuses, self.emptied = {}, []
        self.rows = self.changed = 0

    def show(self, table: str) -> bool:
        """Count a row that an incremental snapshot shows; False where it must not be taken over."""
        if not self.backfilling:
            return True
        self.rows += 1
        return table not in self.emptied

    def truncated(self, table: str) -> None:
        if self.backfilling and table not in self.emptied:
            self.emptied.append(table)

    def status(self, table: str) -> str | None:
        """What the snapshot reported of a table (by its database name); None where it did not name it."""
        for name, status in self.statuses.items():
            if name == table or name.endswith("." + table):
                return status
        return None

    def sweepable(self, table: str) -> bool:
        """Whether rows of this table (by its database name) that were not shown are gone."""
        return not self.filtered and not self.doubt and self.status(table) in SHOWN
