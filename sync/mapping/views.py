"""What a template sees of a document's rows: columns and relations by the mapping's names, nothing else.

A column called `items` or `get` is a column.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NoReturn

from sync.errors import BuildError
from sync.mapping.assemble import Gathered, Many, Problem
from sync.mapping.image import CUT
from sync.mapping.meter import ELEMENT
from sync.mapping.plan import DocumentPlan, Node, TablePlan
from sync.mapping.shown import Unknown, Value, View
from sync.mapping.values import Reading


class Shape:
    """What a node offers to a template: its table's columns, and its relations' shapes. Made once per document."""

    __slots__ = ("columns", "names", "node", "private", "relations", "table")

    def __init__(self, node: Node, readings: dict[str, dict[str, Reading]]) -> None:
        table = node.of
        if table.name not in readings:
            readings[table.name] = {
                name: Reading(table, column) for name, column in table.columns.items() if column.treatment != "drop"
            }
        self.node = node
        self.table: TablePlan = table
        self.columns = readings[table.name]
        self.relations = {child.name: Shape(child, readings) for child in node.children if child.kind != "codes"}
        self.names = [*self.relations, *self.columns]
        self.private = frozenset(name for name, column in table.columns.items() if column.treatment == "drop")

    @classmethod
    def of(cls, document: DocumentPlan) -> Shape:
        """Raises MappingError where a column's unit or zone names what does not exist."""
        return cls(document.root, {})


class Row(View):
    """A row, or the absence of one: then it is false and its columns read as NULL."""

    __slots__ = ("_gathered", "_shape")

    def __init__(self, shape: Shape, gathered: Gathered | None) -> None:
        self._shape = shape
        self._gathered = gathered

    def described(self) -> str:
        return f'a row of table "{self._shape.table.name}"'

    def __bool__(self) -> bool:
        return self._gathered is not None

    def get(self, name: str) -> Any:
        gathered = self._gathered
        relation = self._shape.relations.get(name)
        if relation is not None:
            return related(relation, gathered.relatives.get(name) if gathered is not None else None)
        reading = self._shape.columns.get(name)
        if reading is None:
            return self._unknown(name)
        if gathered is None:
            return Value(reading, None, None)
        image = gathered.image
        if name not in image:
            raise reading.missing()
        value = image[name]
        if type(value) is dict and CUT in value:
            raise reading.cut(value)
        return Value(reading, value, gathered)

    def at(self, index: Any) -> Any:
        return self.get(index) if isinstance(index, str) else super().at(index)

    def _unknown(self, name: str) -> Unknown:
        table = self._shape.table.name
        if name in self._shape.private:
            return Unknown(f'column "{name}" of table "{table}" is dropped for privacy, no document can show it')
        nearest = get_close_matches(name, self._shape.names, 1) if len(name) <= 100 else []
        hint = f' (nearest: "{nearest[0]}")' if nearest else ""
        return Unknown(f'table "{table}" has no column or relation "{name}"{hint}')

    def __str__(self) -> str:
        from sync.mapping.sentences import clauses

        return clauses(self._shape, self._gathered) if self._gathered is not None else "not recorded"

    def __iter__(self) -> NoReturn:
        raise BuildError(f"the template loops over {self.described()}; only `many` relations and lists are looped over")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str | None]:
        return self._shape.table.name, self._gathered.key if self._gathered is not None else None


class Rows(View):
    """The rows of a `many` relation, in their order, after its `limit`; ``count`` is how many there were before."""

    __slots__ = ("_many", "_shape")

    def __init__(self, shape: Shape, many: Many) -> None:
        self._shape = shape
        self._many = many

    def described(self) -> str:
        return f'relation "{self._shape.node.path}"'

    def weight(self) -> int:
        return ELEMENT * (1 + len(self._many.rows))

    def get(self, name: str) -> Any:
        if name == "count":
            return self._many.count
        return Unknown(f'{self.described()} holds many rows: loop over it, or take one by position; it has "count"')

    def at(self, index: Any) -> Any:
        if isinstance(index, str):
            return self.get(index)
        rows = self._many.rows
        return Row(self._shape, rows[index] if -len(rows) <= index < len(rows) else None)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index] if isinstance(index, slice) else self.at(index)

    def __iter__(self) -> Iterator[Row]:
        shape = self._shape
        return iter([Row(shape, row) for row in self._many.rows])

    def __reversed__(self) -> Iterator[Row]:
        return iter(list(self)[::-1])

    def __len__(self) -> int:
        return len(self._many.rows)

    def __str__(self) -> str:
        return "; ".join(str(row) for row in self)


_NO_ROWS = Many([], 0)


def related(shape: Shape, relative: Gathered | Many | Problem | None) -> Row | Rows:
    """A relation as a template sees it."""
    if isinstance(relative, Problem):
        raise relative.error
    if shape.node.kind == "many":
        return Rows(shape, relative if isinstance(relative, Many) else _NO_ROWS)
    return Row(shape, relative if isinstance(relative, Gathered) else None)
