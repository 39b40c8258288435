"""What lint looks at: a mapping's tables joined with what the lock knows, so that every check can ask and none fails.

Unlike the plan it bears any mistake: an unknown table is None, and what depends on it is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sync.mapping.findings import Finding, nearest, shown
from sync.mapping.kinds import kind_of
from sync.mapping.load import Positions
from sync.mapping.lock import Lock, LockTable, SourceLock
from sync.mapping.model import CodeTable, Column, Kind, Mapping, Source, Table, Treatment
from sync.mapping.yaml_tree import Path


@dataclass(frozen=True)
class ColumnView:
    name: str
    path: Path
    model: Column
    database_name: str
    database_type: str | None
    kind: Kind
    treatment: Treatment | None
    is_enum: bool = False

    @property
    def kind_is_known(self) -> bool:
        return self.database_type is not None or self.model.type is not None


@dataclass(frozen=True)
class TableView:
    name: str
    path: Path
    model: Table
    source: str | None
    database_name: str | None
    locked: LockTable | None
    columns: dict[str, ColumnView]
    key: tuple[str, ...] | None  # mapping names; None: nobody knows
    is_listed: bool = True  # False: it stands only in a column's `values: {table: …}`


@dataclass(frozen=True)
class RowView:
    """A place in a document's tree: its table, and its relations by name. A relation to nowhere has no table."""

    table: TableView | None
    relations: dict[str, tuple[str, RowView]] = field(default_factory=dict)  # name → ("one" | "many", row)


@dataclass
class Subject:
    """A mapping under lint, and the findings so far."""

    mapping: Mapping
    lock: Lock | None
    positions: Positions
    findings: list[Finding] = field(default_factory=list)
    sources: dict[str, Source] = field(init=False)
    tables: dict[str, TableView] = field(init=False)
    roots: dict[str, RowView] = field(init=False, default_factory=dict)  # per document, set by lint.documents

    def __post_init__(self) -> None:
        single = {self.mapping.name: self.mapping.source} if self.mapping.source else {}
        self.sources = {**single, **self.mapping.sources}
        self.tables = {name: self._table(name, table) for name, table in self.mapping.tables.items()}
        for name, column in self._code_columns():
            if name not in self.tables:
                self.tables[name] = self._table(name, column, is_listed=False)

    def error(self, path: Path, code: str, message: str, *, key: bool = False) -> None:
        self.findings.append(self.positions.finding(path, code, message, "error", key=key))

    def warning(self, path: Path, code: str, message: str, *, key: bool = False) -> None:
        self.findings.append(self.positions.finding(path, code, message, "warning", key=key))

    def column(
        self, table: TableView | None, name: str, path: Path, what: str, *, key: bool = False
    ) -> ColumnView | None:
        """The column, or None with a finding (M102); None without one where the table itself is unknown."""
        if table is None or (not table.is_listed and not table.columns):
            return None
        found = table.columns.get(name)
        if found is None:
            in_database = table.locked is not None and name in table.locked.columns
            hint = f"; the table has it: list it under tables.{table.name}.columns" if in_database else ""
            hint = hint or nearest(name, table.columns)
            self.error(path, "M102", f"{what}: table {shown(table.name)} has no column {shown(name)}{hint}", key=key)
        return found

    def table(self, name: str, path: Path, what: str) -> TableView | None:
        """The table, or None with a finding (M101)."""
        found = self.tables.get(name)
        if found is None:
            self.error(path, "M101", f"{what}: no table {shown(name)} under tables:{nearest(name, self.tables)}")
        return found

    def source_lock(self, source: str | None) -> SourceLock | None:
        return self.lock.sources.get(source) if self.lock is not None and source is not None else None

    def _code_columns(self) -> Iterable[tuple[str, Table]]:
        for table in self.mapping.tables.values():
            for column in table.columns.values():
                if isinstance(column.values, CodeTable):
                    yield column.values.table, Table(columns={"": Column()}, source=table.source)

    def _table(self, name: str, model: Table, *, is_listed: bool = True) -> TableView:
        source = model.source or (next(iter(self.sources)) if len(self.sources) == 1 else None)
        declared = self.sources.get(source) if source is not None else None
        database_name = _database_name(name, model, declared) if declared is not None else None
        source_lock = self.source_lock(source)
        locked = source_lock.tables.get(database_name) if source_lock is not None and database_name else None
        path: Path = ("tables", name)
        entries = model.columns if is_listed else {column: Column() for column in (locked.columns if locked else ())}
        columns = {
            column_name: self._column(column_name, column, locked, (*path, "columns", column_name))
            for column_name, column in entries.items()
        }
        return TableView(
            name=name,
            path=path,
            model=model,
            source=source,
            database_name=database_name,
            locked=locked,
            columns=columns,
            key=_key(model, locked, columns),
            is_listed=is_listed,
        )

    def _column(self, name: str, model: Column, locked: LockTable | None, path: Path) -> ColumnView:
        database_name = model.column or name
        there = locked.columns.get(database_name) if locked is not None else None
        database_type = there.type if there is not None else None
        return ColumnView(
            name=name,
            path=path,
            model=model,
            database_name=database_name,
            database_type=database_type,
            kind=kind_of(model, database_type),
            treatment=self.mapping.privacy.get(model.pii, "drop") if model.pii else None,
            is_enum=there is not None and bool(there.values),
        )


def _database_name(name: str, model: Table, source: Source) -> str:
    schema = model.schema_ or source.schema_ or ("public" if source.connector == "postgres" else None)
    return f"{schema}.{model.table or name}" if schema else model.table or name


def _key(model: Table, locked: LockTable | None, columns: dict[str, ColumnView]) -> tuple[str, ...] | None:
    by_database = {column.database_name: name for name, column in columns.items()}
    primary = tuple(by_database.get(column, column) for column in locked.key) if locked is not None else ()
    if model.key is not None:
        return primary if set(primary) == set(model.key) else model.key
    return primary or None
