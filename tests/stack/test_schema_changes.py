"""Tables that are altered while changes flow: right, or parked with the reason; what is not mapped is ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from sync.state.tables import SourceRecord
from tests.support.pipeline import Pipeline, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

HEAD = """
version: 1
name: airline
source: {connector: postgres, url: "${AIRLINE_URL}", schema: public}
tables:
"""
# Each has a document type of its own, whose text is "<number>: <note>".
TABLES = ("plain", "renamed", "dropped", "retyped", "gone", "rekeyed", "widened", "remade", "swapped", "parts")
SETUP = """
create table plain (id int primary key, note varchar(40), other text, more int);
create table renamed (id int primary key, note text);
create table dropped (id int primary key, note text, remark text);
create table retyped (id int primary key, note int);
create table gone (id int primary key, note text);
create table rekeyed (id int primary key, note text, code int not null default 5);
create table widened (id smallint primary key, note text);
create table remade (id int primary key, note text);
create table swapped (id int primary key, note text);
create table parts (id int primary key, note text) partition by range (id);
create table parts_1 partition of parts for values from (0) to (10);
create table parts_2 partition of parts for values from (10) to (20);
"""


def mapping_of(tables: tuple[str, ...], **columns: str) -> str:
    """``columns``: those of a table that has other ones than ``note``."""
    listed = "".join(f"  {t}: {{columns: {{id: {{}}, {columns.get(t, 'note: {}')}}}}}\n" for t in tables)
    documents = "".join(
        f"  {t}:\n    root: {t}\n    collection: PREFIX{t.capitalize()}\n    text: '{{{{ id }}}}: {{{{ note }}}}'\n"
        for t in tables
    )
    return HEAD + listed + "documents:\n" + documents


class Notes(Pipeline):
    """A pipeline of tables with notes."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        super().__init__(stack, directory, mapping=mapping_of(TABLES))
        self.use(self.mapping_text)

    def use(self, mapping: str) -> None:
        text = mapping.replace("name: airline", f"name: {self.name}", 1)
        self.mapping_text = text.replace("PREFIX", self.name.capitalize())

    def texts(self, table: str) -> dict[str, str]:
        return {key: text.split("\n", 1)[-1] for (key, _), text in self.objects(table.capitalize()).items()}

    def by_sql(self, table: str) -> dict[str, str]:
        with self.database() as connection:
            return dict(connection.execute(f"select id::text, id || ': ' || note from {table}").fetchall())

    def wait_equal(self, *tables: str) -> None:
        for table in tables:
            wait_until(
                f"{table} to equal its rows",
                lambda table=table: self.texts(table) == self.by_sql(table),  # type: ignore[misc]
                60,
                every=0.3,
            )

    @property
    def epoch(self) -> int:
        from sqlmodel import Session, select

        with Session(self.state.engine) as session:
            return session.exec(select(SourceRecord.epoch)).one()


@pytest.fixture(scope="module")
def notes(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notes]:
    made = Notes(stack, tmp_path_factory.mktemp("notes"))
    made.create_database()
    try:
        made.sql(SETUP)
        for number, table in enumerate(TABLES):
            made.sql(f"insert into {table} values (1, {number}), (2, {number})")
        made.apply()
        made.start_worker()
        made.wait_loaded()
        made.wait_equal(*TABLES)
        yield made
    finally:
        made.close()


def test_what_is_not_mapped_may_change_as_it_likes(notes: Notes) -> None:
    epoch = notes.epoch
    notes.sql("alter table plain add column extra text default 'x'; insert into plain values (3, 'three')")
    notes.sql("alter table plain drop column other; update plain set note = 'one' where id = 1")
    notes.sql("alter table plain rename column more to less; insert into plain values (4, 'four')")
    notes.sql("alter table plain alter column less type text; delete from plain where id = 2")
    notes.sql("create table stranger (id int primary key); insert into stranger values (1); drop table stranger")
    notes.wait()
    assert notes.texts("plain") == notes.by_sql("plain") == {"1": "1: one", "3": "3: three", "4": "4: four"}
    assert notes.epoch == epoch


# -- rows that change without a word in the log are read again ---------------------------------------


SILENT = {
    "remade": (
        "drop table remade",
        "create table remade (id int primary key, note text); insert into remade values (7, 'of the new one')",
    ),
    "swapped": (
        "create table swap (id int primary key, note text); insert into swap values (7, 'swapped in')",
        "begin; alter table swapped rename to swapped_old; alter table swap rename to swapped; commit",
    ),
    "widened": (  # as docs/dba.md says
        "begin; alter publication headrace_{name} drop table widened;"
        " alter table widened alter column note type varchar(50) using note || ' widened'; commit",
    ),
    "parts": (
        "create table parts_3 (id int primary key, note text); insert into parts_3 values (21, 'came with it')",
        "alter table parts attach partition parts_3 for values from (20) to (30)",
        "truncate parts_2",
        "alter table parts detach partition parts_1",
        "insert into parts values (11, 'through the root'); insert into parts_3 values (22, 'direct')",
    ),
}


