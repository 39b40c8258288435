"""① apply: which statements change a table's rows without one change in the log (MariaDB, MySQL).

A statement is read word by word as far as it takes to tell that it leaves the mapped values alone. What is not
understood has changed them: the source is then read again, which costs a snapshot and is never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import NamedTuple

from connectors.change import SchemaChange

_TOKEN = re.compile(
    r"/\*(?!M?!).*?\*/|/\*M?!\d*|\*/|--(?=\s)[^\n]*|\#[^\n]*|\s+"  # comments; what stands in /*! … */ is carried out
    r"|(?P<quoted>`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")|(?P<word>[\w$]+|.)",
    re.S,
)
# What begins so leaves every row as it is: indexes and other constraints, defaults, how the table is kept.
_KEPT_BESIDE = frozenset({"INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "FOREIGN", "CONSTRAINT", "CHECK"})
_HARMLESS = frozenset({
    "ALGORITHM", "ANALYZE", "AUTOEXTEND_SIZE", "AUTO_INCREMENT", "AVG_ROW_LENGTH", "CHARACTER", "CHARSET", "CHECK",
    "CHECKSUM", "COALESCE", "COLLATE", "COMMENT", "COMPRESSION", "DEFAULT", "DELAY_KEY_WRITE", "DISABLE", "DISCARD",
    "ENABLE", "ENCRYPTED", "ENCRYPTION", "ENCRYPTION_KEY_ID", "FORCE", "KEY_BLOCK_SIZE", "LOCK", "MAX_ROWS",
    "MIN_ROWS", "OPTIMIZE", "ORDER", "PACK_KEYS", "PAGE_CHECKSUM", "PAGE_COMPRESSED", "PAGE_COMPRESSION_LEVEL",
    "PARTITION", "REBUILD", "REMOVE", "REORGANIZE", "REPAIR", "ROW_FORMAT", "STATS_AUTO_RECALC", "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
})  # fmt: skip
_FILLING = frozenset({"COLUMN", "IF", "NOT", "EXISTS"})


class Word(NamedTuple):
    text: str
    quoted: bool

    @property
    def key(self) -> str:
        """As a keyword: what is quoted is none."""
        return "" if self.quoted else self.text.upper()

    @property
    def name(self) -> str:
        """As a column's name, of which the database takes no case into account."""
        return self.text.lower()


def dropped(record: SchemaChange) -> bool:
    """Whether its tables are gone, their rows with them, or made anew in their place."""
    if record.shown:
        return False
    first = [each.key for each in islice(_words(record.statement), 3)]
    return record.kind == "DROP" or first == ["CREATE", "OR", "REPLACE"]


def altered(record: SchemaChange, columns: Collection[str]) -> bool:
    """Whether ``columns`` of its tables may hold other values by now, or the tables other rows.

    No change said so: only a new snapshot knows.
    """
    if record.shown or record.kind == "DROP":
        return False
    touched = _touched(list(_words(record.statement)))
    return touched is None or any(name.lower() in touched for name in columns)


def restructured(record: SchemaChange) -> bool:
    """Whether any column came, went or was defined anew, so that one that is computed from it may differ."""
    return not record.shown and _touched(list(_words(record.statement))) != frozenset()


def _words(statement: str) -> Iterator[Word]:
    for found in _TOKEN.finditer(statement):
        if quoted := found["quoted"]:
            yield Word(quoted[1:-1].replace(quoted[0] * 2, quoted[0]), True)
        elif found["word"]:
            yield Word(found["word"], False)


def _touched(words: list[Word]) -> frozenset[str] | None:
    """The columns (in lower case) whose values a statement may have changed; None: of all of them, or the rows."""
    if words and words[0].key == "SET":  # SET STATEMENT … FOR
        words = words[next((at + 1 for at, each in enumerate(words) if each.key == "FOR"), 0) :]
    keys = [each.key for each in words[:4]]
    if keys[:1] == ["RENAME"]:
        return None
    if keys[:1] != ["ALTER"]:
        return frozenset()
    start = keys.index("TABLE") + 1 if "TABLE" in keys else 0
    if not start or "IGNORE" in keys[:start]:  # rows that a new unique index does not allow are deleted
        return frozenset() if not start and keys[1:2] == ["DATABASE"] else None
    touched: set[str] = set()
    for part in _parts(_after_name(words[start:])):
        if (found := _of_part(part)) is None:
            return None
        touched |= found
    return frozenset(touched)


def _after_name(words: list[Word]) -> list[Word]:
    """What follows ALTER TABLE [IF EXISTS] name [WAIT seconds | NOWAIT]."""
    at = 2 if [each.key for each in words[:2]] == ["IF", "EXISTS"] else 0
    at += 3 if len(words) > at + 1 and words[at + 1].key == "." else 1
    keys = [each.key for each in words[at : at + 1]]
    return words[at + (2 if keys == ["WAIT"] else 1 if keys == ["NOWAIT"] else 0) :]


def _parts(words: list[Word]) -> Iterator[list[Word]]:
    """Divided by the commas that stand in no brackets."""
    part: list[Word] = []
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word.key, 0)
        if word.key == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(word)
    if part:
        yield part


def _of_part(part: list[Word]) -> frozenset[str] | None:
    """As `_touched`, of one part of an ALTER TABLE."""
    if not part:
        return frozenset()
    keys = [each.key for each in part]
    names = [each for each in part[1:] if each.key not in _FILLING]
    first = names[0] if names else Word("", False)
    if keys[0] in ("ADD", "DROP") and keys[1:2] != ["COLUMN"]:
        if "PRIMARY" in keys:  # of a column that was NULL it may make 0
            return frozenset(each.name for each in names)
        if first.key in _KEPT_BESIDE or (keys[0] == "ADD" and first.key == "PARTITION"):
            return frozenset()
        if first.key in ("PARTITION", "PERIOD", "SYSTEM"):
            return None
    if keys[0] == "ADD" and first.key == "(":
        return frozenset(each[0].name for each in _parts(names[1:-1]) if each and each[0].key not in _KEPT_BESIDE)
    if keys[0] in ("ADD", "DROP", "MODIFY"):
        return frozenset({first.name})
    if keys[0] == "CHANGE":
        return frozenset(each.name for each in names[:2])
    if keys[0] == "RENAME" and keys[1:2] == ["COLUMN"]:
        return frozenset({first.name, names[-1].name})
    harmless = keys[0] in _HARMLESS or keys[0] == "ALTER" or (keys[0] == "RENAME" and keys[1] in ("INDEX", "KEY"))
    return frozenset() if harmless or (keys[0] == "ENGINE" and keys[-1] == "INNODB") else None
