"""What foreign keys do beside the log: the state and the documents follow, whatever order and batches it comes in."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from connectors.change import SchemaChange
from sync.errors import Gap
from sync.mapping.lock import ForeignKey
from tests.support.airline import BOOKING, CUSTOMER, FLIGHT, KEYS, TICKET, first_rows, lock, mapping
from tests.support.world import World

Row = dict[str, Any]


def key(column: str, parent: str, on_delete: str, on_update: str) -> ForeignKey:
    return ForeignKey(
        columns=(column,), table=parent, references=KEYS[parent], on_delete=on_delete, on_update=on_update
    )


RULES = {
    "bookings": (key("customer_id", "customers", "cascade", "set null"),),
    "tickets": (
        key("booking_id", "bookings", "cascade", "cascade"),
        key("flight_id", "flights", "set null", "cascade"),
    ),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, mapping("mariadb"), locked=lock("mariadb", **RULES))


def begun(world: World, **more: list[Row]) -> dict[str, list[Row]]:
    rows = {name: [*found, *more.get(name, [])] for name, found in first_rows().items()}
    world.log.snapshot(rows)
    world.settle()
    assert world.texts == world.expected(rows)
    return rows


def test_a_deleted_parent_takes_documents_and_their_children_along(world: World) -> None:
    other = {**BOOKING, "booking_id": 8, "customer_id": 2}
    rows = begun(
        world, customers=[{**CUSTOMER, "customer_id": 2}], bookings=[other], tickets=[{**TICKET, "booking_id": 8}]
    )
    world.log.commit(("customers", "d", CUSTOMER))
    world.settle()
    left = {name: [row for row in found if row.get("customer_id") != 1] for name, found in rows.items()}
    left["tickets"] = [row for row in rows["tickets"] if row["booking_id"] == 8]
    assert world.texts == world.expected(left)
    assert {at[0] for at in world.texts} == {"8"}
    assert stored(world) == by_key(left)


def test_a_child_that_is_set_null_is_written_anew(world: World) -> None:
    rows = begun(world)
    world.log.commit(("flights", "d", FLIGHT))
    world.settle()
    rows |= {"flights": [], "tickets": [{**TICKET, "flight_id": None}]}
    assert world.texts == world.expected(rows)
    assert stored(world) == by_key(rows)


def test_a_changed_key_is_followed_by_children_whose_own_key_holds_it(world: World) -> None:
    rows = begun(world)
    world.log.rekey("bookings", BOOKING, moved := {**BOOKING, "booking_id": 70})
    world.settle()
    rows |= {"bookings": [moved], "tickets": [{**TICKET, "booking_id": 70}]}
    assert world.texts == world.expected(rows)
    assert stored(world) == by_key(rows)


def test_what_comes_after_a_cascade_in_the_same_batch_stands(world: World) -> None:
    rows = begun(world)
    world.log.commit(("customers", "d", CUSTOMER))
    world.log.commit(("customers", "c", CUSTOMER), ("bookings", "c", BOOKING))
    world.settle()
    rows["tickets"] = []
    assert world.texts == world.expected(rows)
    assert stored(world) == by_key(rows)


def test_children_that_the_same_batch_made_go_too(world: World) -> None:
    rows = begun(world)
    second = {**TICKET, "seq_no": 2}
    world.log.commit(
        ("tickets", "c", second), ("bookings", "c", {**BOOKING, "booking_id": 9}), ("customers", "d", CUSTOMER)
    )
    world.settle()
    rows |= {"customers": [], "bookings": [], "tickets": []}
    assert stored(world) == by_key(rows)
    assert world.texts == {}


def test_on_a_database_whose_log_says_everything_nothing_is_done_twice(tmp_path: Path) -> None:
    world = World(tmp_path, locked=lock("postgres", **RULES))
    rows = begun(world)
    world.log.commit(("customers", "d", CUSTOMER))
    world.settle()
    assert stored(world) == by_key(rows | {"customers": []})


@pytest.mark.parametrize("seed", range(12))
def test_any_load_ends_in_the_rows_that_the_database_has(tmp_path: Path, seed: int) -> None:
    """The database is played by a dict that obeys the rules and tells the log only what its users did."""
    chance = random.Random(seed)
    world = World(tmp_path, mapping("mariadb"), locked=lock("mariadb", **RULES))
    world.applier.rows.page = chance.choice((2, 3, 1000))
    played = Played(world, chance)
    world.log.snapshot(played.lists())
    for _ in range(30):
        for _ in range(chance.randint(1, 4)):
            played.transaction()
        while world.taken < len(world.log.records):
            world.apply(min(len(world.log.records), world.taken + chance.randint(1, 12)))
        assert stored(world) == played.rows
    world.write()
    assert world.texts == world.expected(played.lists())


class Played:
    """Tables as InnoDB keeps them under RULES."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in KEYS}
        for number in range(4):
            self.put("customers", {**CUSTOMER, "customer_id": number})
            self.put("flights", {**FLIGHT, "flight_id": number})
        for number in range(12):
            self.put("bookings", {**BOOKING, "booking_id": number, "customer_id": number % 3})
            for leg in range(2):
                self.put("tickets", {**TICKET, "booking_id": number, "seq_no": leg, "flight_id": (number + leg) % 4})

    def lists(self) -> dict[str, list[Row]]:
        return {name: list(found.values()) for name, found in self.rows.items()}

    def put(self, table: str, row: Row) -> None:
        self.rows[table][tuple(row[name] for name in KEYS[table])] = row

    def transaction(self) -> None:
        table = self.chance.choice(list(KEYS))
        if not self.rows[table] or self.chance.random() < 0.45:
            self.insert(table)
            return
        row = self.chance.choice(list(self.rows[table].values()))
        if self.chance.random() < 0.5:
            self.remove(table, row)
            self.world.log.commit((table, "d", row))
        elif table != "tickets":
            self.rekey(table, row)

    def insert(self, table: str) -> None:
        number = self.chance.randrange(40)
        parents = {name: list(self.rows[name].values()) for name in KEYS}
        row: Row = {
            "customers": {**CUSTOMER, "customer_id": number % 6},
            "flights": {**FLIGHT, "flight_id": number % 6},
            "bookings": {**BOOKING, "booking_id": number, "customer_id": None},
            "tickets": {**TICKET, "seq_no": number % 4, "flight_id": None},
        }[table]
        if table == "bookings" and parents["customers"]:
            row["customer_id"] = self.chance.choice(parents["customers"])["customer_id"]
        if table == "tickets":
            if not parents["bookings"]:
                return
            row["booking_id"] = self.chance.choice(parents["bookings"])["booking_id"]
            row["flight_id"] = self.chance.choice([*(f["flight_id"] for f in parents["flights"]), None])
        known = self.rows[table].get(tuple(row[name] for name in KEYS[table]))
        self.put(table, row)
        self.world.log.commit((table, "u" if known else "c", row))

    def remove(self, table: str, row: Row) -> None:
        del self.rows[table][tuple(row[name] for name in KEYS[table])]
        self.hang(table, row, None)

    def rekey(self, table: str, row: Row) -> None:
        (name,) = KEYS[table]
        moved = {**row, name: 100 + self.chance.randrange(900)}
        if (moved[name],) in self.rows[table]:
            return
        del self.rows[table][row[name],]
        self.put(table, moved)
        self.hang(table, row, moved)
        self.world.log.rekey(table, row, moved)

    def hang(self, parent: str, old: Row, new: Row | None) -> None:
        for child, keys in RULES.items():
            for rule in (each for each in keys if each.table == parent):
                (column,), (reference,) = rule.columns, rule.references
                for row in [row for row in self.rows[child].values() if row[column] == old[reference]]:
                    what = rule.on_delete if new is None else rule.on_update
                    self.remove(child, row) if what == "cascade" and new is None else self.alter(
                        child, row, {**row, column: new[reference] if new and what == "cascade" else None}
                    )

    def alter(self, table: str, row: Row, new: Row) -> None:
        del self.rows[table][tuple(row[name] for name in KEYS[table])]
        self.put(table, new)


