"""Lint of what becomes searchable: roots and relations, limits, freshness, chunks and collections (M1xx)."""

from __future__ import annotations

import re

from sync.mapping.duration import seconds
from sync.mapping.findings import shown
from sync.mapping.lint.conditions import check_conditions, check_order
from sync.mapping.lint.filters import check_filters
from sync.mapping.lint.subject import RowView, Subject, TableView
from sync.mapping.lint.template import check_templates
from sync.mapping.model import DocumentType, Relation
from sync.mapping.plan import pascal
from sync.mapping.yaml_tree import Path

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COLLECTION = re.compile(r"[A-Z][_0-9A-Za-z]{0,229}")  # Weaviate's own rule, less room for a generation's number
_GENERATION = re.compile(r"(?P<alias>.+)_g[0-9]+")
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


def check_documents(subject: Subject) -> None:
    for name, document in subject.mapping.documents.items():
        path: Path = ("documents", name)
        what = f"document {shown(name)}"
        if not _NAME.fullmatch(name):
            message = f"{what}: its name becomes a collection's: letters, digits and _, a letter first"
            subject.error(path, "M140", message, key=True)
        root = subject.table(document.root, (*path, "root"), what)
        check_conditions(subject, root, document.where, (*path, "where"), what)
        row = RowView(root)
        _check_relations(subject, row, document.with_, (*path, "with"))
        subject.roots[name] = row
        check_filters(subject, row, document, path)
        check_templates(subject, row, document, path)
        _check_freshness(subject, document, (*path, "freshness"))
        _check_chunk(subject, document, (*path, "chunk"))
    _check_collections(subject)


def _check_relations(subject: Subject, row: RowView, relations: dict[str, Relation], path: Path) -> None:
    for name, relation in relations.items():
        place = (*path, name)
        what = f"relation {shown(name)}"
        if not _NAME.fullmatch(name):
            message = f"{what}: templates and filters name it: letters, digits and _, a letter first"
            subject.error(place, "M014", message, key=True)
        if row.table is not None and name in row.table.columns and row.table.is_listed:
            message = f"{what} hides the column {shown(name)} of {shown(row.table.name)}; give it another name"
            subject.warning(place, "M141", message, key=True)
        if (relation.one is None) == (relation.many is None):
            said = "both `one` and `many`" if relation.one is not None else "neither `one` nor `many`"
            subject.error(place, "M015", f"{what} says {said}: say one of them", key=True)
            continue
        kind = "one" if relation.one is not None else "many"
        table = subject.table(relation.one or relation.many or "", (*place, kind), what)
        below = RowView(table)
        row.relations[name] = (kind, below)
        _check_by(subject, row.table, table, relation, place, what)
        check_conditions(subject, table, relation.where, (*place, "where"), what)
        check_conditions(subject, row.table, relation.when, (*place, "when"), what)
        check_order(subject, table, relation.order, (*place, "order"), what)
        if relation.limit is not None and kind == "one":
            subject.warning((*place, "limit"), "M111", f"{what}: limit: has no effect on `one`", key=True)
        elif relation.limit is not None and not relation.order:
            message = f"{what}: limit: without order: leaves open which rows are meant; add `order: …`"
            subject.error((*place, "limit"), "M150", message, key=True)
        _check_relations(subject, below, relation.with_, (*place, "with"))


def _check_by(
    subject: Subject, here: TableView | None, there: TableView | None, relation: Relation, path: Path, what: str
) -> None:
    place = (*path, "by")
    if isinstance(relation.by, dict):
        mine: tuple[str, ...] | None = tuple(relation.by)
        theirs: tuple[str, ...] | None = tuple(relation.by.values())
        my_paths = [(*place, name) for name in relation.by]
        their_paths = my_paths
    else:
        by = (relation.by,) if isinstance(relation.by, str) else tuple(relation.by)
        paths: list[Path] = [place] if isinstance(relation.by, str) else [(*place, i) for i in range(len(by))]
        key = there if relation.one is not None else here
        keyed = key.key if key is not None else None
        mine, theirs = (by, keyed) if relation.one is not None else (keyed, by)
        my_paths, their_paths = (paths, []) if relation.one is not None else ([], paths)
        if keyed is not None and key is not None and (len(by) != len(keyed) or not by):
            message = (
                f"{what}: by: names {len(by)} column(s), but the key of {shown(key.name)} has {len(keyed)}"
                f" ({', '.join(map(shown, keyed))}); where it is not the key, write `by: {{column here: column there}}`"
            )
            subject.error(place, "M103", message, key=True)
            mine = theirs = None
        elif keyed is None and relation.many is not None and here is not None and here.is_listed:
            mine = None
    if isinstance(relation.by, dict) and not relation.by:
        subject.error(place, "M103", f"{what}: by: is empty", key=True)
    as_pairs = isinstance(relation.by, dict)
    known_mine = _known(subject, here, _by_names(relation, mine, "one"), my_paths, what, key=as_pairs)
    known_theirs = _known(subject, there, _by_names(relation, theirs, "many"), their_paths, what)
    if mine is None or theirs is None or not (known_mine and known_theirs):
        return
    if here is not None and there is not None and len(mine) == len(theirs):
        _check_private(subject, here, there, list(zip(mine, theirs, strict=True)), place, what)
        _check_single(subject, there, relation, theirs, place, what)


