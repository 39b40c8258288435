"""Which statements give a table other rows or values without one change in the log, read from their words."""

from __future__ import annotations

import re

import pytest

from connectors.captured import CapturedTable
from connectors.change import SchemaChange
from connectors.mariadb.database import unmapped
from sync.apply.statements import altered, dropped, restructured

MAPPED = ("id", "Note", "a`b")


def change(statement: str, kind: str = "ALTER", *, shown: bool = False) -> SchemaChange:
    return SchemaChange(1, 0, statement, ("shop.item",), kind, shown)


@pytest.mark.parametrize(
    "statement",
    [
        "rename table item_new to item",
        "RENAME TABLE IF EXISTS a TO item",
        "/* gh-ost */ rename /* gh-ost */ table `shop`.`item` to `shop`.`_del`, `shop`.`_gho` to `shop`.`item`",
        "alter table item_new rename to item",
        "alter table item_new rename item",
        "ALTER TABLE item_new\n RENAME AS item",
        "alter table item truncate partition p0",
        "alter table item drop partition p0",
        "alter table item exchange partition p0 with table other",
        "alter table item convert partition p0 to table other",
        "alter table item import tablespace",
        "alter ignore table item add unique (x)",
        "alter table item convert to character set latin1",
        "alter table item engine = blackhole",
        "alter table item drop system versioning",
        "alter table item add something nobody knows, do what you like",
    ],
)
def test_statements_that_give_a_table_other_rows(statement: str) -> None:
    assert altered(change(statement), MAPPED)
    assert not altered(change(statement, shown=True), MAPPED)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table item modify note varchar(40)",
        "alter table item modify column if exists `note` varchar(40) not null default ''",
        "ALTER TABLE `shop`.`item` CHANGE COLUMN note Note varchar(40)",
        "alter table item change x note int, change note x int",
        "alter table item drop column note, add column note text",
        "alter table item drop note",
        "alter table item add column if not exists note text",
        "alter table item add (x int default 5, note text)",
        "alter table item rename column note to x, rename column x to note",
        "alter table item add index (x), modify `a``b` int",
        "alter table item comment 'it''s, really', modify note int",
        "alter table item add x int comment 'a \\' b', /* , */ modify note int -- , drop x",
        "alter table item nowait add primary key (id, note)",
        "alter table item wait 5 modify id bigint",
        "/*!40000 alter table item modify note int */",
        "set statement max_statement_time = 5 for alter online table if exists item modify note int",
    ],
)
def test_statements_that_touch_a_mapped_column(statement: str) -> None:
    assert altered(change(statement), MAPPED)
    assert restructured(change(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "alter table item rename column a to b",
        "alter table item add column renamed int, drop column b, modify c text, change d e int",
        "alter table item add column (x int default 5, y text)",
        "alter table item add x enum('note', 'modify note int') default 'note' comment 'note' after note",
    ],
)
def test_statements_about_other_columns_matter_only_where_one_is_computed_from_them(statement: str) -> None:
    assert not altered(change(statement), MAPPED)
    assert restructured(change(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "alter table item rename index note to b",
        "alter table item rename key a to b",
        "alter table item add partition (partition p1 values less than (10))",
        "alter table item partition by range (id) (partition a values less than (1), partition b values less than (2))",
        "alter table item reorganize partition p1 into (partition p1 values less than (5))",
        "create index rename_me on item (note)",
        "drop index rename_me on item",
        "alter table item add index (note), add unique key note (note), add constraint c check (note <> 'x')",
        "alter table item add constraint foreign key (note) references other (id), drop foreign key note",
        "alter table item alter column note set default 'x', alter id drop default",
        "alter table item engine=InnoDB, row_format = dynamic, comment = 'rename to x'",
        "alter table item default character set latin1, force",
        "alter table item disable keys",
        "alter table item encryption = 'Y', compression = 'zlib', autoextend_size = 4M, lock = none /* xid=7 */",
        "alter table item alter column note set invisible, alter index a invisible",
        "alter database shop character set latin1",
    ],
)
def test_statements_that_leave_a_tables_rows(statement: str) -> None:
    assert not altered(change(statement), MAPPED)
    assert not restructured(change(statement))


def test_a_dropped_table_is_gone_unless_a_snapshot_says_how_it_would_be_made() -> None:
    assert dropped(change("DROP TABLE item", "DROP"))
    assert dropped(change("create /* anew */ or replace table item (id int)", "CREATE"))
    assert not dropped(change("DROP TABLE IF EXISTS item", "DROP", shown=True))
    assert not dropped(change("create table if not exists item (id int)", "CREATE"))
    assert not dropped(change("alter table item drop column a"))


def test_the_connector_passes_by_statements_that_name_no_mapped_table() -> None:
    made = unmapped([CapturedTable("shop", name, ("id",), {}) for name in ("item", "a`b")])
    pattern = re.compile(made.replace(r"\x{60}", "`"))  # as Java writes it

    def passed_by(text: str) -> bool:
        return pattern.fullmatch(text) is not None

    assert passed_by("alter table other add system versioning")
    assert passed_by("/* x */ CREATE OR REPLACE TABLE\n other (\n id int)")
    assert passed_by("set statement a=1 for drop table other")
    assert not passed_by("alter table other exchange partition p with table\n ITEM")
    assert not passed_by("rename table other to `a``b`")
    assert not passed_by("drop database shop")
    assert not passed_by("set character_set_server = utf8mb4")
