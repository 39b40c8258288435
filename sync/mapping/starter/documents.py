"""Which documents `headrace init` proposes: a root, its parents as `one`, its details as `many`, and a first text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sync.mapping.lint.filters import refusal
from sync.mapping.plan import pascal
from sync.mapping.starter.catalogue import Catalogue, FoundColumn, FoundTable, Link, reserved
from sync.mapping.starter.guesses import TREATMENTS, ascii_name, looks_coded, naming_rank, singular, words

_LIMIT = 50
_ENDS = re.compile(r"(?<=.)_?(id|cd|code|no|nr|key|fk|ref|uuid)$", re.IGNORECASE)
_MOST_FILTERS = 6
_MOST_CHILDREN = 6


@dataclass
class Proposed:
    """A relation, or the root itself (``link`` None)."""

    name: str
    table: FoundTable
    link: Link | None = None
    is_many: bool = False
    relations: list[Proposed] = field(default_factory=list)

    def tables(self) -> Iterator[FoundTable]:
        yield self.table
        for relation in self.relations:
            yield from relation.tables()


@dataclass
class ProposedDocument:
    name: str
    root: Proposed
    title: str
    text: list[str]
    filters: list[str]


def propose(catalogue: Catalogue, mapping_name: str) -> list[ProposedDocument]:
    """A document per table that stands for itself, the richest first."""
    tables = catalogue.tables.values()
    roots = [t for t in tables if (t.children or not t.is_detail) and not t.is_lookup] or list(tables)
    roots.sort(key=lambda table: (-len(table.children) - len(table.parents), table.name))
    taken = {pascal(mapping_name).casefold() + "terms"}
    found: list[ProposedDocument] = []
    for table in roots:
        name = ascii_name(singular(table.name))
        while pascal(name).casefold() in taken or re.search(r"_g[0-9]+$", name):
            name += "_row"
        taken.add(pascal(name).casefold())
        root = Proposed(name, table)
        _relate(root)
        found.append(ProposedDocument(name, root, _title(root), list(_text(root)), list(_filters(root))))
    return found


def _relate(root: Proposed) -> None:
    table = root.table
    names = set(table.columns) | set(reserved())
    for link in table.parents:
        root.relations.append(Proposed(_parent_name(link, names), link.parent, link))
    for link in table.children[:_MOST_CHILDREN]:
        if link.child is table:
            continue
        wanted = link.child.name
        if link.is_single:
            wanted = singular(wanted)
        if wanted in names:
            wanted = f"{link.child.name}_by_{_stem(link)}"
        child = Proposed(_unused(wanted, names), link.child, link, is_many=not link.is_single)
        below = set(link.child.columns) | set(reserved())
        for other in link.child.parents:
            if other.parent is not table or other.columns != link.columns:
                child.relations.append(Proposed(_parent_name(other, below), other.parent, other))
        root.relations.append(child)


def _parent_name(link: Link, names: set[str]) -> str:
    stem = _stem(link)
    if stem not in names:
        return _unused(stem, names)
    own = link.parent is link.child
    return _unused(f"{stem}_{singular(link.parent.name)}" if own else singular(link.parent.name), names)


def _stem(link: Link) -> str:
    """``customer_id`` names the customer."""
    return (
        ascii_name(_ENDS.sub("", link.columns[0])) if len(link.columns) == 1 else ascii_name(singular(link.parent.name))
    )


def _unused(wanted: str, names: set[str]) -> str:
    name, number = wanted, 2
    while name in names:
        name, number = f"{wanted}_{number}", number + 1
    names.add(name)
    return name


def by(relation: Proposed) -> list[str] | dict[str, str]:
    """What `by:` says: columns that pair with a key in its order, or {column here: column there}."""
    link = relation.link
    assert link is not None
    here_is_child = relation.table is link.parent and not relation.is_many and relation.table is not link.child
    if here_is_child or link.parent is link.child:
        mine, theirs, key = link.columns, link.references, link.parent.key
        if set(theirs) == set(key):
            pairs = dict(zip(theirs, mine, strict=True))
            return [pairs[column] for column in key]
        return dict(zip(mine, theirs, strict=True))
    if relation.is_many and set(link.references) == set(link.parent.key):
        pairs = dict(zip(link.references, link.columns, strict=True))
        return [pairs[column] for column in link.parent.key]
    return dict(zip(link.references, link.columns, strict=True))


def order(relation: Proposed) -> list[str]:
    """The children's own key within their parent."""
    link = relation.link
    own = [column for column in relation.table.key if link is None or column not in link.columns]
    return own or list(relation.table.key)


