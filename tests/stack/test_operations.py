"""Each operation by real commits, then the whole collection compared with text rendered straight from SQL."""

from __future__ import annotations

from tests.support.pipeline import Pipeline


def test_every_operation_ends_in_what_sql_says(either: Pipeline) -> None:
    either.assert_equal()
    for title, statement in (OPERATIONS | OTHERWISE.get(either.kind, {})).items():
        either.sql(statement)
        either.wait()
        try:
            either.assert_equal()
        except AssertionError as exc:
            raise AssertionError(f"after {title}: {exc}") from exc


OPERATIONS = {
    "insert": "insert into bookings values (9001, 'NEW001', 1, '2026-03-01 09:00:00', 48950, 'WEB')",
    "insert of a child": "insert into tickets values (9001, 1, 1, 'J', null), (9001, 2, 2, 'Y', 23.5)",
    "update": "update bookings set total_amt = total_amt + 100000 where booking_id < 20",
    "update of a shared parent": "update flights set status_cd = 'CX' where flight_id < 5",
    "update of a grandparent's name": "update customers set full_name = concat('Zoe ', full_name)",
    "foreign key move": "update bookings set customer_id = 2 where booking_id = 9001",
    "rebooking": "update tickets set flight_id = 3 where booking_id = 9001 and seq_no = 1",
    "child moved to another parent": """
        update tickets set booking_id = 9001, seq_no = 3 where booking_id = 1 and seq_no = 1""",
    "key change": """
        begin; insert into bookings select 9002, 'REKEY1', customer_id, booked_at, total_amt, channel_cd
          from bookings where booking_id = 9001;
        update tickets set booking_id = 9002 where booking_id = 9001; delete from bookings where booking_id = 9001;
        commit""",
    "key change of a root without children": """
        insert into bookings values (9003, 'ALONE1', 1, '2026-03-01 09:00:00', 1, 'WEB');
        update bookings set booking_id = 9004 where booking_id = 9003""",
    "delete of a child": "delete from tickets where booking_id = 9002 and seq_no = 2",
    "delete": "delete from tickets where booking_id = 5; delete from bookings where booking_id = 5",
    "insert and delete in one transaction": """
        begin; insert into bookings values (9005, 'GONE01', 1, now(), 1, 'WEB');
        delete from bookings where booking_id = 9005; commit""",
    "delete and insert in one transaction": """
        begin; delete from bookings where booking_id = 9004;
        insert into bookings values (9004, 'AGAIN1', 1, '2026-03-01 09:00:00', 2, 'WEB'); commit""",
    "rolled back": "begin; update bookings set pnr = 'NEVER1'; rollback",
    "unmapped column": "update bookings set channel_cd = 'APP'",
    "one transaction over all tables": """
        begin; update customers set tier_cd = 'G' where customer_id < 10; update flights set dist_nm = dist_nm + 1000;
        update bookings set total_amt = 1 where booking_id < 10; update tickets set bag_wt = 12.5; commit""",
    "truncate of children": "truncate tickets",
    "truncate": "truncate bookings, tickets",
    "life after truncate": "insert into bookings values (1, 'AFTER1', 1, '2026-03-01 09:00:00', 100, 'WEB')",
}

# MariaDB truncates one table at a time, and one that a foreign key points at only where those are not looked at.
OTHERWISE = {
    "mariadb": {
        "truncate": """
            set foreign_key_checks = 0; truncate bookings; truncate tickets; set foreign_key_checks = 1""",
    }
}


def test_an_unmapped_change_and_one_without_text_write_nothing(pipeline: Pipeline) -> None:
    from sync.state.database import State
    from tests.support.ledger import outcomes

    state = State(pipeline.env["HEADRACE_STATE_URL"])
    before = outcomes(state, "booking")
    pipeline.sql("update bookings set channel_cd = 'XXX'")
    pipeline.wait()
    assert outcomes(state, "booking") == before
    pipeline.sql("update customers set passport_no = 'NEW' || customer_id")
    pipeline.wait()
    after = outcomes(state, "booking")
    assert after.embedded == before.embedded
    assert after.written == before.written
    assert after.unchanged > before.unchanged
    state.close()
