"""Property: apply and write of any interleaving of changes, crashes and faults equal a build from the final rows."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.change import Truncate
from sync.write import stage as stage_module
from tests.support.airline import KEYS
from tests.support.world import World

SMALL = st.integers(1, 3)
CHANGE = st.one_of(
    st.tuples(st.just("customers"), SMALL, st.fixed_dictionaries({"tier_cd": st.sampled_from("BSG?")})),
    st.tuples(st.just("flights"), SMALL, st.fixed_dictionaries({"status_cd": st.sampled_from(["ON", "DL", "CX"])})),
    st.tuples(
        st.just("bookings"),
        SMALL,
        st.fixed_dictionaries({"customer_id": st.none() | st.integers(1, 4), "total_amt": st.integers(0, 3)}),
    ),
    st.tuples(st.just("tickets"), st.tuples(SMALL, SMALL), st.fixed_dictionaries({"flight_id": st.integers(1, 4)})),
)
STEP = st.one_of(
    st.tuples(st.just("put"), st.lists(CHANGE, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), CHANGE),
    st.tuples(st.just("rekey"), CHANGE, SMALL),
    st.tuples(st.just("truncate"), st.sampled_from(sorted(KEYS))),
    st.tuples(st.just("apply"), st.integers(1, 6)),
    st.tuples(st.just("write")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("fault"), st.sampled_from(["fail after write", "hold", "half"])),
)
Rows = dict[str, dict[tuple[int, ...], dict[str, Any]]]


@pytest.fixture(autouse=True, scope="module")
def _no_doubt_period() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage_module, "DOUBT_AFTER_TIMEOUT", 0.0)
        patch.setattr(stage_module, "DOUBT_AFTER_LOSS", 0.0)
        yield


def row_of(table: str, key: Any, values: dict[str, Any]) -> dict[str, Any]:
    keys = key if isinstance(key, tuple) else (key,)
    rest: dict[str, dict[str, Any]] = {
        "customers": {"full_name": f"Name {keys[0]}"},
        "flights": {"flight_no": f"AZ {keys[0]}", "note": ""},
        "bookings": {"pnr": f"PNR{keys[0]}"},
        "tickets": {"fare_cd": "Y"},
    }
    return {**dict(zip(KEYS[table], keys, strict=True)), **rest[table], **values}


class Model:
    """The source: what its rows are, and the log that its commits leave."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: Rows = {table: {} for table in KEYS}

    def do(self, step: Any) -> None:
        getattr(self, step[0])(*step[1:])

    def put(self, changes: list[Any]) -> None:
        made = []
        for table, key, values in changes:
            row = row_of(table, key, values)
            at = tuple(row[name] for name in KEYS[table])
            made.append((table, "u" if at in self.rows[table] else "c", row))
            self.rows[table][at] = row
        self.world.log.commit(*made)

    def delete(self, change: Any) -> None:
        row = row_of(*change)
        if self.rows[change[0]].pop(tuple(row[name] for name in KEYS[change[0]]), None):
            self.world.log.commit((change[0], "d", row))

    def rekey(self, change: Any, new: int) -> None:
        table = change[0]
        row = row_of(*change)
        at = tuple(row[name] for name in KEYS[table])
        to = (new, *at[1:])
        if at in self.rows[table] and to not in self.rows[table]:
            old = self.rows[table].pop(at)
            self.rows[table][to] = {**old, KEYS[table][0]: new}
            unsent = frozenset({"pnr"}) if table == "bookings" else frozenset()
            self.world.log.rekey(table, old, self.rows[table][to], unsent)

    def truncate(self, table: str) -> None:
        self.rows[table] = {}
        log = self.world.log
        log.transactions += 1
        position = (log.committed_to, 1000 + len(log.records))
        log._add(Truncate, committed_at=1, table=f"public.{table}", database_position=position, transaction=None)

    def apply(self, count: int) -> None:
        self.world.apply(upto=self.world.taken + count)

    def write(self) -> None:
        self.world.stage.step()

    def restart(self) -> None:
        self.world.restart()

    def fault(self, kind: str) -> None:
        once = iter([kind])
        self.world.store.fault = lambda _: next(once, None)

    def final(self) -> dict[str, list[dict[str, Any]]]:
        return {table: list(rows.values()) for table, rows in self.rows.items()}


def parked(world: World, rows: dict[str, list[dict[str, Any]]]) -> set[str]:
    """Bookings whose customer has a code without words: these alone may keep an older text."""
    bad = {row["customer_id"] for row in rows["customers"] if row["tier_cd"] == "?"}
    return {str(row["booking_id"]) for row in rows["bookings"] if row["customer_id"] in bad}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(first=st.lists(CHANGE, max_size=6), steps=st.lists(STEP, max_size=25))
def test_the_collection_equals_a_build_from_the_final_rows(first: list[Any], steps: list[Any]) -> None:
    with TemporaryDirectory() as directory:
        world = World(Path(directory))
        try:
            source = Model(world)
            for table, key, values in first:
                row = row_of(table, key, values)
                source.rows[table][tuple(row[name] for name in KEYS[table])] = row
            world.log.snapshot(source.final())
            for step in steps:
                source.do(step)
            world.store.fault = lambda _: None
            for land in world.store.held:  # what was on its way has landed by now
                land()
            world.settle()
            rows = source.final()
            exempt = parked(world, rows)
            good = {**rows, "bookings": [row for row in rows["bookings"] if str(row["booking_id"]) not in exempt]}
            found = {at: text for at, text in world.texts.items() if at[0] not in exempt}
            assert found == world.expected(good)
            assert world.store.half == set()
            assert {key for key in exempt if world.document(key).parked is None} == set()
        finally:
            world.state.close()
