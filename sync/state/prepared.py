"""Statements compiled once, and executed by the driver itself.

On the hot path SQLAlchemy's work per execution is five times the database's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BindParameter, Boolean, ColumnElement, Connection, Dialect, Executable, bindparam
from sqlalchemy.ext.compiler import compiles

Parameters = Mapping[str, Any]


class among(ColumnElement[bool]):
    """``column`` is one of the values of a list parameter: one bind, however long the list."""

    inherit_cache = True
    type = Boolean()
    _is_implicitly_boolean = True  # else SQLite gets "… = 1", which no index serves

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        self.column = column
        self.bind: BindParameter[Any] = bindparam(name)


@compiles(among, "sqlite")
def _sqlite(element: among, compiler: Any, **options: Any) -> str:
    column, bind = compiler.process(element.column, **options), compiler.process(element.bind, **options)
    return f"{column} IN (SELECT value FROM json_each({bind}))"


@compiles(among, "postgresql")
def _postgresql(element: among, compiler: Any, **options: Any) -> str:
    column, bind = compiler.process(element.column, **options), compiler.process(element.bind, **options)
    return f"{column} = ANY({bind})"


class Result:
    """What a statement found: rows as tuples, read once."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor.fetchall())

    def all(self) -> list[tuple[Any, ...]]:
        return list(self._cursor.fetchall())

    def scalars(self) -> list[Any]:
        """The first value of each row."""
        return [row[0] for row in self._cursor.fetchall()]

    def one(self) -> tuple[Any, ...]:
        """The only row. Raises LookupError where there is none, or another."""
        rows = self._cursor.fetchall()
        if len(rows) != 1:
            raise LookupError(f"{len(rows)} rows instead of one")
        return tuple(rows[0])

    @property
    def rowcount(self) -> int:
        return int(self._cursor.rowcount)


class Prepared:
    """A SQLAlchemy statement as text of one dialect. List parameters go to `among`."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup
        self._given = dict(compiled.params)  # None for what each execution brings, and for a literal NULL
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        several = self._names is not None and len(self._names) > 1
        self._pick = itemgetter(*self._names) if several and self._names else None
        self._json = dialect.name == "sqlite"

    def run(self, connection: Connection, parameters: Parameters | None = None) -> Result:
        cursor = connection.connection.cursor()
        cursor.execute(self.sql, self._bound(parameters or {}))
        return Result(cursor)

    def run_many(self, connection: Connection, parameters: Sequence[Parameters]) -> None:
        """Once for each; lists are not for here."""
        simple = self._pick is not None and not self._fixed
        bound = list(map(self._pick, parameters)) if simple and self._pick else [self._bound(one) for one in parameters]
        cursor = connection.connection.cursor()
        if len(bound) == 1:  # a server's driver makes more ado about many
            cursor.execute(self.sql, bound[0])
        else:
            cursor.executemany(self.sql, bound)
        cursor.close()

    def _bound(self, parameters: Parameters) -> Any:
        values: dict[str, Any] = {**self._given, **parameters}
        for name, value in values.items():
            if type(value) is list:
                values[name] = orjson.dumps(value).decode() if self._json else value
        if self._names is None:
            return values
        return tuple([values.get(name) for name in self._names])
