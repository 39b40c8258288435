"""MariaDB's and MySQL's address: how Headrace connects to it, and what it tells the connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql
from pymysql.cursors import DictCursor

from connectors.secrets import masked
from sync.errors import SourceRefused, SourceUnreachable

CONNECT_TIMEOUT = 5  # seconds
READ_TIMEOUT = 60
SCHEMES = ("mysql", "mariadb")
# A server that answers so will soon answer otherwise: too many connections, shutting down, gone, lock not free yet.
_SOON = frozenset({1040, 1041, 1053, 1077, 1203, 1205, 1213, 1226, 2002, 2003, 2006, 2013, 2055, 4031})
# What the server says with these names objects and rights; others may quote a row's value: only their number is said.
_NAMES_ONLY = _SOON | {
    1044, 1045, 1046, 1049, 1051, 1054, 1102, 1109, 1129, 1130, 1141, 1142, 1143, 1146, 1227, 1290, 1370, 1396, 1410,
    1698, 1820, 1836, 1862, 2005, 2026, 2049, 2059, 3159, 4151,
}  # fmt: skip
TLS_MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")  # as the command line clients say


class Address:
    """``mysql://user:password@host:3306/database?ssl-mode=…&ssl-ca=…``, taken apart; mariadb:// is the same.

    ``server`` is what messages call it. Raises SourceRefused where it is none. Its text is quoted nowhere, for it holds
    the password.
    """

    def __init__(self, url: str, server: str = "MariaDB") -> None:
        self._server = server
        try:
            parts = urlsplit(url)
            self.port = parts.port or 3306
            host = parts.hostname
        except ValueError:
            raise _no_address() from None  # without the cause: it quotes the text
        self.database = unquote(parts.path).strip("/")
        if parts.scheme.partition("+")[0] not in SCHEMES or not host or not self.database:
            raise _no_address()
        self.host = host
        self.user = unquote(parts.username or "root")
        self.password = unquote(parts.password or "")
        options = {name.lower().replace("_", "-"): value for name, value in parse_qsl(parts.query)}
        self.tls = options.get("ssl-mode", "preferred").lower().replace("-", "_")
        self.tls_ca = options.get("ssl-ca")
        if self.tls not in TLS_MODES:
            raise SourceRefused(
                "the source's url has an ssl-mode that does not exist", advice=f"One of {', '.join(TLS_MODES)}."
            )

    def __str__(self) -> str:
        return f"{self._server} {self.user}@{self.host}:{self.port}/{self.database}"

    @contextmanager
    def connect(self) -> Iterator[DictCursor]:
        """A cursor on an autocommit connection in UTC; rows are dicts.

        Raises SourceUnreachable and SourceRefused, also for what fails inside.
        """
        try:
            connection = self._open()
        except pymysql.err.MySQLError as exc:
            raise self._ours(exc, "refuses the connection", "does not answer") from exc
        except OSError as exc:
            raise SourceUnreachable(f"{self} does not answer: {type(exc).__name__}") from exc
        try:
            with connection.cursor() as cursor:
                yield cursor
        except pymysql.err.MySQLError as exc:
            raise self._ours(exc, "refuses", "stopped answering") from exc
        finally:
            connection.close()

    def _open(self) -> pymysql.connections.Connection[DictCursor]:
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            # In another zone a TIMESTAMP would read otherwise than the connector sends it.
            init_command="set time_zone = '+00:00'",
            cursorclass=DictCursor,
            program_name="headrace",
            **self._tls_options(),
        )

    def _tls_options(self) -> dict[str, Any]:
        if self.tls == "disabled":
            return {"ssl_disabled": True}
        if self.tls == "preferred" and self.tls_ca is None:
            return {}
        return {
            "ssl_ca": self.tls_ca,
            "ssl_verify_cert": self.tls in ("verify_ca", "verify_identity"),
            "ssl_verify_identity": self.tls == "verify_identity",
        }

    def _ours(self, exc: pymysql.err.MySQLError, no: str, away: str) -> SourceRefused | SourceUnreachable:
        text = masked(said(exc), frozenset({self.password} - {""}))
        if code_of(exc) in _SOON or isinstance(exc, pymysql.err.InterfaceError):
            return SourceUnreachable(f"{self} {away}: {text}")
        return SourceRefused(f"{self} {no}: {text}")


def is_mariadb(cursor: DictCursor) -> bool:
    """Which of the two servers answers: an address of the form mysql:// may be either's."""
    cursor.execute("select version() as version")
    row = cursor.fetchone() or {}
    return "mariadb" in str(row["version"]).lower()


def code_of(exc: pymysql.err.MySQLError) -> int:
    """The server's error number; 0 where it has none."""
    return exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0


def said(exc: pymysql.err.MySQLError) -> str:
    """The server's message where it cannot quote a row's value, otherwise its number."""
    code = code_of(exc)
    if code in _NAMES_ONLY and len(exc.args) > 1:
        return str(exc.args[1]).splitlines()[0]
    return f"error {code}" if code else type(exc).__name__


def _no_address() -> SourceRefused:
    return SourceRefused(
        "the source's url is not one of a MariaDB or MySQL database",
        advice="Write it as mysql://user:password@host:3306/database, with special characters %-encoded.",
    )


def quoted(*names: str) -> str:
    """Names as SQL: ``quoted("shop", "item")`` is `` `shop`.`item` ``."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)
