"""Plans from a few lines of YAML, and documents built from rows in memory, for unit tests of what a mapping means."""

from __future__ import annotations

from collections.abc import Mapping as Rows
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML

from sync.mapping.assemble import Gathered, MemoryRows, assemble
from sync.mapping.build import Builder, Built
from sync.mapping.image import image
from sync.mapping.lock import Lock, LockColumn, LockTable, SourceLock
from sync.mapping.model import Mapping
from sync.mapping.plan import Plan, plan

Given = Rows[str, list[dict[str, Any]]]
MAX_TEXT = 1000


def mapping_of(text: str) -> Mapping:
    """A mapping called `shop` with one PostgreSQL source; the text holds its `tables:` and `documents:`."""
    content = YAML(typ="safe", pure=True).load(text)
    head = {"version": 1, "name": "shop", "source": {"connector": "postgres", "url": "${SHOP_URL}"}}
    return Mapping.model_validate({**head, **content})


def lock_of(tables: Rows[str, tuple[str, Rows[str, str]]]) -> Lock:
    """A lock by table: (its key's columns, blank-separated; type by column)."""
    return Lock(
        sources={
            "shop": SourceLock(
                connector="postgres",
                tables={
                    f"public.{name}": LockTable(
                        key=tuple(key.split()), columns={column: LockColumn(type=t) for column, t in types.items()}
                    )
                    for name, (key, types) in tables.items()
                },
            )
        }
    )


def plan_of(text: str, lock: Lock | None = None) -> Plan:
    return _plan_without_lock(text) if lock is None else plan(mapping_of(text), lock)


@lru_cache(maxsize=128)
def _plan_without_lock(text: str) -> Plan:
    return plan(mapping_of(text), None)


def column_plan(words: dict[str, Any], database_type: str | None = None, **others: dict[str, Any]) -> Plan:
    """A table `items` with the columns id, value (as ``words`` say) and others, and a document `item` of it."""
    columns = {"id": {"type": "integer"}, "value": words, **others}
    types = {"id": "integer", "value": database_type} if database_type else None
    content = {
        "version": 1,
        "name": "shop",
        "source": {"connector": "postgres", "url": "${SHOP_URL}"},
        "privacy": {"name": "mask", "document": "hash"},
        "tables": {"items": {"key": "id", "columns": columns}},
        "documents": {"item": {"root": "items", "title": "Item", "text": "{{ value }}", "filters": ["value"]}},
    }
    return plan(Mapping.model_validate(content), lock_of({"items": ("id", types)}) if types else None)


def gather(made: Plan, given: Given, key: str, document: str | None = None) -> Gathered | None:
    """A document's tree from raw rows by table, by the mapping's column names where they are the database's."""
    of = made.documents[document] if document else next(iter(made.documents.values()))
    rows = {name: [image(made.tables[name], row, MAX_TEXT) for row in given.get(name, [])] for name in made.tables}
    return assemble(made, of, [key], MemoryRows(made, rows))[key]


def build_one(made: Plan, given: Given, key: str, document: str | None = None) -> Built:
    of = made.documents[document] if document else next(iter(made.documents.values()))
    gathered = gather(made, given, key, of.name)
    assert gathered is not None, "no such document"
    return Builder(made, of).build(gathered)


def reads(made: Plan, value: Any, **others: Any) -> str:
    """How the column `value` of ``column_plan`` reads."""
    return build_one(made, {"items": [{"id": 1, "value": value, **others}]}, "1").text
