"""Lint of a template before it is walked: whether it is Jinja, and whether its filters and tests exist (M130).

Jinja says the line of a mistake and not the column: it is found by the word that its message quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError, nodes

from sync.mapping.findings import nearest, shown
from sync.mapping.sandbox import environment
from sync.mapping.template import MAX_SOURCE, NO_JINJA

_TAGS = ["for", "endfor", "if", "elif", "else", "endif", "set", "endset", "macro", "endmacro", "call", "endcall",
         "filter", "endfilter", "with", "endwith", "raw", "endraw"]  # fmt: skip
_QUOTED = re.compile(r"'(.)'|'(\w+)'|\"(')\"")
_PLACE = re.compile(r"^(unexpected char .+) at (\d+)$", re.DOTALL)
# Which argument of a filter is the name of a filter, or of a test.
_NAMES_A_FILTER = {"map": 0}
_NAMES_A_TEST = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}


@dataclass(frozen=True)
class Mistake:
    """``word`` stands in the line behind ``after`` of its characters, leading blanks not counted; empty: unknown."""

    line: int
    message: str
    word: str = ""
    after: int = 0


def parsed(source: str) -> tuple[nodes.Template | None, list[Mistake]]:
    """The template's tree, None where it is no Jinja, and everything that keeps it from being compiled."""
    env = environment()
    if len(source) > MAX_SOURCE:
        return None, [Mistake(1, f"longer than {MAX_SOURCE:,} characters")]
    try:
        tree = env.parse(source)
        unknown = list(_unknown(tree))
        if not unknown:
            env.compile(tree)
        return (None if unknown else tree), unknown
    except TemplateSyntaxError as error:
        return None, [_of_jinja(error, source)]
    except NO_JINJA as error:
        return None, [Mistake(1, f"nested too deeply, or no Jinja ({type(error).__name__})")]


def _of_jinja(error: TemplateSyntaxError, source: str) -> Mistake:
    message = error.message or "no Jinja"
    place = _PLACE.match(message)
    if place is not None:
        # the only mistake whose place Jinja knows: counted from the beginning of the text
        message, at = place[1], int(place[2])
        before = source[source.rfind("\n", 0, at) + 1 : at]
        return Mistake(error.lineno, message, source[at], len(before.lstrip()))
    quoted = [next(filter(None, found)) for found in _QUOTED.findall(message)]
    lines = source.splitlines()
    line = lines[error.lineno - 1].lstrip() if 0 < error.lineno <= len(lines) else ""
    opened = re.search(r"\{[{%]", line)
    word = quoted[-1] if quoted and not message.startswith("Unexpected end of template") else ""
    cure = nearest(word, _TAGS) if message.startswith("Encountered unknown tag") else ""
    return Mistake(error.lineno, shown(message, 200).removesuffix("." if cure else "") + cure, word,
                   opened.start() if opened else 0)  # fmt: skip


def _unknown(tree: nodes.Template) -> Iterator[Mistake]:
    """Filters and tests that do not exist: Jinja names the first alone, and none inside `{% if %}`."""
    env = environment()
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        kind, known = ("filter", env.filters) if isinstance(node, nodes.Filter) else ("test", env.tests)
        if node.name not in known:
            yield _no_such(kind, node.name, node.lineno, known)
        if isinstance(node, nodes.Filter):
            for kind, known, places in (("filter", env.filters, _NAMES_A_FILTER), ("test", env.tests, _NAMES_A_TEST)):
                place = places.get(node.name, len(node.args))
                named = node.args[place] if place < len(node.args) else None
                if isinstance(named, nodes.Const) and isinstance(named.value, str) and named.value not in known:
                    yield _no_such(kind, named.value, named.lineno, known)


def _no_such(kind: str, name: str, line: int, known: Iterable[str]) -> Mistake:
    return Mistake(line, f"No {kind} named '{shown(name)}'{nearest(name, known)}", name)
