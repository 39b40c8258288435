"""Values that PostgreSQL did not send because they did not change (TOAST), as Debezium's placeholders show them."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

TEXT = "__debezium_unavailable_value"
_BYTES = TEXT.encode()
_BASE64 = base64.b64encode(_BYTES).decode()
_NUMBERS = list(_BYTES)
# java.util.UUID.nameUUIDFromBytes: MD5 of the bytes alone, without a name space, marked version 3.
_UUID = str(uuid.UUID(bytes=hashlib.md5(_BYTES, usedforsecurity=False).digest(), version=3))
_WHOLE: tuple[Any, ...] = (TEXT, _BASE64, [TEXT], [_BASE64], [_UUID], _NUMBERS, {TEXT: TEXT})
_TEXTS = frozenset({TEXT, _BASE64})
_BASE64_SIGN, _UUID_SIGN, _NUMBERS_SIGN = _BASE64.encode(), _UUID.encode(), b"[95,95,100,101,98,101,122,105,117,109,"


def may_hold_placeholder(raw: bytes) -> bool:
    """Whether the JSON could hold one at all: a search of the bytes, so that most records cost no more."""
    return _BYTES in raw or _BASE64_SIGN in raw or _UUID_SIGN in raw or _NUMBERS_SIGN in raw


def take_out_placeholders(row: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """The row without the columns that were not sent, and their names."""
    unsent = frozenset(name for name, value in row.items() if _is_placeholder(value))
    return ({name: value for name, value in row.items() if name not in unsent}, unsent) if unsent else (row, unsent)


def _is_placeholder(value: Any) -> bool:
    if type(value) is str:
        return value in _TEXTS or (value.startswith("{") and value in _HSTORE)
    return isinstance(value, list | dict) and value in _WHOLE


_HSTORE = frozenset({f'{{"{TEXT}":"{TEXT}"}}', f'{{"{TEXT}": "{TEXT}"}}'})
