from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.change import (
    Broken,
    Change,
    Heartbeat,
    Message,
    Operation,
    Record,
    SchemaChange,
    SnapshotNotice,
    Tombstone,
    TransactionBegin,
    TransactionEnd,
    Truncate,
)
from connectors.envelope import decode

ENVELOPES = Path(__file__).parent / "fixtures" / "envelopes"
SUBJECTS = sorted(file.stem for file in ENVELOPES.glob("*.json"))
R = TypeVar("R", bound=Record)
Raw = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]


def raw(subject: str) -> list[Raw]:
    """What Debezium really sent, see fixtures/envelopes/record.py."""

    def encoded(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    return [
        (encoded(r["key"]), encoded(r["value"]), [(name, encoded(text)) for name, text in r["headers"]], r["offset"])
        for r in json.loads((ENVELOPES / f"{subject}.json").read_text())
    ]


def recorded(subject: str) -> list[Record]:
    return [decode(*each) for each in raw(subject)]


def only(kind: type[R], records: list[Record]) -> list[R]:
    return [record for record in records if isinstance(record, kind)]


def changes(subject: str, table: str = "") -> list[Change]:
    return [change for change in only(Change, recorded(subject)) if change.table.endswith(table)]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_recorded_record_is_understood_and_keeps_its_offset(subject: str) -> None:
    records = recorded(subject)
    assert not only(Broken, records)
    assert [record.offset for record in records] == [offset for *_, offset in raw(subject)]


def test_a_snapshot_row_is_a_read_with_its_time_and_no_database_position() -> None:
    first = changes("initial_snapshot", ".customers")[0]
    assert first.operation is Operation.read
    assert (first.before, first.transaction, first.database_position, first.incremental) == (None, None, None, False)
    assert first.key == {"customer_id": 1}
    assert first.committed_at > 1_700_000_000_000_000  # microseconds


def test_private_columns_arrive_cut_hashed_or_not_at_all() -> None:
    after = changes("initial_snapshot", ".customers")[0].after
    assert after is not None
    assert set(after) == {"customer_id", "full_name", "passport_no", "tier_cd"}
    assert after["full_name"] == "M"
    assert len(after["passport_no"]) == 64


def test_nothing_that_the_mapping_does_not_list_is_in_any_record() -> None:
    everything = b"".join((key or b"") + (value or b"") for subject in SUBJECTS for key, value, *_ in raw(subject))
    for unlisted in (b"UNLISTED", b"SECRET", b"unlisted", b"m@x.it", b"Rossi", b"YA1", b"public.Customers"):
        assert unlisted not in everything
    assert b"not ours" not in everything
    assert b"bm90IG91cnM" not in everything  # the same in base64


def test_a_transaction_has_one_name_from_begin_to_end() -> None:
    records = recorded("transaction")
    of_change = {change.transaction for change in only(Change, records)}
    assert len(only(Change, records)) == 4
    assert len(of_change) == 1
    (name,) = of_change
    begin = next(r.offset for r in only(TransactionBegin, records) if r.transaction == name)
    end = next(r.offset for r in only(TransactionEnd, records) if r.transaction == name)
    assert all(begin < change.offset < end for change in only(Change, records))


def test_create_update_and_delete_carry_their_images() -> None:
    created, updated, ticket, deleted = changes("transaction")
    assert (created.operation, created.before, created.after and created.after["tier_cd"]) == ("c", None, "B ")
    assert (updated.operation, updated.key, updated.after and updated.after["tier_cd"]) == (
        "u",
        {"customer_id": 1},
        "S ",
    )
    assert ticket.after is not None
    assert ticket.after["bag_wt"] == "20"
    assert (deleted.operation, deleted.key, deleted.after) == ("d", {"booking_id": 7, "seq_no": 2}, None)
    assert deleted.table == "public.tickets"


def test_positions_of_streamed_changes_never_fall() -> None:
    found = []
    for subject in ("transaction", "key_change", "toast", "values", "full_identity"):
        found.append([change.database_position for change in changes(subject)])
    for positions in found:
        assert all(position is not None for position in positions)
        assert positions == sorted(positions, key=lambda each: each or ())


def test_a_null_in_a_column_with_a_default_stays_null() -> None:
    (change,) = changes("null_beside_default")
    assert change.after == {"booking_id": 8, "seq_no": 1, "bag_wt": "1", "seat": None}


def test_the_halves_of_a_key_change_name_each_other_and_share_their_position() -> None:
    gone, come = changes("key_change")
    assert (gone.operation, gone.key, gone.new_key) == ("d", {"customer_id": 3}, {"customer_id": 30})
    assert (come.operation, come.key, come.old_key) == ("c", {"customer_id": 30}, {"customer_id": 3})
    assert gone.database_position == come.database_position


def test_a_truncate_names_each_of_its_tables() -> None:
    truncates = only(Truncate, recorded("truncate"))
    assert {each.table for each in truncates} == {"public.tickets", "public.notes"}
    assert all(each.transaction and each.database_position and each.committed_at for each in truncates)


LARGE = {"body", "doc", "raw", "tags", "codes", "refs", "attributes"}


def test_values_that_were_not_sent_are_missing_and_named_whatever_their_type() -> None:
    inserted, updated, gone, come, deleted = changes("toast")
    assert inserted.after is not None
    assert set(inserted.after) >= LARGE
    assert inserted.unsent == frozenset()
    assert updated.unsent == LARGE
    assert updated.after == {"note_id": 1, "title": "first", "touched": 1}
    assert come.unsent == LARGE
    assert come.after == {"note_id": 2, "title": "first", "touched": 1}
    assert (gone.unsent, deleted.unsent) == (frozenset(), frozenset())


def test_a_row_that_is_inserted_with_the_placeholders_text_keeps_it() -> None:
    (change,) = changes("placeholder_as_text")
    assert change.after is not None
    assert change.after["title"] == "__debezium_unavailable_value"
    assert change.unsent == frozenset()


def test_awkward_names_of_tables_and_columns_arrive_as_they_are() -> None:
    (change,) = changes("names")
    assert change.table == "public.Odd, Table"
    assert change.key == {"Id.x": 1}
    assert change.after == {"Id.x": 1, "größe (cm)": "groß", "email": "listed@x"}


def test_numbers_beyond_floats_and_texts_in_any_script_arrive_exactly() -> None:
    found = {change.after["id"]: change.after for change in changes("values") if change.after}
    assert found[1]["big"] == 9223372036854775807
    assert found[1]["words"] == "e\tx\nÄ 🛫 مرحبا"
    assert found[2]["number"] == "1.500"
    assert found[3]["number"] == "12345678901234567890.123456789"
    assert (found[3]["flag"], found[3]["words"]) == (None, None)
    assert (found[1]["number"], found[1]["at"], found[4]["at"]) == ("NAN", "infinity", "-infinity")


def test_full_replica_identity_brings_the_row_before() -> None:
    created, updated, deleted = changes("full_identity")
    assert created.before is None
    assert (updated.before, updated.after) == ({"id": 1, "listed": "listed"}, {"id": 1, "listed": "changed"})
    assert (deleted.before, deleted.after) == ({"id": 1, "listed": "changed"}, None)


def test_our_own_messages_arrive_as_text_with_a_position() -> None:
    found = [message for message in only(Message, recorded("messages")) if message.prefix == "headrace"]
    assert [message.content for message in found] == ["a token", "end of messages"]
    assert all(message.database_position and message.transaction and message.committed_at for message in found)


def test_both_kinds_of_heartbeat_are_told_apart() -> None:
    records = recorded("heartbeats")
    assert only(Heartbeat, records)
    assert {message.prefix for message in only(Message, records)} == {"headrace-heartbeat"}


def test_a_snapshot_opens_names_its_tables_and_closes() -> None:
    notices = only(SnapshotNotice, recorded("initial_snapshot"))
    assert (notices[0].kind, notices[-1].kind) == ("STARTED", "COMPLETED")
    assert {notice.snapshot for notice in notices} == {"Initial Snapshot"}
    scanned = {notice.table: notice.status for notice in notices if notice.kind == "TABLE_SCAN_COMPLETED"}
    assert scanned["public.Odd, Table"] == "SUCCEEDED"
    assert scanned["public.nothing_to_show"] == "SUCCEEDED"


def test_an_incremental_snapshot_keeps_the_signals_identity_and_its_rows_have_a_position() -> None:
    records = recorded("incremental_snapshot")
    notices = only(SnapshotNotice, records)
    assert {notice.identity for notice in notices} == {"one"}
    assert {n.table: n.status for n in notices if n.status} == {
        "public.customers": "SUCCEEDED",
        "public.nothing_to_show": "EMPTY",
    }
    rows = only(Change, records)
    assert rows
    assert all(row.incremental and row.operation is Operation.read and row.database_position for row in rows)


def test_a_tombstone_is_no_broken_record() -> None:
    assert decode(b'{"id":1}', None, [], 5) == Tombstone(5, 0)


def test_ddl_of_mariadb_names_its_tables_and_says_what_they_are_now() -> None:
    body: dict[str, Any] = {
        "source": {"ts_ms": 1700000000000, "db": "shop", "table": "item"},
        "databaseName": "shop",
        "ddl": "alter table item add x int",
        "tableChanges": [{"type": "ALTER", "id": '"shop"."item"'}],
    }
    found = decode(None, json.dumps(body).encode(), None, 3)
    assert found == SchemaChange(3, 1700000000000000, "alter table item add x int", ("shop.item",), "ALTER")
    columns = [("id", "BIGINT UNSIGNED", 20, None), ("price", "DECIMAL", 8, 2), ("state", "ENUM", 1, None)]
    table = {
        "primaryKeyColumnNames": ["id"],
        "columns": [dict(zip(("name", "typeName", "length", "scale"), each, strict=True)) for each in columns],
    }
    body["tableChanges"] = [{"type": "ALTER", "id": '"shop"."item"', "table": table}]
    found = decode(None, json.dumps(body).encode(), None, 3)
    assert isinstance(found, SchemaChange)
    there = found.definitions["shop.item"]
    assert there.key == ("id",)
    assert {name: each.type for name, each in there.columns.items()} == {
        "id": "bigint(20) unsigned", "price": "decimal(8,2)", "state": "enum",
    }  # fmt: skip


def test_ddl_of_a_table_that_the_connector_did_not_know_names_it_too() -> None:
    body = {
        "source": {"ts_ms": 1700000000000, "db": "shop", "table": "box_old,box", "snapshot": None},
        "databaseName": "shop",
        "ddl": "rename table another to box",
        "tableChanges": [],
    }
    found = decode(None, json.dumps(body).encode(), None, 3)
    assert found == SchemaChange(3, 1700000000000000, "rename table another to box", ("shop.box_old", "shop.box"))


def test_a_transaction_name_with_a_gtid_stays_whole() -> None:
    body = {"status": "BEGIN", "id": "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", "ts_ms": 5}
    assert decode(None, json.dumps(body).encode(), None, 0) == TransactionBegin(
        0, 5000, "3e11fa47-71ca-11e1-9e33-c80aa9429562:23"
    )


def broken(change: Raw, **differences: object) -> Record:
    key, value, headers, offset = change
    return decode(key, json.dumps(json.loads(value or b"") | differences).encode(), headers, offset)


@pytest.mark.parametrize(
    "differences",
    [
        {"source": None},
        {"source": {"schema": "public", "table": ""}},
        {"op": "x"},
        {"after": None},
        {"after": 5},
        {"op": "m", "message": {"prefix": "headrace", "content": "not base64!"}},
        {"op": "m", "message": None},
        {"op": 7},
        {"op": ["u"]},
        {"source": {"schema": "public", "table": "t", "sequence": "[1]"}},
        {"source": {"schema": "public", "table": "t", "sequence": "no"}},
    ],
)
def test_an_envelope_of_unknown_shape_is_broken_with_a_reason_and_without_a_value(
    differences: dict[str, object],
) -> None:
    change = next(each for each in raw("transaction") if b'"op":"u"' in (each[1] or b""))
    found = broken(change, **differences)
    assert isinstance(found, Broken)
    assert found.offset == change[3]
    assert found.reason
    assert "tier_cd" not in found.reason
    assert "customer" not in found.reason


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b"7", b'"text"', b"{}x", b"\xff\xfe", b'{"a": 1}'])
def test_what_is_no_envelope_at_all_is_broken(value: bytes) -> None:
    assert isinstance(decode(b"{}", value, [], 1), Broken)


