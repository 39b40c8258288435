"""Stage ②'s second step: a document's text, rendered in a Jinja sandbox from views of its rows.

Deterministic: no clock, no chance, no address of an object in memory. Bounded: in what `range` counts,
in numbers' and texts' size, and in the characters that come out.
"""

from __future__ import annotations

import operator as operators
import threading
from collections.abc import Callable, Collection
from decimal import Context, Decimal, DecimalException
from functools import lru_cache
from types import FunctionType, GeneratorType, MethodType
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sync.errors import BuildError, MappingError
from sync.mapping.quantities import EXACT
from sync.mapping.shown import Number, Part, Unknown, Value, View
from sync.mapping.views import Row

MAX_RANGE = 100_000  # numbers that all `range` of one rendering count together
MAX_CHARACTERS = 8_000_000  # of one rendering
_MOST_DIGITS = 10_000
# Chance, or Python's own repr of an object, which holds its address.
_REMOVED_FILTERS = ("random", "pprint", "attr")
_REMOVED_GLOBALS = ("lipsum",)
_DIVISION = Context(prec=28)
_ORDINARY = frozenset({Value, str, int, Number})


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

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])
    intercepted_unops = frozenset(["-", "+"])

    def __init__(self) -> None:
        super().__init__(
            undefined=Unknown,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
            finalize=_printable,
            cache_size=0,
            # Constant folding would carry out `{{ "x" | center(10 ** 11) }}` while compiling, before any limit.
            optimized=False,
        )
        self.counting = _Range()
        for name in _REMOVED_FILTERS:
            self.filters.pop(name, None)
        for name in _REMOVED_GLOBALS:
            self.globals.pop(name, None)
        self.globals["range"] = self.counting
        self.tests["none"] = lambda value: value is None or (isinstance(value, Value) and value.is_null)

    def getattr(self, obj: Any, attribute: str) -> Any:
        return obj.get(attribute) if isinstance(obj, View) else super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return obj.at(argument) if isinstance(obj, View) else super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not isinstance(obj, View) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, str) and operator == "%":
            return left % _printables(right)
        if isinstance(left, str | list | tuple) or isinstance(right, str | list | tuple):
            return self._of_sequences(operator, left, right)
        for side in (left, right):
            if isinstance(side, Value) and side.is_null:
                return side  # as in SQL, NULL in makes NULL out
        return _arithmetic(operator, left, right)

    def call_unop(self, context: Any, operator: str, arg: Any) -> Any:
        if isinstance(arg, Value) and arg.is_null:
            return arg
        if type(arg) is int:  # a position in a list, a bound of a range
            return -arg if operator == "-" else arg
        number = _number(arg)
        return Number(-number) if operator == "-" else Number(number)

    def _of_sequences(self, operator: str, left: Any, right: Any) -> Any:
        if operator == "+":
            if isinstance(left, str) or isinstance(right, str):
                return str(left) + str(right)
            return list(left) + list(right)
        if operator == "*":
            sequence, times = (left, right) if isinstance(left, str | list | tuple) else (right, left)
            if len(sequence) * int(times) > MAX_CHARACTERS:
                raise BuildError(f"the template repeats something beyond {MAX_CHARACTERS:,} characters")
            return sequence * int(times)
        raise BuildError(f"the template uses {operator} on a text or a list")


_EXACT: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply,
    "/": _DIVISION.divide, "//": _DIVISION.divide_int, "%": _DIVISION.remainder, "**": _DIVISION.power,
}  # fmt: skip
_WHOLE: dict[str, Callable[[int, int], int]] = {
    "+": operators.add, "-": operators.sub, "*": operators.mul, "//": operators.floordiv, "%": operators.mod,
}  # fmt: skip


