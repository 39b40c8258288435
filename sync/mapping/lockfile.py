"""The lock as a file: `<mapping>.lock` beside the mapping, read by everything offline, committed with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from sync.mapping.findings import Finding
from sync.mapping.lock import Lock, LockTable
from sync.mapping.shape import fit
from sync.mapping.yaml_text import scalar
from sync.mapping.yaml_tree import parse, plain

MAX_BYTES = 20_000_000  # the catalogue of tens of thousands of columns
_HEAD = "# Written by headrace from the database's catalogue; commit it, do not edit it.\n"


def lock_path(path: str | Path) -> Path:
    """`<mapping>.lock` beside the mapping."""
    return Path(path).with_suffix(".lock")


def read_lock(path: Path) -> tuple[Lock | None, list[Finding]]:
    """The lock, or None: with findings where the file is there and is no lock, without where it is not there."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is no file's name"
        return None, [Finding(str(path), 0, 0, "M030", "error", f"the lock cannot be read: {reason}")]
    tree = parse(text, str(path), limit=MAX_BYTES)
    lock, _, findings = fit(Lock, tree, plain(tree.root)) if tree.root is not None else (None, None, [])
    found = [*tree.findings, *findings]
    cure = "; write it anew with `headrace lint --live`"
    return (None if found else lock), [
        Finding(f.file, f.line, f.column, "M030", "error", f"the lock: {f.message}{cure}") for f in found
    ]


def dump_lock(lock: Lock, path: str | Path) -> None:
    """Write the lock: the same lock gives the same bytes, and one changed column changes one line."""
    Path(path).write_text(lock_text(lock), encoding="utf-8")


def lock_text(lock: Lock) -> str:
    """The lock as YAML: a line per column, tables by name, columns in the catalogue's order."""
    return _HEAD + "\n".join(_lines(lock)) + "\n"


def _lines(lock: Lock) -> Iterator[str]:
    yield f"version: {lock.version}"
    yield "sources:" if lock.sources else "sources: {}"
    for name, source in sorted(lock.sources.items()):
        yield f"  {scalar(name)}:"
        yield f"    connector: {scalar(source.connector)}"
        yield "    tables:" if source.tables else "    tables: {}"
        for table_name, table in sorted(source.tables.items()):
            yield f"      {scalar(table_name)}:"
            yield from (f"        {line}" for line in _table(table))


def _table(table: LockTable) -> Iterator[str]:
    yield f"key: {_flow(table.key)}"
    if table.unique:
        yield "unique:"
        yield from (f"  - {_flow(columns)}" for columns in sorted(table.unique))
    yield "columns:" if table.columns else "columns: {}"
    for name, column in table.columns.items():
        yield f"  {scalar(name)}: {_flow(column)}"
    if table.foreign_keys:
        yield "foreign_keys:"
        keys = sorted(table.foreign_keys, key=lambda key: (key.columns, key.table, key.references))
        yield from (f"  - {_flow(key)}" for key in keys)


def _flow(value: BaseModel | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(scalar(part) for part in value) + "]"
    # the type stands even where it is not asked for; what is at its default does not
    parts = value.model_dump(mode="json", exclude_defaults=True)
    return "{" + ", ".join(f"{name}: {_leaf(part)}" for name, part in parts.items()) + "}"


def _leaf(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_leaf(part) for part in value) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)
