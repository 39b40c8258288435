"""What a template sees of one value: it reads as words, and offers its code, its number and its label.

Python's own attributes are out of reach: template.py sends every attribute and item of a template to `View.get`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from jinja2 import StrictUndefined

from sync.errors import BuildError
from sync.mapping.assemble import Gathered
from sync.mapping.canonical import number_text
from sync.mapping.conditions import sort_key, typed
from sync.mapping.image import nested
from sync.mapping.meter import ELEMENT, MOST_DIGITS, Weighty, counted, too_long, weight
from sync.mapping.values import Reading, json_words


class Unknown(StrictUndefined):
    """A name that is none; using it raises. Its message names the name, never a value that stood there."""

    __slots__ = ()


class Number(Decimal):
    """An exact number that compares with a template's 0.1 as the 0.1 that was written."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return Decimal.__eq__(self, _exact(other)) is True

    def __hash__(self) -> int:
        return Decimal.__hash__(self)

    def __lt__(self, other: Any) -> bool:
        return Decimal.__lt__(self, _exact(other))

    def __le__(self, other: Any) -> bool:
        return Decimal.__le__(self, _exact(other))

    def __gt__(self, other: Any) -> bool:
        return Decimal.__gt__(self, _exact(other))

    def __ge__(self, other: Any) -> bool:
        return Decimal.__ge__(self, _exact(other))

    def __int__(self) -> int:
        if self.is_finite() and self.adjusted() > MOST_DIGITS:
            raise too_long()
        return Decimal.__int__(self)

    def __str__(self) -> str:
        return format(self, "f") if self.is_finite() else number_text(Decimal(self)) or "NaN"


def _exact(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Value):
        return value.number()
    return value


class View(Weighty):
    """Anything of ours in a template. ``get`` is its only way in."""

    __slots__ = ()

    def weight(self) -> int:
        return ELEMENT

    def get(self, name: str) -> Any:
        raise NotImplementedError

    def at(self, index: Any) -> Any:
        raise BuildError(f"the template asks {self.described()} for an item by position")

    def described(self) -> str:
        return "a value"

    def __repr__(self) -> str:
        # Tracebacks and logs show reprs; they are no place for a row's values.
        return f"<{self.described()}>"


