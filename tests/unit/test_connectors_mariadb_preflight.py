from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.captured import CapturedTable
from connectors.mariadb.address import Address
from connectors.mariadb.grants import Grants, check_grants
from connectors.mariadb.preflight import _silent, check_server
from connectors.mariadb.preflight_table import check_table
from connectors.mariadb.problems import MARIADB_PROBLEMS
from connectors.mariadb.tables import CatalogueColumn, CatalogueKey, CatalogueTable
from connectors.problem import PROBLEMS, Problem
from sync.mapping.lock import ForeignKey

GOOD = {
    "version": "10.11.6-MariaDB-log",
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "log_bin_compress": "OFF",
    "gtid_strict_mode": "ON",
    "server_id": "1",
    "binlog_expire_logs_seconds": "0",
}
MAPPED = CapturedTable("shop", "item", ("id",), {"id": None, "name": None, "box": None}, ("mail",))
PARENT = CapturedTable("shop", "box", ("id",), {"id": None})


def column(name: str, base: str = "int", **differences: Any) -> CatalogueColumn:
    return replace(CatalogueColumn(name, base, base, True, "", (), None), **differences)


def table(*columns: CatalogueColumn, **differences: Any) -> CatalogueTable:
    listed = columns or (column("id"), column("name", "varchar"), column("box"), column("mail", "varchar"))
    made = CatalogueTable("shop", "item", "base table", "InnoDB", {c.name: c for c in listed}, ("id",))
    return replace(made, **differences)


def key(on_delete: str = "restrict", on_update: str = "restrict", **differences: Any) -> CatalogueKey:
    return replace(CatalogueKey(("box",), "shop", "box", ("id",), on_delete, on_update), **differences)


def codes(problems: Any) -> list[tuple[str, str]]:
    found: list[Problem] = list(problems)
    known = PROBLEMS | MARIADB_PROBLEMS
    assert all(problem.code in known for problem in found)
    return [(problem.code, problem.severity) for problem in found]


def found(there: CatalogueTable, mapped: CapturedTable = MAPPED, *, zero_dates: bool = False) -> list[tuple[str, str]]:
    known = tuple(
        ForeignKey(
            columns=each.columns,
            table=each.table,
            references=each.references,
            on_delete=each.on_delete,
            on_update=each.on_update,
        )
        for each in there.foreign_keys
    )
    mapped = replace(mapped, foreign_keys=known)
    return codes(check_table(mapped, there, [mapped, PARENT], zero_dates=zero_dates))


def test_a_server_and_a_table_as_they_should_be_have_no_problem() -> None:
    assert codes(check_server(GOOD, mariadb=True)) == []
    assert found(table(foreign_keys=[key("cascade", "cascade"), key("set null")])) == []


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ({"log_bin": "OFF"}, [("M210", "error")]),
        ({"binlog_format": "MIXED"}, [("M210", "error")]),
        ({"binlog_row_image": "MINIMAL"}, [("M210", "error")]),
        ({"log_bin_compress": "ON"}, [("M210", "error")]),
        ({"server_id": "0"}, [("M210", "error")]),
        ({"gtid_strict_mode": "OFF"}, [("M236", "warning")]),
        ({"binlog_expire_logs_seconds": "3600"}, [("M239", "warning")]),
        ({"version": "8.4.2"}, [("M240", "error")]),
    ],
)
def test_each_thing_that_a_server_lacks_is_found_alone(different: dict[str, str], expected: list[Any]) -> None:
    assert codes(check_server(GOOD | different, mariadb=True)) == expected


def test_mysql_must_number_its_transactions_and_log_them_whole_and_plain() -> None:
    server = {"version": "8.4.2", "log_bin": "ON", "gtid_mode": "OFF", "binlog_row_value_options": "PARTIAL_JSON"}
    assert codes(check_server(server, mariadb=False)) == [("M210", "error")] * 2
    good = server | {"gtid_mode": "ON", "binlog_row_value_options": ""}
    assert codes(check_server(good, mariadb=False)) == []
    assert codes(check_server(good | {"binlog_transaction_compression": "ON"}, mariadb=False)) == [("M210", "error")]
    assert codes(check_server(server, mariadb=True)) == [("M240", "error")]


def test_what_foreign_keys_do_needs_no_rule_of_ours_where_mysql_logs_it() -> None:
    assert not _silent({"innodb_native_foreign_keys": "OFF"})
    assert _silent({"innodb_native_foreign_keys": "ON"})
    assert _silent({})  # MariaDB, and MySQL up to 9.5
    there, alone = table(foreign_keys=[key("cascade")]), replace(MAPPED, foreign_keys=())
    assert ("M235", "error") in codes(check_table(alone, there, [alone], zero_dates=False))
    known = ForeignKey(columns=("box",), table="box", references=("id",), on_delete="cascade", on_update="restrict")
    alone = replace(alone, foreign_keys=(known,))
    assert codes(check_table(alone, there, [alone], zero_dates=False)) == [("M235", "error")]
    assert codes(check_table(alone, there, [alone], zero_dates=False, silent=False)) == []


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (table(kind="view"), [("M223", "error")]),
        (table(kind="system versioned"), [("M223", "error")]),
        (table(engine="MyISAM"), [("M223", "error")]),
        (table(primary=()), [("M220", "error")]),
        (table(primary=("box",)), [("M221", "error")]),
        (table(column("id"), column("name"), column("box")), [("M219", "warning")]),
        (table(column("id"), column("mail"), column("box")), [("M219", "error")]),
        (table(column("id"), column("name", "time"), column("box"), column("mail")), [("M230", "error")]),
        (
            table(
                column("id", "varchar", collation="utf8mb4_general_ci"), column("name"), column("box"), column("mail")
            ),
            [("M225", "warning")],
        ),
        (table(column("id", "char", collation="utf8mb4_bin"), column("name"), column("box"), column("mail")), []),
    ],
)
def test_each_thing_that_a_table_lacks_is_found_alone(there: CatalogueTable, expected: list[Any]) -> None:
    assert found(there) == expected


