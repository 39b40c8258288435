"""From a row's image to what a reader sees: each column's value as words, as its code, as a number.

A column's `Reading` is prepared once per table; a value is read when a template or a property asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sync.errors import BuildError, MappingError
from sync.mapping.canonical import number_text
from sync.mapping.image import CUT
from sync.mapping.kinds import bare, element_type, kind_of_type, places
from sync.mapping.model import CodeTable, UnitColumn
from sync.mapping.moments import interval_words
from sync.mapping.quantities import digits_of, scale_of, scaled
from sync.mapping.times import Clock, date_words, time_words

if TYPE_CHECKING:
    from sync.mapping.assemble import Gathered
    from sync.mapping.plan import ColumnPlan, TablePlan

Words = Callable[[Any, "Gathered | None"], str]
NOT_RECORDED = "not recorded"
NOT_A_NUMBER = "not a number"
NO_BEGINNING = "no beginning"


class Reading:
    """How one column's values read.

    ``words(value, row)`` is the text, ``code(value)`` the canonical code, ``number(value)`` the scaled number.
    ``row`` is the row's own, for units, zones and code words that stand in it. All raise BuildError, which names
    the column and never its value.
    """

    __slots__ = ("code", "column", "empty", "is_list", "kind", "label", "table", "words")

    def __init__(self, table: TablePlan, column: ColumnPlan) -> None:
        self.table = table
        self.column = column
        self.label = column.label
        self.empty = NOT_RECORDED if column.column.empty is None else column.column.empty
        self.kind = column.compared_as
        self.is_list = column.kind == "list"
        self.code: Callable[[Any], str | None] = column.identity
        self.words: Words = _words(self)

    def number(self, value: Any) -> Decimal | int:
        """The number with `scale` applied. Raises BuildError where the column holds none."""
        if self.kind == "integer" and type(value) is int and self.column.column.scale is None:
            return value
        if self.kind in ("integer", "decimal", "text") and not isinstance(value, bool | dict | list):
            text = number_text(value)
            if text is not None:
                return scaled(text, scale_of(self.column.column))
        raise self.error("is no number")

    def error(self, what: str, advice: str | None = None) -> BuildError:
        return BuildError(f'column "{self.column.name}" of table "{self.table.name}" {what}', advice=advice)

    def cut(self, value: dict[str, Any]) -> BuildError:
        return self.error(
            f"holds a text of {value[CUT]} bytes, which is more than Headrace stores",
            "Raise HEADRACE_MAX_TEXT_BYTES and backfill, or leave the column out of the document.",
        )

    def missing(self) -> BuildError:
        return self.error("is not captured yet", "The document keeps its old text until the table was backfilled.")


def _words(reading: Reading) -> Words:
    column = reading.column
    if column.treatment == "mask":
        return lambda value, row: f"{value}." if value else str(value)
    if column.treatment == "hash":
        return lambda value, row: str(value)
    if isinstance(column.column.values, CodeTable):
        return _words_of_table(reading, column.column.values)
    if isinstance(column.column.values, dict):
        one = _words_of_codes(reading, column.column.values)
        return _joined(reading, one) if reading.is_list else one
    return _plain(reading, column.kind, column.database_type)


def _plain(reading: Reading, kind: str, database_type: str | None) -> Words:
    if kind in ("integer", "decimal"):
        return _number_words(reading, database_type)
    if kind == "boolean":
        return lambda value, row: _simple(value)
    if kind == "date":
        return _cached(lambda value: date_words(value, reading.column.column.format), reading)
    if kind == "timestamp":
        return _timestamp_words(reading)
    if kind == "time":
        return _cached(lambda value: time_words(value, reading.column.column.format), reading)
    if kind == "list":
        inner = element_type(database_type)
        element = _plain(reading, kind_of_type(inner), inner) if inner else _simple_words
        return _joined(reading, element)
    if kind == "json":
        names = reading.column.column.fields
        return lambda value, row: json_words(_renamed(value, names), reading.empty)
    if database_type and bare(database_type) == "interval":
        return lambda value, row: interval_words(str(value))
    return _simple_words


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """The listed fields of a JSON column under the names that the mapping gives them."""
    return {names.get(path, path): part for path, part in value.items()} if names and type(value) is dict else value


def _simple_words(value: Any, row: Gathered | None) -> str:
    return value if type(value) is str else _simple(value)


def _simple(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number_text(value) or str(value)
    return json_words(value, "") if isinstance(value, dict | list) else str(value)


def json_words(value: Any, empty: str) -> str:
    """A JSON value in words: ``city Rome, tags red, blue``."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {json_words(part, empty)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(json_words(part, empty) for part in value)
    return empty if value is None else _simple(value)


def _joined(reading: Reading, one: Words) -> Words:
    empty = reading.empty

    def words(value: Any, row: Gathered | None) -> str:
        if not isinstance(value, list):
            return one(value, row)
        return ", ".join(empty if part is None else words(part, row) for part in value) or empty

    return words


