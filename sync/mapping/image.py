"""Where a row enters: from Debezium, from psycopg or from a mapping's own tests to one image, the same each way.

An image is a dict by the mapping's column names that JSON can hold: text, int (64 bits; beyond that text),
decimals as canonical text, float, bool, ISO dates, times and instants, lists, and JSON as itself.
A column that was not sent is missing: it is *absent*, which is not NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sync.mapping.canonical import key_text
from sync.mapping.kinds import width

if TYPE_CHECKING:
    from sync.mapping.plan import TablePlan

Image = dict[str, Any]
CUT = "$cut"


def image(table: TablePlan, raw: Mapping[str, Any], max_text_bytes: int) -> Image:
    """The image of a row given by the database's column names.

    Columns that the mapping does not list, or drops, are left out; a text longer than
    ``max_text_bytes`` becomes ``{"$cut": its bytes}``.
    """
    row: Image = {}
    # A character takes 4 bytes at most, so most texts need not be encoded to know that they fit.
    surely = max_text_bytes // 4
    for name, database_name, read in table.readers:
        if database_name not in raw:
            continue
        value = raw[database_name]
        if value is not None:
            value = read(value)
            kind = type(value)
            if kind is str:
                if len(value) > surely:
                    value = _cut(value, len(value.encode()), max_text_bytes)
            elif kind is dict or kind is list:
                value = _cut(value, _size(value), max_text_bytes)
        row[name] = value
    return row


def _cut(value: Any, size: int, most: int) -> Any:
    return {CUT: size} if size > most else value


def _size(value: Any) -> int:
    """UTF-8 bytes of the texts in a JSON value, plus one for each of its other parts."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(len(name.encode()) + _size(part) for name, part in value.items())
    return 1 + sum(_size(part) for part in value) if isinstance(value, list) else 1


def key_of(table: TablePlan, image: Image) -> str | None:
    """The row's canonical key, or None where the image lacks a part of it."""
    return _joined(table.key_parts, image)


def join_value(table: TablePlan, columns: tuple[str, ...], image: Image) -> str | None:
    """What these columns join by, `normalise` applied; None, which joins nothing, if any is NULL or absent."""
    return _joined(table.join_parts(columns), image)


def _joined(parts: Sequence[tuple[str, Callable[[Any], str | None]]], image: Image) -> str | None:
    if len(parts) == 1:
        name, text = parts[0]
        value = image.get(name)
        return None if value is None else text(value)
    values: list[str] = []
    for name, text in parts:
        value = image.get(name)
        part = None if value is None else text(value)
        if part is None:
            return None
        values.append(part)
    return key_text(values) if values else None


def _first(text: str) -> str:
    """The first character as the connector leaves it: it cuts by UTF-16 units, and half an emoji is no character."""
    return "\N{REPLACEMENT CHARACTER}" if text[:1] > "\uffff" else text[:1]


def captured(table: TablePlan, raw: Mapping[str, Any], salt: str = "") -> dict[str, Any]:
    """``raw`` as the connector would let it through: dropped columns gone, masked and hashed ones changed.

    For rows that did not come through the connector (`headrace show`, a mapping's tests). The token is that of
    Debezium's ``column.mask.hash.v2.SHA-256``: hex of SHA-256 over salt and UTF-8 text, cut to the column's length.
    """
    treated = dict(raw)
    for column in table.columns.values():
        if column.database_name not in treated or column.treatment is None:
            continue
        value = treated.pop(column.database_name)
        if column.treatment == "mask":
            treated[column.database_name] = None if value is None else _first(str(value))
        elif column.treatment == "hash":
            token = None if value is None else sha256(salt.encode() + str(value).encode()).hexdigest()
            treated[column.database_name] = token and token[: width(column.database_type)]
    return treated


def nested(flat: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    """The listed paths of a JSON column as the object they came from, and by the names that the mapping gives them."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        steps = path.split(".")
        place = nested
        for step in steps[:-1]:
            below = place.setdefault(step, {})
            if not isinstance(below, dict):
                break
            place = below
        else:
            place.setdefault(steps[-1], value)
    return nested | {fields[path]: value for path, value in flat.items() if path in fields}
