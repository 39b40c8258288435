"""Tables read again while changes flow: what their rows mend, what they leave alone, and when a sweep is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, update

from connectors.change import Broken, Change, SnapshotNotice, Truncate
from sync.errors import BackfillRefused
from sync.state.backfills import STOPPED, Backfill, ask, claim, ended, find, stopping, withdraw
from sync.state.owed import Priority
from sync.state.registry import DEAD_LETTER, ROW
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, TICKET, first_rows
from tests.support.world import World

Rows = dict[str, list[dict[str, Any]]]
ALL = ("customers", "flights", "bookings", "tickets")
ID = "headrace-1"


class Asked:
    """A backfill in the making: what the connector sends of it, between the log's own records."""

    def __init__(self, world: World, *tables: str, condition: str | None = None, identity: str = ID) -> None:
        self.world, self.tables, self.identity = world, tables or ALL, identity
        with world.state.write() as connection:
            ask(connection, world.registered, "airline", identity, self.tables, condition, 0)

    def notice(self, kind: str, snapshot: str = "Incremental Snapshot", identity: str = "", **more: Any) -> None:
        made = {"snapshot": snapshot, "kind": kind, "identity": identity or self.identity, **more}
        self.world.log._add(SnapshotNotice, committed_at=0, **made)

    def begin(self) -> None:
        """Its first word: a connector that takes it up from its offsets says no STARTED."""
        self.notice("IN_PROGRESS")

    def show(self, table: str, *rows: dict[str, Any], position: tuple[int, int] | None = None) -> None:
        for row in rows:
            self.world.log.change(table, "r", row, incremental=True)
            at = position or (self.world.log.committed_to, 9_000_000)
            self.world.log.records[-1] = replace(self.world.log.records[-1], database_position=at)  # type: ignore[call-arg]

    def scanned(self, table: str, status: str = "SUCCEEDED") -> None:
        self.notice("TABLE_SCAN_COMPLETED", table=f"public.{table}", status=status)

    def whole(self, rows: Rows) -> None:
        self.begin()
        for table in self.tables:
            self.show(table, *rows.get(table, []))
            self.scanned(table, "SUCCEEDED" if rows.get(table) else "EMPTY")
        self.notice("COMPLETED")

    @property
    def state(self) -> Backfill:
        with self.world.state.read() as connection:
            found = find(connection, self.identity)
        assert found
        return found


@pytest.fixture
def rows(world: World) -> Rows:
    """An airline that is loaded, with a second booking."""
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    return rows


def forget(world: World, table: str, key: str) -> None:
    with world.state.write() as connection:
        connection.execute(delete(ROW).where(ROW.c.table_id == world.registered.tables[table], ROW.c.key == key))


def spoil(world: World, table: str, key: str, old: str, new: str) -> None:
    """Alter a stored row behind everybody's back."""
    with world.state.write() as connection:
        connection.execute(
            update(ROW)
            .where(ROW.c.table_id == world.registered.tables[table], ROW.c.key == key)
            .values(image=func.replace(ROW.c.image, old, new))
        )


def stored(world: World, table: str) -> list[str]:
    with world.state.read() as connection:
        found = world.applier.rows.unseen(connection, table, 1_000_000, 100)
    return sorted(found)


def test_rows_that_are_as_stored_make_no_write_and_no_embedding(world: World, rows: Rows) -> None:
    puts, texts, ledger = world.store.puts, world.embedder.texts, world.ledger()
    asked = Asked(world)
    asked.whole(rows)
    world.settle()
    assert (world.store.puts, world.embedder.texts, world.ledger()) == (puts, texts, ledger)
    found = asked.state
    assert (found.outcome, found.rows, found.changed, found.removed, found.swept) == ("complete", 5, 0, 0, True)


