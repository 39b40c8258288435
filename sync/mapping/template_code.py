"""Beside a document's template: Jinja's compiler, made to carry out nothing and to have everything paid for.

Each block of a template pays, when it is entered, for the nodes and the text that stand in it; what takes more than a
node should is handed through the environment: texts joined, values compared, printed, looped over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

from sync.mapping.meter import ELEMENT, STEP


def price(found: Iterable[nodes.Node]) -> int:
    """What carrying out these nodes once takes, without the blocks in them that pay for themselves."""
    total, left = 0, list(found)
    while left:
        node = left.pop()
        total += STEP
        if isinstance(node, nodes.TemplateData):
            total += len(node.data)
        left += node.iter_child_nodes(exclude=("body", "else_") if isinstance(node, nodes.Stmt) else None)
    return total


class PaidCode(CodeGenerator):
    """Jinja's own code generator, with what is said above put in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # id of an expression → what stands before and behind it: a call of the environment's for its value
        self._through: dict[int, tuple[str, str]] = {}
        self._owed = 0  # by the next block, for what was carried out on the way to it

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        found = list(nodes)
        if found or self._owed:
            self.writeline(f"environment.spend({price(found) + self._owed})")
            self._owed = 0
        super().blockvisit(found, frame)

    def macro_body(self, node: nodes.Macro | nodes.CallBlock, frame: Frame) -> Any:
        self._owed = price(node.defaults)  # defaults are computed at each call
        return super().macro_body(node, frame)

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        around = self._through.get(id(node))
        if around is None:
            return super().visit(node, *args, **kwargs)
        self.write(around[0])
        super().visit(node, *args, **kwargs)
        self.write(around[1])
        return None

    def _send(self, node: nodes.Node, method: str, argument: int | None = None) -> None:
        if not isinstance(node, nodes.Const):
            self._through[id(node)] = f"environment.{method}(", ")" if argument is None else f", {argument})"

    # --- constants: only the template's own text

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        raise nodes.Impossible()

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:
        # Jinja computes what is said there at once, and a text is no HTML that needed it.
        self.fail("a text is not HTML: there is nothing to escape", node.lineno)

    def visit_ScopedEvalContextModifier(self, node: nodes.ScopedEvalContextModifier, frame: Frame) -> None:
        self.visit_EvalContextModifier(node, frame)

    # --- what takes more than a step

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        # What comes out at once is counted by who renders; what is kept in a variable first, is not seen there.
        self.write("environment.shown(" if frame.buffer is None else "environment.kept(")

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        self.write(")")

    def visit_For(self, node: nodes.For, frame: Frame) -> None:
        # `{% for … if … %}` asks each element before the block is entered.
        self._send(node.iter, "counted", ELEMENT + price([node.test] if node.test is not None else []))
        super().visit_For(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:
        for expression in (node.expr, *(operand.expr for operand in node.ops)):
            self._send(expression, "weigh")
        super().visit_Compare(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        for pair in node.items:
            self._send(pair.key, "weigh")
        super().visit_Dict(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:
        if isinstance(node.arg, nodes.Slice):
            self._send(node.node, "weigh")
        super().visit_Getitem(node, frame)
