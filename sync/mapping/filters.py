"""From a document's `filters:` to typed properties: what a RAG app filters by, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sync.errors import MappingError
from sync.mapping.kinds import element_type, exact_beyond_double, kind_of_type
from sync.mapping.model import CodeTable, Kind, UnitColumn

if TYPE_CHECKING:
    from sync.mapping.plan import ColumnPlan, Node

PropertyType = Literal["text", "int", "number", "bool", "date"]


@dataclass(frozen=True)
class Property:
    """One property of the document's objects.

    ``type`` is decided by the declared type, not by values: words of codes are text; an integer is ``int``, or text
    where its type reaches beyond 2^53 (``bigint``, ``numeric(20,0)``), which Weaviate stores inexactly; with unit,
    scale or decimals it is a quantity and ``number``; decimals are ``number``; dates and timestamps are ``date``
    (RFC 3339); times are text.
    ``many``: a list of it. ``path`` is the mapping's, ``tickets.flight.flight_no``.
    """

    name: str
    type: PropertyType
    many: bool
    description: str
    path: str


def properties(root: Node, filters: Sequence[str | dict[str, str]], document: str) -> tuple[Property, ...]:
    """The properties of a document. Raises MappingError where a filter names no column."""
    found: list[Property] = []
    for entry in filters:
        named = entry.items() if isinstance(entry, dict) else [(entry.replace(".", "_"), entry)]
        for name, path in named:
            found.append(_property(root, name, path, document))
    return tuple(found)


def locate(root: Node, path: str, document: str) -> tuple[tuple[Node, ...], ColumnPlan, str | None]:
    """The nodes that a filter's path passes, its column, and the field inside a JSON column. Raises MappingError."""
    from sync.mapping.plan import unknown

    node, passed, steps = root, [root], path.split(".")
    where = f'document "{document}", filter "{path}"'
    for index, step in enumerate(steps):
        relation = next((child for child in node.children if child.name == step), None)
        if relation is not None and index < len(steps) - 1:
            node = relation
            passed.append(node)
            continue
        column = node.of.columns.get(step)
        if column is None:
            raise unknown("column", step, {**node.of.columns, **{c.name: c for c in node.children}}, where)
        if column.treatment == "drop":
            raise MappingError(f'{where}: column "{step}" of "{node.table}" is dropped, it never reaches Headrace')
        inside = ".".join(steps[index + 1 :])
        if inside and column.kind != "json":
            raise MappingError(f'{where}: column "{step}" of "{node.table}" has no parts')
        return tuple(passed), column, inside or None
    raise MappingError(f"{where}: it names a relation; name one of its columns")


def _property(root: Node, name: str, path: str, document: str) -> Property:
    nodes, column, inside = locate(root, path, document)
    kind, many = column.kind, any(node.kind == "many" for node in nodes)
    if kind == "list":
        many = True
        inner = element_type(column.database_type)
        kind = kind_of_type(inner) if inner else "text"
    return Property(
        name=name,
        type="text" if inside else _type(column, kind),
        many=many,
        description=_description(nodes, column, inside),
        path=path,
    )


def _type(column: ColumnPlan, kind: Kind) -> PropertyType:
    model = column.column
    if model.values is not None or column.treatment is not None:
        return "text"
    if kind == "boolean":
        return "bool"
    if kind in ("date", "timestamp"):
        return "date"
    quantity = model.unit is not None or model.scale is not None or model.decimals is not None
    if kind in ("integer", "decimal"):
        if not quantity and exact_beyond_double(element_type(column.database_type) or column.database_type):
            return "text"
        return "int" if kind == "integer" and not quantity else "number"
    return "text"


def _description(nodes: Sequence[Node], column: ColumnPlan, inside: str | None) -> str:
    """Words for an agent that reads the schema: label, description, synonyms, unit, code words."""
    model = column.column
    where = " ".join(node.name.replace("_", " ") for node in nodes[1:])
    label = column.label + (f" {model.fields.get(inside, inside)}" if inside else "")
    parts = [f"{where}: {label}" if where else label]
    if model.description:
        parts.append(model.description.rstrip("."))
    if model.synonyms:
        parts.append("also called " + ", ".join(model.synonyms))
    if isinstance(model.unit, str):
        parts.append(f"in {model.unit}")
    elif isinstance(model.unit, UnitColumn):
        parts.append(f"in the unit of {model.unit.column}")
    if isinstance(model.values, dict):
        parts.append("one of: " + ", ".join(dict.fromkeys(model.values.values())))
    elif isinstance(model.values, CodeTable):
        parts.append(f"words of {model.values.table}")
    return ". ".join(parts)
