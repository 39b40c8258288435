"""The first step of loading: the text of a YAML file as a tree whose every node knows its line and column.

Scalars follow YAML 1.2's core schema (chapter 10.3 of yaml.org/spec/1.2.2), with one difference: a number with a
leading zero stays text, because a code `010` is neither 10 nor 8. Keys are text always, as written. The tree is made of
the parser's events and not of its constructor: so every duplicate key is found, a bomb of aliases or brackets is
stopped before it costs memory, and a word that is written `489.50` can still be read as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from sync.mapping.findings import Finding, shown

MAX_BYTES = 500_000  # the parser reads about 150 kB/s; a mapping of a thousand columns has 80 kB
MAX_DEPTH = 60
MAX_NODES = 200_000  # aliases counted as often as they are used
MAX_FINDINGS = 200  # of one file; who made more of them did so by one act

Path: TypeAlias = tuple[str | int, ...]

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")


@dataclass(slots=True)
class Node:
    line: int  # from 1
    column: int


@dataclass(slots=True)
class Scalar(Node):
    text: str
    plain: bool  # neither quoted nor a block
    block: bool = False

    def value(self) -> Any:
        return _scalar(self.text) if self.plain else self.text


@dataclass(slots=True)
class Items(Node):
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Entries(Node):
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)


def _scalar(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    # Python refuses to convert thousands of digits; such a thing is a text, not a quantity
    if len(text) <= 300:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _HEX_OR_OCTAL.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _SPECIAL_FLOAT.fullmatch(text):
            return float(text.replace(".", "").lower())
    return text


def plain(node: Node | None) -> Any:
    """The tree as dict, list, str, int, float, bool and None."""
    if node is None:
        return None
    if isinstance(node, Entries):
        return {key: plain(value) for key, value in node.entries.items()}
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.value()


@dataclass(slots=True)
class Tree:
    """A parsed file. ``root`` is None where the text is no YAML at all."""

    file: str
    root: Node | None
    findings: list[Finding]
    text: str

    def resolve(self, location: Path) -> tuple[Path, Node | None]:
        """The path that exists in the file along ``location``, and its node.

        Parts that the file does not have are skipped: pydantic puts the names of union branches between them.
        """
        node, path = self.root, list[str | int]()
        for part in location:
            child = _child(node, part)
            if child is not None:
                node = child
                path.append(part)
        return tuple(path), node

    def find(self, path: Path) -> Node | None:
        """The node at exactly this path."""
        found, node = self.resolve(path)
        return node if found == path else None

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at ``path`` (or of its key), else of the nearest thing around it."""
        found, node = self.resolve(path)
        if (key or node is None or isinstance(node, Entries)) and found:
            around = self.resolve(found[:-1])[1]
            if isinstance(around, Entries) and found[-1] in around.keys:
                node = around.keys[str(found[-1])]
        return (node.line, node.column) if node is not None else (1, 1)


def _child(node: Node | None, part: str | int) -> Node | None:
    if isinstance(node, Entries):
        return node.entries.get(str(part))
    if isinstance(node, Items) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part]
    return None


class _Stop(Exception):
    """Reading on would make no sense; the finding is already noted."""


