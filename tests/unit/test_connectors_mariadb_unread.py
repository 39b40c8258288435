"""What Debezium cannot read of a table, found in what MariaDB says that it is made by."""

from __future__ import annotations

import pytest

from connectors.captured import CapturedTable
from connectors.mariadb.problems import MARIADB_PROBLEMS
from connectors.mariadb.tables import CatalogueColumn, CatalogueTable
from connectors.mariadb.unread import Unread, check_unread, unread

MAPPED = CapturedTable("shop", "item", ("id",), {"id": None, "ip": None})


def statement(*lines: str) -> str:
    body = ",\n".join(f"  {line}" for line in ("`id` int(11) NOT NULL", *lines, "PRIMARY KEY (`id`)"))
    return f"CREATE TABLE `item` (\n{body}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("`ip` inet6 DEFAULT NULL", ["column ip is of type inet6"]),
        ("`i``p` inet4 NOT NULL", ["column i`p is of type inet4"]),
        ("`n` text /*M!100301 COMPRESSED*/ DEFAULT NULL", ["column n is compressed"]),
        ("`n` varchar(9) DEFAULT repeat('x',3)", ["column n is made with repeat()"]),
        ("`n` int(11) GENERATED ALWAYS AS (interval(`id`,1,2)) VIRTUAL", ["column n is made with interval()"]),
        ("`n` time GENERATED ALWAYS AS (cast(`id` as time(3))) STORED", ["column n is made with a cast to time(3)"]),
        ("`n` date DEFAULT (DATE'2026-01-01')", ["column n is made with a literal of type date"]),
        ("CONSTRAINT `c` CHECK (cast(`id` as double) > 1)", ["a key or a check is made with a cast to double"]),
        ("UNIQUE KEY `k` (`id`,`p` WITHOUT OVERLAPS)", ["a key is WITHOUT OVERLAPS"]),
    ],
)
def test_what_debezium_was_seen_to_fail_at_is_named_with_its_column(line: str, found: list[str]) -> None:
    assert [each.what for each in unread(statement(line))] == found


@pytest.mark.parametrize(
    "line",
    [
        "`inet6` int(11) COMMENT 'inet6 /*M!100301 COMPRESSED*/ repeat(1,2) WITHOUT OVERLAPS it''s'",
        "`n` varchar(40) DEFAULT 'cast(x as double)'",
        "`n` datetime GENERATED ALWAYS AS (cast(`id` as datetime)) VIRTUAL",
        "`n` datetime DEFAULT (current_timestamp() + interval (`id` + 1) day)",
        "`n` uuid DEFAULT uuid()",
        "KEY `WITHOUT OVERLAPS` (`inet6`)",
        "CONSTRAINT `c` CHECK (`repeat` > 1 and `date` <> '')",
    ],
)
def test_names_and_literals_are_not_taken_for_what_debezium_fails_at(line: str) -> None:
    assert list(unread(statement(line))) == []


def test_the_cure_keeps_what_a_modify_would_forget() -> None:
    column = CatalogueColumn("ip", "inet6", "inet6", False, "", (), None)
    there = CatalogueTable("shop", "item", "base table", "InnoDB", {"ip": column}, ("id",))
    found = [Unread("ip", "column ip is of type inet6", "varchar(39)"), Unread(None, "a key is WITHOUT OVERLAPS")]
    typed, key = check_unread(MAPPED, there, found)
    assert typed.sql == "alter table `shop`.`item` modify `ip` varchar(39) not null;"
    assert (typed.code, typed.severity, typed.column, key.sql, key.column) == ("M242", "error", "ip", "", None)
    assert {typed.code, key.code} <= MARIADB_PROBLEMS.keys()
