"""Beside a document's template: the Jinja sandbox that it is compiled for and rendered in.

What it offers is listed: attributes by the type of what has them, filters, tests, what may be called.
"""

from __future__ import annotations

import threading
from functools import lru_cache, partial
from types import MethodType
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Cycler, Joiner, Namespace

from sync.errors import BuildError
from sync.mapping import meter
from sync.mapping.arithmetic import calculated, joined, signed, text_of
from sync.mapping.meter import CALL, counted, spend, spend_text, weigh
from sync.mapping.shown import Number, Unknown, Value, View
from sync.mapping.template_code import PaidCode
from sync.mapping.template_filters import FILTERS, TESTS
from sync.mapping.template_texts import METHODS, BoundFormatter, percent

MAX_RANGE = 100_000  # numbers that all `range` of one rendering count together
_REMOVED_GLOBALS = ("lipsum",)
_LOOP = "index index0 revindex revindex0 first last length depth depth0 previtem nextitem changed cycle"
_ATTRIBUTES: dict[type, frozenset[str]] = {
    LoopContext: frozenset(_LOOP.split()),
    Macro: frozenset(["name", "arguments"]),
    Cycler: frozenset(["current", "next", "reset"]),
    dict: frozenset(["get", "items", "keys", "values"]),
}
_CALLABLE = (Macro, partial, LoopContext, Joiner)
_PRINTED = (str, int, float, Number, View, list, tuple, dict, type(None), range)


class _Range:
    """`range`, with one budget for all loops of a rendering, so that nested ones cannot run for hours."""

    def __init__(self) -> None:
        self._spent = threading.local()

    def reset(self) -> None:
        self._spent.numbers = 0

    def __call__(self, *bounds: Any) -> range:
        numbers = range(*(int(bound) for bound in bounds))
        try:
            # One more than it counts: a loop within a loop that counts nothing is still a loop.
            self._spent.numbers = getattr(self._spent, "numbers", 0) + len(numbers) + 1
        except OverflowError:
            self._spent.numbers = MAX_RANGE + 1
        if self._spent.numbers > MAX_RANGE:
            raise BuildError(f"the template counts further than {MAX_RANGE:,} with `range`")
        return numbers

    def __repr__(self) -> str:
        return "range"


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox: attributes and items of our views are columns and relations, never Python's."""

    code_generator_class = PaidCode
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])
    intercepted_unops = frozenset(["-", "+"])
    # The compiled template calls these.
    spend = staticmethod(spend)
    counted = staticmethod(counted)
    weigh = staticmethod(weigh)
    joined = staticmethod(joined)

    def __init__(self) -> None:
        # Not optimised: Jinja would carry out constant expressions while it compiles, before any limit.
        super().__init__(
            undefined=Unknown, trim_blocks=True, lstrip_blocks=True, autoescape=False, cache_size=0, optimized=False
        )
        self.counting = _Range()
        self.filters = dict(FILTERS)
        self.tests = dict(TESTS)
        for name in _REMOVED_GLOBALS:
            self.globals.pop(name, None)
        self.globals["range"] = self.counting
        self._formatter = BoundFormatter(self)

    def reset(self) -> None:
        """A rendering begins."""
        meter.reset()
        self.counting.reset()

    # --- what is printed

    @staticmethod
    def shown(value: Any) -> str:
        """What stands between {{ }}: not what prints as an address in memory, which differs from run to run."""
        if type(value) is str:
            return value
        return str(value) if type(value) is Value else _printed(value)

    @classmethod
    def kept(cls, value: Any) -> str:
        """The same inside a macro or a `{% set %}` block, whose text is made before it comes out."""
        text = cls.shown(value)
        spend_text(len(text))
        return text

    # --- attributes and items

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, View):
            return obj.get(attribute)
        return self._method(obj, attribute) or super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, View):
            return obj.at(argument)
        weigh(argument)  # a key is read whole, in a message that says it is not there as well
        if isinstance(argument, str) and not isinstance(obj, dict):
            return self._method(obj, argument) or super().getitem(obj, argument)
        return super().getitem(obj, argument)

    def _method(self, obj: Any, name: str) -> Any:
        if not isinstance(obj, str):
            return None
        if name in METHODS:
            return partial(METHODS[name], obj)
        if name == "format":
            return partial(self._format, obj)
        return partial(self._format_map, obj) if name == "format_map" else None

    def _format(self, text: str, *args: Any, **kwargs: Any) -> str:
        spend_text(len(text))
        return self._formatter.vformat(text, args, kwargs)

    def _format_map(self, text: str, values: Any) -> str:
        spend_text(len(text))
        return self._formatter.vformat(text, (), values)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, Namespace):
            return not attr.startswith("_")
        if isinstance(obj, tuple):
            return attr in ("grouper", "list")  # of `groupby`
        return attr in _ATTRIBUTES.get(type(obj), ())

    # --- calls and operators

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        spend(CALL)
        if isinstance(__obj, LoopContext):
            args = (counted(args[0]), *args[1:]) if args else args
        elif isinstance(__obj, Undefined):
            pass  # it says itself what there is not
        elif not isinstance(__obj, Macro | partial):
            if not __self.is_safe_callable(__obj):
                raise SecurityError("only what is offered can be called")
            for value in (*args, *kwargs.values()):
                weigh(value)
        return __context.call(__obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, MethodType):
            return isinstance(obj.__self__, LoopContext | Cycler)
        if isinstance(getattr(obj, "__self__", None), dict):
            return obj.__name__ in _ATTRIBUTES[dict]
        return isinstance(obj, _CALLABLE) or obj in (dict, Namespace, Cycler, Joiner, self.counting)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and operator == "%":
            return percent(left, right)
        return calculated(operator, left, right)

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        return signed(operator, arg)


def _printed(value: Any) -> str:
    if isinstance(value, list | tuple):
        weigh(value)
        return ", ".join(str(part) for part in value)
    if isinstance(value, (*_PRINTED, _Range, Undefined)):
        return text_of(value)
    raise BuildError(
        "the template prints what is no value yet: end the expression with `| list` or `| join`, or call it with `()`"
    )


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one sandbox of this process."""
    return Environment()
