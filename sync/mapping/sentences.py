"""Documents without a template: a sentence per row, made of labels and values."""

from __future__ import annotations

from sync.mapping.assemble import Gathered, Many, Problem
from sync.mapping.image import CUT
from sync.mapping.views import Shape


def title(name: str, gathered: Gathered) -> str:
    """``Seat map 7`` for the document `seat_map` and the row 7."""
    return f"{_capital(name.replace('_', ' '))} {_spoken(gathered.key)}"


def _spoken(key: str) -> str:
    return key[1:-1].replace('"', "").replace(",", ", ") if key[:1] == "[" and key[-1:] == "]" else key


def text(shape: Shape, gathered: Gathered) -> str:
    """The root's sentence, then one per relative, each on its line, in the mapping's order."""
    lines: list[str] = []
    _tell(shape, gathered, lines)
    return "\n".join(lines)


def _tell(shape: Shape, gathered: Gathered, lines: list[str]) -> None:
    said = clauses(shape, gathered)
    if said:
        lines.append(f"{_capital(shape.node.name.replace('_', ' '))}: {said}" + ("" if said.endswith(".") else "."))
    for name, below in shape.relations.items():
        relative = gathered.relatives.get(name)
        if isinstance(relative, Problem):
            raise relative.error
        rows = relative.rows if isinstance(relative, Many) else [relative] if relative is not None else []
        for row in rows:
            _tell(below, row, lines)


def clauses(shape: Shape, gathered: Gathered) -> str:
    """``label value; label value`` of one row.

    Left out: `say: false`, hashed tokens (nobody can read them), and NULL unless the mapping says how it reads.
    """
    said: list[str] = []
    for name, reading in shape.columns.items():
        column = reading.column
        if not column.column.say or column.treatment == "hash":
            continue
        if name not in gathered.image:
            raise reading.missing()
        value = gathered.image[name]
        if value is None:
            if column.column.empty is not None:
                said.append(f"{reading.label} {reading.empty}")
            continue
        if type(value) is dict and CUT in value:
            raise reading.cut(value)
        said.append(f"{reading.label} {reading.words(value, gathered)}".rstrip())
    return "; ".join(said)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
