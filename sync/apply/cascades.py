"""① apply: what a foreign key does to other rows where the source's log does not say it (MariaDB, MySQL).

InnoDB carries out ON DELETE and ON UPDATE below the log. Here is planned what must follow from a row that was deleted
or whose referenced columns changed; `sync.apply.rows` has the rows to do it with.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sync.mapping.image import Image, join_value, key_of
from sync.mapping.lock import ForeignKey, Lock, SourceLock
from sync.mapping.plan import TablePlan

SILENT = frozenset({"mariadb", "mysql"})  # connectors whose log does not say it
DELETE, SET_NULL, FOLLOW = "cascade", "set null", "cascade"


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


@dataclass(frozen=True, slots=True)
class Effect:
    """A row that a foreign key changed: its stored image before and what it is now (None: deleted)."""

    table: str
    key: str
    old: Image
    new: Image | None


# (table, columns, join values) → the rows of the table that have them: (row key, stored image), as they now stand
Find = Callable[[str, tuple[str, ...], Collection[str]], Iterable[tuple[str, Image]]]


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
        on_delete, on_update = _rule(key.on_delete), _rule(_on_update(key))
        if not (on_delete or on_update):
            continue
        columns = _mapped(child, key.columns)
        for parent in tables:
            if parent.source == child.source and parent.database_name == _parent_name(child, key):
                references = _mapped(parent, key.references)
                if columns and references:
                    yield Cascade(parent.name, references, child.name, columns, on_delete, on_update)


def _rule(rule: str) -> str:
    return rule if rule in (DELETE, SET_NULL) else ""


def _on_update(key: ForeignKey) -> str:
    return str(getattr(key, "on_update", "no action"))


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


def follow(
    plan: Mapping[str, tuple[Cascade, ...]],
    tables: Mapping[str, TablePlan],
    changed: Iterable[tuple[str, Image, Image | None]],
    find: Find,
) -> list[Effect]:
    """Everything that follows from rows that changed, ``changed`` as (table, image before, image after or None).

    Effects come in the order in which they arise; a row that is changed twice stands there twice, the second time
    with its first effect as ``old``. Ends in cycles too: a row is deleted once, and only a changed one is followed.
    """
    pending = list(changed)
    now: dict[tuple[str, str], Image | None] = {}
    effects: list[Effect] = []
    while pending:
        table, old, new = pending.pop(0)
        for cascade in plan.get(table, ()):
            for effect in _of(cascade, tables, old, new, find, now):
                now[effect.table, effect.key] = effect.new
                effects.append(effect)
                pending.append((effect.table, effect.old, effect.new))
    return effects


def _of(
    cascade: Cascade,
    tables: Mapping[str, TablePlan],
    old: Image,
    new: Image | None,
    find: Find,
    now: Mapping[tuple[str, str], Image | None],
) -> Iterator[Effect]:
    parent, child = tables[cascade.parent], tables[cascade.child]
    value = join_value(parent, cascade.references, old)
    if value is None:
        return
    if new is not None and join_value(parent, cascade.references, new) == value:
        return
    rule = cascade.on_delete if new is None else cascade.on_update
    if not rule:
        return
    for key, stored in list(find(cascade.child, cascade.columns, [value])):
        row = now.get((cascade.child, key), stored)
        # A row that an earlier effect took away, or that points elsewhere by now, is none of this one's.
        if row is None or join_value(child, cascade.columns, row) != value:
            continue
        yield Effect(cascade.child, key, row, _changed(cascade, rule, row, new))


def _changed(cascade: Cascade, rule: str, row: Image, parent: Image | None) -> Image | None:
    if rule == SET_NULL:
        return row | dict.fromkeys(cascade.columns)
    if parent is None:
        return None
    taken: dict[str, Any] = {
        column: parent.get(reference) for column, reference in zip(cascade.columns, cascade.references, strict=True)
    }
    return row | taken


def renamed(tables: Mapping[str, TablePlan], effect: Effect) -> str | None:
    """The key under which the row now stands: another one where a foreign key is part of it; None: deleted."""
    return None if effect.new is None else key_of(tables[effect.table], effect.new)
