"""Lint against the live database: what has drifted from the lock, and joins that the database compares differently.

Replication itself (slots, rights, wal_level) is preflight's, in connectors/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sync.mapping.findings import Finding, nearest, shown
from sync.mapping.kinds import bare, kind_of_type
from sync.mapping.lint.subject import ColumnView, Subject, TableView
from sync.mapping.load import Loaded
from sync.mapping.lock import ForeignKey, Lock, LockTable
from sync.mapping.model import Relation
from sync.mapping.yaml_tree import Path

_PADDED = {"char", "character", "bpchar", "nchar"}


def drift(loaded: Loaded, live: Lock, others: Mapping[str, Iterable[str]] | None = None) -> list[Finding]:
    """What the live catalogue says otherwise than the mapping's lock, and joins that it compares differently (M2xx).

    ``others``, by source: all tables that are there, for ``live`` holds the mapped ones alone: one that was renamed
    is among the others. A mapped table or column that never was in the lock is no drift: offline lint and preflight
    name it.
    """
    mapping = loaded.mapping or loaded.draft
    if mapping is None:
        return []
    now = Subject(mapping, live, loaded.positions)
    before = Subject(mapping, loaded.lock, loaded.positions)
    for name, table in now.tables.items():
        if table.source not in live.sources:
            continue
        was = before.tables[name].locked
        if was is not None and table.locked is None:
            known = {*live.sources[table.source].tables, *(others or {}).get(table.source, ())}
            message = f"table {shown(str(table.database_name))} is gone from the database"
            now.error(table.path, "M201", message + nearest(str(table.database_name), known), key=True)
        elif table.locked is not None and was is not None:
            _check_table(now, table, was, table.locked)
        elif table.locked is not None and loaded.lock is not None:
            message = f"the lock does not know {shown(name)} yet: it must be written anew"
            now.warning(table.path, "M208", message, key=True)
    _check_joins(now)
    return sorted(set(now.findings))


def _check_table(live: Subject, table: TableView, before: LockTable, now: LockTable) -> None:
    name = shown(table.name)
    if set(before.key) != set(now.key):
        message = f"the primary key of {name} is ({', '.join(now.key)}), the lock says ({', '.join(before.key)})"
        cure = "its documents would get other ids: build them anew"
        live.error(table.path, "M203", f"{message}: {cure}", key=True)
    for column in table.columns.values():
        _check_column(live, table, column, before, now)
    listed = {column.database_name for column in table.columns.values()}
    new = [column for column in now.columns if column not in before.columns and column not in listed]
    if new and table.is_listed:
        names = ", ".join(map(shown, new[:8]))
        live.warning(table.path, "M209", f"{name} has new columns that are not captured: {names}", key=True)
    if {_foreign(key) for key in before.foreign_keys} != {_foreign(key) for key in now.foreign_keys}:
        live.warning(table.path, "M206", f"the foreign keys of {name} are not those of the lock", key=True)


def _foreign(key: ForeignKey) -> tuple[object, ...]:
    rules = [rule if rule.startswith(("cascade", "set ")) else "" for rule in (key.on_delete, key.on_update)]
    return key.columns, key.table, key.references, *rules


def _check_column(live: Subject, table: TableView, column: ColumnView, before: LockTable, now: LockTable) -> None:
    was, there = before.columns.get(column.database_name), now.columns.get(column.database_name)
    if was is not None and there is None:
        path = (*column.path, "column") if column.model.column else column.path
        message = f"{shown(table.name)} has lost its column {shown(column.database_name)}"
        cure = nearest(column.database_name, now.columns)
        live.error(path, "M202", message + cure, key=column.model.column is None)
    if was is None and there is not None and table.is_listed:
        message = f"the lock does not know {shown(column.name)} of {shown(table.name)} yet: it must be written anew"
        live.warning(column.path, "M208", message, key=True)
    if was is None or there is None:
        return
    name = f"{shown(column.name)} of {shown(table.name)}"
    if was.type != there.type:
        message = f"{name} is {shown(there.type)}, the lock says {shown(was.type)}"
        # another kind reads differently and joins differently; another length does not
        report = live.error if kind_of_type(was.type) != kind_of_type(there.type) else live.warning
        report(column.path, "M204", message, key=True)
    if was.values != there.values:
        gone = [value for value in was.values if value not in there.values]
        come = [value for value in there.values if value not in was.values]
        parts = [f"new: {', '.join(map(shown, come))}"] if come else []
        parts += [f"gone: {', '.join(map(shown, gone))}"] if gone else []
        message = f"the codes of {name} are not those of the lock ({'; '.join(parts) or 'another order'})"
        live.warning(column.path, "M205", message, key=True)


def _check_joins(live: Subject) -> None:
    for name, document in live.mapping.documents.items():
        root = live.tables.get(document.root)
        for here, there, pairs, path in _joins(live, root, document.with_, ("documents", name, "with")):
            for mine, theirs in pairs:
                one, other = here.columns.get(mine), there.columns.get(theirs)
                difference = _difference(here, there, one, other) if one is not None and other is not None else None
                if difference is not None:
                    message = f"{shown(here.name)}.{shown(mine)} = {shown(there.name)}.{shown(theirs)}: {difference}"
                    live.warning(path, "M207", message, key=True)


def _joins(
    live: Subject, here: TableView | None, relations: dict[str, Relation], path: Path
) -> Iterator[tuple[TableView, TableView, list[tuple[str, str]], Path]]:
    for name, relation in relations.items():
        there = live.tables.get(relation.one or relation.many or "")
        if here is not None and there is not None:
            yield here, there, _pairs(here, there, relation), (*path, name, "by")
        yield from _joins(live, there, relation.with_, (*path, name, "with"))


def _pairs(here: TableView, there: TableView, relation: Relation) -> list[tuple[str, str]]:
    """(column here, column there); empty where they do not pair, which is a finding elsewhere."""
    if isinstance(relation.by, dict):
        return list(relation.by.items())
    by = (relation.by,) if isinstance(relation.by, str) else tuple(relation.by)
    mine, theirs = (by, there.key or ()) if relation.one is not None else (here.key or (), by)
    return list(zip(mine, theirs, strict=True)) if len(mine) == len(theirs) else []


def _difference(here: TableView, there: TableView, one: ColumnView, other: ColumnView) -> str | None:
    """Why Headrace's comparison of the two is not the database's; None: it is."""
    if one.database_type is None or other.database_type is None or here.locked is None or there.locked is None:
        return None
    if one.model.normalise or other.model.normalise:
        return None  # the mapping says how they compare
    kinds = {one.kind, other.kind}
    if len(kinds) > 1 and kinds != {"integer", "decimal"}:
        return f"{shown(one.database_type)} and {shown(other.database_type)} are not the same kind of value"
    if (bare(one.database_type) in _PADDED) != (bare(other.database_type) in _PADDED):
        return f"{shown(one.database_type)} is padded with blanks and {shown(other.database_type)} is not"
    mine = here.locked.columns[one.database_name].collation
    theirs = there.locked.columns[other.database_name].collation
    if mine != theirs:
        return f"their collations differ ({shown(str(mine))}, {shown(str(theirs))}); Headrace compares exactly"
    return None