def by_key(rows: dict[str, list[Row]]) -> dict[str, dict[tuple[Any, ...], Row]]:
    return {name: {tuple(row[part] for part in KEYS[name]): row for row in found} for name, found in rows.items()}


def stored(world: World) -> dict[str, dict[tuple[Any, ...], Row]]:
    """Every row in the state; each must be found by its references as well."""
    import orjson
    from sqlalchemy import select

    from sync.mapping.image import join_value
    from sync.state.registry import REFERENCE, ROW

    numbers = {number: name for name, number in world.registered.tables.items()}
    found: dict[str, list[Row]] = {name: [] for name in KEYS}
    wanted = set()
    with world.state.read() as connection:
        for table_id, row_key, text, _ in connection.execute(select(ROW)):
            name, row = numbers[table_id], orjson.loads(text)
            found[name].append(row)
            for lookup in world.registered.lookups_of(name):
                value = join_value(world.registered.plan.tables[name], lookup.columns, row)
                if value is not None:
                    wanted.add((lookup.id, value, row_key))
        assert {tuple(row) for row in connection.execute(select(REFERENCE))} == wanted
    return by_key(found)


@pytest.mark.parametrize("stored_still", [False, True], ids=["deleted", "set null"])
def test_a_row_that_a_snapshot_read_before_a_foreign_key_changed_it_stays_as_it_is(
    world: World, stored_still: bool
) -> None:
    rows = begun(world)
    world.log.commit(("flights", "d", FLIGHT) if stored_still else ("bookings", "d", BOOKING))
    world.log.change("tickets", "r", TICKET, incremental=True)
    world.settle()
    rows |= (
        {"flights": [], "tickets": [{**TICKET, "flight_id": None}]} if stored_still else {"bookings": [], "tickets": []}
    )
    assert stored(world) == by_key(rows)
    assert world.texts == world.expected(rows)


def test_a_row_that_a_snapshot_shows_as_it_is_is_taken_over(world: World) -> None:
    rows = begun(world)
    world.log.change("tickets", "r", shown := {**TICKET, "fare_cd": "Y"}, incremental=True)
    world.settle()
    assert world.texts == world.expected(rows | {"tickets": [shown]})


def statement(world: World, text: str, kind: str, position: tuple[int, int]) -> None:
    table = ("public.tickets",)
    world.log._add(SchemaChange, committed_at=5, statement=text, tables=table, kind=kind, database_position=position)


def test_a_dropped_table_is_empty_and_a_drop_that_is_sent_again_takes_nothing(world: World) -> None:
    rows = begun(world)
    statement(world, "DROP TABLE tickets", "DROP", (5, 5))
    world.settle()
    assert world.texts == world.expected(rows | {"tickets": []})
    world.log.committed_to = 10
    world.log.commit(("tickets", "c", TICKET))
    statement(world, "DROP TABLE tickets", "DROP", (5, 5))
    world.settle()
    assert world.texts == world.expected(rows)


def test_a_table_that_took_a_mapped_ones_name_is_a_gap_and_nothing_of_its_batch_is_applied(world: World) -> None:
    rows = begun(world)
    world.log.commit(("tickets", "d", TICKET))
    statement(world, "rename table other to tickets", "ALTER", (5, 5))
    with pytest.raises(Gap, match=r"public\.tickets"):
        world.apply()
    world.write()
    assert world.texts == world.expected(rows)