def test_a_row_that_is_missing_and_one_that_is_wrong_are_mended_behind_fresh_changes(world: World, rows: Rows) -> None:
    spoil(world, "bookings", "7", "K3XQ2A", "WRONG1")
    forget(world, "bookings", "8")
    rows["bookings"].append({**BOOKING, "booking_id": 9, "pnr": "FRESH1"})
    asked = Asked(world, "bookings")
    asked.begin()
    asked.show("bookings", *rows["bookings"][:2])
    world.log.commit(("bookings", "c", rows["bookings"][2]))
    world.apply()  # all in one batch
    assert [world.document(key).priority for key in ("7", "8", "9")] == [
        Priority.backfill,
        Priority.backfill,
        Priority.direct,
    ]
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert world.texts == world.expected(rows)
    assert (asked.state.changed, asked.state.outcome) == (2, "complete")


def test_a_change_begun_before_and_committed_after_the_rows_were_shown_counts(world: World, rows: Rows) -> None:
    """Its place in the log is below that of the rows: they stand at the end of the transaction before them."""
    asked = Asked(world, "flights")
    asked.begin()
    asked.show("flights", FLIGHT)
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    asked.scanned("flights")
    asked.notice("COMPLETED")
    world.settle()
    assert "cancelled" in world.texts["7", 0]


def test_rows_read_before_a_change_was_seen_by_all_do_not_undo_it(world: World, rows: Rows) -> None:
    """Debezium reads them when it hears of the change, and PostgreSQL may still show what was there before."""
    asked = Asked(world, "bookings")
    asked.begin()
    gone, changed = rows["bookings"][1], {**rows["bookings"][0], "pnr": "AFTER1"}
    world.log.commit(("bookings", "d", gone), ("bookings", "u", changed))
    asked.show("bookings", *rows["bookings"])
    world.log.waited = 60_000_000  # in the same batch, as when a worker catches up
    world.log.commit(("flights", "u", FLIGHT))
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert world.texts == world.expected({**rows, "bookings": [changed]})
    assert asked.state.swept


def test_what_was_changed_a_while_ago_is_mended_by_the_rows(world: World, rows: Rows) -> None:
    world.log.commit(("bookings", "u", {**rows["bookings"][0], "pnr": "AFTER1"}))
    world.settle()
    spoil(world, "bookings", "7", "AFTER1", "WRONG1")
    world.log.waited = 60_000_000
    world.log.commit(("flights", "u", FLIGHT))
    asked = Asked(world, "bookings")
    rows["bookings"][0] = {**rows["bookings"][0], "pnr": "AFTER1"}
    asked.whole(rows)
    world.settle()
    assert world.texts == world.expected(rows)
    assert asked.state.changed == 1


def test_rows_of_a_connector_that_lags_behind_bring_nothing_back_and_allow_no_sweep(world: World, rows: Rows) -> None:
    for status in ("DL", "CX"):
        world.log.commit(("flights", "u", {**FLIGHT, "status_cd": status}))
    asked = Asked(world, "flights")
    asked.begin()
    asked.show("flights", FLIGHT, position=(1, 5))
    asked.scanned("flights")
    asked.notice("COMPLETED")
    world.settle()
    assert "cancelled" in world.texts["7", 0]
    assert stored(world, "flights") == ["40"]
    assert not asked.state.swept


def test_the_moment_at_which_rows_are_read_is_no_commit(world: World, rows: Rows) -> None:
    before = world.applier.progress.committed_at
    asked = Asked(world)
    asked.whole(rows)
    world.apply()
    assert world.applier.progress.committed_at == before


def test_rows_that_are_gone_at_the_source_are_swept(world: World, rows: Rows) -> None:
    del rows["bookings"][1]
    asked = Asked(world, "bookings")
    asked.whole(rows)
    world.apply()
    assert world.document("8").priority == Priority.backfill
    world.write()
    assert world.texts == world.expected(rows)
    assert stored(world, "bookings") == ["7"]
    assert asked.state.removed == 1


def test_a_table_that_is_not_read_again_keeps_its_rows(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    asked.whole(rows)
    world.settle()
    assert stored(world, "tickets") == ["[7,1]"]
    assert world.texts == world.expected(rows)


def _skipped(asked: Asked) -> None:
    asked.notice("SKIPPED", snapshot="Initial Snapshot", identity="other")


def _second(asked: Asked) -> None:
    asked.notice("IN_PROGRESS", identity="other")


@pytest.mark.parametrize("status", ["NO_PRIMARY_KEY", "UNKNOWN_SCHEMA", "SQL_EXCEPTION", "SKIPPED", ""])
def test_a_failed_backfill_sweeps_nothing_and_says_so(world: World, rows: Rows, status: str) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    if status:
        asked.scanned("bookings", status)
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]
    assert asked.state.outcome == f"failed: bookings {status or 'was not reported'}"


