"""Between a row and everything that compares it: one text per value, whichever source and type it came from.

Keys, joins, codes and conditions all compare these texts, so that 1, 1.00 and "1.00" are one number,
a padded ``char(4)`` equals its ``text``, and an instant is an instant in whatever zone it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from sync.mapping.model import Kind

PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?\Z")
# PostgreSQL's numeric ends at 131,072 digits before and 16,383 after the point; beyond that a text
# like 1e999999999 would be written out in full and fill the memory.
MOST_DIGITS, MOST_PLACES = 140_000, 20_000
# Debezium writes an infinite timestamp or date as a year that no calendar in use reaches: the sentinel is
# +294247 (microseconds), +292278994 (milliseconds) or +999999999, by type and precision.
ENDLESS_YEAR = 290_000
_MOMENT = re.compile(
    r"(?P<year>[+-]?\d{4,10})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"\s?(?P<zone>Z|z|UTC|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?\Z"
)
_TIME = re.compile(
    r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s?(?P<zone>Z|z|UTC|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?\Z"
)
_INFINITE = {
    "infinity": "infinity",
    "+infinity": "infinity",
    "inf": "infinity",
    "-infinity": "-infinity",
    "-inf": "-infinity",
}
_NUMBERLESS = {"nan": "NaN", "infinity": "Infinity", "+infinity": "Infinity", "inf": "Infinity", "+inf": "Infinity",
               "-infinity": "-Infinity", "-inf": "-Infinity"}  # fmt: skip
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
    if isinstance(value, int | float | Decimal) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        word = value.strip().lower()
        return True if word in _YES else False if word in _NO else None
    return None


def timestamp_text(value: Any) -> str | None:
    """An instant as ``2026-03-01T09:00:00Z``, fractions without trailing zeros; "infinity", "-infinity".

    A timestamp without a zone is written as if it were UTC; in which zone it really stands is the
    mapping's to say (``stored_in``) and is applied where it is read. None: it is no timestamp.
    """
    if isinstance(value, str):
        if len(value) == 20 and value[10] == "T" and value[19] == "Z" and value[4] == "-" and value.isascii():
            return value
        return _moment_text(value)
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC)
        return f"{value:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + _fraction(f"{value.microsecond:06}") + "Z"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return None


def _fraction(digits: str | None) -> str:
    digits = (digits or "").rstrip("0")
    return f".{digits}" if digits else ""


def _moment_text(text: str) -> str | None:
    text = text.strip()
    infinite = _INFINITE.get(text.lower())
    if infinite is not None:
        return infinite
    found = _MOMENT.match(text)
    if found is None:
        return None
    year = int(found["year"])
    if abs(year) >= ENDLESS_YEAR:
        return "infinity" if year > 0 else "-infinity"
    clock = f"{found['hour'] or '00'}:{found['minute'] or '00'}:{found['second'] or '00'}"
    offset = _offset(found["zone"])
    if not 1 <= year <= 9999:
        # Python's calendar ends here; what it cannot count is kept as it was written.
        return f"{found['year']}-{found['month']}-{found['day']}T{clock}{_fraction(found['fraction'])}Z"
    try:
        moment = datetime.fromisoformat(f"{year:04}-{found['month']}-{found['day']}T{clock}") - offset
    except (ValueError, OverflowError):
        return None
    return moment.isoformat() + _fraction(found["fraction"]) + "Z"


def _offset(zone: str | None) -> timedelta:
    if not zone or zone in {"Z", "z", "UTC"}:
        return timedelta()
    digits = zone[1:].replace(":", "").ljust(6, "0")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:]))
    return -size if zone[0] == "-" else size


def date_text(value: Any) -> str | None:
    """A day as ``2026-03-01``; "infinity", "-infinity". None: it is no date."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return None
    if len(value) == 10 and value[4] == "-" and value[7] == "-":
        return value
    text = value.strip()
    infinite = _INFINITE.get(text.lower())
    if infinite is not None:
        return infinite
    found = _MOMENT.match(text)
    if found is None:
        return None
    year = int(found["year"])
    if abs(year) >= ENDLESS_YEAR:
        return "infinity" if year > 0 else "-infinity"
    return f"{found['year']}-{found['month']}-{found['day']}"


def time_text(value: Any, zoned: bool = False) -> str | None:
    """A time of day as ``10:15:00``; one with a zone as UTC, ``10:15:00Z``. None: it is no time."""
    if isinstance(value, timedelta):  # how MariaDB's driver gives a TIME
        value = str(value).rjust(8, "0")
    if isinstance(value, time):
        value = value.isoformat()
    if not isinstance(value, str):
        return None
    found = _TIME.match(value.strip())
    if found is None:
        return None
    clock = timedelta(hours=int(found["hour"]), minutes=int(found["minute"]), seconds=int(found["second"] or 0))
    if found["zone"]:
        clock -= _offset(found["zone"])
        if clock < timedelta() or clock > timedelta(days=1):
            clock %= timedelta(days=1)
    hours, rest = divmod(int(clock.total_seconds()), 3600)
    text = f"{hours:02}:{rest // 60:02}:{rest % 60:02}{_fraction(found['fraction'])}"
    return text + "Z" if zoned else text


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


def canonical(
    value: Any, kind: Kind, database_type: str | None = None, normalise: tuple[str, ...] = ()
) -> str | None:
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
    return str(value) if type(value) is int else _number(value)


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
