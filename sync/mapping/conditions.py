"""Beside the plan: `where`, `when` and `order` of a mapping, made into functions over a row's image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sync.errors import BuildError, MappingError
from sync.mapping.canonical import canonicalizer

if TYPE_CHECKING:
    from sync.mapping.plan import ColumnPlan, TablePlan

Image = dict[str, Any]
Predicate = Callable[[Image], bool]
Sorter = Callable[[list[tuple[str, Image]]], list[tuple[str, Image]]]
OPERATORS = ("gt", "gte", "lt", "lte", "not", "in")
_ABSENT = object()


def typed(value: Any) -> tuple[int, Any]:
    """A sort key for one value of an image: numbers by size, everything else by code point, NaN after all numbers."""
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, float) and value != value:
        return (1, 0)
    if isinstance(value, bool | int | float):
        return (0, value)
    return (2, str(value))


def _number(value: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return (2, value)
        return (1, 0) if number.is_nan() else (0, number)
    return typed(value)


def _moment(value: Any) -> tuple[int, Any]:
    if value == "infinity":
        return (3, "")
    if value == "-infinity":
        return (-1, "")
    # Without its Z, "09:00:00" comes before "09:00:00.5", as it should.
    return (2, str(value).removesuffix("Z"))


def sort_key(column: ColumnPlan) -> Callable[[Any], tuple[int, Any]]:
    """The typed order of one column's values; the caller deals with NULL."""
    if column.kind in ("integer", "decimal"):
        return _number
    if column.kind in ("date", "timestamp", "time"):
        return _moment
    return typed


def missing_column(table: TablePlan, name: str) -> MappingError:
    nearest = get_close_matches(name, table.columns, 1)
    hint = f' (nearest: "{nearest[0]}")' if nearest else ""
    return MappingError(f'table "{table.name}" has no column "{name}"{hint}')


def not_captured(table: TablePlan, name: str) -> BuildError:
    return BuildError(
        f'column "{name}" of table "{table.name}" is not captured yet',
        advice="The document keeps its old text until the table was backfilled.",
    )


def predicate(table: TablePlan, conditions: Mapping[str, Any]) -> Predicate | None:
    """All conditions over one image; None where there are none.

    A scalar is equality, a list any of its values, null IS NULL; ``{gt, gte, lt, lte}`` compare by type and
    are false for NULL; ``{not: x}`` and ``{not: [x, y]}`` are SQL's IS DISTINCT FROM, so NULL is not "x".
    The function raises BuildError where a column it needs is absent. Raises MappingError.
    """
    tests = [_test(table, name, wanted) for name, wanted in conditions.items()]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda image: all(test(image) for test in tests)


def _test(table: TablePlan, name: str, wanted: Any) -> Predicate:
    column = table.columns.get(name)
    if column is None:
        raise missing_column(table, name)
    accepts = _all([_operation(column, op, v) for op, v in wanted.items()] if isinstance(wanted, dict)
                   else [_any_of(column, wanted)])  # fmt: skip

    def test(image: Image) -> bool:
        value = image.get(name, _ABSENT)
        if value is _ABSENT:
            raise not_captured(table, name)
        return accepts(value)

    return test


def _all(tests: Sequence[Callable[[Any], bool]]) -> Callable[[Any], bool]:
    return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)


def _any_of(column: ColumnPlan, wanted: Any) -> Callable[[Any], bool]:
    text = canonicalizer(column.kind, column.database_type)
    values = frozenset(text(v) for v in (wanted if isinstance(wanted, list | tuple) else [wanted]))
    return lambda value: text(value) in values


def _operation(column: ColumnPlan, operator: str, wanted: Any) -> Callable[[Any], bool]:
    if operator == "in":
        return _any_of(column, wanted)
    if operator == "not":
        same = _any_of(column, wanted)
        return lambda value: not same(value)
    if operator not in OPERATORS:
        nearest = get_close_matches(operator, OPERATORS, 1)
        hint = f' (nearest: "{nearest[0]}")' if nearest else ""
        has = ", ".join(OPERATORS)
        raise MappingError(f'column "{column.name}": a condition has no "{operator}"{hint}; it has {has}')
    key = sort_key(column)
    bound = key(column.read(wanted))
    compare: dict[str, Callable[[Any], bool]] = {
        "gt": lambda k: bool(k > bound),
        "gte": lambda k: bool(k >= bound),
        "lt": lambda k: bool(k < bound),
        "lte": lambda k: bool(k <= bound),
    }
    holds = compare[operator]
    return lambda value: value is not None and holds(key(value))


def sorter(table: TablePlan, order: Sequence[str]) -> Sorter:
    """Rows of ``table`` in the order that the mapping asks for.

    NULL comes last in either direction, ties go by the key in its typed order. Raises MappingError.
    """
    terms: list[tuple[str, bool, Callable[[Any], tuple[int, Any]]]] = []
    for term in order:
        name = term.removeprefix("-").strip()
        if name not in table.columns:
            raise missing_column(table, name)
        terms.append((name, term.startswith("-"), sort_key(table.columns[name])))
    terms += [(name, False, sort_key(table.columns[name])) for name in table.key if name in table.columns]

    def sort(rows: list[tuple[str, Image]]) -> list[tuple[str, Image]]:
        if len(rows) < 2:
            return rows
        rows = sorted(rows, key=_by_row_key)
        for name, descending, key in reversed(terms):
            rows = _by_column(rows, table, name, descending, key)
        return rows

    return sort


def _by_row_key(row: tuple[str, Image]) -> str:
    return row[0]


def _by_column(
    rows: list[tuple[str, Image]], table: TablePlan, name: str, descending: bool, key: Callable[[Any], tuple[int, Any]]
) -> list[tuple[str, Image]]:
    known: list[tuple[str, Image]] = []
    null: list[tuple[str, Image]] = []
    for row in rows:
        if name not in row[1]:
            raise not_captured(table, name)
        (null if row[1][name] is None else known).append(row)
    known.sort(key=lambda row: key(row[1][name]), reverse=descending)
    return known + null
