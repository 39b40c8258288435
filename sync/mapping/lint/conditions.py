"""Lint of `where`, `when` and `order`: columns that exist, may be looked at, and can have such a value."""

from __future__ import annotations

from typing import Any

from sync.mapping.canonical import boolean, date_text, number_text, time_text, timestamp_text
from sync.mapping.conditions import OPERATORS
from sync.mapping.findings import nearest, shown
from sync.mapping.lint.subject import ColumnView, Subject, TableView
from sync.mapping.yaml_tree import Path

_READS = {
    "integer": "a number",
    "decimal": "a number",
    "boolean": "true or false",
    "date": "a date (2026-03-01)",
    "time": "a time (10:15)",
    "timestamp": "a timestamp (2026-03-01T09:00:00Z)",
}


def check_conditions(
    subject: Subject, table: TableView | None, conditions: dict[str, Any], path: Path, what: str
) -> None:
    """`{column: value | [values] | null | {gt: …}}` over rows of ``table`` (M102, M106, M121)."""
    for name, wanted in conditions.items():
        place = (*path, name)
        column = subject.column(table, name, place, what, key=True)
        if column is None:
            continue
        if column.treatment is not None:
            message = f"{what}: {shown(name)} is private ({column.treatment}), nothing can be compared with it"
            subject.error(place, "M121", message, key=True)
            continue
        if not isinstance(wanted, dict):
            _check_values(subject, column, wanted, place, what)
            continue
        if not wanted:
            subject.error(place, "M106", f"{what}: {shown(name)} has an empty condition", key=True)
        for operator, value in wanted.items():
            if operator not in OPERATORS:
                message = f"{what}: no comparison {shown(operator)}{nearest(operator, OPERATORS)}"
                subject.error((*place, operator), "M106", message, key=True)
            elif operator in ("not", "in"):
                _check_values(subject, column, value, (*place, operator), what)
            elif value is None or isinstance(value, list | dict):
                subject.error((*place, operator), "M106", f"{what}: {operator} compares with one value", key=True)
            else:
                _check_value(subject, column, value, (*place, operator), what)


def _check_values(subject: Subject, column: ColumnView, wanted: Any, path: Path, what: str) -> None:
    if not isinstance(wanted, list):
        _check_value(subject, column, wanted, path, what)
        return
    if not wanted:
        subject.warning(path, "M106", f"{what}: an empty list: no row of it is ever meant")
    for index, value in enumerate(wanted):
        _check_value(subject, column, value, (*path, index), what)


def _check_value(subject: Subject, column: ColumnView, value: Any, path: Path, what: str) -> None:
    if value is None:
        return
    if isinstance(value, dict | list):
        subject.error(path, "M106", f"{what}: {shown(column.name)} is compared with one value or a list of values")
        return
    if not column.kind_is_known:
        return
    if column.kind in _READS and not _readable(column, value):
        message = f"{what}: {shown(column.name)} is {_READS[column.kind]}, {shown(str(value), 30)} is none"
        subject.error(path, "M106", message)
    codes = column.model.values
    if isinstance(codes, dict) and str(value) not in codes and column.kind == "text":
        message = f"{what}: {shown(str(value), 30)} is no code of {shown(column.name)}{nearest(str(value), codes)}"
        subject.warning(path, "M106", message)


def _readable(column: ColumnView, value: Any) -> bool:
    readers = {"date": date_text, "time": time_text, "timestamp": timestamp_text, "boolean": boolean}
    read = readers.get(column.kind, number_text)
    return read(value) is not None


def check_order(subject: Subject, table: TableView | None, order: tuple[str, ...], path: Path, what: str) -> None:
    """Columns of an `order:`, each with an optional minus (M102, M121)."""
    for index, term in enumerate(order):
        place = (*path, index)
        name = term.removeprefix("-").strip()
        column = subject.column(table, name, place, what)
        if column is not None and column.treatment is not None:
            subject.error(place, "M121", f"{what}: {shown(name)} is private ({column.treatment}), it has no order")
