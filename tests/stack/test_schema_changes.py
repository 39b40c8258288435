"""Tables that are altered while changes flow: right, or parked with the reason; what is not mapped is ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.notes import MariaDBNotes, MySQLNotes, Notes, mapping_of
from tests.support.pipeline import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack


KINDS = [Notes, MariaDBNotes, pytest.param(MySQLNotes, marks=pytest.mark.mysql)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda each: each.kind)
def notes(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    """One for all of this module on each database: its tests take over what the one before left."""
    made: Notes = request.param(stack, tmp_path_factory.mktemp("notes"))
    made.create_database()
    try:
        made.begin()
        yield made
    finally:
        made.close()


IGNORED = {
    "postgres": (
        "alter table plain add column extra text default 'x'; insert into plain values (3, 'three')",
        "alter table plain drop column other; update plain set note = 'one' where id = 1",
        "alter table plain rename column more to less; insert into plain values (4, 'four')",
        "alter table plain alter column less type text; delete from plain where id = 2",
        "create table stranger (id int primary key); insert into stranger values (1); drop table stranger",
    ),
    "mariadb": (
        "alter table plain add column extra text default 'x' first; insert into plain (id, note) values (3, 'three')",
        "alter table plain drop column other, add index (more); update plain set note = 'one' where id = 1",
        "alter table plain rename column more to less; insert into plain (id, note) values (4, 'four')",
        "alter table plain modify less text, alter note set default 'x'; delete from plain where id = 2",
        "alter table plain engine = InnoDB, comment 'modify note'",
        # Debezium does not understand it.
        "create table stranger (id int primary key); alter table stranger add system versioning; drop table stranger",
    ),
    "mysql": (
        "alter table plain add column extra text default ('x') first; insert into plain (id, note) values (3, 'three')",
        "alter table plain drop column other, add index (more); update plain set note = 'one' where id = 1",
        "alter table plain rename column more to less; insert into plain (id, note) values (4, 'four')",
        "alter table plain modify less varchar(9), alter note set default 'x'; delete from plain where id = 2",
        "alter table plain engine = InnoDB, comment 'modify note', algorithm = copy",
        "create table stranger as select 1 as id; alter table stranger add primary key (id); drop table stranger",
    ),
}


def test_what_is_not_mapped_may_change_as_it_likes(notes: Notes) -> None:
    epoch = notes.epoch
    for statement in IGNORED[notes.kind]:
        notes.sql(statement)
    notes.wait()
    assert notes.texts("plain") == notes.by_sql("plain") == {"1": "1: one", "3": "3: three", "4": "4: four"}
    assert notes.epoch == epoch


# -- rows that change without a word in the log are read again ---------------------------------------


SILENT = {
    "postgres remade": (
        "drop table remade",
        "create table remade (id int primary key, note text); insert into remade values (7, 'of the new one')",
    ),
    "postgres swapped": (
        "create table swap (id int primary key, note text); insert into swap values (7, 'swapped in')",
        "begin; alter table swapped rename to swapped_old; alter table swap rename to swapped; commit",
    ),
    "postgres widened": (  # as docs/dba.md says
        "begin; alter publication headrace_{name} drop table widened;"
        " alter table widened alter column note type varchar(50) using note || ' widened'; commit",
    ),
    "postgres parts": (
        "create table parts_3 (id int primary key, note text); insert into parts_3 values (21, 'came with it')",
        "alter table parts attach partition parts_3 for values from (20) to (30)",
        "truncate parts_2",
        "alter table parts detach partition parts_1",
        "insert into parts values (11, 'through the root'); insert into parts_3 values (22, 'direct')",
    ),
    "mariadb remade": (
        "drop table remade; create table remade (note text, id int primary key);"
        " insert into remade values ('of the new one', 7)",
    ),
    "mariadb swapped": (
        "create table swap (id int primary key, note text); insert into swap values (7, 'swapped in');"
        " rename table swapped to swapped_old, swap to swapped",
    ),
    "mariadb widened": (
        "update widened set note = 'longer than that'; set sql_mode = ''; alter table widened modify note varchar(6);"
        " update widened set note = 'after' where id = 2",
    ),
    "mariadb redone": (
        "insert into redone values (3, 'before'); alter table redone drop note, add note text default 'anew';"
        " insert into redone values (4, 'after')",
    ),
    "mariadb computed": (
        "alter table computed modify base varchar(50) default 'x', change note note text as (base) stored",
    ),
    "mariadb replaced": (
        "create or replace table replaced (note text, id int primary key); insert into replaced values ('anew', 7)",
    ),
    "mariadb replaced by one alike": (
        "create or replace table replaced (note text, id int primary key); insert into replaced values ('again', 8)",
    ),
    "mariadb parts": (
        "create table part (id int primary key, note text); insert into part values (21, 'came with it');"
        " alter table parts exchange partition p3 with table part",
    ),
    "mariadb parts truncated": ("alter table parts truncate partition p3",),
    "mariadb parts dropped": (
        "alter table parts drop partition p1; insert into parts (id, note) values (11, 'after')",
    ),
}
SILENT |= {
    each.replace("mariadb", "mysql"): statements
    for each, statements in SILENT.items()
    if each.startswith("mariadb") and "replaced" not in each  # MySQL has no `create or replace table`
}
SILENT["mysql redone"] = tuple(each.replace("'anew'", "('anew')") for each in SILENT["mariadb redone"])
SAID = {"mariadb remade", "mysql remade"}  # in line with the changes, so that no snapshot is needed


def test_rows_that_changed_without_a_word_in_the_log_are_read_again(notes: Notes) -> None:
    for what in (each for each in SILENT if each.startswith(notes.kind)):
        table, epoch = what.split()[1], notes.epoch + (what not in SAID)
        for statement in SILENT[what]:
            notes.sql(statement.format(name=notes.name))
        notes.wait_equal(table)
        assert notes.epoch == epoch, what
        notes.sql(f"insert into {table} (id, {notes.written(table)}) values (23, 'later')")
        notes.sql(f"update {table} set id = 15 where id = 23")  # of parts: into another partition
        notes.wait_equal(table)
        notes.sql(f"delete from {table} where id = 15")
        notes.wait_equal(table)
        assert notes.epoch == epoch, what


def test_the_page_for_dbas_shows_the_way_to_another_type_that_was_tried() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dba.md").read_text()
    (shown,) = re.findall(r"^```sql\n(begin;.*?)```$", page, re.M | re.S)
    tried = SILENT["postgres widened"][0].format(name="airline").replace("widened", "tickets")
    for one, other in zip(shown.split(";"), tried.split(";"), strict=False):
        assert one.split("alter column")[0].split() == other.split("alter column")[0].split()


# -- what cannot be read as mapped is parked ---------------------------------------------------------


ALTERED: dict[str, dict[str, tuple[str, ...]]] = {
    "postgres": {
        "renamed": ("alter table renamed rename column note to remark", "insert into renamed values (3, 'three')"),
        "dropped": ("alter table dropped drop column note cascade", "insert into dropped values (3, 'three')"),
        "retyped": (  # at once: the worker, reading again what happened to others, puts the table back
            "begin; alter publication headrace_{name} drop table retyped;"
            " alter table retyped alter column note type text using '00' || note; commit",
            "insert into retyped values (3, 'three')",
        ),
        "gone": ("drop table gone",),
        "rekeyed": ("alter table rekeyed drop constraint rekeyed_pkey, add primary key (id, code)",),
    },
    "mariadb": {
        "renamed": ("alter table renamed rename column note to notes; insert into renamed values (3, 'three')",),
        "dropped": ("alter table dropped drop column note; insert into dropped values (3, 'three')",),
        "retyped": ("alter table retyped modify note varchar(9); insert into retyped values (3, 'three')",),
        "gone": ("rename table gone to gone_away; insert into gone_away values (3, 'three')",),
        "rekeyed": ("alter table rekeyed drop primary key, add primary key (id, code)",),
    },
}
ALTERED["mysql"] = ALTERED["mariadb"]
REASONS: dict[str, dict[str, tuple[str, ...]]] = {
    "postgres": {
        "renamed": ("note", "dropped, renamed or not published"),
        "dropped": ("column note is gone (dropped or renamed)",),
        "retyped": ("column note is now text, and was integer",),
        "gone": ("table public.gone is gone from the database (dropped or renamed)",),
        "rekeyed": ("the primary key is now (id, code), and was (id)",),
    },
    "mariadb": {
        "renamed": ("column note is gone (dropped or renamed; the nearest is notes)",),
        "dropped": ("column note is gone (dropped or renamed)",),
        "retyped": ("column note is now varchar(9), and was int(11)",),
        "gone": (".gone is gone from the database (dropped or renamed)",),
        "rekeyed": ("the primary key is now (id, code), and was (id)",),
    },
}
REASONS["mysql"] = REASONS["mariadb"] | {"retyped": ("column note is now varchar(9), and was int",)}


def test_what_cannot_be_read_as_mapped_is_parked_with_reason_and_cure_and_nothing_else(notes: Notes) -> None:
    altered = ALTERED[notes.kind]
    before = {table: notes.texts(table) for table in altered}
    for statements in altered.values():
        for statement in statements:
            notes.sql(statement.format(name=notes.name))
    wait_until("their documents to be parked", lambda: all(notes.statuses()[t].parked >= 2 for t in altered))
    listed = " ".join(notes.command("deadletters", "list", notes.name, check=False).stdout.split())
    for table, reasons in REASONS[notes.kind].items():
        status = notes.statuses()[table]
        assert status.state == "unknown"
        assert notes.texts(table) == before[table]
        for reason in (*reasons, "headrace lint --live --accept"):
            assert reason in listed
            assert reason in (status.trouble or "")
    waited = notes.command("wait", notes.name, "--timeout", "20s", check=False)
    assert waited.returncode == 1
    assert ".gone is gone from the database" in " ".join(waited.stderr.split())
    # The application's own writes go on, and so do the other tables.
    wait_until("updates of the table with another key", lambda: _updates(notes), every=0.5)
    notes.sql("insert into plain (id, note) values (50, 'fifty')")
    notes.wait_equal("plain")
    assert notes.statuses()["plain"].state == "fresh"


def _updates(notes: Notes) -> bool:
    """Whether PostgreSQL lets an update through: it refuses what its publication could not send."""
    try:
        notes.sql("update rekeyed set note = 'updated' where id = 1")
    except psycopg.Error:
        return False
    return True


def test_a_table_that_is_changed_back_is_read_again(notes: Notes) -> None:
    now = "remark" if notes.kind == "postgres" else "notes"
    notes.sql(f"update renamed set {now} = 'changed meanwhile' where id = 1")
    notes.sql(f"alter table renamed rename column {now} to note")
    notes.wait_equal("renamed")
    wait_until("nothing to be in its way", lambda: notes.statuses()["renamed"].trouble is None)
    assert notes.statuses()["renamed"].parked == 0
    assert notes.statuses()["dropped"].trouble
    # That snapshot left this one out; now it is captured again.
    notes.sql("alter table dropped add column note text; update dropped set note = 'again'")
    notes.wait_equal("dropped")
    notes.sql("update dropped set note = 'and again' where id = 2")
    notes.wait_equal("dropped")


def test_a_mended_mapping_is_applied_again_and_everything_is_right(notes: Notes) -> None:
    tables = tuple(table for table in notes.tables if table != "gone")
    notes.command("remove", notes.name, "--yes")
    notes.use(mapping_of(tables, dropped="note: {column: remark}", rekeyed="note: {}, code: {}"))
    notes.file.write_text(notes.mapping_text)
    notes.sql("update dropped set remark = 'in its place'")
    notes.command("lint", str(notes.file), "--live", "--accept")
    notes.command("apply", str(notes.file), "--auto-approve")
    notes.wait_equal(*(table for table in tables if table not in ("dropped", "rekeyed")))
    others = notes.by_sql("dropped", "remark")
    rows = notes.query("select id, code, note from rekeyed")
    rekeyed = {f"[{key},{code}]": f"{key}: {note}" for key, code, note in rows}
    wait_until("the other column", lambda: notes.texts("dropped") == others, every=0.3)
    wait_until("the other key", lambda: notes.texts("rekeyed") == rekeyed, every=0.3)
    assert {status.parked for status in notes.statuses().values()} == {0}
    assert not any(status.trouble for status in notes.statuses().values())