def test_a_date_that_may_not_be_null_is_named_only_where_the_server_takes_zero_dates() -> None:
    there = table(column("id"), column("name", "datetime", nullable=False), column("box", "date"), column("mail"))
    assert found(there) == []
    assert found(there, zero_dates=True) == [("M234", "warning")]


def test_only_texts_can_be_masked() -> None:
    mapped = replace(MAPPED, columns={"id": None, "name": "mask"})
    assert found(table(), mapped) == []
    assert found(table(column("id"), column("name", "enum"), column("mail")), mapped) == [("M226", "error")]


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (key("restrict", "no action", table="unmapped"), []),
        (key("cascade", table="unmapped"), [("M235", "error")]),
        (key("set null", columns=("unlisted",)), [("M235", "error")]),
        (key("restrict", "cascade", references=("unlisted",)), [("M235", "warning")]),
        (key("set default"), [("M235", "error")]),
    ],
)
def test_a_cascade_that_cannot_be_carried_out_here_is_named(foreign: CatalogueKey, expected: list[Any]) -> None:
    assert found(table(foreign_keys=[foreign])) == expected


def test_a_rule_that_the_lock_does_not_know_is_an_error_and_so_is_one_that_the_database_does_not() -> None:
    there = table(foreign_keys=[key("cascade")])
    locked = ForeignKey(columns=("box",), table="shop.box", references=("id",), on_delete="cascade")
    for foreign_keys, expected in (
        ((locked,), []),
        ((), [("M235", "error")]),
        ((locked.model_copy(update={"on_delete": "set null"}),), [("M235", "error")]),
    ):
        mapped = replace(MAPPED, foreign_keys=foreign_keys)
        assert codes(check_table(mapped, there, [mapped, PARENT], zero_dates=False)) == expected
    mapped = replace(MAPPED, foreign_keys=(locked,))
    assert codes(check_table(mapped, table(), [mapped, PARENT], zero_dates=False)) == [("M235", "error")]


def rights(*lines: str, database: str = "shop", mariadb: bool = True) -> list[str]:
    address = Address(f"mysql://u:p@h/{database}")
    found = check_grants(Grants(lines), address, [MAPPED], "headrace_shop_signal", mariadb=mariadb)
    return [problem.sql or problem.message for problem in found]


def test_mysql_shows_foreign_keys_to_all_and_wants_the_right_to_lock_everything() -> None:
    own = "GRANT ALL PRIVILEGES ON `shop`.`headrace_marker` TO `u`@`%`"
    signals = own.replace("headrace_marker", "headrace_shop_signal")
    server, table = SERVER.replace("RELOAD, ", ""), "GRANT SELECT ON `shop`.`item` TO `u`@`%`"
    assert [each.split(" to ")[0] for each in rights(server, table, own, signals, mariadb=False)] == [
        "grant reload on *.*"
    ]
    assert rights(server, table, own, signals, "GRANT FLUSH_TABLES ON *.* TO `u`@`%`", mariadb=False) == []


SERVER = "GRANT RELOAD, REPLICATION SLAVE, BINLOG MONITOR ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*5AE'"


@pytest.mark.parametrize(
    "lines",
    [
        ("GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION",),
        (SERVER, "GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`"),
        (SERVER, "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, LOCK TABLES ON `sh\\_p`.* TO `u`@`%`"
                 .replace("sh\\_p", "sh_p")),
        (
            SERVER,
            "GRANT REFERENCES ON `shop`.* TO `u`@`%`",
            "GRANT SELECT (`id`, `name`, `box`) ON `shop`.`item` TO `u`@`%`",
            "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP ON `shop`.`headrace_marker` TO `u`@`%`",
            "GRANT SELECT, INSERT, DELETE, CREATE, DROP ON `shop`.`headrace_shop_signal` TO `u`@`%`",
        ),
        ("GRANT `a_role`@`%` TO `u`@`%`",),
    ],
)  # fmt: skip
def test_enough_rights_are_enough_however_they_are_given(lines: tuple[str, ...]) -> None:
    assert rights(*lines) == []


def test_each_missing_right_comes_with_its_grant_and_no_secret() -> None:
    found = rights(
        "GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*5AE'", "GRANT SELECT (`id`) ON `shop`.`item` TO `u`@`%`"
    )
    assert [each.split(" to ")[0] for each in found] == [
        "grant replication slave on *.*",
        "grant replication client on *.*",
        "grant reload on *.*",
        "grant references on `shop`.*",
        "grant create, select, insert, delete, drop, update on `shop`.`headrace_marker`",
        "grant create, select, insert, delete, drop on `shop`.`headrace_shop_signal`",
        "grant select on `shop`.`item`",
    ]
    assert "*5AE" not in "".join(found)


def test_an_escaped_underscore_in_a_grant_is_no_pattern() -> None:
    assert Grants(["GRANT SELECT ON `a\\_b`.* TO `u`@`%`"]).on("SELECT", "a_b", "t")
    assert not Grants(["GRANT SELECT ON `a\\_b`.* TO `u`@`%`"]).on("SELECT", "axb", "t")
    assert Grants(["GRANT SELECT ON `a_b`.* TO `u`@`%`"]).on("SELECT", "axb", "t")