@pytest.mark.parametrize("table", SILENT)
def test_rows_that_changed_without_a_word_in_the_log_are_read_again(notes: Notes, table: str) -> None:
    epoch = notes.epoch
    for statement in SILENT[table]:
        notes.sql(statement.format(name=notes.name))
    notes.wait_equal(table)
    assert notes.epoch == epoch + 1
    notes.sql(f"insert into {table} values (23, 'later')")
    notes.sql(f"update {table} set id = 15 where id = 23")  # of parts: into another partition
    notes.wait_equal(table)
    assert notes.epoch == epoch + 1


def test_the_page_for_dbas_shows_the_way_to_another_type_that_was_tried() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "dba.md").read_text()
    (shown,) = re.findall(r"^```sql\n(begin;.*?)```$", page, re.M | re.S)
    tried = SILENT["widened"][0].format(name="airline").replace("widened", "tickets")
    for one, other in zip(shown.split(";"), tried.split(";"), strict=False):
        assert one.split("alter column")[0].split() == other.split("alter column")[0].split()


# -- what cannot be read as mapped is parked ---------------------------------------------------------


ALTERED = {
    "renamed": ("alter table renamed rename column note to remark", "insert into renamed values (3, 'three')"),
    "dropped": ("alter table dropped drop column note cascade", "insert into dropped values (3, 'three')"),
    "retyped": (  # at once: the worker, reading again what happened to others, puts the table back
        "begin; alter publication headrace_{name} drop table retyped;"
        " alter table retyped alter column note type text using '00' || note; commit",
        "insert into retyped values (3, 'three')",
    ),
    "gone": ("drop table gone",),
    "rekeyed": ("alter table rekeyed drop constraint rekeyed_pkey, add primary key (id, code)",),
}
REASONS = {
    "renamed": ("note", "dropped, renamed or not published"),
    "dropped": ("column note is gone (dropped or renamed)",),
    "retyped": ("column note is now text, and was integer",),
    "gone": ("table public.gone is gone from the database (dropped or renamed)",),
    "rekeyed": ("the primary key is now (id, code), and was (id)",),
}


def test_what_cannot_be_read_as_mapped_is_parked_with_reason_and_cure_and_nothing_else(notes: Notes) -> None:
    before = {table: notes.texts(table) for table in ALTERED}
    for table in ALTERED:
        for statement in ALTERED[table]:
            notes.sql(statement.format(name=notes.name))
    wait_until("their documents to be parked", lambda: all(notes.statuses()[t].parked >= 2 for t in ALTERED))
    listed = " ".join(notes.command("deadletters", "list", notes.name, check=False).stdout.split())
    for table, reasons in REASONS.items():
        status = notes.statuses()[table]
        assert status.state == "unknown"
        assert notes.texts(table) == before[table]
        for reason in (*reasons, "headrace lint --live --accept"):
            assert reason in listed
            assert reason in (status.trouble or "")
    waited = notes.command("wait", notes.name, "--timeout", "20s", check=False)
    assert waited.returncode == 1
    assert "public.gone is gone from the database" in " ".join(waited.stderr.split())
    # The application's own writes go on, and so do the other tables.
    wait_until("updates of the table with another key", lambda: _updates(notes), every=0.5)
    notes.sql("insert into plain values (50, 'fifty')")
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
    notes.sql("update renamed set remark = 'changed meanwhile' where id = 1")
    notes.sql("alter table renamed rename column remark to note")
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
    tables = tuple(table for table in TABLES if table != "gone")
    notes.command("remove", notes.name, "--yes")
    notes.use(mapping_of(tables, dropped="note: {column: remark}", rekeyed="note: {}, code: {}"))
    notes.file.write_text(notes.mapping_text)
    notes.sql("update dropped set remark = 'in its place'")
    notes.command("lint", str(notes.file), "--live", "--accept")
    notes.command("apply", str(notes.file), "--auto-approve")
    notes.wait_equal(*(table for table in tables if table not in ("dropped", "rekeyed")))
    with notes.database() as connection:
        others = dict(connection.execute("select id::text, id || ': ' || remark from dropped"))
        rekeyed = dict(connection.execute("select '[' || id || ',' || code || ']', id || ': ' || note from rekeyed"))
    wait_until("the other column", lambda: notes.texts("dropped") == others, every=0.3)
    wait_until("the other key", lambda: notes.texts("rekeyed") == rekeyed, every=0.3)
    assert {status.parked for status in notes.statuses().values()} == {0}
    assert not any(status.trouble for status in notes.statuses().values())