def _cached(words: Callable[[Any], str], reading: Reading) -> Words:
    """The same instant or day stands in many rows; a flight's departure is read once for all its tickets."""
    remembered = lru_cache(maxsize=2048)(words)
    opened = reading.column.column.open

    def read(value: Any, row: Gathered | None) -> str:
        return open_words(value, opened) or remembered(value)

    return read


def open_words(value: Any, opened: str) -> str | None:
    """How infinity reads; its opposite too, which has no end in the other direction."""
    if value in ("infinity", "Infinity"):
        return opened
    if value in ("-infinity", "-Infinity"):
        return NO_BEGINNING if opened == "no end" else opened
    return None


# --- codes


def _words_of_codes(reading: Reading, values: dict[str, str]) -> Words:
    code = reading.code
    # "01" and 1 are the same code of a numeric column, "True" and true of a boolean one.
    words = {key: text for given, text in values.items() if (key := code(given)) is not None} | dict(values)
    keep = reading.column.column.unknown == "keep"

    def read(value: Any, row: Gathered | None) -> str:
        text = words.get(value) if type(value) is str else None
        if text is None:
            key = code(value)
            text = words.get(key) if key is not None else None
            if text is None:
                if not keep:
                    raise reading.error(
                        "holds a code that `values` does not list",
                        "Add the code with its words, or `unknown: keep` to show the code itself.",
                    )
                return key or reading.empty
        return text

    return read


def _words_of_table(reading: Reading, codes: CodeTable) -> Words:
    relation = f"#{reading.column.name}"
    keep = reading.column.column.unknown == "keep"

    def read(value: Any, row: Gathered | None) -> str:
        found = row.relatives.get(relation) if row is not None else None
        text = found.image.get(codes.words) if found is not None and hasattr(found, "image") else None
        if text is not None:
            return str(text)
        if keep:
            return reading.code(value) or reading.empty
        raise reading.error(
            f'holds a code that table "{codes.table}" has no words for',
            "Add the row there, or `unknown: keep` to show the code itself.",
        )

    return read


# --- numbers


def _number_words(reading: Reading, database_type: str | None) -> Words:
    model = reading.column.column
    scale, opened = scale_of(model), model.open
    quantity = scale is not None or model.unit is not None or model.decimals is not None
    least = places(database_type) or 0
    if scale is not None:
        exponent = scale.as_tuple().exponent
        least = max(-exponent, 0) if isinstance(exponent, int) else 0
    unit = _unit(reading, model.unit)

    def digits(value: Any) -> str:
        text = number_text(value)
        if text is None:
            return str(value)
        if text == "NaN":
            return NOT_A_NUMBER
        special = open_words(text, opened)
        if special is not None:
            return special
        return digits_of(scaled(text, scale), least, model.decimals, quantity)

    remembered = lru_cache(maxsize=2048)(digits)

    def read(value: Any, row: Gathered | None) -> str:
        if not quantity and not least and type(value) is int:
            return str(value)
        text = remembered(value) if not isinstance(value, dict | list) else _simple(value)
        if not quantity or text[-1:] not in _DIGITS:
            return text
        shown = unit(row)
        return f"{text} {shown}" if shown else text

    return read


_DIGITS = frozenset("0123456789")


def _unit(reading: Reading, unit: str | UnitColumn | None) -> Callable[[Gathered | None], str]:
    if isinstance(unit, UnitColumn):
        other = sibling(reading, unit.column, "unit")
        return lambda row: other(row) or ""
    fixed = unit or ""
    return lambda row: fixed


def sibling(reading: Reading, name: str, what: str) -> Callable[[Gathered | None], str | None]:
    """Another column of the same row, in words; None where it is NULL. Raises MappingError for an unknown one."""
    column = reading.table.columns.get(name)
    if column is None or column.treatment == "drop":
        raise MappingError(f'table "{reading.table.name}", column "{reading.column.name}": `{what}` names "{name}", '
                           "which is no captured column of this table")  # fmt: skip
    other = Reading(reading.table, column)

    def read(row: Gathered | None) -> str | None:
        if row is None:
            return None
        if name not in row.image:
            raise other.missing()
        value = row.image[name]
        return None if value is None else other.words(value, row)

    return read


# --- instants


def _timestamp_words(reading: Reading) -> Words:
    model = reading.column.column
    clock = Clock.of(reading.table.name, reading.column)
    opened = model.open
    if isinstance(model.timezone, UnitColumn):
        zone = sibling(reading, model.timezone.column, "timezone")

        def read(value: Any, row: Gathered | None) -> str:
            special = open_words(value, opened)
            if special is not None:
                return special
            words = clock.words_in(value, zone(row) or "UTC")
            if words is None:
                raise reading.error("stands in a time zone that does not exist", "Use names like Europe/Rome.")
            return words

        return read
    return _cached(clock.words, reading)
