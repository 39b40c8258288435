"""Durations as a mapping writes them: 500ms, 5s, 1m, 2h, 30d."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def seconds(text: str) -> float:
    """The duration in seconds. Raises ValueError naming the units that would have worked."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration: write a number and one of {', '.join(_UNITS)}, as in 5s")
    return float(found[1]) * _UNITS[found[2]]
