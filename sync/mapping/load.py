"""Loading a mapping file: YAML 1.2 with lines and columns → glossary merged → the model, and the lock beside it.

Nothing here raises for what a file says: a file that is no mapping gives findings. The environment is read only by
`resolve_env`, at the moment of use.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from sync.errors import MappingError, SettingsError
from sync.mapping.findings import Finding, Severity, nearest
from sync.mapping.glossary import merge
from sync.mapping.lock import Lock
from sync.mapping.lockfile import dump_lock, lock_path, read_lock
from sync.mapping.model import Mapping
from sync.mapping.shape import fit
from sync.mapping.yaml_tree import MAX_BYTES, Entries, Path, Scalar, Tree, parse, plain

__all__ = [
    "Loaded",
    "Positions",
    "dump_lock",
    "load",
    "lock_path",
    "missing_env",
    "read_lock",
    "resolve_env",
    "variables",
]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Positions:
    """Where each thing of a mapping stands, in its own file or in a glossary's."""

    tree: Tree
    grafts: dict[Path, tuple[Tree, Path]]  # what a glossary brought: its path in the mapping → in the glossary

    def finding(
        self, path: Path, code: str, message: str, severity: Severity = "error", *, key: bool = False
    ) -> Finding:
        """A finding at the value at ``path``, or at its key."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.grafts:
                tree, start = self.grafts[path[:length]]
                line, column = tree.place(start + path[length:], key=key)
                return Finding(tree.file, line, column, code, severity, message)
        line, column = self.tree.place(path, key=key)
        return Finding(self.tree.file, line, column, code, severity, message)

    def finding_in_text(
        self, path: Path, text_line: int, word: str, code: str, message: str, after: int = 0
    ) -> Finding:
        """A finding at ``word`` in the given line (from 1) of the text at ``path``; lines of a block are counted.

        ``after``: how many of the line's characters, leading blanks not counted, stand before it at least.
        """
        node = self.tree.find(path)
        line, column = self.tree.place(path)
        in_block = isinstance(node, Scalar) and node.block and text_line > 0
        if isinstance(node, Scalar) and in_block:
            line = node.line + text_line
        lines = self.tree.text.splitlines()
        if 0 < line <= len(lines):
            found = lines[line - 1]
            start = len(found) - len(found.lstrip()) if in_block else column - 1
            at = _word(word).search(found, start + after) if word else None
            column = at.start() + 1 if at else start + 1
        return Finding(self.tree.file, line, column, code, "error", message)


def _word(word: str) -> re.Pattern[str]:
    """The word as it stands alone: `no` is not in `note`, nor is `}` in `}}`."""
    other = r"\w" if re.search(r"\w", word) else re.escape(word)
    return re.compile(rf"(?<!{other}){re.escape(word)}(?!{other})")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A mapping file that was read.

    ``mapping`` is None where the file has errors of shape. ``draft`` is then what could be made of the rest, for lint
    alone. ``findings`` are those of loading; `sync.mapping.lint.lint` returns them and its own.
    """

    file: str
    mapping: Mapping | None
    lock: Lock | None
    findings: list[Finding]
    positions: Positions
    draft: Mapping | None

    def accepted(self) -> Mapping:
        """The mapping. Raises MappingError with the first errors where it has some."""
        errors = [finding for finding in self.findings if finding.is_error]
        if self.mapping is None or errors:
            more = f"\n… and {len(errors) - 5} more" if len(errors) > 5 else ""
            raise MappingError("\n".join(str(finding) for finding in errors[:5]) + more)
        return self.mapping


def load(path: str | FilePath, text: str | bytes | None = None, *, lock: Lock | None = None) -> Loaded:
    """Read a mapping file, its glossaries, and `<mapping>.lock` beside it.

    ``text``, where given, is the file's content; ``path`` then only says where it belongs. `-` is standard input.
    ``lock`` is used instead of the file. Never raises: what is wrong is in the findings, M0xx.
    """
    file = "<stdin>" if str(path) == "-" else str(path)
    if text is None:
        read = _read(path)
        if isinstance(read, Finding):
            return Loaded(file, None, lock, [read], Positions(Tree(file, None, [], ""), {}), None)
        text = read
    tree = parse(text, file)
    findings = list(tree.findings)
    if lock is None and str(path) != "-":
        lock, lock_findings = read_lock(lock_path(path))
        findings += lock_findings
    if not isinstance(tree.root, Entries):
        if not findings:
            findings.append(Finding(file, 1, 1, "M013", "error", "expected a mapping that starts with `version: 1`"))
        return Loaded(file, None, lock, findings, Positions(tree, {}), None)
    data = plain(tree.root)
    folder = FilePath(".") if str(path) == "-" else FilePath(path).parent
    grafts, glossary_findings = merge(data, tree, folder, _read)
    mapping, draft, shape_findings = fit(Mapping, tree, data)
    findings += glossary_findings + shape_findings
    if any(finding.is_error for finding in findings):
        mapping = None
    return Loaded(file, mapping, lock, sorted(findings), Positions(tree, grafts), draft)


def _read(path: str | FilePath) -> bytes | Finding:
    """A file's bytes, never more than a mapping may have and one more; or the finding that says why not."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with open(path, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        folder = FilePath(path).parent
        beside = [p.name for p in folder.glob("*.y*ml")] if folder.is_dir() else []
        cure = nearest(FilePath(path).name, beside)
        return Finding(str(path), 0, 0, "M001", "error", f"no such file{cure}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "its name is no file's name"
        return Finding(str(path), 0, 0, "M001", "error", f"cannot be read: {reason}")


def resolve_env(text: str) -> str:
    """``text`` with every ``${NAME}`` replaced from the environment, for use at once: never print or keep the result.

    Raises SettingsError naming the variable that is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not _VARIABLE_NAME.fullmatch(name):
            raise SettingsError("${…} must hold the name of an environment variable, as in ${AIRLINE_URL}")
        if name not in os.environ:
            raise SettingsError(f"the environment variable {name} is not set", advice=f"export {name}=…")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def variables(text: str) -> list[str]:
    """The names in the ``${NAME}`` of a text, in order."""
    return list(dict.fromkeys(match[1] for match in _VARIABLE.finditer(text)))


def missing_env(mapping: Mapping) -> list[str]:
    """The environment variables that the mapping's sources name and that are not set, in order."""
    sources: list[Any] = [mapping.source] if mapping.source else []
    sources += mapping.sources.values()
    texts = [text for source in sources for text in (source.url, source.bucket, source.prefix) if text]
    names = dict.fromkeys(name for text in texts for name in variables(text))
    return [name for name in names if name not in os.environ]
