"""Beside a document's template: what it counts. Exact as long as that is finite, NULL as in SQL, never endless."""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from decimal import Context, Decimal, Inexact
from typing import Any

from sync.errors import BuildError
from sync.mapping.meter import ELEMENT, MAX_CHARACTERS, MOST_DIGITS, counted, digits, spend, spend_text, too_long, weigh
from sync.mapping.quantities import EXACT
from sync.mapping.shown import Number, Part, Value

_EXACT_HERE = Context(prec=MOST_DIGITS, Emax=EXACT.Emax, Emin=EXACT.Emin, rounding=EXACT.rounding, traps=[Inexact])
_DIVISION = Context(prec=28, Emax=MOST_DIGITS, Emin=-MOST_DIGITS)
_EXACT: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": _EXACT_HERE.add, "-": _EXACT_HERE.subtract, "*": _EXACT_HERE.multiply,
    "/": _DIVISION.divide, "//": _DIVISION.divide_int, "%": _DIVISION.remainder, "**": _DIVISION.power,
}  # fmt: skip
_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": operators.add, "-": operators.sub, "*": operators.mul, "//": operators.floordiv, "%": operators.mod,
}  # fmt: skip


def calculated(operator: str, left: Any, right: Any) -> Any:
    """What `left operator right` is. Raises BuildError; Python's arithmetic errors where there is no result."""
    if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
        return _of_sequences(operator, left, right)
    for side in (left, right):
        if isinstance(side, Value) and side.is_null:
            return side  # as in SQL, NULL in makes NULL out
    return _of_numbers(operator, left, right)


def signed(operator: str, value: Any) -> Any:
    if isinstance(value, Value) and value.is_null:
        return value
    if type(value) is int:  # a position in a list, a bound of a range
        return -value if operator == "-" else value
    number = _number(value)
    return Number(-number) if operator == "-" else Number(number)


def _of_numbers(operator: str, left: Any, right: Any) -> Any:
    a, b = _number(left), _number(right)
    if isinstance(left, int) and isinstance(right, int):
        if operator in _WHOLE:
            return digits(_WHOLE[operator](left, right))
        if operator == "**" and right >= 0 and left.bit_length() * right < 3 * MOST_DIGITS:
            return left**right
    try:
        return Number(_EXACT[operator](a, b))
    except Inexact:
        raise too_long() from None


def _number(value: Any) -> Decimal:
    number = _any_number(value)
    length = len(number.as_tuple().digits)
    if length > MOST_DIGITS or abs(number.adjusted()) > MOST_DIGITS:
        raise too_long()
    spend(length)
    return number


def _any_number(value: Any) -> Decimal:
    if isinstance(value, Value):
        return value.number()
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Part):
        return Decimal(str(value))
    if isinstance(value, int):
        return Decimal(digits(value))
    if isinstance(value, Decimal):
        return value
    raise BuildError(f"the template counts with what is no number ({type(value).__name__})")


def _of_sequences(operator: str, left: Any, right: Any) -> Any:
    if operator == "+":
        if isinstance(left, str) or isinstance(right, str):
            return joined((left, right))
        return [*counted(left), *counted(right)]
    if operator == "*":
        sequence, times = (left, right) if isinstance(left, str | list | tuple) else (right, left)
        length = len(sequence) * max(int(times), 0)
        if length > MAX_CHARACTERS:
            raise BuildError(f"the template repeats something beyond {MAX_CHARACTERS:,} characters")
        spend(length if isinstance(sequence, str) else length * ELEMENT)
        return sequence * int(times)
    raise BuildError(f"the template uses {operator} on a text or a list")


def joined(parts: tuple[Any, ...]) -> str:
    """What stands between `~`."""
    texts = [part if type(part) is str else text_of(part) for part in parts]
    spend_text(sum(map(len, texts)))
    return "".join(texts)


def text_of(value: Any) -> str:
    """How any value reads inside a longer text; reading lists in lists is paid for before."""
    if isinstance(value, list | tuple | dict):
        weigh(value)
    return str(value)