def test_a_filtered_backfill_sweeps_nothing(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings", condition="booking_id = 7")
    asked.begin()
    asked.show("bookings", BOOKING)
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]
    assert (asked.state.outcome, asked.state.swept) == ("complete", False)


@pytest.mark.parametrize("interrupted", [_skipped, _second], ids=["Connect restarted", "another one asked for"])
def test_an_interrupted_backfill_sweeps_nothing(world: World, rows: Rows, interrupted: Callable[[Asked], None]) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    interrupted(asked)
    asked.show("bookings", BOOKING)
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]
    assert (asked.state.outcome, asked.state.swept) == ("complete", False)


def test_one_that_somebody_else_asked_for_sweeps_nothing(world: World, rows: Rows) -> None:
    """No notice says whether its rows are filtered."""
    asked = Asked(world, "bookings", identity="mine")
    asked.identity = "theirs"
    asked.notice("STARTED")
    asked.show("bookings", BOOKING)
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]


def test_a_stopped_backfill_sweeps_nothing(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    asked.scanned("bookings", "EMPTY")
    asked.notice("ABORTED")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]
    assert asked.state.outcome == "stopped"


def test_told_to_stop_it_sweeps_not_even_what_it_has_read(world: World, rows: Rows) -> None:
    """So the real one ends: COMPLETED, without a word of the tables that it left out."""
    asked = Asked(world, "customers", "bookings")
    asked.begin()
    asked.scanned("customers", "EMPTY")
    with world.state.write() as connection:
        stopping(connection, asked.identity)
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "customers") == ["1"]
    assert (asked.state.outcome, asked.state.swept) == ("stopped", False)