class _Reader:
    """Builds the tree of one file from the parser's events, noting what is refused."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchored thing is still open
        self.sizes: dict[int, int] = {}  # nodes under an anchored thing, aliases expanded
        self.count = 0

    def refuse(self, line: int, column: int, code: str, message: str) -> None:
        self.findings.append(Finding(self.file, line, column, code, "error", message))
        if len(self.findings) >= MAX_FINDINGS:
            raise _Stop

    def refuse_event(self, event: Event, code: str, message: str) -> None:
        self.refuse(event.start_mark.line + 1, event.start_mark.column + 1, code, message)

    def read(self, text: str) -> Node | None:
        parser = YAML(typ="safe", pure=True)
        events = parser.parse(text)
        root: Node | None = None
        for event in events:
            if isinstance(event, DocumentStartEvent) and root is not None:
                self.refuse_event(event, "M004", "a second YAML document: one file holds one mapping")
                break
            if isinstance(event, ScalarEvent | AliasEvent | MappingStartEvent | SequenceStartEvent):
                root = self.node(event, events, 0)
        return root

    def node(self, event: Any, events: Iterator[Event], depth: int) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        before = self.count
        self.count += 1
        if depth > MAX_DEPTH:
            self.refuse(line, column, "M002", f"nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        if self.count > MAX_NODES:
            self.refuse(line, column, "M002", f"more than {MAX_NODES:,} values, aliases counted where they are used")
            raise _Stop
        if isinstance(event, AliasEvent):
            return self.alias(event, line, column)
        anchor = event.anchor
        if anchor:
            self.anchors[anchor] = None
        self.refuse_tag(event)
        made: Node
        if isinstance(event, ScalarEvent):
            # PyYAML's habit: `implicit[0]` says that a plain scalar's type follows from its text
            made = Scalar(line, column, event.value, bool(event.implicit[0]), event.style in ("|", ">"))
        elif isinstance(event, SequenceStartEvent):
            made = Items(line, column, list(self.items(events, depth)))
        else:
            made = self.entries(line, column, events, depth)
        if anchor:
            self.anchors[anchor] = made
            self.sizes[id(made)] = self.count - before
        return made

    def refuse_tag(self, event: Any) -> None:
        tag = event.tag
        if tag and not (isinstance(event, ScalarEvent) and tag in ("tag:yaml.org,2002:str", "!")):
            message = f"the tag {shown(str(tag))}: a mapping has no tags; quote what must be text"
            self.refuse_event(event, "M004", message)

    def alias(self, event: Any, line: int, column: int) -> Node:
        name = event.anchor
        target = self.anchors.get(name)
        if target is None:
            why = "stands inside what it names" if name in self.anchors else "names no anchor above it"
            self.refuse(line, column, "M003", f"the alias *{shown(name)} {why}")
            return Scalar(line, column, "", True)
        self.count += self.sizes[id(target)]
        return target

    def items(self, events: Iterator[Event], depth: int) -> Iterator[Node]:
        for event in events:
            if isinstance(event, SequenceEndEvent):
                return
            yield self.node(event, events, depth + 1)

    def entries(self, line: int, column: int, events: Iterator[Event], depth: int) -> Entries:
        made = Entries(line, column)
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self.node(event, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            if not isinstance(key, Scalar):
                self.refuse(key.line, key.column, "M004", "a list or mapping as a key: keys are names")
            elif key.text == "<<" and key.plain:
                self.refuse(key.line, key.column, "M004", "the merge key <<: YAML 1.2 has none; write the fields out")
            elif key.text in made.entries:
                first = made.keys[key.text]
                message = f"duplicate key {shown(key.text)}: already at line {first.line}; remove or rename one"
                self.refuse(key.line, key.column, "M012", message)
            else:
                made.entries[key.text], made.keys[key.text] = value, key
        return made


def parse(text: str | bytes, file: str, *, limit: int = MAX_BYTES) -> Tree:
    """Read a YAML text. Never raises: what is wrong with it is in the tree's findings (M002, M003, M004, M012)."""
    reader = _Reader(file)
    root: Node | None = None
    size = len(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
    if size > limit:
        message = (
            f"more than {limit:,} bytes: a mapping has no more; move long value lists into a table of the database"
            " (`values: {table: …}`), or split the mapping by subject"
        )
        reader.refuse(1, 1, "M002", message)
        return Tree(file, None, reader.findings, "")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        root = reader.read(text)
    except _Stop:
        pass
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        reader.refuse(line, 1, "M001", "not UTF-8: save the file as UTF-8")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        reader.refuse(line, column, "M003", f"not YAML: {shown(what, 200)}{_hint(what)}")
    except ReaderError as error:
        before = str(text)[: error.position] if isinstance(error.position, int) else ""
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        reader.refuse(line, column, "M003", "a control character: YAML text has none; write it as an escape in quotes")
    except (YAMLError, ValueError, IndexError, OverflowError, AttributeError, AssertionError) as error:
        # the parser lets its own slips through on texts that are no YAML; to its caller they are all the same
        reader.refuse(1, 1, "M003", f"not YAML: the parser gave up ({type(error).__name__})")
    if isinstance(root, Scalar) and not root.text:
        root = None
    if root is None and not reader.findings:
        reader.refuse(1, 1, "M013", "the file is empty")
    return Tree(file, root, reader.findings, text if isinstance(text, str) else "")


def _hint(problem: str) -> str:
    if "\\t" in problem or "\t" in problem:
        return " (YAML indents with blanks, never with tabs)"
    if "mapping values are not allowed" in problem:
        return " (quote a text that holds a colon followed by a blank)"
    if "start any token" in problem:
        return " (quote a text that starts with one of @ ` % * & ! | >)"
    return ""
