"""Beside the plan: the mapping's tables with what the lock knows of them: source, name in the database, key, kinds."""

from __future__ import annotations

from collections.abc import Iterable

from sync.errors import MappingError
from sync.mapping.kinds import kind_of
from sync.mapping.lock import Lock, LockTable
from sync.mapping.model import CodeTable, Column, Mapping, Relation, Source, Table, Treatment
from sync.mapping.plan import ColumnPlan, TablePlan, unknown


def table_plans(mapping: Mapping, lock: Lock | None) -> dict[str, TablePlan]:
    """Every table by the mapping's name for it, those that only hold code words included. Raises MappingError."""
    sources = sources_of(mapping)
    tables = dict(mapping.tables)
    for name, table in _code_tables(mapping).items():
        tables.setdefault(name, table)
    return {name: _table(mapping, name, table, sources, lock) for name, table in tables.items()}


def sources_of(mapping: Mapping) -> dict[str, Source]:
    """The sources by name; a single `source:` is called like the mapping."""
    if mapping.source is not None:
        return {mapping.name: mapping.source, **mapping.sources}
    return dict(mapping.sources)


def _table(mapping: Mapping, name: str, table: Table, sources: dict[str, Source], lock: Lock | None) -> TablePlan:
    source = _source_name(name, table, sources)
    database_name = _database_name(name, table, sources[source])
    known = lock.sources[source].tables.get(database_name) if lock and source in lock.sources else None
    columns = {
        column_name: _column(column_name, column, known, mapping.privacy)
        for column_name, column in table.columns.items()
    }
    key = _key(mapping, name, table, known, columns, lock)
    if name not in mapping.tables and known is not None:
        # A table that is there only for its words is captured with its key, whatever the mapping lists of it.
        for column_name in known.key:
            columns.setdefault(column_name, _column(column_name, Column(), known, mapping.privacy))
        key = known.key
    return TablePlan(
        name=name,
        source=source,
        database_name=database_name,
        key=key,
        columns=columns,
        description=table.description,
        synonyms=table.synonyms,
    )


def _source_name(name: str, table: Table, sources: dict[str, Source]) -> str:
    if table.source is not None:
        if table.source not in sources:
            raise unknown("source", table.source, sources, f'table "{name}"')
        return table.source
    if len(sources) == 1:
        return next(iter(sources))
    if not sources:
        raise MappingError("the mapping names no source: add `source:`")
    raise MappingError(f'table "{name}": say which `source:` it is in ({", ".join(sources)})')


def _database_name(name: str, table: Table, source: Source) -> str:
    schema = table.schema_ or source.schema_ or ("public" if source.connector == "postgres" else None)
    return f"{schema}.{table.table or name}" if schema else table.table or name


def _column(name: str, column: Column, known: LockTable | None, privacy: dict[str, Treatment]) -> ColumnPlan:
    database_name = column.column or name
    there = known.columns.get(database_name) if known else None
    database_type = there.type if there else None
    kind = kind_of(column, database_type)
    return ColumnPlan(
        name=name,
        database_name=database_name,
        kind=kind,
        column=column,
        # Fail closed: a class that `privacy:` does not list is dropped.
        treatment=privacy.get(column.pii, "drop") if column.pii else None,
        database_type=database_type,
        known=database_type is not None or column.type is not None or kind != "text",
    )


def _key(
    mapping: Mapping,
    name: str,
    table: Table,
    known: LockTable | None,
    columns: dict[str, ColumnPlan],
    lock: Lock | None,
) -> tuple[str, ...]:
    if table.key is not None:
        for column in table.key:
            if column not in columns:
                raise unknown("column", column, columns, f'key of table "{name}"')
        by_database = {c.database_name: c.name for c in columns.values()}
        primary = tuple(by_database.get(column, "") for column in known.key) if known else ()
        # The primary key's order is the one in which lists of `by` pair.
        return primary if set(primary) == set(table.key) else table.key
    if known is not None and known.key:
        by_database = {c.database_name: c.name for c in columns.values()}
        missing = [column for column in known.key if column not in by_database]
        if missing and name in mapping.tables:
            raise MappingError(f'table "{name}": its key column "{missing[0]}" is not listed in `columns`')
        return tuple(by_database[column] for column in known.key if column in by_database)
    if lock is not None and name in mapping.tables:
        raise MappingError(f'table "{name}" has no key: add `key:`')
    return _guessed_key(mapping, name, columns)


def _guessed_key(mapping: Mapping, name: str, columns: dict[str, ColumnPlan]) -> tuple[str, ...]:
    """Without key and lock: what a relation to the table joins by, else id, <table>_id, else the first column."""
    for by in _joined_by(mapping, name):
        if all(column in columns for column in by):
            return by
    singular = name.removesuffix("es") if name.endswith("ses") else name.removesuffix("s")
    for guess in ("id", f"{singular}_id", f"{name}_id"):
        if guess in columns:
            return (guess,)
    if name not in mapping.tables:
        return tuple(columns)
    return (next(iter(columns)),) if columns else ()


def _joined_by(mapping: Mapping, name: str) -> Iterable[tuple[str, ...]]:
    def walk(relations: dict[str, Relation]) -> Iterable[tuple[str, ...]]:
        for relation in relations.values():
            if relation.one == name and not isinstance(relation.by, dict):
                yield (relation.by,) if isinstance(relation.by, str) else tuple(relation.by)
            yield from walk(relation.with_)

    for document in mapping.documents.values():
        yield from walk(document.with_)


def _code_tables(mapping: Mapping) -> dict[str, Table]:
    """Tables that stand only in a column's `values: {table: …}`, as the language would write them."""
    columns: dict[str, dict[str, Column]] = {}
    of: dict[str, Table] = {}
    for table in mapping.tables.values():
        for column in table.columns.values():
            if isinstance(column.values, CodeTable) and column.values.table not in mapping.tables:
                codes = column.values
                listed = columns.setdefault(codes.table, {})
                # Where the lock knows no key, these together are it: words change, codes do not.
                for name in (*codes.where, codes.code):
                    listed.setdefault(name, Column())
                listed.setdefault(codes.words, Column())
                of[codes.table] = Table(
                    key=tuple(n for n in listed if n != codes.words), columns=listed, source=table.source,
                    schema=table.schema_,
                )  # fmt: skip
    return of