def _by_names(relation: Relation, names: tuple[str, ...] | None, side: str) -> tuple[str, ...]:
    """The columns that `by` itself names on one side: a key that it pairs with is checked where the key is."""
    if isinstance(relation.by, dict):
        return names or ()
    written = (relation.by,) if isinstance(relation.by, str) else tuple(relation.by)
    return written if (relation.one is not None) == (side == "one") else ()


def _known(
    subject: Subject,
    table: TableView | None,
    names: tuple[str, ...],
    paths: list[Path],
    what: str,
    *,
    key: bool = False,
) -> bool:
    found = [subject.column(table, name, path, what, key=key) for name, path in zip(names, paths, strict=False)]
    return all(column is not None for column in found)


def _check_private(
    subject: Subject, here: TableView, there: TableView, pairs: list[tuple[str, str]], path: Path, what: str
) -> None:
    for mine, theirs in pairs:
        one, other = here.columns.get(mine), there.columns.get(theirs)
        if one is None or other is None:
            continue
        treated = [(column, table) for column, table in ((one, here), (other, there)) if column.treatment]
        for column, table in treated:
            if column.treatment in ("drop", "mask"):
                why = "is dropped" if column.treatment == "drop" else "keeps its first character alone"
                message = f"{what}: {shown(column.name)} of {shown(table.name)} {why}, nothing can join by it; use hash"
                subject.error(path, "M121", message, key=True)
        hashed = [column for column, _ in treated if column.treatment == "hash"]
        if len(hashed) == 1 and len(treated) == 1:
            message = f"{what}: {shown(mine)} = {shown(theirs)}: one side alone is hashed, so they never join"
            subject.error(path, "M121", message, key=True)


def _check_single(
    subject: Subject, there: TableView, relation: Relation, theirs: tuple[str, ...], path: Path, what: str
) -> None:
    """Whether `one` may find several rows: known only where the lock knows what is unique."""
    if relation.one is None or relation.order or there.locked is None or there.key is None:
        return
    named = {there.columns[name].database_name for name in theirs if name in there.columns}
    unique = [set(columns) for columns in (there.locked.key, *there.locked.unique) if columns]
    unique.append({there.columns[name].database_name for name in there.key if name in there.columns})
    # a condition that says `column: value` may be what makes it unique, so its columns count
    named |= {there.columns[name].database_name for name in relation.where if name in there.columns}
    if not any(columns and columns <= named for columns in unique):
        message = (
            f"{what}: several rows of {shown(there.name)} may have the same {', '.join(map(shown, theirs))}, and then"
            " the document is parked: add `order: …` (the first is taken), or say `many`"
        )
        subject.warning(path, "M107", message, key=True)


def _check_freshness(subject: Subject, document: DocumentType, path: Path) -> None:
    read: dict[str, float] = {}
    for field in ("warn_after", "error_after", "window"):
        text = getattr(document.freshness, field)
        try:
            read[field] = seconds(text)
        except ValueError:
            message = f"{field}: {shown(text, 30)} is no duration; write a number and one of ms, s, m, h, d, as in 5s"
            subject.error((*path, field), "M151", message)
            continue
        if not 0 < read[field] < 1e10:
            subject.error((*path, field), "M151", f"{field}: must be longer than nothing, and shorter than a lifetime")
    if {"warn_after", "error_after"} <= read.keys() and read["warn_after"] > read["error_after"]:
        message = "error_after: is shorter than warn_after: a document is late before it is stale"
        subject.error((*path, "error_after"), "M151", message)
    share = _SHARE.fullmatch(document.freshness.objective.strip())
    if share is None or not 0 < float(share[1]) <= 100:
        message = f"objective: {shown(document.freshness.objective, 30)} is no share; write it as 99.9%"
        subject.error((*path, "objective"), "M151", message)


def _check_chunk(subject: Subject, document: DocumentType, path: Path) -> None:
    chunk = document.chunk
    if chunk.max_tokens < 16:
        subject.error((*path, "max_tokens"), "M152", "max_tokens: a chunk needs at least 16, its title is in it")
    if chunk.overlap * 2 > chunk.max_tokens:
        message = f"overlap: at most half of max_tokens ({chunk.max_tokens}), else chunks say the same"
        subject.error((*path, "overlap"), "M152", message)


def _check_collections(subject: Subject) -> None:
    terms = pascal(subject.mapping.name) + "Terms"
    taken = {terms.casefold(): f"the mapping's own words ({terms})"}
    names = {}
    for name, document in subject.mapping.documents.items():
        path: Path = ("documents", name, "collection") if document.collection else ("documents", name)
        collection = document.collection or pascal(name)
        names[name] = (collection, path)
        if document.collection and not _COLLECTION.fullmatch(collection):
            message = f"Weaviate refuses the collection {shown(collection)}: a capital, then letters, digits and _"
            subject.error(path, "M140", message)
        # Weaviate compares names without regard to case
        other = taken.setdefault(collection.casefold(), f"document {shown(name)}")
        if other != f"document {shown(name)}":
            message = f"the collection {shown(collection)} is that of {other} already; name it with `collection: …`"
            subject.error(path, "M143", message, key=not document.collection)
    for name, (collection, path) in names.items():
        found = _GENERATION.fullmatch(collection)
        if found is not None and found["alias"].casefold() in taken:
            message = f"{shown(collection)} is the name of a generation of {shown(found['alias'])}; choose another"
            subject.error(path, "M143", message, key=path[-1] == name)