@given(st.binary() | st.none(), st.binary() | st.none())
def test_no_bytes_make_it_raise(key: bytes | None, value: bytes | None) -> None:
    assert isinstance(decode(key, value, [("__debezium.newkey", key)], 9), Record)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = ["op", "before", "after", "source", "transaction", "message", "status", "id", "ddl", "aggregate_type", "type"]


@given(st.sampled_from([each for subject in SUBJECTS for each in raw(subject)]), st.sampled_from(PARTS), JSON)
def test_no_part_of_an_envelope_put_wrong_makes_it_raise(record: Raw, part: str, wrong: object) -> None:
    assert isinstance(broken(record, **{part: wrong}), Record)


def test_decoding_keeps_up_with_a_connector_at_full_speed() -> None:
    change = next(each for each in raw("transaction") if b'"op":"u"' in (each[1] or b""))
    best = 1.0
    for _ in range(20):
        start = time.process_time()
        for _ in range(500):
            decode(*change)
        best = min(best, (time.process_time() - start) / 500)
    assert best < 50e-6, f"{best * 1e6:.0f} µs for one change"


def test_half_a_character_left_by_a_mask_becomes_the_replacement_character() -> None:
    """Debezium's column.truncate cuts by UTF-16 units: of an emoji half is left, as `"\\ud83d"`."""
    value = (
        b'{"op":"c","before":null,"after":{"id":1,"name":"\\ud83d","whole":"\\ud83d\\ude00"},'
        b'"source":{"connector":"postgresql","schema":"public","table":"t","ts_us":5,"sequence":"[\\"1\\",\\"2\\"]"}}'
    )
    change = decode(b'{"id":1}', value, None, 3)
    assert isinstance(change, Change)
    assert change.after == {"id": 1, "name": "\ufffd", "whole": "\U0001f600"}


def test_a_number_that_json_does_not_know_is_no_json() -> None:
    assert isinstance(decode(b'{"id":1}', b'{"op":"c","after":{"id":NaN}}', None, 3), Broken)