def test_begun_anew_after_a_crash_it_sweeps_by_its_second_attempt_alone(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    asked.show("bookings", rows["bookings"][1])
    asked.scanned("bookings")
    _skipped(asked)
    del rows["bookings"][1]
    asked.notice("STARTED")
    asked.whole(rows)
    world.settle()
    assert stored(world, "bookings") == ["7"]
    assert (asked.state.rows, asked.state.swept) == (1, True)


def test_what_changed_since_it_began_counts_as_shown(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    asked.show("bookings", BOOKING)
    new, same = {**BOOKING, "booking_id": 9, "pnr": "FRESH1"}, rows["bookings"][1]
    world.log.commit(("bookings", "c", new), ("bookings", "u", same))
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8", "9"]
    rows["bookings"].append(new)
    assert world.texts == world.expected(rows)


def test_a_table_truncated_meanwhile_stays_empty(world: World, rows: Rows) -> None:
    """The connector drops a changed row from what it has read, and knows of no key in a truncate."""
    asked = Asked(world, "bookings")
    asked.begin()
    world.log._add(Truncate, committed_at=1, table="public.bookings", database_position=(9, 9), transaction=None)
    world.log.committed_to = 10
    asked.show("bookings", *rows["bookings"])
    world.log.commit(("bookings", "c", {**BOOKING, "booking_id": 9}))
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["9"]
    assert [key for key, _ in world.texts] == ["9"]


def test_a_worker_killed_at_any_record_ends_with_the_same(world: World, rows: Rows) -> None:
    forget(world, "bookings", "8")
    asked = Asked(world)
    asked.whole(rows)
    while world.taken < len(world.log.records):
        world.apply(upto=world.taken + 1)
        world.restart()
    world.settle()
    assert world.texts == world.expected(rows)
    assert (asked.state.outcome, asked.state.rows, asked.state.changed) == ("complete", 5, 1)


def test_a_second_one_is_refused_while_one_is_under_way(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    with pytest.raises(BackfillRefused, match="bookings is being read again already"):
        Asked(world, "tickets", identity="another")
    asked.whole(rows)
    world.settle()
    Asked(world, "tickets", identity="another")


def test_while_the_whole_source_is_read_it_is_refused(world: World) -> None:
    with pytest.raises(BackfillRefused, match="snapshot of the whole source is under way"):
        Asked(world)


def test_a_new_snapshot_of_the_source_ends_it(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    asked.begin()
    world.log.snapshot(rows)
    world.settle()
    assert asked.state.outcome == "the whole source is being read anew, these tables with it"
    assert world.texts == world.expected(rows)


def standing(world: World) -> list[tuple[str | None, str | None]]:
    with world.state.read() as connection:
        found = connection.execute(DEAD_LETTER.select().where(DEAD_LETTER.c.discarded.is_(None)))
        return [(row.source_table, row.row_key) for row in found]


def broken(world: World, table: str | None = "public.bookings", key: dict[str, Any] | None = None) -> None:
    world.log._add(Broken, committed_at=0, reason="not JSON", table=table, key=key)


def test_a_record_that_was_not_applied_is_settled_when_its_row_changes(world: World, rows: Rows) -> None:
    broken(world, key={"booking_id": 7})
    broken(world, key={"booking_id": 8})
    world.apply()
    assert standing(world) == [("bookings", "7"), ("bookings", "8")]
    world.restart()
    world.log.commit(("bookings", "u", BOOKING))
    world.settle()
    assert standing(world) == [("bookings", "8")]


def test_a_change_that_leaves_values_out_does_not_settle_it(world: World, rows: Rows) -> None:
    broken(world, key={"booking_id": 7})
    world.log.transactions += 1
    world.log.change("bookings", "u", {"booking_id": 7, "total_amt": 1}, unsent=frozenset({"pnr"}))
    world.settle()
    assert standing(world) == [("bookings", "7")]


def test_records_of_unknown_rows_are_settled_when_everything_was_read_again(world: World, rows: Rows) -> None:
    broken(world, table=None)
    broken(world, table="public.tickets")
    Asked(world, "tickets").whole(rows)
    world.settle()
    assert standing(world) == [(None, None)]
    Asked(world, identity="everything").whole(rows)
    world.settle()
    assert standing(world) == []


def test_a_change_without_a_key_names_its_table(world: World, rows: Rows) -> None:
    world.log.change("bookings", "u", BOOKING)
    last = world.log.records[-1]
    assert isinstance(last, Change)
    world.log.records[-1] = replace(last, key=None)
    world.settle()
    assert standing(world) == [("bookings", None)]


def test_the_row_of_a_ticket_is_named_by_its_whole_key(world: World, rows: Rows) -> None:
    broken(world, "public.tickets", {"booking_id": 7, "seq_no": 1})
    world.log.commit(("tickets", "u", TICKET), ("customers", "u", CUSTOMER))
    world.settle()
    assert standing(world) == []


def test_one_worker_alone_tells_the_connector_until_its_lease_is_over(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")

    def claims(lease: float) -> bool:
        with world.state.write() as connection:
            return claim(connection, asked.identity, lease)

    assert claims(60.0)
    assert not claims(60.0)
    assert claims(0.0)
    asked.begin()
    world.apply()
    assert not claims(0.0)


def test_one_that_no_connector_was_told_of_is_withdrawn_and_no_other(world: World, rows: Rows) -> None:
    asked = Asked(world, "bookings")
    with world.state.write() as connection:
        assert claim(connection, asked.identity, 60.0)
        assert not withdraw(connection, asked.identity)
        ended(connection, [asked.identity], STOPPED)
    other = Asked(world, "bookings", identity="another")
    with world.state.write() as connection:
        assert withdraw(connection, other.identity)
        assert not withdraw(connection, other.identity)
    assert other.state.outcome == STOPPED


def test_the_tail_of_one_that_has_ended_begins_nothing(world: World, rows: Rows) -> None:
    """After a crash the connector goes on where its offsets say, which may be before the end."""
    asked = Asked(world, "bookings")
    asked.whole(rows)
    asked.begin()
    asked.show("bookings", BOOKING)
    asked.scanned("bookings")
    asked.notice("COMPLETED")
    world.settle()
    assert stored(world, "bookings") == ["7", "8"]
    assert asked.state.rows == 2
