"""① apply: what a snapshot's notifications mean for the rows it did not show."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from connectors.change import SnapshotNotice

SHOWN = frozenset({"SUCCEEDED", "EMPTY"})
INITIAL = "Initial Snapshot"


@dataclass
class Snapshot:
    """The latest snapshot of one source. ``number`` counts them; rows carry the number that showed them.

    A table may be swept (rows not shown are gone at the source) only when, between STARTED and COMPLETED of
    this snapshot, it reported its own SUCCEEDED or EMPTY, and nothing filtered the rows: a COMPLETED follows
    a table without key, an unknown one and an SQL error just as well, with no rows shown.
    """

    number: int = 0
    identity: str = ""
    kind: str = ""
    under_way: bool = False
    filtered: bool = False
    statuses: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | None) -> Snapshot:
        return cls(**orjson.loads(text)) if text else cls()

    def to_json(self) -> str:
        return orjson.dumps(self.__dict__).decode()

    def notice(self, notice: SnapshotNotice) -> bool:
        """Take a notification in; True when the snapshot is now complete."""
        if notice.kind == "STARTED":
            # A new STARTED voids the earlier attempt, whatever that had reported.
            self.number += 1
            self.identity, self.kind = notice.identity, notice.snapshot
            self.under_way, self.filtered, self.statuses = True, bool(notice.details.get("filter")), {}
        elif not self.under_way or notice.snapshot != self.kind:
            return False
        elif notice.kind == "TABLE_SCAN_COMPLETED":
            if notice.table:
                self.statuses[notice.table] = notice.status or ""
        elif notice.kind == "ABORTED":
            self.under_way = False
        elif notice.kind == "COMPLETED":
            self.under_way = False
            return True
        return False

    def sweepable(self, table: str) -> bool:
        """Whether rows of this table (by its database name) that were not shown are gone."""
        return not self.filtered and any(
            status in SHOWN and (name == table or name.endswith("." + table)) for name, status in self.statuses.items()
        )
