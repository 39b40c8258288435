"""Below the image: one column's values from every form they arrive in.

Those are Debezium's JSON (numerics and JSON columns as strings, ISO times, base64), what psycopg returns, and what a
person writes into a mapping's tests. Lenient: a value that its type does not explain is kept as text, never lost.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sync.mapping.canonical import boolean, number_text, padded
from sync.mapping.kinds import bare, element_type, is_float, kind_of_type, width, zoned
from sync.mapping.moments import date_text, interval_text, time_text, timestamp_text

if TYPE_CHECKING:
    from sync.mapping.plan import ColumnPlan

Read = Callable[[Any], Any]
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_DEEPEST = 100


def reader(column: ColumnPlan) -> Read:
    """How one column's values, whichever way they came, become the image's. NULL is not asked."""
    # A mask or a hash leaves text in the column, whatever its own type was.
    if column.treatment in ("mask", "hash"):
        return _text
    return _reader(column.kind, column.database_type, column.known, tuple(column.column.fields))


def _reader(kind: str, database_type: str | None, known: bool, fields: tuple[str, ...] = ()) -> Read:
    if kind == "integer":
        return _integer
    if kind == "decimal":
        single = is_float(database_type) and bare(database_type or "") in {"real", "float4"}
        return (_single if single else _float) if is_float(database_type) else _money_or_decimal
    if kind == "boolean":
        return _boolean
    if kind == "timestamp":
        return _timestamp
    if kind == "date":
        return _date
    if kind == "time":
        with_zone = zoned(database_type)
        return lambda value: time_text(value, with_zone) or _text(value)
    if kind == "json":
        return _fields(fields) if fields else _json
    if kind == "list":
        return _list(database_type)
    if padded(database_type):
        return lambda value: str(_text(value)).rstrip(" ")
    if database_type and bare(database_type) == "interval":
        return lambda value: interval_text(value) or _text(value)
    if database_type and bare(database_type) in {"bit", "bit varying", "varbit"}:
        return _bits(width(database_type))
    return _text if known else _untyped


def _integer(value: Any) -> Any:
    if type(value) is int:
        return value if _SMALLEST <= value <= _LARGEST else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _integer(int.from_bytes(bytes(value), "big"))
    text = number_text(value)
    if text is None:
        return _text(value)
    whole = text.removeprefix("-").isdigit() and len(text) <= 20
    return _integer(int(text)) if whole else text


def _money_or_decimal(value: Any) -> Any:
    text = number_text(value)
    if text is None and isinstance(value, str):
        # PostgreSQL's money arrives as "$1,234.50" from psycopg and as a number from Debezium.
        text = number_text("".join(letter for letter in value if letter in "0123456789.-+eE"))
        return value if text is None or not any(letter in "$€£¥" for letter in value) else text
    return _text(value) if text is None else text


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return _text(value)
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return _text(value)
    if not math.isfinite(number):  # JSON has no word for them
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return number


def _single(value: Any) -> Any:
    """A 4-byte float, as the shortest decimal that is the same 4 bytes: what PostgreSQL itself prints."""
    number = _float(value)
    if not isinstance(number, float):
        return number
    try:
        stored = struct.pack("f", number)
    except OverflowError:
        return number
    for digits in (6, 7, 8):
        shorter = float(f"{number:.{digits}g}")
        if struct.pack("f", shorter) == stored:
            return shorter
    return float(f"{number:.9g}")


def _boolean(value: Any) -> Any:
    truth = boolean(value)
    return _untyped(value) if truth is None else truth


def _timestamp(value: Any) -> Any:
    return timestamp_text(value) or _text(value)


def _date(value: Any) -> Any:
    return date_text(value) or _text(value)


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):  # a subclass, such as ruamel's
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value) or str(value)
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else number_text(value) or "NaN"
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime):
        return timestamp_text(value) or str(value)
    if isinstance(value, dict | list):
        return json.dumps(_json(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if isinstance(value, timedelta):
        return interval_text(value) or str(value)
    if hasattr(value, "lower_inc") and hasattr(value, "isempty"):
        return _range(value)
    return str(value)  # UUID, date, time, IP addresses


def _untyped(value: Any) -> Any:
    """Where neither mapping nor lock names the type: as it came, so that numbers still look like numbers."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return _json(list(value))
    if isinstance(value, dict):
        return _json(value)
    text = _text(value)
    if len(text) in (9, 11, 16) and text[-1] == "Z" and isinstance(value, str):
        # Debezium's ISO dates and times end in Z although they have no zone.
        return date_text(text) or time_text(text) or text
    return text


def _range(value: Any) -> str:
    """psycopg's Range as PostgreSQL writes it, ``[2026-01-01,2026-02-01)``."""
    if value.isempty:
        return "empty"

    def bound(edge: Any) -> str:
        if edge is None:
            return ""
        text = edge.isoformat(" ") if isinstance(edge, datetime) else _text(edge)
        return f'"{text}"' if " " in text else text

    opening, closing = "[" if value.lower_inc else "(", "]" if value.upper_inc else ")"
    return f"{opening}{bound(value.lower)},{bound(value.upper)}{closing}"


def _bits(size: int | None) -> Read:
    """Bit strings as ``0101``; Debezium sends them as bytes, the lowest first."""

    def read(value: Any) -> Any:
        if isinstance(value, bool):
            return "1" if value else "0"
        if not isinstance(value, str) or not value or set(value) <= {"0", "1"} or not size:
            return _text(value)
        try:
            number = int.from_bytes(base64.b64decode(value, validate=True), "little")
        except ValueError:
            return value
        return f"{number:0{size}b}"

    return read


def _list(database_type: str | None) -> Read:
    inner = element_type(database_type)
    element = _untyped if inner is None else _reader(kind_of_type(inner), inner, True)

    def read(value: Any) -> Any:
        if isinstance(value, str):
            parsed = _json(value)
            value = parsed if isinstance(parsed, list) else [value]
        if not isinstance(value, list | tuple):
            value = [value]
        return [None if part is None else read(part) if isinstance(part, list) else element(part) for part in value]

    return read


def _json(value: Any) -> Any:
    try:
        return _clean(_parsed(value) if isinstance(value, str) else value)
    except RecursionError:
        return value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _clean(value: Any, depth: int = 0) -> Any:
    """A JSON value that any encoder takes: no lone surrogates, no integers beyond 64 bits, no infinities.

    Raises RecursionError beyond 100 levels: encoders have a limit of their own, and one such row must not stop them.
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict | list | tuple):
        if depth > _DEEPEST:
            raise RecursionError("a JSON value of more than 100 levels")
        if isinstance(value, dict):
            # As the state keeps it: what has not been there yet (`headrace show`) reads in the same order.
            parts = {_clean(str(name)): _clean(part, depth + 1) for name, part in value.items()}
            return {name: parts[name] for name in sorted(parts)}
        return [_clean(part, depth + 1) for part in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Decimal | datetime | date | time):
        return _text(value)
    return str(value)


def _fields(fields: tuple[str, ...]) -> Read:
    """Only these paths of a JSON column, by path: ``{"address.city": "Rome"}``."""
    paths = [(path, path.split(".")) for path in sorted(fields)]

    def read(value: Any) -> Any:
        document = _json(value)
        if not isinstance(document, dict):
            return {path: None for path, _ in paths}
        return {path: _follow(document, steps) for path, steps in paths}

    return read


def _follow(value: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