class Value(View):
    """One column of one row. NULL, false, an empty text and an empty list are false; 0 is not."""

    __slots__ = ("_reading", "_row", "_value")

    def __init__(self, reading: Reading, value: Any, row: Gathered | None) -> None:
        self._reading = reading
        self._value = value
        self._row = row

    @property
    def is_null(self) -> bool:
        return self._value is None

    def weight(self) -> int:
        return weight(self._value)

    def described(self) -> str:
        return f'column "{self._reading.column.name}" of table "{self._reading.table.name}"'

    def __str__(self) -> str:
        value = self._value
        return self._reading.empty if value is None else self._reading.words(value, self._row)

    def __bool__(self) -> bool:
        value = self._value
        return value is not None and value is not False and value != "" and value != [] and value != {}

    def get(self, name: str) -> Any:
        if self._reading.kind == "json" and self._value is not None:
            return self._inside().get(name)
        if name == "label":
            return self._reading.label
        if name == "code":
            return self if self._value is None else self._code()
        if name == "number":
            return self if self._value is None else self.number()
        if self._reading.kind == "json":
            return Value(self._reading, None, None)
        if self._reading.is_list and name == "count":
            return len(self._value or ())
        return Unknown(f'{self.described()} has no "{name}"; it has code, number and label')

    def at(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.get(index)
        if isinstance(self._value, list):
            there = -len(self._value) <= index < len(self._value)
            return Value(self._reading, self._value[index] if there else None, self._row if there else None)
        return self._inside().at(index) if isinstance(self._value, dict) else str(self)[index]

    def __getitem__(self, index: Any) -> Any:  # Jinja's slices come here
        return list(self)[index] if isinstance(self._value, list) else str(self)[index]

    def _inside(self) -> Part:
        fields = self._reading.column.column.fields
        return Part(nested(self._value, fields) if fields and isinstance(self._value, dict) else self._value,
                    self._reading.empty)  # fmt: skip

    def _code(self) -> Any:
        if isinstance(self._value, list):
            return [self._reading.code(part) for part in counted(self._value)]
        return self._reading.code(self._value)

    def number(self) -> Number:
        number = self._reading.number(self._value)
        return Number(number)

    def __iter__(self) -> Iterator[Any]:
        if self._value is None:
            return iter(())
        if self._reading.kind == "json":
            return iter(self._inside())
        if isinstance(self._value, list):
            return iter([Value(self._reading, part, self._row) for part in self._value])
        raise BuildError(f"the template loops over {self.described()}, which is one value")

    def __len__(self) -> int:
        if self._value is None:
            return 0
        return len(self._value) if isinstance(self._value, list | dict) else len(str(self))

    def __contains__(self, other: Any) -> bool:
        if isinstance(self._value, list):
            return any(part == other for part in self)
        return str(other) in str(self)

    def __hash__(self) -> int:
        return hash(str(self))

    def __eq__(self, other: object) -> bool:
        if self._value is None or other is None:
            return self._value is None and (other is None or (isinstance(other, Value) and other.is_null))
        if isinstance(other, bool):
            return self._value is other
        if isinstance(other, int | float | Decimal):
            return self._is_number() and self.number() == other
        if isinstance(other, Value):
            return not other.is_null and self._ordinal() == other._ordinal()
        return str(self) == other

    def _is_number(self) -> bool:
        return self._reading.kind in ("integer", "decimal") or isinstance(self._value, int | float)

    def _ordinal(self) -> tuple[int, Any]:
        if self._is_number():
            return typed_number(self.number())
        if self._reading.column.column.values is not None:
            return typed(str(self))
        return sort_key(self._reading.column)(self._value)

    def _compared(self, other: Any) -> tuple[Any, Any] | None:
        """What `<` compares: numbers by size, instants by time (also with ISO text), else words; None: never true."""
        if self._value is None or other is None or (isinstance(other, Value) and other.is_null):
            return None
        if isinstance(other, Value):
            return self._ordinal(), other._ordinal()
        if isinstance(other, int | float | Decimal):
            return typed_number(self.number()), typed_number(_exact(other))
        if self._reading.kind in ("date", "timestamp", "time"):
            key = sort_key(self._reading.column)
            return key(self._value), key(self._reading.column.read(str(other)))
        return str(self), str(other)

    def __lt__(self, other: Any) -> bool:
        pair = self._compared(other)
        return pair is not None and bool(pair[0] < pair[1])

    def __le__(self, other: Any) -> bool:
        pair = self._compared(other)
        return pair is not None and bool(pair[0] <= pair[1])

    def __gt__(self, other: Any) -> bool:
        pair = self._compared(other)
        return pair is not None and bool(pair[0] > pair[1])

    def __ge__(self, other: Any) -> bool:
        pair = self._compared(other)
        return pair is not None and bool(pair[0] >= pair[1])

    def __int__(self) -> int:
        return int(self.number())

    def __float__(self) -> float:
        return float(self.number())

    def __round__(self, digits: int = 0) -> Number:
        return Number(round(Decimal(self.number()), digits))

    def __abs__(self) -> Number:
        return Number(abs(Decimal(self.number())))


def typed_number(number: Any) -> tuple[int, Any]:
    """NaN compares with nothing in Python; here it comes after all numbers, as in PostgreSQL."""
    return (1, 0) if isinstance(number, Decimal) and number.is_nan() else (0, Decimal(number))


class Part(View):
    """A place inside a JSON value."""

    __slots__ = ("_empty", "_value")

    def __init__(self, value: Any, empty: str) -> None:
        self._value = value
        self._empty = empty

    def weight(self) -> int:
        return weight(self._value)

    def get(self, name: str) -> Any:
        value = self._value.get(name) if isinstance(self._value, dict) else None
        return Part(value, self._empty)

    def at(self, index: Any) -> Any:
        if isinstance(self._value, list) and isinstance(index, int):
            return Part(self._value[index] if -len(self._value) <= index < len(self._value) else None, self._empty)
        return self.get(str(index))

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index] if isinstance(self._value, list) else str(self)[index]

    def __str__(self) -> str:
        return json_words(self._value, self._empty)

    def __bool__(self) -> bool:
        return self._value not in (None, False, "", [], {}) or (self._value == 0 and self._value is not False)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self._value, list):
            return iter([Part(part, self._empty) for part in self._value])
        return iter(list(self._value) if isinstance(self._value, dict) else [])

    def __len__(self) -> int:
        return len(self._value) if isinstance(self._value, list | dict | str) else 0

    def __eq__(self, other: object) -> bool:
        return bool(self._value == (other._value if isinstance(other, Part) else other))

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: Any) -> bool:
        return typed(self._value) < typed(other._value if isinstance(other, Part) else other)

    def __gt__(self, other: Any) -> bool:
        return typed(self._value) > typed(other._value if isinstance(other, Part) else other)
