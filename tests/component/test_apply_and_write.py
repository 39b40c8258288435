"""Each operation, through apply and write, ends in the collection that the final rows would give."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from connectors.change import Change, Record
from sync.state.registry import LEDGER
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, TICKET, first_rows
from tests.support.world import World


def test_a_first_load_builds_each_document_once_when_the_snapshot_is_complete(world: World) -> None:
    world.log.snapshot(first_rows())
    world.apply(upto=len(world.log.records) - 1)  # all but COMPLETED
    world.write()
    assert world.texts == {}
    world.settle()
    assert world.texts == world.expected(first_rows())
    assert world.ledger() == [("7", "written")]


def test_an_update_of_a_relative_rewrites_the_document(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    world.log.commit(("flights", "u", rows["flights"][0]))
    world.settle()
    assert world.texts == world.expected(rows)
    assert "cancelled" in world.texts["7", 0]


def test_a_foreign_key_move_rebuilds_both_parents(world: World) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    moved = {**TICKET, "booking_id": 8}
    world.log.rekey("tickets", TICKET, moved)  # the key holds the foreign key here
    world.settle()
    rows["tickets"] = [moved]
    assert world.texts == world.expected(rows)
    assert sorted(world.ledger()[2:]) == [("7", "written"), ("8", "written")]


def test_a_foreign_key_that_is_no_key_moves_a_document_to_its_new_parent(world: World) -> None:
    rows = first_rows()
    rows["customers"].append({**CUSTOMER, "customer_id": 2, "full_name": "Ada Neri"})
    world.log.snapshot(rows)
    world.settle()
    rows["bookings"] = [{**BOOKING, "customer_id": 2}]
    world.log.commit(("bookings", "u", rows["bookings"][0]))
    world.settle()
    assert world.texts == world.expected(rows)
    world.log.commit(("customers", "u", {**CUSTOMER, "full_name": "nobody's parent any more"}))
    world.settle()
    assert world.ledger() == [("7", "written"), ("7", "written")]


def test_a_deleted_root_takes_its_objects_along(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    world.log.commit(("bookings", "d", BOOKING))
    world.settle()
    assert world.texts == {}
    assert world.document("7") is None


def test_a_key_change_keeps_values_that_were_not_sent(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    world.log.rekey("bookings", BOOKING, {**BOOKING, "booking_id": 9}, unsent=frozenset({"pnr"}))
    world.log.commit(("tickets", "d", TICKET))
    world.settle()
    rows = first_rows()
    rows["bookings"], rows["tickets"] = [{**BOOKING, "booking_id": 9}], []
    assert world.texts == world.expected(rows)


def test_unchanged_toast_is_merged_from_the_stored_row(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    world.log.transactions += 1
    sent = {"booking_id": 7, "customer_id": 1, "total_amt": 100}
    world.log.change("bookings", "u", sent, unsent=frozenset({"pnr"}))
    world.settle()
    rows["bookings"] = [{**BOOKING, "total_amt": 100}]
    assert world.texts == world.expected(rows)


def test_a_truncated_table_empties_what_it_held(world: World) -> None:
    from connectors.change import Truncate

    world.log.snapshot(first_rows())
    world.settle()
    world.log._add(Truncate, committed_at=1, table="public.tickets", database_position=(9, 9), transaction=None)
    world.settle()
    rows = first_rows()
    rows["tickets"] = []
    assert world.texts == world.expected(rows)
    world.log._add(Truncate, committed_at=1, table="public.bookings", database_position=(9, 10), transaction=None)
    world.settle()
    assert world.texts == {}


def test_insert_and_delete_of_one_key_in_one_batch_leave_nothing(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    world.log.commit(("bookings", "c", {**BOOKING, "booking_id": 8}))
    world.log.commit(("bookings", "d", {**BOOKING, "booking_id": 8}))
    world.settle()
    assert world.texts == world.expected(first_rows())


def test_delete_and_insert_of_one_key_in_one_batch_leave_the_new_row(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    rows["bookings"] = [{**BOOKING, "pnr": "AGAIN1"}]
    world.log.commit(("bookings", "d", BOOKING))
    world.log.commit(("bookings", "c", rows["bookings"][0]))
    world.settle()
    assert world.texts == world.expected(rows)


def test_20000_children_in_one_transaction_update_every_parent(world: World) -> None:
    rows = first_rows()
    rows["bookings"] = [{**BOOKING, "booking_id": n, "pnr": f"P{n}"} for n in range(1000)]
    rows["tickets"] = []
    world.log.snapshot(rows)
    world.settle()
    rows["tickets"] = [{**TICKET, "booking_id": n % 1000, "seq_no": 1 + n // 1000} for n in range(20_000)]
    world.log.commit(*(("tickets", "c", row) for row in rows["tickets"]))
    world.settle()
    assert world.texts == world.expected(rows)


def test_a_change_of_no_mapped_column_makes_no_write_and_no_embedding(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    puts, texts = world.store.puts, world.embedder.texts
    world.log.commit(("flights", "u", FLIGHT))
    world.settle()
    assert (world.store.puts, world.embedder.texts) == (puts, texts)
    assert world.ledger() == [("7", "written")]


def test_a_change_of_no_text_makes_no_write(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    puts = world.store.puts
    world.log.commit(("flights", "u", {**FLIGHT, "note": "captured, but in no text"}))
    world.settle()
    assert world.store.puts == puts
    assert world.ledger()[-1] == ("7", "unchanged")


def test_a_change_of_a_filter_alone_makes_a_write_and_no_embedding(world: World) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from tests.support.airline import mapping

    with TemporaryDirectory() as directory:
        other = World(Path(directory), mapping(text="{{ pnr }}", filters=["total_amt"]))
        other.log.snapshot(first_rows())
        other.settle()
        puts, texts = other.store.puts, other.embedder.texts
        other.log.commit(("bookings", "u", {**BOOKING, "total_amt": 1}))
        other.settle()
        assert other.store.puts == puts + 1
        assert other.embedder.texts == texts
        other.state.close()


def test_a_text_already_embedded_is_not_bought_again(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    texts = world.embedder.texts
    twin = {**BOOKING, "booking_id": 8}
    world.log.commit(("tickets", "c", {**TICKET, "booking_id": 8}), ("bookings", "c", twin))
    world.settle()
    assert world.embedder.texts == texts
    assert len(world.texts) == 2


def test_no_document_is_built_from_half_a_transaction(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    world.log.commit(
        ("flights", "u", {**FLIGHT, "status_cd": "CX"}), ("customers", "u", {**CUSTOMER, "full_name": "Mario"})
    )
    world.apply(upto=len(world.log.records) - 2)  # only the first change of the two
    world.write()
    assert world.texts == world.expected(rows)
    world.apply(upto=len(world.log.records) - 1)  # both, without END
    world.write()
    assert world.texts == world.expected(rows)
    world.settle()
    rows["flights"], rows["customers"] = [{**FLIGHT, "status_cd": "CX"}], [{**CUSTOMER, "full_name": "Mario"}]
    assert world.texts == world.expected(rows)


def test_records_sent_again_below_the_highest_position_are_skipped(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "DL"}))
    stale = world.log.records[-2]
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.settle()
    send_again(world, [stale])
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    assert world.texts == world.expected(rows)


def test_the_first_transaction_after_a_snapshot_sent_again_brings_no_older_text_back(world: World) -> None:
    """It names no commit before it. What follows it does, and is skipped when it is sent again."""
    rows = first_rows()
    world.log.snapshot(rows)
    first = len(world.log.records)
    for status in ("DL", "CX"):
        world.log.commit(("flights", "u", {**FLIGHT, "status_cd": status}))
    world.log.commit(("bookings", "u", BOOKING))
    positions = [each.database_position for each in world.log.records[first:] if isinstance(each, Change)]
    assert [position and position[0] > 0 for position in positions] == [False, True, True]
    world.settle()
    send_again(world, world.log.records[first:])
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    assert world.texts == world.expected(rows)


def test_the_first_transaction_after_a_further_snapshot_is_applied_whatever_came_before(world: World) -> None:
    """A restored database counts from an earlier point again."""
    rows = first_rows()
    world.log.snapshot(rows)
    world.log.committed_to = 1_000_000
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "DL"}))
    world.log.snapshot(rows)
    world.log.committed_to = 0
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    assert world.texts == world.expected(rows)


def send_again(world: World, records: list[Record]) -> None:
    """As a connector does that is killed before it has noted how far it was."""
    for record in list(records):
        world.log.records.append(replace(record, offset=len(world.log.records)))


def test_a_code_without_words_parks_its_document_and_the_others_go_on(world: World) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "??"}), ("bookings", "u", {**BOOKING, "booking_id": 8}))
    world.settle()
    parked = world.document("7")
    assert "status_cd" in parked.parked
    assert parked.priority is None
    assert world.ledger()[-1] == ("8", "written")
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.settle()
    assert world.document("7").parked is None
    assert "cancelled" in world.texts["7", 0]


def test_where_is_obeyed_when_rows_enter_and_leave(tmp_path: object) -> None:
    from pathlib import Path

    from tests.support.airline import mapping

    world = World(Path(str(tmp_path)), mapping(where={"total_amt": {"gt": 100}}))
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    assert len(world.texts) == 1
    world.log.commit(("bookings", "u", {**BOOKING, "total_amt": 1}))
    world.settle()
    assert world.texts == {}
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.log.commit(("bookings", "u", BOOKING))
    world.settle()
    rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
    assert world.texts == world.expected(rows)
    world.state.close()


def test_the_ledger_names_the_row_that_changed(world: World) -> None:
    rows = first_rows()
    world.log.snapshot(rows)
    world.settle()
    world.log.commit(("flights", "u", {**FLIGHT, "status_cd": "CX"}))
    world.settle()
    with world.state.read() as connection:
        causes = list(connection.execute(select(LEDGER.c.cause).order_by(LEDGER.c.id)).scalars())
    assert causes == ["snapshot", f"flights {FLIGHT['flight_id']} u"]
