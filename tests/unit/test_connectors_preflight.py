from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.captured import CapturedTable
from connectors.postgres.preflight import check_rights, check_server
from connectors.postgres.preflight_table import check_table
from connectors.postgres.publication import wanted
from connectors.postgres.reading import leaves_gaps
from connectors.postgres.tables import CatalogueColumn, CatalogueTable
from connectors.problem import PROBLEMS, Problem

SERVER = {"user": "cdc", "superuser": False, "version": 150000}
MAPPED = CapturedTable("public", "t", ("id",), {"id": None, "name": None}, ("mail",))


def column(name: str, kind: str = "text", **differences: Any) -> CatalogueColumn:
    base = kind.removesuffix("[]")
    made = CatalogueColumn(
        name=name,
        type=kind,
        nullable=True,
        generated=False,
        readable=True,
        values=(),
        collation=None,
        deterministic=True,
        character=base == "text",
        base="_" + base if kind.endswith("[]") else base,
        element=base if kind.endswith("[]") else None,
        toastable=base not in ("int4", "bool") or kind.endswith("[]"),
    )
    return replace(made, **differences)


def table(*columns: CatalogueColumn, **differences: Any) -> CatalogueTable:
    listed = columns or (column("id", "int4"), column("name"), column("mail"), column("other"))
    made = CatalogueTable(
        schema="public",
        name="t",
        kind="table",
        persistence="p",
        identity="default",
        owned=True,
        partition=False,
        row_security=False,
        oid=1,
        columns={each.name: each for each in listed},
        primary=("id",),
        identity_columns=("id",),
    )
    return replace(made, **differences)


def found(there: CatalogueTable, mapped: CapturedTable = MAPPED, **server: Any) -> list[Problem]:
    return list(check_table(mapped, there, SERVER | server))


def codes(there: CatalogueTable, mapped: CapturedTable = MAPPED, **server: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in found(there, mapped, **server)]


def test_an_ordinary_table_has_no_problem() -> None:
    assert found(table()) == []


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (table(kind="view"), [("M223", "error")]),
        (table(persistence="u"), [("M223", "error")]),
        (table(owned=False), [("M215", "error")]),
        (table(row_security=True), [("M229", "error")]),
        (table(identity="nothing", identity_columns=()), [("M220", "error")]),
        (table(primary=(), identity_columns=()), [("M220", "error")]),
        (table(identity="index", identity_columns=("name",)), [("M221", "error")]),
        (table(primary=("name",), identity_columns=("name",)), [("M221", "error")]),
        (table(identity="full", identity_columns=("id", "name", "mail", "other")), [("M224", "warning")]),
        (table(column("id", "int4"), column("name", readable=False), column("mail")), [("M216", "error")]),
        (table(column("id", "int4"), column("mail")), [("M219", "error")]),
        (table(column("id", "int4"), column("name")), [("M219", "warning")]),
        (table(column("id", "int4"), column("name", generated=True), column("mail")), [("M222", "error")]),
        (table(column("id", deterministic=False), column("name"), column("mail")), [("M225", "warning")]),
        (table(column("id", "int4"), column("name", "interval[]"), column("mail")), [("M230", "error")]),
        (table(column("id", "int4"), column("name", "point"), column("mail")), [("M230", "error")]),
        (table(column("id", "int4"), column("name", "tsquery[]"), column("mail")), [("M230", "error")]),
        (table(column("id", "int4"), column("name", "pair", composed=True), column("mail")), [("M230", "error")]),
        (table(column("id", "int4"), column("name", "int4[]", dimensions=2), column("mail")), [("M230", "error")]),
        (table(column("id", "int4"), column("name", "int4[]", dimensions=1), column("mail")), []),
        (table(column("id", "int4"), column("name", "numeric[]"), column("mail")), [("M231", "error")]),
        (table(column("id", "int4"), column("name", "varbit"), column("mail")), [("M231", "error")]),
        (table(column("id", "int4"), column("name", "text[]"), column("mail")), []),
        (table(column("id", "int4"), column("name"), column("mail"), column("NAME")), [("M232", "error")]),
    ],
)
def test_each_thing_that_a_table_lacks_is_found_alone(there: CatalogueTable, expected: list[tuple[str, str]]) -> None:
    assert codes(there) == expected


def test_large_values_that_would_be_lost_are_kept_by_full_identity() -> None:
    columns = (column("id", "int4"), column("name", "numeric[]"), column("mail"))
    there = table(*columns, identity="full", identity_columns=("id", "name", "mail"))
    assert "M231" not in [code for code, _ in codes(there)]


