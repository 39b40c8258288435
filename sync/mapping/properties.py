"""Beside the text: the values of a document's `filters:`, typed as their properties are, NULL absent."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sync.mapping.assemble import Gathered, Many, Problem
from sync.mapping.canonical import boolean, number_text
from sync.mapping.filters import Property, locate
from sync.mapping.image import CUT
from sync.mapping.kinds import element_type, kind_of_type
from sync.mapping.plan import DocumentPlan
from sync.mapping.times import Clock
from sync.mapping.values import Reading, json_words
from sync.mapping.views import Shape

Convert = Callable[[Any, Gathered], Any]
SAFE_INTEGER = 2**53


class PropertyReader:
    """Reads one property out of a gathered document."""

    def __init__(self, document: DocumentPlan, given: Property, shape: Shape) -> None:
        nodes, column, inside = locate(document.root, given.path, document.name)
        self.name = given.name
        self._many = given.many
        self._column = column.name
        self._inside = inside
        self._relations = [node.name for node in nodes[1:]]
        for name in self._relations:
            shape = shape.relations[name]
        self._reading = shape.columns[column.name]
        self._convert = _converter(given, self._reading)

    def read(self, gathered: Gathered) -> Any:
        """The value, a list through `many`, or None: there is none. Raises BuildError."""
        if not self._relations and not self._many:
            return self._of(gathered)
        values: list[Any] = []
        for row in self._rows(gathered):
            value = self._of(row)
            # Not a set: the order of the rows is the order of the list, and 1 is not True.
            for part in value if isinstance(value, list) else [value]:
                if part is not None and part not in values:
                    values.append(part)
        if self._many:
            return values or None
        return values[0] if values else None

    def _rows(self, gathered: Gathered) -> list[Gathered]:
        rows = [gathered]
        for name in self._relations:
            below: list[Gathered] = []
            for row in rows:
                relative = row.relatives.get(name)
                if isinstance(relative, Problem):
                    raise relative.error
                if isinstance(relative, Many):
                    below.extend(relative.rows)
                elif relative is not None:
                    below.append(relative)
            rows = below
        return rows

    def _of(self, row: Gathered) -> Any:
        image = row.image
        if self._column not in image:
            raise self._reading.missing()
        value = image[self._column]
        if value is None:
            return None
        if type(value) is dict and CUT in value:
            raise self._reading.cut(value)
        if self._inside is not None:
            value = _inside(value, self._inside)
            return None if value is None else json_words(value, "")
        if isinstance(value, list) and self._reading.is_list:
            return [None if part is None else self._convert(part, row) for part in value]
        return self._convert(value, row)


def _inside(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _converter(given: Property, reading: Reading) -> Convert:
    column = reading.column
    if given.type == "text":
        worded = column.column.values is not None or column.treatment is not None or reading.kind == "json"
        return reading.words if worded else lambda value, row: _exact_text(reading, value)
    if given.type == "bool":
        return lambda value, row: boolean(value)
    if given.type == "date":
        inner = element_type(column.database_type)
        kind = kind_of_type(inner) if reading.is_list and inner else column.kind
        return _date if kind == "date" else _instant(reading)
    return _integer(reading) if given.type == "int" else _quantity(reading)


def _exact_text(reading: Reading, value: Any) -> str | None:
    return value if type(value) is str and not reading.is_list else _canonical(reading, value)


def _canonical(reading: Reading, value: Any) -> str | None:
    return value if isinstance(value, str) else number_text(value) if isinstance(value, int | float) else reading.code(
        value)  # fmt: skip


def _integer(reading: Reading) -> Convert:
    def convert(value: Any, row: Gathered) -> int | None:
        text = number_text(value)
        if text is None or not text.removeprefix("-").isdigit():
            return None
        number = int(text)
        if abs(number) > SAFE_INTEGER:
            raise reading.error(
                "holds an integer that Weaviate cannot hold exactly, in a filter",
                "Let `headrace lint --live` write the lock, or say `type: text`.",
            )
        return number

    return convert


def _quantity(reading: Reading) -> Convert:
    def convert(value: Any, row: Gathered) -> float | None:
        if isinstance(value, str) and number_text(value) in (None, "NaN", "Infinity", "-Infinity"):
            return None
        number = Decimal(reading.number(value))
        result = float(number)
        # Beyond the largest double there is no number to filter by.
        return result if abs(result) != float("inf") else None

    return convert


def _date(value: Any, row: Gathered) -> str | None:
    # RFC 3339 has four digits for a year; infinity and other calendars are no date there.
    return f"{value}T00:00:00Z" if type(value) is str and len(value) == 10 and value[:4].isdigit() else None


def _instant(reading: Reading) -> Convert:
    clock = Clock.of(reading.table.name, reading.column)

    def convert(value: Any, row: Gathered) -> str | None:
        moment = clock.moment(value) if isinstance(value, str) else None
        if moment is None:
            return None
        text = moment.isoformat(timespec="auto")
        return text.removesuffix("+00:00") + "Z"

    return convert
