"""Keeps passwords and salts out of what is shown: a connector's configuration holds them in values and in names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

MASK = "***"
_SECRET_KEY = re.compile(r"password|secret|token|api[._-]?key|credential", re.IGNORECASE)
_SALTED_KEY = re.compile(r"^column\.mask\.hash(?:\.v2)?\.[^.]+\.with\.salt\.(.+)$", re.DOTALL)
_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):([^\s@]+)@")
_IN_TEXT = re.compile(r"(?i)\b(password|passwd|pwd|secret)(\s*[=:]\s*)([^\s,;&]+)")


def secrets_of(config: Mapping[str, str]) -> frozenset[str]:
    """Every secret in a connector's configuration, also as a URL would write it."""
    found = {value for key, value in config.items() if _SECRET_KEY.search(key) and value}
    found |= {match[1] for key in config if (match := _SALTED_KEY.match(key))}
    return frozenset(found | {quote(each, safe="") for each in found})


def masked(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """``text`` without the given secrets, passwords inside URLs, and what follows `password=`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _IN_URL.sub(rf"\1:{MASK}@", text)
    return _IN_TEXT.sub(rf"\1\2{MASK}", text)
