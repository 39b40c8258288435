"""A pipeline of tables with notes, to be altered while they are served: the same ones on each database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from sync.state.tables import SourceRecord
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import MySQLPipeline

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
    """On PostgreSQL, where partitions are tables."""

    tables: tuple[str, ...] = TABLES
    setup = f"""{SETUP}
        create table parts (id int primary key, note text) partition by range (id);
        create table parts_1 partition of parts for values from (0) to (10);
        create table parts_2 partition of parts for values from (10) to (20)"""

    def __init__(self, stack: Stack, directory: Path) -> None:
        super().__init__(stack, directory, mapping=mapping_of(self.tables))
        self.use(self.mapping_text)

    def use(self, mapping: str) -> None:
        text = mapping.replace("name: airline", f"name: {self.name}", 1)
        self.mapping_text = text.replace("PREFIX", self.name.capitalize())
        self.server()  # says in the mapping which database it is

    def begin(self) -> None:
        """Tables with two rows each, applied and loaded, and a worker."""
        self.sql(self.setup)
        for number, table in enumerate(self.tables):
            self.sql(f"insert into {table} (id, {self.written(table)}) values (1, {number}), (2, {number})")
        self.apply()
        self.start_worker()
        self.wait_loaded()
        self.wait_equal(*self.tables)

    def written(self, table: str) -> str:
        """The column that a table's notes are written into."""
        return "base" if table == "computed" else "note"

    def texts(self, table: str) -> dict[str, str]:
        return {key: text.split("\n", 1)[-1] for (key, _), text in self.objects(table.capitalize()).items()}

    def by_sql(self, table: str, note: str = "note") -> dict[str, str]:
        rows = self.query(f"select id, {note} from {table}")
        return {str(key): f"{key}: {'not recorded' if text is None else text}" for key, text in rows}

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
        with Session(self.state.engine) as session:
            return session.exec(select(SourceRecord.epoch)).one()


class MariaDBNotes(Notes, MariaDBPipeline):
    """On MariaDB, where a note may be computed from another column."""

    tables: tuple[str, ...] = (*TABLES, "redone", "replaced", "computed")
    setup = f"""{SETUP}
        create table parts (id int primary key, note text) partition by range (id)
          (partition p1 values less than (10), partition p2 values less than (20), partition p3 values less than (30));
        create table redone (id int primary key, note text);
        create table replaced (id int primary key, note text);
        create table computed (id int primary key, base text, note text as (concat('from ', base)) stored)"""


class MySQLNotes(MySQLPipeline, MariaDBNotes):
    """On MySQL, which knows no `create or replace table`."""

    tables = tuple(each for each in MariaDBNotes.tables if each != "replaced")