def test_a_generated_column_is_fine_where_the_log_carries_it() -> None:
    there = table(column("id", "int4"), column("name", generated=True), column("mail"))
    assert codes(there, version=180000) == []


@pytest.mark.parametrize("treatment", ["mask", "hash"])
def test_only_texts_can_be_masked_or_hashed(treatment: Any) -> None:
    mapped = replace(MAPPED, columns={"id": None, "name": treatment})
    assert codes(table(), mapped) == []
    there = table(column("id", "int4"), column("name", "int4"), column("mail"))
    assert codes(there, mapped) == [("M226", "error")]


@pytest.mark.parametrize(
    ("identity", "unique", "expected"),
    [
        (("id",), (("name",),), [("M221", "error")]),
        (("name",), (("name",),), []),
        (("name",), (), [("M221", "warning")]),
    ],
)
def test_another_key_must_be_in_the_log_and_be_unique(
    identity: tuple[str, ...], unique: tuple[tuple[str, ...], ...], expected: list[tuple[str, str]]
) -> None:
    mapped = replace(MAPPED, key=("name",), key_is_primary=False)
    assert codes(table(identity="index", identity_columns=identity, unique=unique), mapped) == expected


def test_every_problem_names_table_and_cure_and_its_code_is_explained() -> None:
    for there in (table(owned=False), table(primary=(), identity_columns=()), table(identity="nothing")):
        (problem,) = found(there)
        assert "public.t" in problem.message
        assert '"public"."t"' in problem.sql
        assert problem.sql in str(problem)
        assert problem.code in PROBLEMS


def test_a_missing_column_is_named_beside_the_nearest_one() -> None:
    (problem,) = found(table(column("id", "int4"), column("nam"), column("mail")))
    assert "no column name; the nearest is nam" in problem.message
    assert (problem.table, problem.column) == ("public.t", "name")


HEALTHY: dict[str, Any] = {
    "version": 150000,
    "version_text": "15.1",
    "wal_level": "logical",
    "slots": 10,
    "slots_used": 9,
    "senders": 10,
    "senders_used": 9,
    "synchronous_commit": "on",
    "wal_writer_delay": 200,
    "user": "cdc",
    "database": 'air"line',
    "may_replicate": True,
    "may_create": True,
}


@pytest.mark.parametrize(
    ("differences", "code", "cure"),
    [
        ({}, None, ""),
        ({"wal_level": "replica"}, "M210", "alter system set wal_level = 'logical'"),
        ({"slots_used": 10}, "M211", "max_replication_slots = 15"),
        ({"senders_used": 10}, "M212", "max_wal_senders = 15"),
        ({"version": 140009}, "M213", ""),
        ({"may_replicate": False}, "M214", 'alter role "cdc" replication'),
        ({"may_create": False}, "M215", 'grant create on database "air""line" to "cdc"'),
        ({"synchronous_commit": "off"}, "M227", "wal_writer_delay"),
    ],
)
def test_each_thing_that_a_server_lacks_is_found_with_its_cure(
    differences: dict[str, Any], code: str | None, cure: str
) -> None:
    server = HEALTHY | differences
    problems = [*check_server(server, has_slot=False), *check_rights(server)]
    assert [problem.code for problem in problems] == ([code] if code else [])
    assert all(cure in problem.sql for problem in problems)


def test_full_slots_do_not_matter_to_who_has_one() -> None:
    assert list(check_server(HEALTHY | {"slots_used": 10, "senders_used": 10}, has_slot=True)) == []


def test_a_publication_lets_out_captured_columns_and_the_replica_identity_only() -> None:
    there = {"public.t": table(identity="index", identity_columns=("id", "other"))}
    assert wanted([MAPPED], there) == {("public", "t"): ("id", "name", "other")}


def test_a_table_is_read_again_in_whole_where_a_column_is_left_out_before_another() -> None:
    there = table(column("id"), column("twice", generated=True), column("name"), column("mail"), column("tier"))
    assert not leaves_gaps(None, there)
    assert not leaves_gaps(("id", "name"), there)
    assert not leaves_gaps(("id", "name", "mail", "tier"), there)
    assert leaves_gaps(("id", "name", "tier"), there)
    assert leaves_gaps(("name",), there)


def test_a_table_with_full_identity_is_published_whole_so_that_its_updates_do_not_fail() -> None:
    there = {"public.t": table(identity="full", identity_columns=("id", "name", "mail", "other"))}
    assert wanted([MAPPED], there) == {("public", "t"): None}
