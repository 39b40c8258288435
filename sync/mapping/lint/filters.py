"""Lint of `filters:`: paths that end at a column, nothing private, and names that Weaviate takes."""

from __future__ import annotations

import re

from sync.mapping.findings import nearest, shown
from sync.mapping.lint.subject import ColumnView, RowView, Subject
from sync.mapping.model import DocumentType
from sync.mapping.yaml_tree import Entries, Path

# What every object has anyway: the schema that a RAG app finds
OWN_PROPERTIES = (
    "content", "document_key", "chunk", "chunks", "level", "content_hash", "source_position", "source_committed_at",
    "written_at", "mapping_version",
)  # fmt: skip
# Weaviate's rules: entities/schema/validation.go of 1.39; `vector` is refused by its Python client
_PROPERTY = re.compile(r"[a-z_][_0-9A-Za-z]{0,230}")
_RESERVED = {"id", "_id", "_additional", "vector"}
_RESERVED_ENDS = ("_searchable", "_rangeable", "_temp", "__meta_count", "_propertyLength", "_nullState")


def check_filters(subject: Subject, row: RowView, document: DocumentType, path: Path) -> None:
    place = (*path, "filters")
    # `filters: {name: path}` and `filters: [{name: path}]` are the same to the model, not to the file
    as_mapping = isinstance(subject.positions.tree.find(place), Entries)
    taken: dict[str, str] = {name.casefold(): "Headrace's own" for name in OWN_PROPERTIES}
    for index, entry in enumerate(document.filters):
        spot = place if as_mapping else (*place, index)
        if isinstance(entry, dict):
            for name, dotted_path in entry.items():
                _check_path(subject, row, dotted_path, (*spot, name))
                _check_name(subject, name, dotted_path, (*spot, name), taken, renamed=True)
        else:
            _check_path(subject, row, entry, spot)
            _check_name(subject, entry.replace(".", "_"), entry, spot, taken, renamed=False)


def _check_path(subject: Subject, row: RowView, dotted_path: str, where: Path) -> None:
    steps = dotted_path.split(".")
    for index, step in enumerate(steps):
        table = row.table
        if table is None:
            return
        if step in row.relations:
            if index == len(steps) - 1:
                below = row.relations[step][1]
                columns = nearest("", below.table.columns) if below.table is not None else ""
                message = f"filter {shown(dotted_path)} names a relation; name one of its columns{columns}"
                subject.error(where, "M142", message)
            row = row.relations[step][1]
            continue
        column = table.columns.get(step)
        if column is None:
            cure = nearest(step, [*table.columns, *row.relations])
            message = f"filter {shown(dotted_path)}: {shown(table.name)} has no column {shown(step)}{cure}"
            subject.error(where, "M142", message)
        else:
            _check_column(subject, column, steps[index + 1 :], dotted_path, where)
        return


def _check_column(subject: Subject, column: ColumnView, rest: list[str], dotted_path: str, where: Path) -> None:
    if column.model.pii is not None:
        message = (
            f"filter {shown(dotted_path)} is personal data (pii: {shown(column.model.pii)}): a filter would show it to"
            " everybody who may search; leave it out"
        )
        subject.error(where, "M122", message)
    elif rest and column.kind != "json":
        message = f"filter {shown(dotted_path)}: {shown(column.name)} is {column.kind}, it has no parts"
        subject.error(where, "M142", message)
    elif rest and column.model.fields and ".".join(rest) not in column.model.fields:
        part = ".".join(rest)
        message = f"filter {shown(dotted_path)}: {shown(column.name)} stores no field {shown(part)}"
        subject.error(where, "M142", message + nearest(part, column.model.fields))
    elif not rest and column.kind == "json":
        message = f"filter {shown(dotted_path)} is a whole json value; name a field of it, {shown(column.name)}.<field>"
        subject.error(where, "M142", message)


def _check_name(
    subject: Subject, name: str, dotted_path: str, where: Path, taken: dict[str, str], *, renamed: bool
) -> None:
    cure = "choose another name" if renamed else f"give it a name: `{{{_proposed(name)}: {shown(dotted_path)}}}`"
    why = refusal(name)
    if why is not None and name.casefold() not in OWN_PROPERTIES:
        subject.error(where, "M140", f"{why}; {cure}", key=renamed)
    # Weaviate compares names without regard to case
    other = taken.get(name.casefold())
    taken.setdefault(name.casefold(), dotted_path)
    if other is not None:
        message = f"two properties are called {shown(name)}, the other is {shown(other)}; {cure}"
        subject.error(where, "M141", message, key=renamed)


def refusal(name: str) -> str | None:
    """Why a property cannot have this name, or None: it can."""
    if name.casefold() in OWN_PROPERTIES:
        return f"{shown(name)} is a property of Headrace's own"
    if name in _RESERVED or name.endswith(_RESERVED_ENDS):
        return f"Weaviate refuses the property {shown(name)}"
    if not _PROPERTY.fullmatch(name):
        rule = "a small letter first, then letters without accents, digits and _"
        return f"Weaviate refuses the property {shown(name)} ({rule})"
    return None


def _proposed(name: str) -> str:
    words = re.sub(r"[^0-9A-Za-z_]+", "_", name).strip("_").lower()
    for end in _RESERVED_ENDS:
        words = words.removesuffix(end.lower())
    return f"{words or 'row'}_value"
