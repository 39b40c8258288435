"""The lock beside a mapping: what the catalogue said of the mapped tables when it was last looked at."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class LockPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockColumn(LockPart):
    type: str  # as the database writes it: "numeric(10,2)", "timestamp without time zone"
    nullable: bool = True
    generated: bool = False
    values: tuple[str, ...] = ()  # of an enum type
    collation: str | None = None


class ForeignKey(LockPart):
    columns: tuple[str, ...]
    table: str  # in the same source, schema-qualified where the schema differs
    references: tuple[str, ...]
    on_delete: str = "no action"
    on_update: str = "no action"


class LockTable(LockPart):
    key: tuple[str, ...] = ()  # the primary key, in its own order
    unique: tuple[tuple[str, ...], ...] = ()
    columns: dict[str, LockColumn] = Field(default_factory=dict)  # database names, all of the table
    foreign_keys: tuple[ForeignKey, ...] = ()


class SourceLock(LockPart):
    connector: str
    tables: dict[str, LockTable] = Field(default_factory=dict)  # "schema.table" as in the database


class Lock(LockPart):
    version: Literal[1] = 1
    sources: dict[str, SourceLock] = Field(default_factory=dict)
