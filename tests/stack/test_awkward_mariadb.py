"""Rows that only MariaDB and MySQL have, rows that hang on rows of one table, and a table that changes its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from connectors.connect import Connect
from sync.state.registry import SOURCE
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_OLDER_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack

MAPPING = """
version: 1
name: airline
source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}
tables:
  bookings:
    columns:
      id: {label: number}
      flag: {label: flag, type: boolean}
      small: {label: small}
      until: {label: valid until, timezone: UTC}
      day: {label: day}
      seen: {label: seen}
      state: {label: state, unknown: keep}
      above: {label: above}
      beside: {label: beside}
documents:
  booking:
    root: bookings
    with:
      below: {many: bookings, by: {id: above}, order: id}
    title: "Note {{ id }}"
    text: >-
      {{ flag }} | {{ small }} | {{ until }} | {{ day }} | {{ seen }} | {{ state }} | {{ above }} | {{ beside }} |
      {% for each in below %}{{ each.id }} {% endfor %}
"""
TABLE = """
create table bookings (
  id bigint unsigned primary key, flag tinyint(1), small tinyint(3) unsigned, until datetime null, day date not null,
  seen timestamp(6) null, state enum('on', 'off'), above bigint unsigned, beside bigint unsigned,
  constraint above foreign key (above) references bookings (id) on delete cascade,
  constraint beside foreign key (beside) references bookings (id) on delete set null)"""
ROWS = """
insert into bookings values
  (18446744073709551615, 1, 255, '0000-00-00', '2026-03-01', '2026-03-01 09:00:00.5', 'on', null, null),
  (9223372036854775808, 0, 0, '9999-12-31 23:59:59', '0000-00-00', null, 'off', null, null),
  (3, null, null, null, '1000-01-01', '1970-01-02', null, null, null),
  (4, 5, 1, '2026-03-01 09:00:00', '2026-03-01', null, 'on', null, null)"""
TREE = """
insert into bookings (id, day, above, beside) values
  (10, '2026-03-01', null, null), (11, '2026-03-01', 10, null), (12, '2026-03-01', 11, 10),
  (13, '2026-03-01', 12, null), (20, '2026-03-01', null, 12), (21, '2026-03-01', 20, 20)"""

SERVERS = {"mariadb": "MariaDB", "mysql": "MySQL"}


@pytest.fixture(scope="module", params=[MariaDBPipeline, ON_OLDER_MYSQL], ids=lambda each: each.kind)
def notes(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """One for all of this module: its tests take over what the one before left.

    Where MySQL 9.7 itself follows foreign keys from a table to itself it gives up after a few rows.
    """
    made: Pipeline = request.param(stack, tmp_path_factory.mktemp("notes"), mapping=MAPPING)
    made.create_database()
    try:
        made.sql(TABLE)
        made.file.with_suffix(".lock").write_text(made.lock())
        made.apply()
        made.start_worker()
        made.wait_loaded()
        yield made
    finally:
        made.close()


def texts(pipeline: Pipeline) -> dict[str, str]:
    return {key: text.partition("\n")[2].strip() for (key, _), text in pipeline.objects().items()}


def as_in_sql(pipeline: Pipeline) -> None:
    """Each row's document names the rows above, beside and below it that SQL knows."""
    related = """
        select cast(b.id as char), concat(coalesce(b.above, 'not recorded'), ' | ', coalesce(b.beside, 'not recorded'),
          ' |', coalesce(concat(' ', group_concat(c.id order by c.id separator ' ')), ''))
        from bookings b left join bookings c on c.above = b.id group by b.id"""
    found = {key: text.split(" | ", 6)[6] for key, text in texts(pipeline).items()}
    assert found == dict(pipeline.query(related))


def test_awkward_rows_and_rows_of_one_table_that_hang_on_each_other(notes: Pipeline) -> None:
    notes.sql(f"set sql_mode = ''; {ROWS}")  # MySQL's own takes no zero date
    notes.wait()
    assert notes.statuses()["booking"].parked == 0
    found = {key: text.removesuffix(" | not recorded | not recorded |") for key, text in texts(notes).items()}
    assert found == {
        "18446744073709551615": "yes | 255 | not recorded | 1 March 2026 | 1 March 2026, 09:00 UTC | on",
        # Preflight names it (M234): a zero date arrives as NULL, and where NULL may not be as the first of 1970.
        "9223372036854775808": "no | 0 | 31 December 9999, 23:59 UTC | 1 January 1970 | not recorded | off",
        "3": "not recorded | not recorded | not recorded | 1 January 1000 | 2 January 1970, 00:00 UTC | not recorded",
        "4": "5 | 1 | 1 March 2026, 09:00 UTC | 1 March 2026 | not recorded | on",  # neither yes nor no
    }
    notes.sql(TREE)
    notes.wait()
    as_in_sql(notes)
    notes.sql("delete from bookings where id = 10")
    notes.wait()
    as_in_sql(notes)
    notes.sql("delete from bookings where id = 20")
    notes.wait()
    as_in_sql(notes)


def test_the_commands_know_the_database(notes: Pipeline) -> None:
    done = notes.command("doctor", check=False).stdout  # nobody serves Weaviate's embedder here
    assert f"{notes.name}: database: {SERVERS[notes.kind]}" in done
    assert "nothing is missing" in done
    assert "slot" not in done
    made = notes.command("init", "--database", notes.url, "--name", "made", "-o", "-").stdout
    assert f'connector: {notes.kind}, url: "${{MADE_URL}}", schema: {notes.name}' in made


def test_a_table_that_takes_a_mapped_ones_name_is_read_again_and_one_that_is_dropped_is_empty(notes: Pipeline) -> None:
    """No change says so. And the connector, restarted in between, does not know the other table's columns."""
    notes.sql(
        "create table another (extra int, day date, id bigint unsigned primary key, small int, flag tinyint(1),"
        " until datetime, seen timestamp(6) null, state varchar(5), above bigint unsigned, beside bigint unsigned)"
    )
    notes.sql("insert into another (id, day, small) values (2, '2026-03-01', 8)")
    notes.wait()
    before = epoch(notes)
    connector = f"headrace-{notes.name}-{notes.name}"
    with Connect(notes.env["HEADRACE_CONNECT_URL"]) as connect:
        connect.stop(connector)
        connect.resume(connector)
        connect.wait_running(connector, 60)
    notes.sql(
        "rename table bookings to old, another to bookings;"
        " insert into bookings (id, day, small) values (3, '2026-03-01', 9)"
    )
    wait_until("a new epoch", lambda: epoch(notes) > before)
    wait_until("the documents of the new table", lambda: texts(notes).keys() == {"2", "3"}, 90, every=0.5)
    assert {key: text.split(" | ")[1] for key, text in texts(notes).items()} == {"2": "8", "3": "9"}
    notes.sql("drop table bookings")
    wait_until("the documents to go", lambda: texts(notes) == {}, every=0.5)


def epoch(pipeline: Pipeline) -> int:
    with pipeline.state.read() as connection:
        return int(connection.execute(select(SOURCE.c.epoch).where(SOURCE.c.mapping == pipeline.name)).scalar_one())
