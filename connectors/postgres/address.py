"""PostgreSQL's address: how Headrace connects to it, and what it tells the connector."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from connectors.secrets import masked
from sync.errors import SourceRefused, SourceUnreachable

Connection = psycopg.Connection[Any]
CONNECT_TIMEOUT = 5  # seconds
# A server that answers so will soon answer otherwise: SQLSTATE 57P01..57P03 and 53300.
_SOON = re.compile(r"starting up|shutting down|recovery mode|not yet accepting|too many (clients|connections)")


class Address:
    """A libpq URL or connection string, taken apart.

    Raises SourceRefused where it is none. Its text is quoted nowhere, for it holds the password.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            # Without the cause: libpq quotes the text that it could not read.
            raise SourceRefused(
                "the source's url is not one that PostgreSQL understands",
                advice="Write it as postgresql://user:password@host:5432/database, with special characters %-encoded.",
            ) from None
        self.parts = {key: str(value) for key, value in parts.items() if value is not None}
        self.host = self.parts.get("host", "localhost").split(",")[0]
        self.port = int((self.parts.get("port") or "5432").split(",")[0] or 5432)
        self.user = self.parts.get("user", "postgres")
        self.database = self.parts.get("dbname") or self.user
        self.password = self.parts.get("password", "")

    def __str__(self) -> str:
        return f"PostgreSQL {self.user}@{self.host}:{self.port}/{self.database}"

    @contextmanager
    def connect(self, **options: Any) -> Iterator[psycopg.Connection[TupleRow]]:
        """An autocommit connection. Raises SourceUnreachable and SourceRefused, also for what fails inside."""
        wanted = {"connect_timeout": str(CONNECT_TIMEOUT), "application_name": "headrace"} | self.parts
        try:
            connection = psycopg.connect(conninfo.make_conninfo("", **wanted), autocommit=True, **options)
        except psycopg.OperationalError as exc:
            raise self._not_connected(exc) from exc
        try:
            with connection:
                yield connection
        except psycopg.OperationalError as exc:
            raise SourceUnreachable(f"{self} stopped answering: {said(exc)}") from exc
        except psycopg.Error as exc:
            raise SourceRefused(f"{self} refuses: {said(exc)}") from exc

    def _not_connected(self, exc: psycopg.Error) -> SourceUnreachable | SourceRefused:
        text = masked(said(exc), frozenset({self.password} - {""}))
        if not _SOON.search(text) and ("FATAL" in text or self._listens()):
            return SourceRefused(f"{self} refuses the connection: {text}")
        return SourceUnreachable(f"{self} does not answer: {text}")

    def _listens(self) -> bool:
        """Whether anything does; a message in another language would not tell."""
        try:
            socket.create_connection((self.host, self.port), CONNECT_TIMEOUT).close()
        except OSError:
            return False
        return True


def said(exc: psycopg.Error) -> str:
    """The first line of the server's message. Its DETAIL, which may quote a row, is left out."""
    text = exc.diag.message_primary or str(exc)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else type(exc).__name__
