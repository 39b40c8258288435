"""What lint says of a mapping: one line per finding, for a person, an editor and a CI job alike.

``CODES`` is the only table of codes: `headrace lint --help` and the docs are made of it. A code is never reused
for something else; M0xx is the file's shape, M1xx its meaning, M2xx the live database.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]

CODES: dict[str, str] = {
    "M001": "the file cannot be read",
    "M002": "the file is larger, deeper or more aliased than a mapping may be",
    "M003": "not YAML",
    "M004": "YAML that a mapping does not use: tags, merge keys, several documents, keys that are no text",
    "M010": "unknown field",
    "M011": "a required field is missing",
    "M012": "duplicate key",
    "M013": "a value of the wrong type",
    "M014": "a value that is not among those allowed",
    "M015": "neither, or both, of two fields of which one is needed",
    "M020": "a glossary file cannot be used",
    "M021": "a glossary says something that is said elsewhere already",
    "M022": "a named value list that no glossary holds",
    "M030": "the lock beside the mapping cannot be used",
    "M101": "unknown table",
    "M102": "unknown column",
    "M103": "a relation whose columns do not pair with a key",
    "M104": "unknown source, or a table that does not say which",
    "M105": "a table whose key is not known",
    "M106": "a condition that no row can be compared with",
    "M107": "a relation that may find several rows where one is meant",
    "M110": "a code without words",
    "M111": "a field that has no effect on a column of this type",
    "M112": "unknown timezone",
    "M113": "a column mapped twice",
    "M120": "a private column in a key",
    "M121": "a private column in a join, an order or a condition",
    "M122": "personal data in a filter",
    "M123": "a privacy class that `privacy:` does not list: its columns are dropped",
    "M124": "a treatment that the connector cannot carry out on a column of this type",
    "M130": "a template that does not parse",
    "M131": "a template that reads a name which is not there",
    "M132": "a template that reads a dropped column",
    "M133": "a template that tries to leave its sandbox",
    "M134": "a template that cannot build a document",
    "M140": "a name that Weaviate refuses",
    "M141": "two properties of one name",
    "M142": "a filter that is not a column",
    "M143": "two collections of one name",
    "M150": "a limit without an order",
    "M151": "a duration or a share that cannot be read",
    "M152": "a chunk size that makes no sense",
    "M160": "a connector that is not supported yet",
    "M161": "an environment variable that is not set",
    "M162": "a password written into the mapping",
    "M170": "a document without a test",
    "M171": "a test that names what is not there",
    "M172": "a test that cannot tell anything",
    "M199": "the mapping cannot be planned",
    "M201": "a mapped table is not in the database",
    "M202": "a mapped column is not in the database",
    "M203": "the table's key is not the one that the lock names",
    "M204": "a mapped column has another type than the lock names",
    "M205": "the database's codes are not those that the lock names",
    "M206": "a foreign key that came or went since the lock was written",
    "M207": "two joined columns that the database compares differently",
    "M208": "the lock does not know a mapped table or column",
    "M209": "a column that the mapping does not list",
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that lint found. ``line`` and ``column`` count from 1; 0 means the file as a whole.

    ``message`` names the thing and the cure, and never holds the value of a row or of an environment variable.
    """

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column} {self.code} {self.severity} {self.message}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_error(self) -> bool:
        return self.severity == "error"


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest valid one, else all of them.

    Returns text that starts with a blank, or nothing when there is nothing to offer.
    """
    names = sorted(set(valid))
    if len(name) > 100:
        return ""
    folded = {other.casefold(): other for other in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f" (nearest: {folded[close[0]]})"
    if not names:
        return ""
    shown = ", ".join(names[:12])
    return f" (valid: {shown}{', …' if len(names) > 12 else ''})"


def shown(text: str, longest: int = 80) -> str:
    """A name from a file, fit to stand in one line: control characters escaped, the rest cut off."""
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    return safe if len(safe) <= longest else safe[: longest - 1] + "…"
