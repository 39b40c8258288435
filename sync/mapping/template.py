"""Stage ②'s second step: a document's text, rendered in a Jinja sandbox from views of its rows.

Deterministic: no clock, no chance, no address of an object in memory. Bounded, while it is compiled and while it is
rendered: `meter.py` says in what, `template_code.py` and `sandbox.py` how each thing a template can say is paid for.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import DecimalException

from jinja2 import TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError, UndefinedError

from sync.errors import BuildError, MappingError
from sync.mapping.meter import MAX_CHARACTERS
from sync.mapping.sandbox import environment
from sync.mapping.views import Row

MAX_SOURCE = 50_000  # characters of one template; compiling twice as many takes four times as long
NO_JINJA = (RecursionError, MemoryError, OverflowError, ValueError, TypeError, SyntaxError)
_NAMED = re.compile(r'has no (?:column or relation )?"(.*)"(?: \(nearest: "[^"]*"\)|; it has [a-z, ]+)?$', re.DOTALL)
_ALONE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


class Template:
    """A compiled text; ``names`` are the root's columns and relations that it reads, sorted."""

    def __init__(self, source: str, where: str, known: Collection[str] = ()) -> None:
        """``known`` are the root's names, which go before Jinja's own: a column may be called `range`.

        Raises MappingError with the line, counted from 1 inside the text, where it is no Jinja.
        """
        env = environment()
        self.where = where
        self._source = source
        if len(source) > MAX_SOURCE:
            raise MappingError(f"{where}: longer than {MAX_SOURCE:,} characters")
        try:
            tree = env.parse(source)
            for node in tree.find_all(_ALONE):
                raise MappingError(
                    f"{where}, line {node.lineno}: a text stands alone: it can neither include nor import"
                )
            self._template = env.from_string(source)
        except TemplateSyntaxError as error:
            raise MappingError(f"{where}, line {error.lineno}: {error.message}") from error
        except NO_JINJA as error:
            raise MappingError(f"{where}: nested too deeply, or no Jinja ({type(error).__name__})") from error
        self._globals = dict(env.globals)
        read = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
        self.names = tuple(sorted(meta.find_undeclared_variables(tree) | (read & set(known) & set(env.globals))))

    def render(self, root: Row) -> str:
        """The text for one row. Raises BuildError, which names the line and no value."""
        env, template = environment(), self._template
        env.reset()
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
                    raise BuildError(f"a text grows beyond {MAX_CHARACTERS:,} characters")
        except BuildError as error:
            raise BuildError(f"{self.where}{self._line(error)}: {error}", advice=error.advice) from error
        except Exception as error:
            # Jinja and Python put the offending value into their messages; a row's value must not go there.
            raise BuildError(f"{self.where}{self._line(error)}: {_reason(error, self._source)}") from None
        return "".join(pieces)

    def _line(self, error: BaseException) -> str:
        line, trace = None, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return "" if line is None else f", line {line}"


def _reason(error: Exception, source: str) -> str:
    if isinstance(error, UndefinedError):
        # Only a message of ours is known to hold no value, and only where the template spells the name out:
        # `row[note ~ '']` asks for a column that is called as the row's note.
        text = str(error)
        ours = text.startswith(("table ", "column ", "relation "))
        named = _NAMED.search(text)
        if named is not None and named[1] not in source:
            return "it uses a name that does not exist"
        return text if ours or text.endswith(" is undefined") else "it uses a name that does not exist"
    if isinstance(error, SecurityError):
        return "it reaches for what the sandbox forbids"
    if isinstance(error, DecimalException | ZeroDivisionError | OverflowError):
        return f"a calculation has no result ({type(error).__name__})"
    return f"it fails with {type(error).__name__}"
