"""Rows straight from MariaDB, for what looks at a source without the path: `headrace show`, `init`'s samples."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Sequence
from typing import Any

from pymysql.constants import FIELD_TYPE
from pymysql.cursors import DictCursor

from connectors.mariadb.address import Address, quoted

PAGE = 500  # values per query
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TRUTH = {"true": "1", "false": "0"}


def find(
    address: Address,
    table: tuple[str, str],
    columns: Sequence[str],
    values: Collection[Sequence[Any]],
    wanted: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows whose ``columns`` equal one of ``values`` (a sequence each), as {column: value as PyMySQL reads it}.

    Values are canonical texts, compared as the database compares them: more rows than were meant may come (7 for
    "7x", `a` for `A`), never fewer. NULL finds nothing. Raises SourceUnreachable and SourceRefused.
    """
    one = "(" + " and ".join(f"{quoted(each)} = %s" for each in columns) + ")"
    head = f"select {', '.join(map(quoted, wanted))} from {quoted(*table)} where "
    found: list[dict[str, Any]] = []
    with address.connect() as cursor:
        types = _types(cursor, table, columns)
        compared = [tuple(map(_comparable, value, types)) for value in values]
        distinct = list(dict.fromkeys(compared))
        for start in range(0, len(distinct), PAGE):
            page = distinct[start : start + PAGE]
            cursor.execute(head + " or ".join([one] * len(page)), [each for value in page for each in value])
            found += _rows(cursor)
    return found


def sample(address: Address, table: tuple[str, str], wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` rows, in no particular order. Raises SourceUnreachable and SourceRefused."""
    with address.connect() as cursor:
        cursor.execute(f"select {', '.join(map(quoted, wanted))} from {quoted(*table)} limit %s", [limit])
        return _rows(cursor)


def _types(cursor: DictCursor, table: tuple[str, str], columns: Sequence[str]) -> list[str]:
    cursor.execute(
        "select column_name as name, data_type as type from information_schema.columns"
        " where table_schema = %s and table_name = %s",
        list(table),
    )
    known = {row["name"]: str(row["type"]).lower() for row in cursor.fetchall()}
    return [known.get(each, "") for each in columns]


def _comparable(value: Any, base: str) -> Any:
    """A canonical text as MariaDB would read it: it knows no `true`, no `Z`, no base64."""
    if value is None or isinstance(value, bytes):
        return value
    text = str(value)
    if base == "tinyint":
        return _TRUTH.get(text, text)
    if base == "bit":
        bits = _TRUTH.get(text, text)
        return int(bits, 2) if bits and set(bits) <= {"0", "1"} else None
    if base in ("datetime", "timestamp"):
        return text.removesuffix("Z").replace("T", " ")
    if base in _BINARY:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
    return text


def _rows(cursor: DictCursor) -> list[dict[str, Any]]:
    """The rows, with bits as 0101 where there are several: bytes would not say how many."""
    bits = {each[0]: each[3] for each in cursor.description or () if each[1] == FIELD_TYPE.BIT}
    found = list(cursor.fetchall())
    for name, width in bits.items():
        for row in found:
            if row[name] is not None:
                number = int.from_bytes(row[name], "big")
                row[name] = bool(number) if width == 1 else f"{number:0{width}b}"
    return found


def count(address: Address, table: tuple[str, str], condition: str | None) -> int:
    """As `Database.count`. Raises SourceUnreachable and SourceRefused."""
    with address.connect() as cursor:
        cursor.execute("set session transaction read only")
        where = f" where ({condition}\n)" if condition else ""
        cursor.execute(f"select count(*) as found from {quoted(*table)}{where}")
        row = cursor.fetchone()
        return int(row["found"]) if row else 0