def _arithmetic(operator: str, left: Any, right: Any) -> Any:
    a, b = _number(left), _number(right)
    if max(abs(a.adjusted()), abs(b.adjusted())) > _MOST_DIGITS:
        raise BuildError(f"the template counts with numbers of more than {_MOST_DIGITS:,} digits")
    if isinstance(left, int) and isinstance(right, int):
        if operator in _WHOLE:
            return _WHOLE[operator](left, right)
        if operator == "**" and right >= 0 and left.bit_length() * right < 3 * _MOST_DIGITS:
            return left**right
    return Number(_EXACT[operator](a, b))


def _number(value: Any) -> Decimal:
    if isinstance(value, Value):
        return value.number()
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Part):
        return Decimal(str(value))
    if isinstance(value, int | Decimal):
        return Decimal(value)
    raise BuildError(f"the template counts with what is no number ({type(value).__name__})")


def _printables(value: Any) -> Any:
    return tuple(str(v) if isinstance(v, View) else v for v in value) if isinstance(value, tuple) else (
        str(value) if isinstance(value, View) else value)  # fmt: skip


def _printable(value: Any) -> Any:
    """What stands between {{ }}: not what prints as an address in memory, which differs from run to run."""
    if type(value) in _ORDINARY:
        return value
    if isinstance(value, GeneratorType | FunctionType | MethodType | Macro):
        raise BuildError("the template prints a list that was never made: end the expression with `| list` or `| join`")
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return value


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one sandbox of this process."""
    return Environment()


class Template:
    """A compiled text; ``names`` are the root's columns and relations that it reads, sorted."""

    def __init__(self, source: str, where: str, known: Collection[str] = ()) -> None:
        """``known`` are the root's names, which go before Jinja's own: a column may be called `range`.

        Raises MappingError with the line, counted from 1 inside the text, where it is no Jinja.
        """
        env = environment()
        self.where = where
        try:
            tree = env.parse(source)
            self._template = env.from_string(source)
        except TemplateSyntaxError as error:
            raise MappingError(f"{where}, line {error.lineno}: {error.message}") from error
        except (RecursionError, OverflowError, MemoryError) as error:
            raise MappingError(f"{where}: too deeply nested") from error
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
            raise MappingError(f"{where}, line {node.lineno}: a text stands alone: it can neither include nor import")
        self._globals = dict(env.globals)
        read = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
        self.names = tuple(sorted(meta.find_undeclared_variables(tree) | (read & set(known) & set(env.globals))))

    def render(self, root: Row) -> str:
        """The text for one row. Raises BuildError, which names the line and no value."""
        env, template = environment(), self._template
        env.counting.reset()
        pieces: list[str] = []
        left = MAX_CHARACTERS
        try:
            # Not template.new_context: it copies all globals through a chain of dicts, which takes as long as the rest.
            names = self._globals | {name: root.get(name) for name in self.names}
            context = env.context_class(env, names, template.name, template.blocks)
            for piece in template.root_render_func(context):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise BuildError(f"the text grows beyond {MAX_CHARACTERS:,} characters")
        except BuildError as error:
            raise BuildError(f"{self.where}{self._line(error)}: {error}", advice=error.advice) from error
        except Exception as error:
            # Jinja and Python put the offending value into their messages; a row's value must not go there.
            raise BuildError(f"{self.where}{self._line(error)}: {_reason(error)}") from None
        return "".join(pieces)

    def _line(self, error: BaseException) -> str:
        line, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return "" if line is None else f", line {line}"


def _reason(error: Exception) -> str:
    if isinstance(error, UndefinedError):
        # Only a message of ours is known to hold no value.
        text = str(error)
        ours = text.startswith(("table ", "column ", "relation "))
        return text if ours or text.endswith(" is undefined") else "it uses a name that does not exist"
    if isinstance(error, SecurityError):
        return "it reaches for what the sandbox forbids"
    if isinstance(error, DecimalException | ZeroDivisionError | OverflowError):
        return f"a calculation has no result ({type(error).__name__})"
    return f"it fails with {type(error).__name__}"
