"""Statements compiled once: on the hot path SQLAlchemy's work per execution is more than the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import BindParameter, Boolean, ColumnElement, Connection, CursorResult, Dialect, Executable, bindparam
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


class Prepared:
    """A SQLAlchemy statement as text of one dialect. List parameters go to `among`."""

    def __init__(self, statement: Executable, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        self._names: Sequence[str] | None = compiled.positiontup
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        several = self._names is not None and len(self._names) > 1
        self._pick = itemgetter(*self._names) if several and self._names else None
        self._json = dialect.name == "sqlite"

    def run(self, connection: Connection, parameters: Parameters | None = None) -> CursorResult[*tuple[Any, ...]]:
        return connection.exec_driver_sql(self.sql, self._bound(parameters or {}))

    def run_many(self, connection: Connection, parameters: Sequence[Parameters]) -> CursorResult[*tuple[Any, ...]]:
        """Once for each; lists are not for here."""
        if self._pick is None or self._fixed:
            return connection.exec_driver_sql(self.sql, [self._bound(one) for one in parameters])
        return connection.exec_driver_sql(self.sql, list(map(self._pick, parameters)))

    def _bound(self, parameters: Parameters) -> Any:
        values: dict[str, Any] = {**self._fixed, **parameters}
        for name, value in values.items():
            if type(value) is list:
                values[name] = orjson.dumps(value).decode() if self._json else value
        if self._names is None:
            return values
        return tuple([values.get(name) for name in self._names])
