"""Beside a document's template: the methods of texts that it may call, and the two ways of formatting.

Nothing of Python's `str` is handed out: these functions stand in its place, and pay for what they make before they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2.sandbox import SandboxedFormatter

from sync.errors import BuildError
from sync.mapping.arithmetic import text_of
from sync.mapping.meter import ELEMENT, MAX_CHARACTERS, STEP, counted, room, spend, spend_text, weight
from sync.mapping.shown import View

_MOST_ESCAPED = 10  # "\U0001f600" of one character
_SPEC = re.compile(r"%(?:\([^()]*\))?[-#0 +]*(\d*)(?:\.(\d*))?[hlL]?([diouxXeEfFgGcrsa%])", re.ASCII)
_DIGITS = re.compile(r"\d+")


# --- what makes a text longer


def centred(text: str, width: int, *fill: str) -> str:
    spend_text(max(len(text), int(width)))
    return text.center(int(width), *fill)


def left_aligned(text: str, width: int, *fill: str) -> str:
    spend_text(max(len(text), int(width)))
    return text.ljust(int(width), *fill)


def right_aligned(text: str, width: int, *fill: str) -> str:
    spend_text(max(len(text), int(width)))
    return text.rjust(int(width), *fill)


def zero_filled(text: str, width: int) -> str:
    spend_text(max(len(text), int(width)))
    return text.zfill(int(width))


def with_tabs_expanded(text: str, tabsize: int = 8) -> str:
    spend_text(len(text) + text.count("\t") * max(int(tabsize), 0))
    return text.expandtabs(int(tabsize))


def replaced(text: str, old: Any, new: Any, count: int | None = None) -> str:
    old, new, most = text_of(old), text_of(new), -1 if count is None else int(count)
    spend(len(text))
    times = text.count(old)
    if most >= 0:
        times = min(times, most)
    spend_text(len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, most)


def joined_by(text: str, values: Any) -> str:
    """`text.join(values)`, and the filter `join`: values read as they would alone."""
    pieces: list[str] = []
    length = 0
    for value in counted(values):
        piece = text_of(value)
        spend_text(len(piece) + len(text), length)
        length += len(piece) + len(text)
        pieces.append(piece)
    return text.join(pieces)


# --- what makes a list of a text


def split(text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return _paid(text.split(sep, _most(text, maxsplit)))


def split_from_right(text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return _paid(text.rsplit(sep, _most(text, maxsplit)))


def lines_of(text: str, keepends: bool = False) -> list[str]:
    spend(len(text) + ELEMENT * (text.count("\n") + text.count("\r")))
    return text.splitlines(keepends)


def _most(text: str, maxsplit: int) -> int:
    """One piece more than can be paid for is enough to know."""
    spend(len(text))
    return room() if maxsplit < 0 else min(int(maxsplit), room())


def _paid(pieces: list[str]) -> list[str]:
    spend(ELEMENT * len(pieces))
    return pieces


# --- the others take no more than they are given


def _linear(method: Callable[..., Any]) -> Callable[..., Any]:
    def paid(text: str, *args: Any, **kwargs: Any) -> Any:
        spend(len(text) + STEP + sum(map(weight, args)))
        made = method(text, *(text_of(value) if isinstance(value, View) else value for value in args), **kwargs)
        if isinstance(made, str):
            spend_text(len(made))
        return made

    return paid


def _stripping(method: Callable[..., str]) -> Callable[..., str]:
    def paid(text: str, chars: Any = None) -> str:
        chars = None if chars is None else text_of(chars)
        spend(len(text) * (1 + len(chars or "") // 8))
        return method(text, chars)

    return paid


_LINEAR = [
    "capitalize", "casefold", "lower", "upper", "title", "swapcase", "partition", "rpartition", "removeprefix",
    "removesuffix", "startswith", "endswith", "find", "rfind", "index", "rindex", "count", "isalnum", "isalpha",
    "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper",
]  # fmt: skip
METHODS: dict[str, Callable[..., Any]] = {
    **{name: _linear(getattr(str, name)) for name in _LINEAR},
    **{name: _stripping(getattr(str, name)) for name in ("strip", "lstrip", "rstrip")},
    "center": centred, "ljust": left_aligned, "rjust": right_aligned, "zfill": zero_filled,
    "expandtabs": with_tabs_expanded, "replace": replaced, "join": joined_by, "split": split,
    "rsplit": split_from_right, "splitlines": lines_of,
}  # fmt: skip


# --- `%` and `{}`


def percent(text: str, values: Any) -> str:
    """`text % values`, with widths that are written out and values paid for as often as they may be shown."""
    if isinstance(values, tuple):
        values = tuple(_shown(value) for value in values)
    elif isinstance(values, Mapping):
        values = {key: _shown(value) for key, value in values.items()}
    else:
        values = _shown(values)
    width, specs = _widths(text)
    length = len(text) + width + specs * _MOST_ESCAPED * weight(values)
    spend_text(length)
    made: str = text % values
    return made


def _shown(value: Any) -> Any:
    return text_of(value) if isinstance(value, View) else value


def _widths(text: str) -> tuple[int, int]:
    """(the widths and precisions that a format asks for together, how many values it shows)."""
    width, specs, at = 0, 0, text.find("%")
    while at >= 0:
        found = _SPEC.match(text, at)
        if found is None:
            raise BuildError("a format with % is none that a template may use: `%` stands for itself as `%%`")
        width += _number(found[1]) + _number(found[2])
        specs += found[3] != "%"
        at = text.find("%", found.end())
    spend(STEP * specs)
    return width, specs


def _number(digits: str | None) -> int:
    if not digits:
        return 0
    return int(digits) if len(digits) < 12 else MAX_CHARACTERS + 1


class BoundFormatter(SandboxedFormatter):
    """`text.format(…)`: fields are reached as in the template, widths and shown values are paid for."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        if conversion is None:
            return value
        spend(_MOST_ESCAPED * weight(value))
        return super().convert_field(str(value) if isinstance(value, View) else value, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        spend(2 * ELEMENT)
        spend_text(sum(_number(digits) for digits in _DIGITS.findall(format_spec)))
        made = format(text_of(value) if isinstance(value, View) or not format_spec else value, format_spec)
        spend_text(len(made))
        return made
