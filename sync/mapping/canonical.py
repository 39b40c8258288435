"""Between a row and everything that compares it: one text per value, whichever source and type it came from.

Keys, joins, codes and conditions all compare these texts, so that 1, 1.00 and "1.00" are one number,
a padded ``char(4)`` equals its ``text``, and an instant is an instant in whatever zone it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from sync.mapping.model import Kind
from sync.mapping.moments import date_text, time_text, timestamp_text

__all__ = [
    "PLAIN_NUMBER", "boolean", "canonical", "canonicalizer", "date_text", "key_text", "normalised", "number_text",
    "padded", "time_text", "timestamp_text",
]  # fmt: skip

PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?\Z")
# PostgreSQL's numeric ends at 131,072 digits before and 16,383 after the point; beyond that a text
# like 1e999999999 would be written out in full and fill the memory.
MOST_DIGITS, MOST_PLACES = 140_000, 20_000
# "POSITIVE_INFINITY" and "NEGATIVE_INFINITY" are Debezium's.
_NUMBERLESS = {
    "nan": "NaN",
    **dict.fromkeys(("infinity", "+infinity", "inf", "+inf", "positive_infinity"), "Infinity"),
    **dict.fromkeys(("-infinity", "-inf", "negative_infinity"), "-Infinity"),
}
_YES = frozenset({"true", "t", "yes", "y", "on", "1"})
_NO = frozenset({"false", "f", "no", "n", "off", "0"})


def number_text(value: Any) -> str | None:
    """A number without exponent and trailing zeros: "1" of 1, 1.00 and "1.00"; NaN, Infinity; None: it is none."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        if PLAIN_NUMBER.match(value) and value != "-0":
            return value
        special = _NUMBERLESS.get(value.strip().lower())
        if special is not None:
            return special
        if len(value) > MOST_DIGITS + MOST_PLACES or "_" in value:
            return None
    elif isinstance(value, float):
        value = repr(value)
    elif not isinstance(value, int | Decimal):
        return None
    try:
        return _plain(Decimal(value))
    except (InvalidOperation, ValueError):
        return None


def _plain(number: Decimal) -> str | None:
    if not number.is_finite():
        return "NaN" if number.is_nan() else "Infinity" if number > 0 else "-Infinity"
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not number:
        return "0"
    if exponent + len(digits) > MOST_DIGITS or exponent < -MOST_PLACES:
        return None
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def boolean(value: Any) -> bool | None:
    """The truth that a database or a person wrote; None: it is none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        value = int.from_bytes(bytes(value), "big")
    if isinstance(value, Decimal) and not value.is_finite():
        return None  # to compare a signalling NaN raises
    if isinstance(value, int | float | Decimal) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _YES else False if word in _NO else None
    return None


def padded(database_type: str | None) -> bool:
    """Whether the database pads values of this type with blanks that do not count."""
    if not database_type:
        return False
    base = database_type.lower().split("(")[0].strip()
    return base in {"character", "char", "bpchar", "nchar"}


def normalised(text: str, normalise: Sequence[str]) -> str:
    for step in normalise:
        if step == "trim":
            text = text.strip()
        elif step == "upper":
            text = text.upper()
        else:
            text = "".join(letter for letter in text if letter in "0123456789")
    return text


def canonical(value: Any, kind: Kind, database_type: str | None = None, normalise: tuple[str, ...] = ()) -> str | None:
    """The text by which this value is compared, or None where it equals nothing (NULL, or a value that was cut)."""
    return canonicalizer(kind, database_type, normalise)(value)


@lru_cache(maxsize=4096)
def canonicalizer(
    kind: Kind, database_type: str | None = None, normalise: tuple[str, ...] = ()
) -> Callable[[Any], str | None]:
    """``canonical`` with everything but the value decided."""
    base = _BY_KIND.get(kind, _any_text)
    strip = padded(database_type)
    lower = (database_type or "").lower() in {"uuid", "citext"}

    def text(value: Any) -> str | None:
        if value is None:
            return None
        result = base(value)
        if result is None:
            return None
        if strip:
            result = result.rstrip(" ")
        if lower:
            result = result.lower()
        # What normalising leaves empty ("n/a" of digits) would join every other such row.
        return (normalised(result, normalise) or None) if normalise else result

    return text if (strip or lower or normalise or kind != "integer") else _integer


def _integer(value: Any) -> str | None:
    # Beyond 64 bits, Python may refuse to write an integer out; an image holds such a one as text anyway.
    return str(value) if type(value) is int and -(2**63) <= value < 2**63 else _number(value)


def _number(value: Any) -> str | None:
    if value is None:
        return None
    text = number_text(value)
    return _any_text(value) if text is None else text


def _boolean(value: Any) -> str | None:
    truth = boolean(value)
    return _any_text(value) if truth is None else "true" if truth else "false"


def _timestamp(value: Any) -> str | None:
    return timestamp_text(value) or _any_text(value)


def _date(value: Any) -> str | None:
    return date_text(value) or _any_text(value)


def _time(value: Any) -> str | None:
    return time_text(value) or _any_text(value)


def _any_text(value: Any) -> str | None:
    if type(value) is str:
        return value
    if type(value) is int:
        return _integer(value)
    if value is None or (type(value) is dict and "$cut" in value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return number_text(value)
    if isinstance(value, datetime):
        return timestamp_text(value)
    if isinstance(value, date | time | UUID):
        return str(value)
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return str(value)


_BY_KIND: dict[str, Callable[[Any], str | None]] = {
    "integer": _number,
    "decimal": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
    "time": _time,
}


def key_text(values: Sequence[str]) -> str:
    """Several canonical values as one: one value is itself, several are a compact JSON array.

    A canonical number stands as a number, anything else as a string: ``7``, ``[7,2]``, ``["K3",2]``.
    Injective for one table, whose key has a fixed number of columns.
    """
    if len(values) == 1:
        return values[0]
    return "[" + ",".join(v if PLAIN_NUMBER.match(v) else orjson.dumps(v).decode() for v in values) + "]"
