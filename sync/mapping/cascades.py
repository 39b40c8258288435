"""Part of the plan: the foreign keys whose rules a source's log does not carry out in words (MariaDB, MySQL).

InnoDB carries out ON DELETE and ON UPDATE below its log, so that the rows they change are in no record. What follows
from them is done in `sync.apply.cascades`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sync.mapping.lock import ForeignKey, Lock, SourceLock

if TYPE_CHECKING:
    from sync.mapping.plan import TablePlan

SILENT = frozenset({"mariadb", "mysql"})  # connectors whose log does not say it
CASCADE, SET_NULL = "cascade", "set null"


@dataclass(frozen=True, slots=True)
class Cascade:
    """One foreign key with a rule, in the mapping's names.

    When a row of ``parent`` goes, or its ``references`` change, the rows of ``child`` whose ``columns`` held the old
    values are changed: ``on_delete`` and ``on_update`` are "cascade", "set null" or "" (nothing happens).
    """

    parent: str
    references: tuple[str, ...]
    child: str
    columns: tuple[str, ...]
    on_delete: str
    on_update: str


def cascades(lock: Lock | None, tables: Mapping[str, TablePlan]) -> dict[str, tuple[Cascade, ...]]:
    """Per parent table, the foreign keys that are ours to carry out; ``tables`` are the plan's, by the mapping's names.

    One whose columns are not all mapped and unaltered is left out: preflight refuses it (M235).
    """
    found: dict[str, list[Cascade]] = {}
    for table in tables.values():
        source = lock.sources.get(table.source) if lock else None
        if source is None or source.connector not in SILENT:
            continue
        for cascade in _of_table(source, table, tables.values()):
            found.setdefault(cascade.parent, []).append(cascade)
    return {parent: tuple(each) for parent, each in found.items()}


def _of_table(source: SourceLock, child: TablePlan, tables: Collection[TablePlan]) -> Iterator[Cascade]:
    locked = source.tables.get(child.database_name)
    for key in locked.foreign_keys if locked else ():
        on_delete, on_update = _rule(key.on_delete), _rule(key.on_update)
        if not (on_delete or on_update):
            continue
        columns = _mapped(child, key.columns)
        for parent in tables:
            if parent.source == child.source and parent.database_name == _parent_name(child, key):
                references = _mapped(parent, key.references)
                if columns and references:
                    yield Cascade(parent.name, references, child.name, columns, on_delete, on_update)


def _rule(rule: str) -> str:
    return rule if rule in (CASCADE, SET_NULL) else ""


def _parent_name(child: TablePlan, key: ForeignKey) -> str:
    if "." in key.table:
        return key.table
    schema, dot, _ = child.database_name.rpartition(".")
    return f"{schema}{dot}{key.table}"


def _mapped(table: TablePlan, columns: Iterable[str]) -> tuple[str, ...]:
    """The mapping's names of database columns; empty where one is not mapped, or is private."""
    known = {each.database_name: each.name for each in table.columns.values() if each.treatment is None}
    names = [known.get(each) for each in columns]
    return tuple(each for each in names if each is not None) if None not in names else ()
