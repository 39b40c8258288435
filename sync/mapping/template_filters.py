"""Beside a document's template: the filters and tests that it may use, each paying for what it does.

A list of what is offered, not of what is not: a filter that Jinja brings one day is not there before somebody has
looked at what it can take. Left out: chance, addresses in memory, and what makes HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from jinja2 import Environment, pass_environment
from jinja2.filters import FILTERS as DEFAULT_FILTERS
from jinja2.filters import do_default, make_attrgetter, sync_do_slice
from jinja2.tests import TESTS as DEFAULT_TESTS
from jinja2.utils import _PassArg, htmlsafe_json_dumps
from markupsafe import Markup

from sync.errors import BuildError
from sync.mapping import template_texts as texts
from sync.mapping.arithmetic import calculated, text_of
from sync.mapping.meter import ELEMENT, MOST_DIGITS, STEP, counted, digits, spend, spend_text, weigh, weight
from sync.mapping.shown import Value, View

Function = Callable[..., Any]
_MOST_INDENT = 16
_MOST_ROUNDED = 1_000


def _plain(value: Any) -> Any:
    """HTML that Jinja marks as safe is text like any other here."""
    return str.__str__(value) if isinstance(value, Markup) else value


def _over_text(name: str, each: int) -> Function:
    """A filter of Jinja's that goes over a text a few times: ``each`` is what a character takes and can become."""
    original: Function = DEFAULT_FILTERS[name]

    @wraps(original)
    def paid(*args: Any, **kwargs: Any) -> Any:
        args = tuple(text_of(value) if isinstance(value, View) else value for value in args)
        spend(each * sum(map(weight, args)) + STEP)
        made = _plain(original(*args, **kwargs))
        if isinstance(made, str):
            spend_text(len(made))
        return made

    return paid


def _over_number(name: str) -> Function:
    original: Function = DEFAULT_FILTERS[name]

    @wraps(original)
    def paid(value: Any, *args: Any, **kwargs: Any) -> Any:
        weigh(value)
        return original(value, *args, **kwargs)

    return paid


def _over_values(name: str, passes: int = 1) -> Function:
    """A filter of Jinja's that goes over a list: an element takes as much as the arguments, ``passes`` times.

    One with more than one pass compares the elements, and so reads all that they hold.
    """
    original: Function = DEFAULT_FILTERS[name]
    before = 0 if _PassArg.from_obj(original) is None else 1

    @wraps(original)
    def paid(*args: Any, **kwargs: Any) -> Any:
        given, values, others = args[:before], args[before], args[before + 1 :]
        each = ELEMENT + STEP * (sum(map(weight, others)) + sum(map(weight, kwargs.values())))
        values = counted(values, passes * each)
        if passes > 1:
            values = weigh(list(values) if isinstance(values, Iterator) else values)
        return original(*given, values, *others, **kwargs)

    return paid


# --- filters of our own, under the names of Jinja's


def _batch(values: Any, linecount: int, fill_with: Any = None) -> Iterator[list[Any]]:
    spend(ELEMENT * int(linecount) if fill_with is not None else STEP)
    made: Iterator[list[Any]] = DEFAULT_FILTERS["batch"](counted(values), linecount, fill_with)
    return made


def _slice(values: Any, slices: int, fill_with: Any = None) -> Iterator[list[Any]]:
    spend(ELEMENT * max(int(slices), 0))
    made: Iterator[list[Any]] = sync_do_slice(counted(values), slices, fill_with)
    return made


def _center(value: Any, width: int = 80) -> str:
    return texts.centred(text_of(value), width)


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    if args and kwargs:
        raise BuildError("`format` takes values in a row or by name, not both")
    return texts.percent(text_of(value), kwargs or args)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    text = text_of(value)
    lines = texts.lines_of(text)
    spend_text(len(text) + (len(lines) + 1) * (len(width) if isinstance(width, str) else max(int(width), 0)))
    made: str = DEFAULT_FILTERS["indent"](text, width, first, blank)
    return made


def _int(value: Any, default: int = 0, base: int = 10) -> int:
    if isinstance(value, str):
        spend_text(len(value))
        if len(value) > MOST_DIGITS:
            raise BuildError(f"`int` takes texts of up to {MOST_DIGITS:,} characters")
    made: int = DEFAULT_FILTERS["int"](value, default, base)
    return digits(made) if isinstance(made, int) else made


@pass_environment
def _join(environment: Environment, values: Any, d: Any = "", attribute: Any = None) -> str:
    if attribute is not None:
        values = map(_attribute_of(environment, attribute), counted(values))
    return texts.joined_by(text_of(d), values)


