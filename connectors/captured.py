"""Which columns of which tables a source's connector may read, and what it does to the private ones."""

from __future__ import annotations

from dataclasses import dataclass

from sync.errors import MappingError
from sync.mapping.lock import ForeignKey, Lock
from sync.mapping.model import Mapping, Treatment
from sync.mapping.plan import TablePlan
from sync.mapping.tables import table_plans


@dataclass(frozen=True, slots=True)
class CapturedTable:
    """A table as the connector sees it, by the database's own names.

    ``columns`` says per captured column what the connector does to its values: nothing (None), "mask" or "hash";
    dropped ones are not in it. ``key`` is what the service tells its rows apart by; where it is not the primary
    key, records must be told to carry it (``key_is_primary`` is False; True also where no lock says the primary key).
    ``foreign_keys`` are those that the lock knows.
    """

    schema: str
    table: str
    key: tuple[str, ...]
    columns: dict[str, Treatment | None]
    dropped: tuple[str, ...] = ()
    key_is_primary: bool = True
    foreign_keys: tuple[ForeignKey, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"


def captured(mapping: Mapping, lock: Lock | None, source: str) -> tuple[CapturedTable, ...]:
    """The source's tables, those of code lists included, in the mapping's order.

    Raises MappingError for a mapping without a plan, and for a private key column.
    """
    found: dict[str, CapturedTable] = {}
    for plan in table_plans(mapping, lock).values():
        if plan.source == source:
            table = _captured(mapping, lock, plan)
            found[table.name] = _joined(found[table.name], table) if table.name in found else table
    return tuple(found.values())


def _captured(mapping: Mapping, lock: Lock | None, plan: TablePlan) -> CapturedTable:
    model = mapping.tables.get(plan.name)
    table = (model.table if model else None) or plan.name
    schema = plan.database_name.removesuffix(table).removesuffix(".")
    locked = lock.sources.get(plan.source) if lock else None
    known = locked.tables.get(plan.database_name) if locked else None
    for name in plan.key:
        if plan.columns[name].treatment is not None:
            raise MappingError(
                f"{plan.database_name}: column {plan.columns[name].database_name} is private and part of the key,"
                " which every record carries in clear",
                advice="Use another unique column as `key:`, or take `pii:` off this one.",
            )
    key = tuple(plan.columns[name].database_name for name in plan.key)
    columns = sorted(plan.columns.values(), key=lambda each: each.name not in plan.key)
    return CapturedTable(
        schema,
        table,
        key,
        {each.database_name: each.treatment for each in columns if each.treatment != "drop"},
        tuple(each.database_name for each in columns if each.treatment == "drop"),
        known is None or not known.key or set(known.key) == set(key),
        known.foreign_keys if known else (),
    )


def _joined(one: CapturedTable, other: CapturedTable) -> CapturedTable:
    """Two views of one table are captured as one; what either drops or treats stays dropped and treated."""
    dropped = tuple(dict.fromkeys((*one.dropped, *other.dropped)))
    columns = {
        each: one.columns.get(each) or other.columns.get(each)
        for each in (*one.columns, *other.columns)
        if each not in dropped
    }
    is_primary = one.key_is_primary and other.key_is_primary
    return CapturedTable(one.schema, one.table, one.key, columns, dropped, is_primary, one.foreign_keys)
