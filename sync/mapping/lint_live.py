"""Lint against the live database: what has drifted from the lock, and joins that the database compares differently.

Replication itself (slots, rights, wal_level) is preflight's, in connectors/.
"""

from __future__ import annotations

from collections.abc import Iterator

from sync.mapping.findings import Finding, nearest, shown
from sync.mapping.kinds import bare, kind_of_type
from sync.mapping.lint_subject import ColumnView, RowView, Subject, TableView
from sync.mapping.load import Positions
from sync.mapping.lock import Lock, LockTable
from sync.mapping.model import Mapping, Relation
from sync.mapping.yaml_tree import Path, Tree

_PADDED = {"char", "character", "bpchar", "nchar"}


def drift(
    lock: Lock | None, live_lock: Lock, mapping: Mapping, positions: Positions | None = None
) -> list[Finding]:
    """What the live catalogue says otherwise than the lock, and than the mapping (M2xx).

    ``positions`` are those of the loaded mapping; without them findings name its name, at 0:0.
    """
    where = positions or Positions(Tree(mapping.name, None, [], ""), {})
    live = Subject(mapping, live_lock, where)
    locked = Subject(mapping, lock, where)
    for table in live.tables.values():
        if table.source not in live_lock.sources or not (table.is_listed or table.database_name):
            continue
        before = locked.tables[table.name].locked if table.name in locked.tables else None
        if table.locked is None:
            known = live_lock.sources[table.source].tables
            message = f"table {shown(str(table.database_name))} is not in the database"
            live.error(table.path, "M201", message + nearest(str(table.database_name), known), key=True)
        else:
            _check_table(live, table, before, table.locked, lock is not None)
    _check_joins(live)
    return sorted(set(live.findings))


def _check_table(
    live: Subject, table: TableView, before: LockTable | None, now: LockTable, has_lock: bool
) -> None:
    name = shown(table.name)
    for column in table.columns.values():
        if column.database_name not in now.columns and table.is_listed:
            path = (*column.path, "column") if column.model.column else column.path
            message = f"{name} has no column {shown(column.database_name)} in the database"
            cure = nearest(column.database_name, now.columns)
            live.error(path, "M202", message + cure, key=column.model.column is None)
    if before is None:
        if has_lock:
            live.warning(table.path, "M208", f"the lock does not know {name} yet; it is written anew", key=True)
        return
    if set(before.key) != set(now.key):
        message = f"the primary key of {name} is ({', '.join(now.key)}), the lock says ({', '.join(before.key)}): its"
        live.error(table.path, "M203", f"{message} documents get other ids; build them anew", key=True)
    for column in table.columns.values():
        _check_column(live, table, column, before, now)
    listed = {column.database_name for column in table.columns.values()}
    new = [column for column in now.columns if column not in before.columns and column not in listed]
    if new and table.is_listed:
        names = ", ".join(map(shown, new[:8]))
        live.warning(table.path, "M209", f"{name} has new columns that are not captured: {names}", key=True)
    if {_foreign(key) for key in before.foreign_keys} != {_foreign(key) for key in now.foreign_keys}:
        live.warning(table.path, "M206", f"the foreign keys of {name} are not those of the lock", key=True)


def _foreign(key: object) -> tuple[object, ...]:
    return (getattr(key, "columns", ()), getattr(key, "table", ""), getattr(key, "references", ()))


def _check_column(live: Subject, table: TableView, column: ColumnView, before: LockTable, now: LockTable) -> None:
    was, there = before.columns.get(column.database_name), now.columns.get(column.database_name)
    if was is None or there is None:
        if there is not None and table.is_listed:
            message = f"the lock does not know {shown(column.name)} of {shown(table.name)} yet; it is written anew"
            live.warning(column.path, "M208", message, key=True)
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
            yield here, there, pairs_of(here, there, relation), (*path, name, "by")
        yield from _joins(live, there, relation.with_, (*path, name, "with"))


def pairs_of(here: TableView, there: TableView, relation: Relation) -> list[tuple[str, str]]:
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
