from __future__ import annotations

import pytest

from connectors.change import SchemaChange
from sync.apply.statements import dropped, exchanged


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
        "alter table item import tablespace",
    ],
)
def test_statements_that_give_a_table_other_rows(statement: str) -> None:
    assert exchanged(change(statement))
    assert not exchanged(change(statement, shown=True))


@pytest.mark.parametrize(
    "statement",
    [
        "alter table item rename column a to b",
        "alter table item rename index a to b",
        "alter table item rename key a to b",
        "alter table item add column renamed int",
        "alter table item add partition (partition p1 values less than (10))",
        "create index rename_me on item (a)",
    ],
)
def test_statements_that_leave_a_tables_rows(statement: str) -> None:
    assert not exchanged(change(statement))


def test_a_dropped_table_is_gone_unless_a_snapshot_says_how_it_would_be_made() -> None:
    assert dropped(change("DROP TABLE item", "DROP"))
    assert not dropped(change("DROP TABLE IF EXISTS item", "DROP", shown=True))
    assert not dropped(change("alter table item drop column a"))
