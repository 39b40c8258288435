"""Each operation by real commits, then the whole collection compared with text rendered straight from SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.stack.conftest import airline
from tests.support.cascading import RULES
from tests.support.pipeline import Pipeline
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL, ON_OLDER_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack


@pytest.fixture(params=[Pipeline, MariaDBPipeline, ON_MYSQL, ON_OLDER_MYSQL], ids=lambda each: each.kind)
def either(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    """The airline on each database in turn, with rules on its foreign keys."""
    yield from airline(request.param(stack, tmp_path), RULES[request.param.kind])


def test_every_operation_ends_in_what_sql_says(either: Pipeline) -> None:
    either.assert_equal()
    operations = {**OPERATIONS, **FOREIGN_KEYS, "anything": anything(Random(7)), **LAST, **OTHERWISE[either.kind]}
    for title, statement in operations.items():
        either.sql(statement)
        either.wait()
        try:
            either.assert_equal()
        except AssertionError as exc:
            raise AssertionError(f"after {title}: {exc}") from exc
    flights = {int(key) for key, _ in either.objects("Flight")}
    assert flights == {number for (number,) in either.query("select flight_id from flights")}


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
}

# What PostgreSQL's log says, and MariaDB's does not.
FOREIGN_KEYS = {
    "delete of a parent": "delete from bookings where booking_id in (3, 4)",
    "delete of a grandparent": "delete from customers where customer_id in (5, 6)",
    "delete that sets null": "delete from flights where flight_id in (7, 8)",
    "changed key of a parent whose children carry it in theirs": """
        update bookings set booking_id = 9500 where booking_id = 10""",
    "changed key of a shared parent": "update flights set flight_id = 900 where flight_id = 2",
    "changed key of a grandparent": "update customers set customer_id = 900 where customer_id = 9",
    "delete and insert in one transaction": """
        begin; delete from customers where customer_id = 11;
        insert into customers (customer_id, full_name, tier_cd) values (11, 'Back again', 'G');
        insert into bookings values (9501, 'BACK01', 11, '2026-03-01 09:00:00', 100, 'WEB');
        insert into tickets values (9501, 1, 3, 'Y', null); commit""",
    "children of one transaction that go with it": """
        begin; insert into bookings values (9502, 'GONE02', 12, '2026-03-01 09:00:00', 100, 'WEB');
        insert into tickets values (9502, 1, 3, 'Y', null); delete from customers where customer_id = 12; commit""",
    "a child moved away in time": """
        begin; update bookings set customer_id = 14 where customer_id = 13;
        delete from customers where customer_id = 13; commit""",
    "rolled back": "begin; delete from customers; rollback",
    "one statement over many": "delete from customers where customer_id between 15 and 25",
}

LAST = {
    "truncate of children": "truncate tickets",
    "truncate": "truncate bookings, tickets",
    "life after truncate": "insert into bookings values (1, 'AFTER1', 1, '2026-03-01 09:00:00', 100, 'WEB')",
}

# MariaDB truncates one table at a time, and one that a foreign key points at only where those are not looked at.
OTHERWISE: dict[str, dict[str, str]] = {
    "postgres": {},
    "mariadb": {
        "truncate": """
            set foreign_key_checks = 0; truncate bookings; truncate tickets; set foreign_key_checks = 1""",
    },
}
OTHERWISE["mysql"] = OTHERWISE["mariadb"]


def anything(chance: Random) -> str:
    """Sixty statements on keys that are there or not, some in one transaction; customer 1 stays."""
    made, moved = [], 10_000
    for number in range(60):
        moved += 1
        customer, flight, booking = chance.randint(2, 50), chance.randint(1, 20), chance.randint(1, 120)
        made.append(
            chance.choice(
                (
                    f"delete from bookings where booking_id = {booking}",
                    f"delete from flights where flight_id = {flight}",
                    f"update bookings set booking_id = {moved} where booking_id = {booking}",
                    f"update flights set flight_id = {moved} where flight_id = {flight}",
                    f"update customers set customer_id = {moved} where customer_id = {customer}",
                    f"update tickets set fare_cd = 'F' where booking_id = {booking}",
                    f"update flights set flight_id = {flight} where flight_id = {moved - 9}",
                )
            )
        )
        if number % 12 == 3:
            made.append("begin")
        elif number % 12 == 9:
            made.append("commit")
    return "; ".join(made)


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
