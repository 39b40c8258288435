"""Beside the plan: the mapping's documents as trees of tables, each relation with the columns that pair."""

from __future__ import annotations

from dataclasses import dataclass

from sync.errors import MappingError
from sync.mapping.conditions import missing_column, predicate, sorter
from sync.mapping.filters import properties
from sync.mapping.model import CodeTable, DocumentType, Mapping, Relation
from sync.mapping.plan import DocumentPlan, Node, NodeKind, TablePlan, pascal, unknown

Pairs = tuple[tuple[str, ...], tuple[str, ...]]


def document_plans(mapping: Mapping, tables: dict[str, TablePlan]) -> dict[str, DocumentPlan]:
    """Every document by name. Raises MappingError."""
    return {name: _Tree(mapping, tables, name).document(model) for name, model in mapping.documents.items()}


@dataclass(frozen=True)
class _Tree:
    """Builds one document's tree."""

    mapping: Mapping
    tables: dict[str, TablePlan]
    name: str

    def document(self, model: DocumentType) -> DocumentPlan:
        table = self._table(model.root, f'document "{self.name}"')
        root = Node(
            name=self.name, path="", table=table.name, kind="root", parent=None, parent_columns=(), child_columns=(),
            order=(), limit=None, where=model.where, when={}, of=table, accepts=predicate(table, model.where),
        )  # fmt: skip
        self._children(root, model.with_)
        collection = model.collection or pascal(self.name)
        return DocumentPlan(
            name=self.name,
            collection=collection,
            root=root,
            model=model,
            properties=properties(root, model.filters, self.name),
        )

    def _table(self, name: str, where: str) -> TablePlan:
        if name not in self.tables:
            raise unknown("table", name, self.tables, where)
        return self.tables[name]

    def _children(self, parent: Node, relations: dict[str, Relation]) -> None:
        children = [self._relation(parent, name, relation) for name, relation in relations.items()]
        for column in parent.of.columns.values():
            if isinstance(column.column.values, CodeTable) and column.treatment is None:
                children.append(self._codes(parent, column.name, column.column.values))
        object.__setattr__(parent, "children", tuple(children))

    def _relation(self, parent: Node, name: str, relation: Relation) -> Node:
        where = f'document "{self.name}", relation "{name}"'
        if (relation.one is None) == (relation.many is None):
            raise MappingError(f"{where}: say either `one:` or `many:`")
        kind: NodeKind = "one" if relation.one is not None else "many"
        table = self._table(relation.one or relation.many or "", where)
        mine, theirs = _pairs(parent.of, table, relation, where)
        order = tuple(relation.order)
        node = Node(
            name=name, path=_below(parent, name), table=table.name, kind=kind, parent=parent, parent_columns=mine,
            child_columns=theirs, order=order, limit=relation.limit, where=relation.where, when=relation.when,
            of=table, accepts=predicate(table, relation.where), applies=predicate(parent.of, relation.when),
            sort=sorter(table, order) if order or kind == "many" else None,
        )  # fmt: skip
        self._children(node, relation.with_)
        return node

    def _codes(self, parent: Node, column: str, codes: CodeTable) -> Node:
        where = f'table "{parent.table}", column "{column}"'
        table = self._table(codes.table, where)
        for name in (codes.code, codes.words):
            if name not in table.columns:
                raise missing_column(table, name)
        name = f"#{column}"
        return Node(
            name=name, path=_below(parent, name), table=table.name, kind="codes", parent=parent,
            parent_columns=(column,), child_columns=(codes.code,), order=(), limit=None, where=codes.where, when={},
            of=table, accepts=predicate(table, codes.where),
        )  # fmt: skip


def _below(parent: Node, name: str) -> str:
    return f"{parent.path}.{name}" if parent.path else name


def _pairs(parent: TablePlan, child: TablePlan, relation: Relation, where: str) -> Pairs:
    """Columns here and columns there, in the order of the other table's key where they are that key."""
    if isinstance(relation.by, dict):
        mine, theirs = tuple(relation.by), tuple(relation.by.values())
    else:
        by = (relation.by,) if isinstance(relation.by, str) else tuple(relation.by)
        mine, theirs = (by, child.key) if relation.one is not None else (parent.key, by)
    if len(mine) != len(theirs) or not mine:
        keyed = child if relation.one is not None else parent
        raise MappingError(
            f"{where}: `by` names {len(mine if relation.one is not None else theirs)} columns, but the key of "
            f'"{keyed.name}" has {len(keyed.key)} ({", ".join(keyed.key)}); '
            "write `by: {column here: column there}` where it is not the key"
        )
    for table, columns in ((parent, mine), (child, theirs)):
        for column in columns:
            if column not in table.columns:
                raise unknown("column", column, table.columns, f'{where}, table "{table.name}"')
            if table.columns[column].treatment == "drop":
                raise MappingError(f'{where}: column "{column}" of "{table.name}" is dropped, nothing can join by it')
    if set(theirs) == set(child.key):
        there = dict(zip(theirs, mine, strict=True))
        return tuple(there[column] for column in child.key), child.key
    return mine, theirs