def _attribute_of(environment: Environment, attribute: Any) -> Function:
    spend(weight(attribute))
    return make_attrgetter(environment, attribute)


def _replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    return texts.replaced(text_of(value), old, new, count)


def _round(value: Any, precision: int = 0, method: str = "common") -> Any:
    if abs(int(precision)) > _MOST_ROUNDED:
        raise BuildError(f"`round` keeps up to {_MOST_ROUNDED:,} places")
    return DEFAULT_FILTERS["round"](value, precision, method)


def _string(value: Any) -> str:
    text = text_of(value)
    spend_text(len(text))
    return text


@pass_environment
def _sum(environment: Environment, values: Any, attribute: Any = None, start: Any = 0) -> Any:
    """Exact, as `+` is; NULL adds nothing, as in SQL."""
    if attribute is not None:
        values = map(_attribute_of(environment, attribute), counted(values))
    total = start
    for value in counted(values):
        if not (isinstance(value, Value) and value.is_null):
            total = calculated("+", total, value)
    return total


def _tojson(value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= int(indent) <= _MOST_INDENT:
        raise BuildError(f"`tojson` indents by up to {_MOST_INDENT} blanks")
    # A character outside the basic plane becomes twelve; an element stands behind as many blanks as it lies deep.
    spend((12 + (indent or 0)) * weight(value))
    text = str.__str__(htmlsafe_json_dumps(value, indent=indent, sort_keys=True))
    spend_text(len(text))
    return text


def _trim(value: Any, chars: Any = None) -> str:
    made: str = texts.METHODS["strip"](text_of(value), chars)
    return made


@pass_environment
def _wordwrap(
    environment: Environment,
    value: Any,
    width: int = 79,
    break_long_words: bool = True,
    wrapstring: str = "\n",
    break_on_hyphens: bool = True,
) -> str:
    text = text_of(value)
    words = texts.split(text)
    # What is left of a word that is longer than a line is copied for each of its lines.
    broken = sum(len(word) // max(int(width), 1) * len(word) for word in words)
    lines = len(words) + len(text) // max(int(width), 1) + text.count("\n") + 1
    spend(STEP * len(text) + broken)
    spend_text(len(text) + lines * len(text_of(wrapstring)))
    made: str = DEFAULT_FILTERS["wordwrap"](
        environment, text, int(width), break_long_words, text_of(wrapstring), break_on_hyphens
    )
    return made


_OVER_TEXT = {"capitalize": 3, "lower": 3, "upper": 3, "title": 8, "truncate": 1, "wordcount": 8, "striptags": 8,
              "urlencode": 16, "e": 5, "escape": 5, "forceescape": 5}  # fmt: skip
_OVER_VALUES = {"first": 1, "items": 1, "last": 1, "list": 1, "map": 1, "reject": 1, "rejectattr": 1, "reverse": 1,
                "select": 1, "selectattr": 1, "unique": 2, "max": 4, "min": 4, "dictsort": 8, "groupby": 8,
                "sort": 8}  # fmt: skip

FILTERS: dict[str, Any] = {
    **{name: _over_text(name, each) for name, each in _OVER_TEXT.items()},
    **{name: _over_values(name, passes) for name, passes in _OVER_VALUES.items()},
    **{name: _over_number(name) for name in ("filesizeformat", "float")},
    "abs": abs, "count": len, "length": len, "d": do_default, "default": do_default,
    "batch": _batch, "center": _center, "format": _format, "indent": _indent, "int": _int, "join": _join,
    "replace": _replace, "round": _round, "safe": _string, "slice": _slice, "string": _string, "sum": _sum,
    "tojson": _tojson, "trim": _trim, "wordwrap": _wordwrap,
}  # fmt: skip


def _test(name: str) -> Any:
    original: Any = DEFAULT_TESTS[name]
    if _PassArg.from_obj(original) is not None or name in ("defined", "undefined"):
        return original

    @wraps(original)
    def compared(*args: Any) -> Any:
        for value in args:
            weigh(value)
        return original(*args)

    return compared


_TESTS = [
    "odd", "even", "divisibleby", "defined", "undefined", "filter", "test", "boolean", "false", "true", "integer",
    "float", "lower", "upper", "string", "mapping", "number", "sequence", "iterable", "callable", "sameas", "escaped",
    "in", "==", "eq", "equalto", "!=", "ne", ">", "gt", "greaterthan", "ge", ">=", "<", "lt", "lessthan", "<=", "le",
]  # fmt: skip
TESTS: dict[str, Any] = {
    **{name: _test(name) for name in _TESTS},
    "none": lambda value: value is None or (isinstance(value, Value) and value.is_null),
}
