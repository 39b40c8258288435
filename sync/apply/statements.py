"""① apply: statements that give a table other rows without one change in the log (MariaDB, MySQL)."""

from __future__ import annotations

import re

from connectors.change import SchemaChange

_LEADING = r"^(?:\s|/\*.*?\*/)*"
# Not RENAME COLUMN, INDEX or KEY: these leave the rows as they are.
_RENAME = re.compile(_LEADING + r"(?:RENAME\s|ALTER\s.*\bRENAME\s+(?!COLUMN\b|INDEX\b|KEY\b))", re.I | re.S)
_PARTITION = re.compile(_LEADING + r"ALTER\s.*\b(?:TRUNCATE|DROP|EXCHANGE|CONVERT)\s+PARTITION\b", re.I | re.S)
_TABLESPACE = re.compile(_LEADING + r"ALTER\s.*\bIMPORT\s+TABLESPACE\b", re.I | re.S)


def dropped(record: SchemaChange) -> bool:
    """Whether its tables are gone, their rows with them."""
    return record.kind == "DROP" and not record.shown


def exchanged(record: SchemaChange) -> bool:
    """Whether its tables may have rows by now that no change showed, or lack some: only a new snapshot knows."""
    if record.shown or record.kind == "DROP":
        return False
    return any(pattern.match(record.statement) for pattern in (_RENAME, _PARTITION, _TABLESPACE))
