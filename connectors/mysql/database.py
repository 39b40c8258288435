"""MySQL as a Database: MariaDB's code with MySQL's connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from connectors.captured import CapturedTable
from connectors.mariadb.address import TLS_MODES
from connectors.mariadb.database import MariaDB
from connectors.mariadb.marks import replaced as compare
from connectors.mysql.log import MySQLLog
from connectors.names import Names
from connectors.positions import Look
from sync.settings import Settings

_MAYBE_PLAIN = ("disabled", "preferred")


class MySQL(MariaDB):
    connector = "mysql"
    server = "MySQL"
    connector_class = "io.debezium.connector.mysql.MySqlConnector"
    tls_modes: ClassVar[dict[str, str]] = {each: each for each in TLS_MODES}

    def configuration(self, names: Names, tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
        found = super().configuration(names, tables, settings)
        if self.address.tls in _MAYBE_PLAIN:
            # MySQL's passwords travel encrypted where the connection is not, by a key that the server is asked for.
            found["driver.allowPublicKeyRetrieval"] = "true"
        return found

    def replaced(self, names: Names, applied: tuple[int, ...] | None, marks: str | None) -> Look:
        return compare(self.address, applied, marks, MySQLLog())
