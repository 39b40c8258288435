"""Beside the plan: whether a value that was read as one database type reads the same as another."""

from __future__ import annotations

from sync.mapping.canonical import padded
from sync.mapping.kinds import bare, element_type, exact_beyond_double, is_float, kind_of_type, places, width, zoned

# Types that are text to the mapping language, and yet arrive, compare or read in a way of their own.
# MariaDB's DATETIME knows no zone, and its TIMESTAMP is always UTC.
_OWN_WAY = frozenset({"uuid", "citext", "interval", "bit", "bit varying", "varbit", "bytea", "money", "datetime"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})  # arrive as base64


def reads_alike(one: str, other: str) -> bool:
    """Whether rows read by a plan that knows ``one`` are right where the column is ``other``.

    So `integer` and `smallint` do, `text` and `varchar(20)`; not `integer` and `text`, nor `numeric(8,2)` and
    `numeric(8,3)`, whose values show other decimals, nor `integer` and `bigint`, which Weaviate holds otherwise.
    """
    return one == other or _manner(one) == _manner(other)


def _manner(database_type: str) -> tuple[object, ...]:
    inner = element_type(database_type)
    name = bare(database_type)
    own = name in _OWN_WAY or is_float(database_type)
    return (
        kind_of_type(database_type),
        "bytes" if name in _BYTES else name if own else None,
        width(database_type) if name in {"bit", "bit varying", "varbit"} else None,
        places(database_type),
        padded(database_type),
        zoned(database_type),
        exact_beyond_double(database_type),
        _manner(inner) if inner is not None else None,
    )
