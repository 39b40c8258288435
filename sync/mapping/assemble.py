"""Stage ②'s first step: a document's root rows and all their relatives, gathered for many documents at once.

One look-up per place in the tree, for all documents together. A row that several documents share is
gathered once and shared by their trees.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sync.errors import BuildError
from sync.mapping.image import join_value, key_of
from sync.mapping.plan import DocumentPlan, Node, Plan, TablePlan

Image = dict[str, Any]
Row = tuple[str, Image]


class Rows(Protocol):
    """Where stored rows are looked up: the state database, a mapping's tests, or the live source."""

    def find(
        self, table: str, columns: tuple[str, ...], values: Collection[str]
    ) -> Mapping[str, Sequence[tuple[str, Image]]]:
        """Join value → [(row key, image)] for the rows of ``table`` whose ``columns`` have that join value.

        Where ``TablePlan.is_key(columns)``, or ``columns`` is empty, the values are row keys. (They differ where a
        key column is normalised: its rows keep their own keys, and join by another text.) Called once per node
        with all values of a batch; a value without rows may be missing from the answer; rows in any order.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Stands where a relative could not be decided; its document is parked with this reason."""

    error: BuildError


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """Related rows in their order, after `limit`; ``count`` is how many there were before it."""

    rows: list[Gathered]
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """One row and its relatives by relation name; "#column" leads to the row that holds the column's code words."""

    table: TablePlan = field(repr=False)
    key: str
    image: Image = field(repr=False)
    relatives: dict[str, Relative] = field(default_factory=dict, repr=False)
    problem: BuildError | None = None  # of a root: something in its tree could not be decided


Relative = Gathered | Many | Problem | None
_NONE = Many([], 0)


def assemble(plan: Plan, document: DocumentPlan, keys: Sequence[str], rows: Rows) -> dict[str, Gathered | None]:
    """The tree of each of these documents, by root key; None: there is no such row, or `where` rejects it.

    What cannot be decided for one document (several rows where one is meant, a condition on a column that is
    not captured yet) is that document's ``problem`` and no error of the batch.
    """
    root = document.root
    found = rows.find(root.table, root.of.key if root.of.is_key(root.of.key) else (), keys)
    result: dict[str, Gathered | None] = {}
    gathered: list[Gathered] = []
    problems = False
    for key in keys:
        result[key] = None
        for row_key, image in found.get(key, ()):
            problem: BuildError | None = None
            try:
                if root.accepts is not None and not root.accepts(image):
                    continue
            except BuildError as error:
                problem = error
            row = result[key] = Gathered(root.of, row_key, image, {}, problem)
            gathered.append(row)
    level: list[tuple[Node, list[Gathered]]] = [(root, gathered)]
    while level:
        following: list[tuple[Node, list[Gathered]]] = []
        for node, parents in level:
            for child in node.children:
                below, undecided = _relate(child, parents, rows)
                problems = problems or undecided
                if below and child.children:
                    following.append((child, below))
        level = following
    return {key: _judged(row) for key, row in result.items()} if problems else result


def _relate(node: Node, parents: list[Gathered], rows: Rows) -> tuple[list[Gathered], bool]:
    """Gives each parent its relatives at ``node``; answers the rows gathered here, and whether any is a Problem."""
    name, empty = node.name, _NONE if node.kind == "many" else None
    wanted: list[tuple[Gathered, str]] = []
    undecided = False
    assert node.parent is not None
    table, columns, applies = node.parent.of, node.parent_columns, node.applies
    for parent in parents:
        relatives = parent.relatives
        relatives[name] = empty
        if applies is not None:
            try:
                if not applies(parent.image):
                    continue
            except BuildError as error:
                relatives[name], undecided = Problem(error), True
                continue
        value = join_value(table, columns, parent.image)
        if value is not None:
            wanted.append((parent, value))
    if not wanted:
        return [], undecided
    found = rows.find(node.table, node.child_columns, {value for _, value in wanted})
    shared: dict[str, Gathered] = {}
    chosen: dict[str, Relative] = {}
    for parent, value in wanted:
        if value not in chosen:
            relative = chosen[value] = _choose(node, found.get(value, ()), shared)
            undecided = undecided or type(relative) is Problem
        parent.relatives[name] = chosen[value]
    return list(shared.values()), undecided


def _choose(node: Node, candidates: Sequence[Row], shared: dict[str, Gathered]) -> Relative:
    try:
        if node.accepts is not None:
            accepts = node.accepts
            candidates = [row for row in candidates if accepts(row[1])]
        if node.sort is not None and len(candidates) > 1:
            candidates = node.sort(list(candidates))
    except BuildError as error:
        return Problem(error)
    if node.kind == "many":
        kept = candidates if node.limit is None else candidates[: node.limit]
        return Many([_gather(node, row, shared) for row in kept], len(candidates))
    if not candidates:
        return None
    if len(candidates) > 1 and node.sort is None:
        return Problem(_several(node, len(candidates)))
    return _gather(node, candidates[0], shared)


def _gather(node: Node, row: Row, shared: dict[str, Gathered]) -> Gathered:
    key, image = row
    gathered = shared.get(key)
    if gathered is None:
        gathered = shared[key] = Gathered(node.of, key, image)
    return gathered


def _several(node: Node, count: int) -> BuildError:
    if node.kind == "codes":
        return BuildError(
            f'table "{node.table}" has {count} rows for one code of column "{node.name[1:]}"',
            advice="Narrow `values: {where: …}` until a code has one row.",
        )
    return BuildError(
        f'relation "{node.path}" means one row of "{node.table}" and finds {count}',
        advice="Give the relation an `order`, or join by the whole key.",
    )


def _judged(row: Gathered | None) -> Gathered | None:
    """The root with the first problem of its tree, where there is one."""
    if row is None or row.problem is not None:
        return row
    error = _first_problem(row)
    return row if error is None else Gathered(row.table, row.key, row.image, row.relatives, error)


def _first_problem(row: Gathered) -> BuildError | None:
    for relative in row.relatives.values():
        if isinstance(relative, Problem):
            return relative.error
        below = relative.rows if isinstance(relative, Many) else [relative] if relative is not None else []
        for part in below:
            error = _first_problem(part)
            if error is not None:
                return error
    return None


class MemoryRows:
    """Rows in memory, by table: for a mapping's own tests and for ours. Rows without a key are refused."""

    def __init__(self, plan: Plan, images: Mapping[str, Sequence[Image]]) -> None:
        self._plan = plan
        self._rows: dict[str, dict[str, Image]] = {}
        for name, given in images.items():
            table = plan.tables[name]
            stored = self._rows.setdefault(name, {})
            for image in given:
                key = key_of(table, image)
                if key is None:
                    raise BuildError(f'a row of table "{name}" lacks its key ({", ".join(table.key)})')
                stored[key] = image
        self._indexes: dict[tuple[str, tuple[str, ...]], dict[str, list[Row]]] = {}

    def keys(self, table: str) -> list[str]:
        return list(self._rows.get(table, {}))

    def find(self, table: str, columns: tuple[str, ...], values: Collection[str]) -> Mapping[str, Sequence[Row]]:
        of = self._plan.tables[table]
        if not columns or of.is_key(columns):
            stored = self._rows.get(table, {})
            return {value: [(value, stored[value])] for value in values if value in stored}
        index = self._indexes.get((table, columns))
        if index is None:
            index = self._indexes[table, columns] = {}
            for key, image in self._rows.get(table, {}).items():
                value = join_value(of, columns, image)
                if value is not None:
                    index.setdefault(value, []).append((key, image))
        return {value: index[value] for value in values if value in index}