def limit(relation: Proposed) -> int | None:
    return _LIMIT if relation.is_many else None


# --- words


def _shown(column: FoundColumn) -> bool:
    return column.pii is None or TREATMENTS[column.pii] == "mask"


def _sayable(table: FoundTable) -> list[FoundColumn]:
    linked = {column for link in table.parents for column in link.columns}
    return [c for c in table.columns.values() if _shown(c) and c.name not in linked and c.name not in table.key]


def _names_row(table: FoundTable, relation: Proposed | None = None) -> list[str]:
    """The column that names a row to a reader, else its key; of a child, what tells it from its siblings."""
    candidates = [c for c in _sayable(table) if c.kind == "text" and not c.codes and c.pii is None]
    best = min(candidates, key=lambda c: naming_rank(c.database_name), default=None)
    if best is not None and naming_rank(best.database_name) < naming_rank("nothing of the kind"):
        return [best.name]
    return order(relation) if relation is not None and relation.is_many else list(table.key)


def _title(root: Proposed) -> str:
    return f"{_capital(words(root.name))} " + " ".join(f"{{{{ {name} }}}}" for name in _names_row(root.table))


def _text(root: Proposed) -> Iterator[str]:
    said = _clauses(root.table, "", 20, _names_row(root.table))
    yield f"{_title(root)}{': ' if said else '.'}{said}"
    for relation in root.relations:
        if relation.is_many:
            yield from _loop(relation)
        else:
            yield from _parent(relation, "")


def _parent(relation: Proposed, within: str) -> Iterator[str]:
    path = f"{within}{relation.name}"
    line = f"{_capital(words(relation.name))} {_reading(relation, path)}"
    optional = relation.link is None or relation.link.is_optional or relation.table is relation.link.child
    # `endif` stands alone: a template's line break goes with the tag that ends the line
    yield from (f"{{% if {path} %}}", line, "{% endif %}") if optional else (line,)


def _reading(relation: Proposed, path: str) -> str:
    naming = _names_row(relation.table, relation)
    names = " ".join(f"{{{{ {path}.{name} }}}}" for name in naming)
    said = _clauses(relation.table, f"{path}.", 4, naming)
    return f"{names}: {said}" if said else f"{names}."


def _loop(relation: Proposed) -> Iterator[str]:
    variable = ascii_name(singular(relation.name))
    variable = "row" if variable in reserved() or variable == relation.name else variable
    yield f"{{% for {variable} in {relation.name} %}}"
    yield f"{_capital(words(singular(relation.name)))} {_reading(relation, variable)}"
    for parent in relation.relations:
        yield from _parent(parent, f"{variable}.")
    yield "{% endfor %}"


def _clauses(table: FoundTable, prefix: str, most: int, without: list[str]) -> str:
    columns = [column for column in _sayable(table) if column.name not in without][:most]
    said = [f"{_plain(column.label)} {{{{ {prefix}{column.name} }}}}" for column in columns]
    return ", ".join(said) + "." if said else ""


def _plain(label: str) -> str:
    return re.sub(r"[{}%#]", "", label)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _filters(root: Proposed) -> Iterator[str]:
    """Columns worth filtering by: what names the row, codes, truth values and dates; never personal data."""
    table = root.table
    named = _names_row(table)
    chosen = [c for c in table.columns.values() if c.name in named]
    unique = {columns[0] for columns in table.locked.unique if len(columns) == 1}
    chosen += [
        c
        for c in _sayable(table)
        if c.codes
        or c.kind in ("boolean", "date", "timestamp")
        or c.database_name in unique
        or looks_coded(c.database_name, c.locked)
    ]
    offered: dict[str, None] = dict.fromkeys(c.name for c in chosen if c.pii is None and c.kind != "json")
    yield from [name for name in offered if refusal(name) is None][:_MOST_FILTERS]
