"""Drift: what the live catalogue says otherwise than the lock, each finding at its table or column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sync.mapping.lint.live import drift
from sync.mapping.load import load
from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock

AIRLINE = Path(__file__).parents[2] / "mappings" / "airline.yml"
LOADED = load(AIRLINE)
TEXT = AIRLINE.read_text()
assert LOADED.lock is not None
LOCK: Lock = LOADED.lock
TABLES = LOCK.sources["airline"].tables


def live(**changes: LockTable | None) -> Lock:
    """The lock with some tables changed, or gone."""
    tables = {
        name: table for name, table in TABLES.items() if changes.get(name.removeprefix("public."), table) is not None
    }
    tables |= {f"public.{name}": table for name, table in changes.items() if table is not None}
    return Lock(sources={"airline": SourceLock(connector="postgres", tables=tables)})


def column(table: str, name: str, **changes: Any) -> LockTable:
    old = TABLES[f"public.{table}"]
    return old.model_copy(update={"columns": {**old.columns, name: old.columns[name].model_copy(update=changes)}})


def without(table: str, name: str) -> LockTable:
    old = TABLES[f"public.{table}"]
    return old.model_copy(update={"columns": {n: c for n, c in old.columns.items() if n != name}})


def said(now: Lock) -> list[str]:
    return [str(finding).removeprefix(str(AIRLINE)) for finding in drift(LOADED, now)]


def line(text: str) -> int:
    return TEXT[: TEXT.index(text)].count("\n") + 1


def test_nothing_has_drifted_where_nothing_has_changed() -> None:
    assert said(LOCK) == []


def test_a_table_that_is_gone_is_an_error_at_its_name() -> None:
    assert said(live(flights=None)) == [
        f":{line('  flights:')}:3 M201 error table public.flights is gone from the database (nearest: public.tickets)"
    ]


def test_a_table_that_was_renamed_is_found_among_those_that_are_not_mapped() -> None:
    (finding,) = drift(LOADED, live(flights=None), {"airline": ["public.flights2", "public.tickets", "public.x"]})
    assert finding.message == "table public.flights is gone from the database (nearest: public.flights2)"


def test_a_column_that_is_gone_names_the_nearest() -> None:
    renamed = without("flights", "dist_nm")
    renamed = renamed.model_copy(update={"columns": {**renamed.columns, "dist_nmi": LockColumn(type="integer")}})
    errors = [s for s in said(live(flights=renamed)) if " error " in s]
    assert errors == [f":{line('dist_nm:')}:7 M202 error flights has lost its column dist_nm (nearest: dist_nmi)"]


def test_another_kind_of_value_is_an_error_and_another_length_a_warning() -> None:
    (kind,) = said(live(flights=column("flights", "dist_nm", type="text")))
    assert kind == f":{line('dist_nm:')}:7 M204 error dist_nm of flights is text, the lock says integer"
    (length,) = said(live(flights=column("flights", "flight_no", type="character varying(12)")))
    assert "M204 warning flight_no of flights" in length


def test_another_primary_key_is_an_error() -> None:
    (finding,) = said(live(flights=TABLES["public.flights"].model_copy(update={"key": ("flight_no",)})))
    assert "M203 error the primary key of flights is (flight_no), the lock says (flight_id)" in finding


def test_new_and_lost_codes_are_told() -> None:
    before = column("flights", "status_cd", type="state", values=("ON", "DL"))
    now = column("flights", "status_cd", type="state", values=("ON", "XX"))
    loaded = load("airline.yml", TEXT, lock=live(flights=before))
    (finding,) = drift(loaded, live(flights=now))
    assert (finding.code, finding.severity) == ("M205", "warning")
    assert finding.message.endswith("(new: XX; gone: DL)")


def test_a_new_column_of_the_database_is_told_once_and_not_captured() -> None:
    table = TABLES["public.flights"]
    now = table.model_copy(update={"columns": {**table.columns, "note": LockColumn(type="text")}})
    assert said(live(flights=now)) == [
        f":{line('  flights:')}:3 M209 warning flights has new columns that are not captured: note"
    ]


def test_a_foreign_key_that_came_or_went_is_told() -> None:
    key = ForeignKey(columns=("dest",), table="airports", references=("code",))
    now = TABLES["public.flights"].model_copy(update={"foreign_keys": (key,)})
    assert [s.split()[1] for s in said(live(flights=now))] == ["M206"]


def test_another_rule_of_a_foreign_key_is_told_and_another_word_for_none_is_not() -> None:
    def flights(**rules: str) -> LockTable:
        key = ForeignKey(columns=("dest",), table="airports", references=("code",), **rules)
        return TABLES["public.flights"].model_copy(update={"foreign_keys": (key,)})

    loaded = load("airline.yml", TEXT, lock=live(flights=flights()))
    assert drift(loaded, live(flights=flights(on_delete="restrict", on_update="restrict"))) == []
    (finding,) = drift(loaded, live(flights=flights(on_update="cascade")))
    assert finding.code == "M206"


def test_a_mapped_column_that_the_lock_does_not_know_yet_is_told() -> None:
    loaded = load("airline.yml", TEXT, lock=live(flights=without("flights", "dist_nm")))
    assert [str(f).split()[1] for f in drift(loaded, LOCK)] == ["M208"]


def test_joins_that_the_database_compares_differently_are_told() -> None:
    (kinds,) = [s for s in said(live(bookings=column("bookings", "customer_id", type="text"))) if "M207" in s]
    assert kinds == (
        f":{line('{one: customers')}:34 M207 warning bookings.customer_id = customers.customer_id:"
        " text and integer are not the same kind of value"
    )
    assert not [s for s in said(live(bookings=column("bookings", "customer_id", type="bigint"))) if "M207" in s]


def test_padding_and_collations_matter_to_joins() -> None:
    text = TEXT.replace("{one: customers, by: customer_id}", "{one: customers, by: {pnr: tier_cd}, order: customer_id}")
    loaded = load("airline.yml", text, lock=LOCK)
    padded = drift(loaded, live(customers=column("customers", "tier_cd", type="text")))
    assert [f.message.split(": ")[1] for f in padded if f.code == "M207"] == [
        "character(6) is padded with blanks and text is not"
    ]
    collated = drift(loaded, live(customers=column("customers", "tier_cd", collation="de-ci")))
    assert [f.message.split(": ")[1] for f in collated if f.code == "M207"] == [
        "their collations differ (None, de-ci); Headrace compares exactly"
    ]


def test_without_a_lock_there_is_no_drift_but_joins_are_compared() -> None:
    loaded = load("airline.yml", TEXT)
    assert loaded.lock is None
    assert drift(loaded, LOCK) == []
    now = live(bookings=column("bookings", "customer_id", type="text"))
    assert [f.code for f in drift(loaded, now)] == ["M207"]
