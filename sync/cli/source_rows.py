"""Rows for `headrace show`: straight from the live source, treated as the connector would treat them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from sync.errors import HeadraceError, SettingsError
from sync.mapping.image import captured, image, join_value, key_of

if TYPE_CHECKING:
    from connectors.database import Database
    from sync.mapping.plan import Plan, TablePlan
    from sync.settings import Settings

WHOLE_TABLE = 50_000  # rows read at most where the database cannot look a value up as we compare it


class TooMany(HeadraceError):
    """A relation that can be followed only by reading a table whole, and the table is too large for that."""


class SourceRows:
    """The live databases of a mapping as `sync.mapping.assemble.Rows`: one query per place in the tree.

    Raises SourceUnreachable, SourceRefused, TooMany.
    """

    def __init__(self, plan: Plan, databases: Mapping[str, Database], settings: Settings) -> None:
        self._plan, self._databases = plan, databases
        self._most = settings.max_text_bytes
        self._salt = settings.privacy_salt.get_secret_value() if settings.privacy_salt else ""

    def find(
        self, table: str, columns: tuple[str, ...], values: Collection[str]
    ) -> Mapping[str, Sequence[tuple[str, dict[str, Any]]]]:
        of = self._plan.tables[table]
        if any(column.treatment == "hash" for column in of.columns.values()) and not self._salt:
            raise SettingsError(
                f"HEADRACE_PRIVACY_SALT is not set, and a column of {of.name} is to be hashed",
                advice="Set it as the service has it: tokens made with another salt do not match.",
            )
        by_key = not columns or of.is_key(columns)
        wanted, found = set(values), dict[str, list[tuple[str, dict[str, Any]]]]()
        for raw in self._read(of, of.key if by_key else columns, values):
            row = image(of, captured(of, raw, self._salt), self._most)
            key = key_of(of, row)
            value = key if by_key else join_value(of, columns, row)
            if key is not None and value in wanted:
                found.setdefault(value, []).append((key, row))
        return found

    def _read(self, of: TablePlan, columns: tuple[str, ...], values: Collection[str]) -> list[dict[str, Any]]:
        database = self._databases[of.source]
        listed = [column for column in of.columns.values() if column.treatment != "drop"]
        names = [column.database_name for column in listed]
        if all(_looked_up_alike(of, name) for name in columns):
            parts = [[value] if len(columns) == 1 else _parts(value) for value in values]
            return database.find(of.database_name, [of.columns[name].database_name for name in columns], parts, names)
        rows = database.sample(of.database_name, names, WHOLE_TABLE + 1)
        if len(rows) > WHOLE_TABLE:
            raise TooMany(
                f"{of.name} has more than {WHOLE_TABLE:,} rows, and {', '.join(columns)} can be compared only here",
                advice="A column that is hashed or has `normalise:` cannot be looked up in the database.",
            )
        return rows


def _looked_up_alike(of: TablePlan, name: str) -> bool:
    """Whether the database finds a row by the text that we compare by."""
    column = of.columns[name]
    return column.treatment is None and not column.column.normalise and column.kind not in ("json", "list")


def _parts(value: str) -> list[str]:
    return [part if isinstance(part, str) else str(part) for part in orjson.loads(value)]
