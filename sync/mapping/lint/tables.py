"""Lint of what rows mean: sources, tables, keys, columns and their privacy (M1xx)."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from zoneinfo import available_timezones

from sync.mapping.findings import nearest, shown
from sync.mapping.kinds import bare, kind_of_type, zoned
from sync.mapping.lint.conditions import check_conditions
from sync.mapping.lint.subject import ColumnView, Subject, TableView
from sync.mapping.load import variables
from sync.mapping.model import CodeTable, Source, UnitColumn
from sync.mapping.times import zone_of
from sync.mapping.yaml_tree import Path

_SOURCE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PASSWORD = re.compile(r"://[^:/@\s]*:(?P<password>[^@/\s]+)@|[?&\s]password=(?P<parameter>[^&\s]+)")
# Debezium truncates and hashes columns of JDBC's character types alone and lets every other pass as it is
# (io.debezium.relational.mapping.TruncateStrings, MaskStrings),
# so that a value of these types would reach Kafka in clear. What else there is (a domain) preflight looks up.
_NOT_CHARACTERS = {
    "citext", "uuid", "inet", "cidr", "macaddr", "macaddr8", "bytea", "xml", "bit", "bit varying", "varbit", "interval",
    "tsvector", "tsquery", "ltree", "point", "geometry", "geography", "int4range", "int8range", "numrange", "tsrange",
    "tstzrange", "daterange", "enum", "set", "binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob",
}  # fmt: skip


def check_sources(subject: Subject) -> None:
    mapping = subject.mapping
    if mapping.source is not None and mapping.sources:
        subject.error(("sources",), "M015", "both source: and sources: are there; keep one", key=True)
    if mapping.source is None and not mapping.sources:
        subject.error((), "M015", 'no source: add `source: {connector: postgres, url: "${…}"}`')
    if mapping.source is not None:
        _check_source(subject, mapping.name, mapping.source, ("source",))
    for name, source in mapping.sources.items():
        if not _SOURCE_NAME.fullmatch(name):
            cure = "it names the topic: small letters, digits and _, at most 40"
            subject.error(("sources", name), "M014", f"source {shown(name)}: {cure}", key=True)
        _check_source(subject, name, source, ("sources", name))


def _check_source(subject: Subject, name: str, source: Source, path: Path) -> None:
    if source.connector in ("s3", "salesforce"):
        message = f"connector {source.connector} is not supported yet (valid: mariadb, mysql, postgres)"
        subject.error((*path, "connector"), "M160", message)
        return
    if not source.url:
        variable = f"{subject.mapping.name.upper()}_URL"
        subject.error(path, "M011", f'url is missing: write `url: "${{{variable}}}"`', key=True)
    for field in ("bucket", "prefix"):
        if getattr(source, field) is not None:
            subject.warning((*path, field), "M111", f"{field} has no effect on connector {source.connector}", key=True)
    _check_variables(subject, source.url or "", (*path, "url"))
    if subject.lock is not None and name not in subject.lock.sources:
        known = nearest(name, subject.lock.sources)
        message = f"the lock knows no source {shown(name)}{known}: `headrace lint --live` writes it anew"
        subject.warning(path, "M030", message, key=True)


def _check_variables(subject: Subject, text: str, path: Path) -> None:
    for name in variables(text):
        if not _VARIABLE_NAME.fullmatch(name):
            subject.error(path, "M014", "${…} must hold the name of an environment variable, as in ${AIRLINE_URL}")
        elif name not in os.environ:
            subject.warning(path, "M161", f"the environment variable {name} is not set here; it must be when it runs")
    for found in _PASSWORD.finditer(text):
        if not variables(found["password"] or found["parameter"]):
            subject.warning(path, "M162", "a password stands in the url: put it, or the whole url, into ${NAME}")


def check_tables(subject: Subject) -> None:
    seen: dict[tuple[str | None, str | None], str] = {}
    for table in subject.tables.values():
        if not table.is_listed:
            continue
        _check_table(subject, table)
        place = (table.source, table.database_name)
        if table.database_name is not None and place in seen:
            message = f"table {shown(table.database_name)} is mapped as {seen[place]} already"
            subject.error(table.path, "M113", message, key=True)
        seen.setdefault(place, table.name)
        _check_key(subject, table)
        databases: dict[str, str] = {}
        for column in table.columns.values():
            if column.database_name in databases:
                message = f"column {shown(column.database_name)} is mapped as {databases[column.database_name]} already"
                subject.error(column.path, "M113", message, key=True)
            databases.setdefault(column.database_name, column.name)
            _check_column(subject, table, column)


def _check_table(subject: Subject, table: TableView) -> None:
    if table.model.source is not None and table.model.source not in subject.sources:
        cure = nearest(table.model.source, subject.sources)
        subject.error((*table.path, "source"), "M104", f"no source {shown(table.model.source)}{cure}")
    elif table.source is None and subject.sources:
        message = f"table {shown(table.name)} does not say which source it is in{nearest('', subject.sources)}"
        subject.error(table.path, "M104", message, key=True)
    known = subject.source_lock(table.source)
    if known is None or table.database_name is None:
        return
    if table.locked is None:
        cure = nearest(table.database_name, known.tables)
        new = " If it is new, `headrace lint --live` writes the lock anew."
        subject.error(table.path, "M101", f"no table {shown(table.database_name)} in the lock{cure}.{new}", key=True)
        return
    for column in table.columns.values():
        if column.database_name not in table.locked.columns:
            cure = nearest(column.database_name, table.locked.columns)
            path = (*column.path, "column") if column.model.column else column.path
            message = f"table {shown(table.database_name)} of the lock has no column {shown(column.database_name)}"
            subject.error(path, "M102", message + cure, key=column.model.column is None)


def _check_key(subject: Subject, table: TableView) -> None:
    path: Path = (*table.path, "key")
    said = table.model.key is not None
    if table.key is None:
        if table.locked is not None:
            message = f"table {shown(table.name)} has no primary key: name the columns that identify a row, `key: …`"
            subject.error(table.path, "M105", message, key=True)
        elif subject.lock is None:
            message = f"nothing says what identifies a row of {shown(table.name)}: add `key: …`"
            subject.warning(table.path, "M105", message, key=True)
        return
    if not table.key or len(set(table.key)) < len(table.key):
        subject.error(path, "M105", f"the key of {shown(table.name)} must name each column once, and at least one")
    for index, name in enumerate(table.model.key or table.key):
        place = (*path, index) if said else table.path
        column = table.columns.get(name)
        if column is None and not said:
            message = f"the key column {shown(name)} of {shown(table.name)} is not listed: add it under columns"
            subject.error(table.path, "M105", message, key=True)
        elif column is None:
            subject.column(table, name, place, "key")
        elif column.model.pii is not None:
            message = (
                f"{shown(name)} is personal data (pii: {shown(column.model.pii)}) and a key: every record would carry"
                " it in clear; choose another key, or take pii away"
            )
            subject.error(column.path, "M120", message, key=True)
    _check_uniqueness(subject, table, path)


def _check_uniqueness(subject: Subject, table: TableView, path: Path) -> None:
    if table.locked is None or table.model.key is None or not all(name in table.columns for name in table.model.key):
        return
    named = {table.columns[name].database_name for name in table.model.key}
    known = [set(columns) for columns in (table.locked.key, *table.locked.unique) if columns]
    if named not in known:
        primary = ", ".join(table.locked.key)
        cure = f"the primary key is {primary}" if primary else "add a unique constraint"
        message = f"nothing in the database keeps {', '.join(sorted(named))} unique: {cure}"
        subject.error(path, "M105", message)


def _check_column(subject: Subject, table: TableView, column: ColumnView) -> None:
    _check_privacy(subject, column)
    _check_codes(subject, table, column)
    _check_effect(subject, column)
    for field in ("unit", "timezone"):
        value = getattr(column.model, field)
        if isinstance(value, UnitColumn):
            path = (*column.path, field, "column")
            other = subject.column(table, value.column, path, field)
            if other is not None and other.treatment is not None:
                subject.error(path, "M121", f"{field}: {shown(other.name)} is private, no document may show it")
    for field in ("timezone", "stored_in"):
        value = getattr(column.model, field)
        if isinstance(value, str) and zone_of(value) is None:
            subject.error((*column.path, field), "M112", f"no timezone {shown(value)}{nearest(value, _zones())}")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _check_privacy(subject: Subject, column: ColumnView) -> None:
    if column.model.pii is None:
        return
    path = (*column.path, "pii")
    if column.model.pii not in subject.mapping.privacy:
        cure = nearest(column.model.pii, subject.mapping.privacy)
        message = f"privacy: does not list {shown(column.model.pii)}, so the column is dropped{cure}"
        subject.warning(path, "M123", message)
    if column.treatment not in ("mask", "hash"):
        return
    if column.database_type is not None:
        possible = kind_of_type(column.database_type) == "text" and bare(column.database_type) not in _NOT_CHARACTERS
        possible = possible and not column.is_enum
    else:
        possible = column.kind == "text"
    if not possible:
        kind = column.database_type or column.kind
        message = f"the connector can {column.treatment} text alone, not {shown(kind)}: give it a class that is dropped"
        subject.error(path, "M124", message)


def _check_codes(subject: Subject, table: TableView, column: ColumnView) -> None:
    values, path = column.model.values, (*column.path, "values")
    if isinstance(values, dict):
        if not values:
            subject.error(path, "M110", f"the code list of {shown(column.name)} is empty", key=True)
        for code, words in values.items():
            if not words.strip():
                subject.error((*path, code), "M110", f"code {shown(code)} has no words", key=True)
        there = table.locked.columns.get(column.database_name) if table.locked is not None else None
        missing = [code for code in (there.values if there else ()) if code not in values]
        if missing and column.model.unknown == "park":
            listed = ", ".join(shown(code) for code in missing)
            message = f"the database knows codes without words here: {listed}; their documents would be parked"
            subject.warning(path, "M110", message, key=True)
    elif isinstance(values, CodeTable):
        codes = subject.tables.get(values.table)
        if codes is None or (not codes.is_listed and codes.locked is None):
            known = subject.source_lock(table.source)
            if known is not None:
                cure = nearest(values.table, [*subject.mapping.tables, *known.tables])
                subject.error((*path, "table"), "M101", f"values: no table {shown(values.table)}{cure}")
            return
        for field, name in (("code", values.code), ("words", values.words)):
            found = subject.column(codes, name, (*path, field), "values")
            if found is not None and found.treatment is not None:
                subject.error((*path, field), "M121", f"values: {shown(name)} is private")
        check_conditions(subject, codes, values.where, (*path, "where"), "values")


def _check_effect(subject: Subject, column: ColumnView) -> None:
    """Fields that a column of this type cannot use. Where nobody knows the type, the field itself says it."""
    if not column.kind_is_known:
        return
    model, said = column.model, column.model.model_fields_set
    kind = column.database_type or column.kind
    numeric = column.kind in ("integer", "decimal", "list")
    temporal = column.kind in ("date", "time", "timestamp", "list")

    def useless(field: str, needs: str, *, severe: bool = False) -> None:
        report = subject.error if severe else subject.warning
        message = (
            f"{field}: on {shown(column.name)}, which is {shown(kind)}; only {needs} has it (`type:` says what it is)"
        )
        report((*column.path, field), "M111", message, key=True)

    for field in ("scale", "decimals"):
        if getattr(model, field) is not None and not numeric:
            useless(field, "a number", severe=True)
    if model.unit is not None and not numeric:
        useless("unit", "a number")
    if model.timezone is not None and column.kind != "timestamp":
        useless("timezone", "a timestamp")
    if model.stored_in is not None and (column.kind != "timestamp" or zoned(column.database_type)):
        useless("stored_in", "a timestamp without a zone")
    if model.format is not None and not temporal:
        useless("format", "a date or time")
    if model.fields and column.kind != "json":
        useless("fields", "a json column", severe=True)
    if "open" in said and not temporal:
        useless("open", "a date or time")
    if "unknown" in said and model.values is None:
        subject.warning((*column.path, "unknown"), "M111", "unknown: has no effect without values:", key=True)
