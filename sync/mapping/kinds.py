"""Beside the plan: what a database's own type name means in the mapping language's kinds."""

from __future__ import annotations

import re

from sync.mapping.model import Column, Kind

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        ("smallint", "integer", "int", "bigint", "int2", "int4", "int8", "smallserial", "serial", "bigserial",
         "oid", "tinyint", "mediumint", "year", "xid"), "integer"),
    **dict.fromkeys(
        ("numeric", "decimal", "dec", "fixed", "money", "real", "float", "float4", "float8", "double",
         "double precision"), "decimal"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    "date": "date",
    **dict.fromkeys(("time", "timetz", "time without time zone", "time with time zone"), "time"),
    **dict.fromkeys(
        ("timestamp", "timestamptz", "datetime", "timestamp without time zone", "timestamp with time zone"),
        "timestamp"),
    **dict.fromkeys(("json", "jsonb", "hstore"), "json"),
}  # fmt: skip
_FLOATS = frozenset({"real", "float", "float4", "float8", "double", "double precision"})
_ARGUMENTS = re.compile(r"\(([^)]*)\)")


def bare(database_type: str) -> str:
    """The type's name alone: "timestamp without time zone" of "timestamp(3) without time zone"."""
    name = _ARGUMENTS.sub("", database_type.lower())
    return " ".join(word for word in name.split() if word not in {"unsigned", "zerofill", "signed"})


def _arguments(database_type: str) -> list[str]:
    found = _ARGUMENTS.search(database_type)
    return [part.strip() for part in found[1].split(",")] if found else []


def kind_of_type(database_type: str) -> Kind:
    """The kind of a column of this type; everything that is written as text (uuid, inet, enum, …) is text."""
    name = bare(database_type)
    if database_type.endswith("[]") or name in {"array"} or name.startswith("_"):
        return "list"
    arguments = _arguments(database_type)
    if (name == "bit" and arguments in ([], ["1"])) or (name == "tinyint" and arguments == ["1"]):
        return "boolean"
    return _KINDS.get(name, "text")


def kind_of(column: Column, database_type: str | None) -> Kind:
    """What the mapping says, else what the database says, else what the column's other words imply, else text."""
    if column.type is not None:
        return column.type
    if database_type is not None:
        return kind_of_type(database_type)
    if column.scale is not None or column.decimals is not None or column.unit is not None:
        return "decimal"
    if column.timezone is not None or column.stored_in is not None:
        return "timestamp"
    if column.fields:
        return "json"
    return "text"


def element_type(database_type: str | None) -> str | None:
    """The type of an array's elements, where its own says it."""
    return database_type[:-2] if database_type and database_type.endswith("[]") else None


def zoned(database_type: str | None) -> bool:
    """Whether values of this type carry their zone. MariaDB's and MySQL's ``timestamp`` is always UTC."""
    if not database_type:
        return False
    name = bare(database_type)
    return name.endswith("with time zone") or name in {"timestamptz", "timetz"}


def places(database_type: str | None) -> int | None:
    """Digits after the point that a ``numeric(p,s)`` always shows; None where the type does not fix them."""
    if not database_type or bare(database_type) not in {"numeric", "decimal", "dec", "fixed"}:
        return None
    arguments = _arguments(database_type)
    if len(arguments) == 1:
        return 0
    return max(int(arguments[1]), 0) if len(arguments) == 2 and arguments[1].lstrip("-").isdigit() else None


def is_float(database_type: str | None) -> bool:
    return bool(database_type) and bare(str(database_type)) in _FLOATS


def exact_beyond_double(database_type: str | None) -> bool:
    """Whether whole numbers of this type may exceed 2^53, which Weaviate's numbers do not hold exactly."""
    if not database_type:
        return False
    if bare(database_type) in {"bigint", "int8", "bigserial"}:
        return True
    return places(database_type) == 0 and int(_arguments(database_type)[0]) > 15


def width(database_type: str | None) -> int | None:
    """The length that a text type declares, in characters."""
    if not database_type:
        return None
    arguments = _arguments(database_type)
    return int(arguments[0]) if len(arguments) == 1 and arguments[0].isdigit() else None
