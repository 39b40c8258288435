"""A connection to a source of either kind, by its URL: what a test commits through where both databases are to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol

import psycopg
import pymysql
from pymysql.constants import CLIENT

from connectors.mariadb.address import Address

AWAY = (psycopg.OperationalError, pymysql.OperationalError, pymysql.InterfaceError)


class Result(Protocol):
    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...


class Session(Protocol):
    """Every statement commits, unless a transaction is open."""

    def execute(self, text: str, values: Any = None, /) -> Result: ...
    def transaction(self) -> AbstractContextManager[Any]: ...


@contextmanager
def session(url: str) -> Iterator[Session]:
    """Raises one of ``AWAY``, now or later, when the database is away."""
    if url.startswith("mysql"):
        with mariadb(url) as connection:
            yield _MariaDB(connection)
    else:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as found:
            yield found


def mariadb(url: str) -> pymysql.connections.Connection[Any]:
    """In UTC, each statement its own transaction unless one is begun; several may stand in one text."""
    address = Address(url)
    return pymysql.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        password=address.password,
        database=address.database,
        charset="utf8mb4",
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
        init_command="set time_zone = '+00:00', group_concat_max_len = 1000000",
    )


class _MariaDB:
    """PyMySQL's connection, to be used as psycopg's is."""

    def __init__(self, connection: pymysql.connections.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, text: str, values: Any = None, /) -> Result:
        cursor = self._connection.cursor()
        cursor.execute(text, values)
        found: Result = cursor
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            with suppress(*AWAY):  # gone with the connection then
                self._connection.rollback()
            raise
        self._connection.commit()
