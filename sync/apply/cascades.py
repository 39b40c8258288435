"""① apply: what a foreign key does to other rows where the source's log does not say it (MariaDB, MySQL).

InnoDB carries out ON DELETE and ON UPDATE below the log. Here follows what must become of other rows when one is
deleted or its referenced columns change; `sync.apply.fold` has the rows, and does it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sync.mapping.canonical import key_text
from sync.mapping.cascades import SET_NULL, Cascade
from sync.mapping.image import Image, join_value, key_of
from sync.mapping.plan import TablePlan

Tables = Mapping[str, TablePlan]
Plan = Mapping[str, tuple[Cascade, ...]]
# (table, columns, join values, after) → a page of the table's rows that have one of these values, as they now stand,
# as (row key, image), beginning behind row key `after`; and the key to go on behind, None where these were the last.
Find = Callable[[str, tuple[str, ...], Collection[str], str], tuple[Iterable[tuple[str, Image]], str | None]]


@dataclass(frozen=True, slots=True)
class Effect:
    """A row that a foreign key changed: its image before and what it is now (None: deleted)."""

    table: str
    key: str
    old: Image
    new: Image | None


@dataclass(frozen=True, slots=True)
class _Step:
    """One rule to be carried out: ``moved`` says, by what children hold, what the parent became (None: deleted)."""

    cascade: Cascade
    rule: str
    moved: dict[str, Image | None] = field(default_factory=dict)
    values: frozenset[str] = frozenset()  # the same as they are looked up by
    after: str = ""


def follow(plan: Plan, tables: Tables, changed: tuple[str, Image, Image | None], find: Find) -> Iterator[Effect]:
    """Everything that follows from one changed row, ``changed`` as (table, image before, image after or None).

    Each effect must be carried out before the next is asked for: ``find`` is to see it. Ends in cycles too, for a row
    that is gone or points elsewhere by now is not found again. Depth first, a page at a time, so that a parent with a
    million descendants takes no more memory than one with a thousand.
    """
    table, old, new = changed
    steps = _steps(plan, tables, table, [(old, new)])
    while steps:
        step = steps.pop()
        child = tables[step.cascade.child]
        found, last = find(child.name, step.cascade.columns, step.values, step.after)
        if last is not None:
            steps.append(replace(step, after=last))
        below: list[tuple[Image, Image | None]] = []
        for key, row in found:
            held = _held(child, step.cascade.columns, row)
            if held is None or held not in step.moved:
                continue
            effect = Effect(child.name, key, row, _changed(step, row, step.moved[held]))
            yield effect
            below.append((row, effect.new))
        steps += _steps(plan, tables, child.name, below)


def _steps(plan: Plan, tables: Tables, table: str, rows: Iterable[tuple[Image, Image | None]]) -> list[_Step]:
    """What hangs on rows of a table that changed."""
    steps: list[_Step] = []
    for cascade in plan.get(table, ()):
        child = tables[cascade.child]
        by_rule: dict[str, dict[str, Image | None]] = {}
        values: dict[str, set[str]] = {}
        for old, new in rows:
            held, value = _as_held(cascade, child, old)
            rule = cascade.on_delete if new is None else cascade.on_update
            if held is None or value is None or not rule:
                continue
            if new is not None and _as_held(cascade, child, new)[0] == held:
                continue
            by_rule.setdefault(rule, {})[held] = new
            values.setdefault(rule, set()).add(value)
        steps += [_Step(cascade, rule, moved, frozenset(values[rule])) for rule, moved in by_rule.items()]
    return steps


def _as_held(cascade: Cascade, child: TablePlan, parent: Image) -> tuple[str | None, str | None]:
    """What children of this row hold, as it is compared and as it is looked up by."""
    row = {column: parent.get(name) for column, name in zip(cascade.columns, cascade.references, strict=True)}
    return _held(child, cascade.columns, row), join_value(child, cascade.columns, row)


def _held(table: TablePlan, columns: tuple[str, ...], row: Image) -> str | None:
    """The columns' values as a foreign key compares them: `normalise` is the mapping's. None: one of them is NULL."""
    values: list[str] = []
    for name in columns:
        value = row.get(name)
        text = None if value is None else table.columns[name].identity(value)
        if text is None:
            return None
        values.append(text)
    return key_text(values)


def _changed(step: _Step, row: Image, parent: Image | None) -> Image | None:
    cascade = step.cascade
    if step.rule == SET_NULL:
        return row | dict.fromkeys(cascade.columns)
    if parent is None:
        return None
    pairs = zip(cascade.columns, cascade.references, strict=True)
    return row | {column: parent.get(reference) for column, reference in pairs}


def renamed(tables: Tables, effect: Effect) -> str | None:
    """The key under which the row now stands: another one where a foreign key is part of it; None: deleted."""
    return None if effect.new is None else key_of(tables[effect.table], effect.new)
