"""① apply: a backfill that was asked for, as the notices of its incremental snapshot begin and end it."""

from __future__ import annotations

from sqlalchemy import Connection

from connectors.change import SnapshotNotice
from sync.apply.snapshots import INITIAL, SHOWN, Snapshot
from sync.state.backfills import COMPLETE, STOPPED, Backfill, began, ended, find, under_way
from sync.state.registry import Registered

OVERTAKEN = "the whole source is being read anew, these tables with it"
STRANGE = "it was not asked for here, and what filters it is not known"


class Backfilling:
    """What the state knows of one source's backfills, kept in step with its snapshot."""

    def __init__(self, source_id: int) -> None:
        self._source_id = source_id

    def first_heard(self, connection: Connection, snapshot: Snapshot, notice: SnapshotNotice) -> bool:
        """Whether this notice is the first of one that was asked for: a connector that takes it up says no STARTED."""
        if notice.snapshot == INITIAL or notice.kind not in ("IN_PROGRESS", "TABLE_SCAN_COMPLETED"):
            return False
        if snapshot.under_way and snapshot.identity == notice.identity:
            return False
        asked = find(connection, notice.identity)
        return asked is not None and asked.outcome is None and asked.started_at is None

    def started(self, connection: Connection, snapshot: Snapshot) -> None:
        """No notice tells of a filter: only what was asked for here is known to have none."""
        if snapshot.kind == INITIAL:
            ended(connection, [each.id for each in under_way(connection, [self._source_id])], OVERTAKEN)
            return
        asked = find(connection, snapshot.identity)
        if asked is None or asked.outcome is not None:
            snapshot.doubt = STRANGE
            return
        snapshot.filtered = snapshot.filtered or asked.condition is not None
        began(connection, asked.id)

    def stopped(self, connection: Connection, snapshot: Snapshot, notice: SnapshotNotice) -> None:
        if notice.snapshot != INITIAL:
            counted = {"rows": snapshot.rows, "changed": snapshot.changed}
            ended(connection, [snapshot.identity, notice.identity], STOPPED, **counted)

    def completing(self, connection: Connection, snapshot: Snapshot) -> None:
        """Before anything is swept."""
        asked = find(connection, snapshot.identity)
        if asked is not None and asked.stopping:
            snapshot.doubt = "it was told to stop"

    def completed(
        self, connection: Connection, snapshot: Snapshot, notice: SnapshotNotice, registered: Registered, removed: int
    ) -> None:
        """Debezium completes a snapshot whatever became of its tables: each one's own status tells.

        One that was told to stop and had read all by then is called stopped too: nothing was removed (`completing`).
        """
        for identity in {snapshot.identity, notice.identity}:
            asked = find(connection, identity)
            if asked is None:
                continue
            failed = _failed(snapshot, asked, registered)
            outcome = STOPPED if asked.stopping else COMPLETE if not failed else f"failed: {', '.join(failed)}"
            names = [registered.plan.tables[table].database_name for table in asked.tables]
            ended(
                connection,
                [identity],
                outcome,
                rows=snapshot.rows,
                changed=snapshot.changed,
                removed=removed,
                swept=all(map(snapshot.sweepable, names)),
            )


def _failed(snapshot: Snapshot, asked: Backfill, registered: Registered) -> list[str]:
    failed = []
    for table in asked.tables:
        status = snapshot.status(registered.plan.tables[table].database_name)
        if status not in SHOWN:
            failed.append(f"{table} {status or 'was not reported'}")
    return failed
