"""When a snapshot allows a sweep: each case that was reproduced, where a sweep would have wiped a table."""

from __future__ import annotations

import pytest

from connectors.change import SnapshotNotice
from sync.apply.snapshots import Snapshot


def notice(kind: str, snapshot: str = "Incremental Snapshot", **more: object) -> SnapshotNotice:
    return SnapshotNotice(0, 0, snapshot, kind, "s1", **more)  # type: ignore[arg-type]


def run(*notices: SnapshotNotice) -> tuple[Snapshot, bool]:
    snapshot, complete = Snapshot(), False
    for one in notices:
        complete = snapshot.notice(one)
    return snapshot, complete


@pytest.mark.parametrize("status", ["SUCCEEDED", "EMPTY"])
def test_a_table_that_reported_its_own_success_may_be_swept(status: str) -> None:
    snapshot, complete = run(
        notice("STARTED"), notice("TABLE_SCAN_COMPLETED", table="public.flights", status=status), notice("COMPLETED")
    )
    assert complete
    assert snapshot.sweepable("public.flights")


@pytest.mark.parametrize("status", ["NO_PRIMARY_KEY", "UNKNOWN_SCHEMA", "SQL_EXCEPTION", "SKIPPED", None])
def test_a_completed_snapshot_without_the_tables_own_success_sweeps_nothing(status: str | None) -> None:
    snapshot, complete = run(
        notice("STARTED"), notice("TABLE_SCAN_COMPLETED", table="public.flights", status=status), notice("COMPLETED")
    )
    assert complete
    assert not snapshot.sweepable("public.flights")


def test_a_table_that_no_notice_named_is_not_swept() -> None:
    snapshot, _ = run(
        notice("STARTED"),
        notice("TABLE_SCAN_COMPLETED", table="public.flights", status="SUCCEEDED"),
        notice("COMPLETED"),
    )
    assert not snapshot.sweepable("public.bookings")


def test_a_filtered_snapshot_sweeps_nothing() -> None:
    snapshot, _ = run(
        notice("STARTED", details={"filter": "id > 100"}),
        notice("TABLE_SCAN_COMPLETED", table="public.flights", status="SUCCEEDED"),
        notice("COMPLETED"),
    )
    assert not snapshot.sweepable("public.flights")


def test_a_new_start_voids_what_the_earlier_attempt_reported() -> None:
    snapshot, _ = run(
        notice("STARTED"),
        notice("TABLE_SCAN_COMPLETED", table="public.flights", status="SUCCEEDED"),
        notice("STARTED"),
        notice("COMPLETED"),
    )
    assert snapshot.number == 2
    assert not snapshot.sweepable("public.flights")


def test_completed_without_a_start_completes_nothing() -> None:
    assert run(notice("COMPLETED"))[1] is False


def test_an_aborted_snapshot_is_never_complete() -> None:
    assert run(notice("STARTED"), notice("ABORTED"), notice("COMPLETED"))[1] is False


def test_what_is_stored_comes_back_the_same() -> None:
    snapshot, _ = run(notice("STARTED"), notice("TABLE_SCAN_COMPLETED", table="public.flights", status="EMPTY"))
    assert Snapshot.from_json(snapshot.to_json()) == snapshot
