"""Lint of `title:` and `text:`: templates that parse, read what is there, and stay in their sandbox (M13x).

The template is not run. Its syntax tree is walked with what each name stands for: a row, the rows of a `many`, a value.
Where that is not certain (a macro's parameter, a group) nothing is said, so that no good template is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jinja2 import nodes

from sync.mapping.findings import nearest, shown
from sync.mapping.lint.subject import ColumnView, RowView, Subject
from sync.mapping.lint.syntax import parsed
from sync.mapping.model import DocumentType
from sync.mapping.sandbox import environment
from sync.mapping.yaml_tree import Path


@dataclass(frozen=True)
class Many:
    row: RowView


@dataclass(frozen=True)
class Cell:
    column: ColumnView


# What an expression may be; None: nobody knows
Meaning: TypeAlias = RowView | Many | Cell | None
Scope: TypeAlias = dict[str, Meaning]

_SAME_ROWS = {"list", "sort", "reverse", "unique", "select", "reject", "selectattr", "rejectattr"}
_ONE_ROW = {"first", "last", "min", "max", "random"}
# filters whose argument names an attribute of each row
_BY_ATTRIBUTE = {"sort": 2, "unique": 1, "map": None, "sum": 0, "groupby": 0, "min": 1, "max": 1, "join": 1,
                 "selectattr": 0, "rejectattr": 0}  # fmt: skip
_OF_A_VALUE = ("code", "number", "label")
_ALONE = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def check_templates(subject: Subject, row: RowView, document: DocumentType, path: Path) -> None:
    for field in ("title", "text"):
        source = getattr(document, field)
        if source is not None:
            _Walk(subject, (*path, field), row).check(source)


class _Walk:
    """One template, walked once."""

    def __init__(self, subject: Subject, path: Path, root: RowView) -> None:
        self.subject = subject
        self.path = path
        self.root = root
        self.what = path[-1]
        self.seen: set[tuple[int, str]] = set()

    def check(self, source: str) -> None:
        tree, mistakes = parsed(source)
        for mistake in mistakes:
            self.say(mistake.line, mistake.word, "M130", f"{self.what}: {mistake.message}", mistake.after)
        if tree is None:
            return
        scope: Scope = dict.fromkeys(name.name for name in tree.find_all(nodes.Macro))
        self.statements(tree.body, scope)

    def say(self, line: int, word: str, code: str, message: str, after: int = 0) -> None:
        if (line, message) not in self.seen:
            self.seen.add((line, message))
            found = self.subject.positions.finding_in_text(self.path, line, word, code, message, after)
            self.subject.findings.append(found)

    # --- statements

    def statements(self, body: Sequence[nodes.Node], scope: Scope) -> None:
        for node in body:
            self.statement(node, scope)

    def statement(self, node: nodes.Node, scope: Scope) -> None:
        if isinstance(node, _ALONE):
            self.say(node.lineno, "", "M133", f"{self.what}: a text stands alone: it can neither include nor import")
        elif isinstance(node, nodes.For):
            self.loop(node, scope)
        elif isinstance(node, nodes.If):
            self.expression(node.test, scope)
            # what a branch sets may be there afterwards
            self.statements([*node.body, *node.elif_, *node.else_], scope)
        elif isinstance(node, nodes.Assign):
            self.assign(node.target, self.expression(node.node, scope), scope)
        elif isinstance(node, nodes.AssignBlock):
            self.statements(node.body, dict(scope))
            self.assign(node.target, None, scope)
        elif isinstance(node, nodes.With):
            inner = dict(scope)
            for target, value in zip(node.targets, node.values, strict=True):
                self.assign(target, self.expression(value, scope), inner)
            self.statements(node.body, inner)
        elif isinstance(node, nodes.Macro | nodes.CallBlock):
            inner = dict(scope) | dict.fromkeys(("varargs", "kwargs", "caller"))
            for argument in node.args:
                inner[argument.name] = None
            if isinstance(node, nodes.CallBlock):
                self.expression(node.call, scope)
            self.statements(node.body, inner)
        elif isinstance(node, nodes.Expr):
            self.expression(node, scope)
        else:
            self.below(node, scope)

    def below(self, node: nodes.Node, scope: Scope) -> None:
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.Expr):
                self.expression(child, scope)
            else:
                self.statement(child, dict(scope) if isinstance(node, nodes.Scope | nodes.FilterBlock) else scope)

    def loop(self, node: nodes.For, scope: Scope) -> None:
        over = self.expression(node.iter, scope)
        if isinstance(over, RowView) and over.table is not None:
            message = f"{self.what}: loops over one row of {shown(over.table.name)}; only a `many` has several"
            self.say(node.lineno, _word(node.iter), "M134", message)
        if isinstance(over, Cell) and over.column.kind_is_known and over.column.kind not in ("list", "json"):
            message = f"{self.what}: loops over {shown(over.column.name)}, which is one value"
            self.say(node.lineno, over.column.name, "M134", message)
        inner = dict(scope) | {"loop": None}
        self.assign(node.target, over.row if isinstance(over, Many) else None, inner)
        if node.test is not None:
            self.expression(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, dict(scope))

    def assign(self, target: nodes.Node, meaning: Meaning, scope: Scope) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = meaning
        elif isinstance(target, nodes.Tuple):
            for item in target.items:
                self.assign(item, None, scope)

    # --- expressions

    def expression(self, node: nodes.Node, scope: Scope) -> Meaning:
        if isinstance(node, nodes.Name):
            return self.name(node, scope)
        if isinstance(node, nodes.Getattr):
            return self.attribute(self.expression(node.node, scope), node.attr, node.lineno, _word(node.node))
        if isinstance(node, nodes.Getitem):
            return self.item(node, scope)
        if isinstance(node, nodes.Filter):
            return self.filtered(node, scope)
        if isinstance(node, nodes.Test) and node.name in ("defined", "undefined") and isinstance(node.node, nodes.Name):
            return None  # asking whether a name is there reads nothing
        if isinstance(node, nodes.CondExpr):
            self.expression(node.test, scope)
            branches = [self.expression(part, scope) for part in (node.expr1, node.expr2) if part is not None]
            return branches[0] if all(branch == branches[0] for branch in branches) else None
        if isinstance(node, nodes.Or | nodes.And):
            left, right = self.expression(node.left, scope), self.expression(node.right, scope)
            return left if left == right else None
        self.below(node, scope)
        return None

    def name(self, node: nodes.Name, scope: Scope) -> Meaning:
        if node.name in scope:
            return scope[node.name]
        if node.name in environment().globals:
            if node.name in self.root.relations or (
                self.root.table is not None and node.name in self.root.table.columns
            ):
                message = f"{self.what}: {node.name} is Jinja's own here; give the column or relation another name"
                self.say(node.lineno, node.name, "M134", message)
            return None
        if node.name == "self":
            self.say(node.lineno, "self", "M133", f"{self.what}: self reaches out of the sandbox; name the column")
            return None
        return self.of_row(self.root, node.name, node.lineno, scope)

    def item(self, node: nodes.Getitem, scope: Scope) -> Meaning:
        base = self.expression(node.node, scope)
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return self.attribute(base, node.arg.value, node.lineno, _word(node.node))
        self.expression(node.arg, scope)
        if isinstance(base, Many):
            return base if isinstance(node.arg, nodes.Slice) else base.row
        return None

    def attribute(self, base: Meaning, name: str, line: int, word: str) -> Meaning:
        if isinstance(base, RowView):
            return self.of_row(base, name, line)
        if name.startswith("__"):
            message = f"{self.what}: {shown(name)} reaches out of the sandbox; a template reads columns and relations"
            self.say(line, name, "M133", message)
        elif isinstance(base, Many):
            if name != "count":
                message = (
                    f"{self.what}: {shown(word or 'this')} holds many rows: loop over it to read {shown(name)}"
                    " (`count` says how many there are)"
                )
                self.say(line, name, "M131", message)
        elif isinstance(base, Cell) and base.column.kind == "json":
            fields = base.column.model.fields
            valid = [*(path.split(".")[0] for path in fields), *fields.values(), *_OF_A_VALUE]
            if fields and name not in valid:
                message = f"{self.what}: {shown(base.column.name)} stores no field {shown(name)}{nearest(name, valid)}"
                self.say(line, name, "M131", message)
        elif isinstance(base, Cell) and base.column.kind_is_known:
            valid = [*_OF_A_VALUE, *(["count"] if base.column.kind == "list" else [])]
            if name not in valid:
                message = f"{self.what}: the value {shown(base.column.name)} has no {shown(name)}{nearest(name, valid)}"
                self.say(line, name, "M131", message)
        return None

    def of_row(self, row: RowView, name: str, line: int, scope: Scope | None = None) -> Meaning:
        if name in row.relations:
            kind, below = row.relations[name]
            return Many(below) if kind == "many" else below
        table = row.table
        if table is None or not table.is_listed:
            return None
        column = table.columns.get(name)
        if column is not None and column.treatment == "drop":
            message = (
                f"{self.what}: {shown(name)} of {shown(table.name)} is dropped (pii: {shown(str(column.model.pii))}),"
                " no document can show it"
            )
            self.say(line, name, "M132", message)
        elif column is not None:
            return Cell(column)
        elif name.startswith("__"):
            message = f"{self.what}: {shown(name)} reaches out of the sandbox; a template reads columns and relations"
            self.say(line, name, "M133", message)
        else:
            cure = nearest(name, [*row.relations, *table.columns, *(scope or ())])
            message = f"{self.what}: {shown(table.name)} has no column or relation {shown(name)}{cure}"
            self.say(line, name, "M131", message)
        return None

    def filtered(self, node: nodes.Filter, scope: Scope) -> Meaning:
        base = self.expression(node.node, scope) if node.node is not None else None
        for argument in (*node.args, *(pair.value for pair in node.kwargs)):
            self.expression(argument, scope)
        if not isinstance(base, Many):
            # a value stays itself only where nothing is done to it
            return base if node.name == "default" and isinstance(base, RowView) else None
        reached = [self.reach(base.row, path, node.lineno) for path in _attributes(node)]
        if node.name in _SAME_ROWS:
            return base
        if node.name in _ONE_ROW:
            return base.row
        if node.name == "map" and len(reached) == 1:
            return Many(reached[0]) if isinstance(reached[0], RowView) else None
        return None

    def reach(self, row: RowView, path: str, line: int) -> Meaning:
        meaning: Meaning = row
        for step in path.split("."):
            if meaning is None:
                break
            if not step.isdigit():
                meaning = self.attribute(meaning, step, line, path)
        return meaning


def _attributes(node: nodes.Filter) -> Iterator[str]:
    """The attribute paths that a filter such as `map(attribute="flight.origin")` reads of each row."""
    place = _BY_ATTRIBUTE.get(node.name, -1)
    if place == -1:
        return
    found = [pair.value for pair in node.kwargs if pair.key == "attribute"]
    if place is not None and len(node.args) > place:
        found.append(node.args[place])
    for value in found:
        if isinstance(value, nodes.Const) and isinstance(value.value, str):
            yield from (part.strip() for part in value.value.split(","))


def _word(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    return node.attr if isinstance(node, nodes.Getattr) else ""
