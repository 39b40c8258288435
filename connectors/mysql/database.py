"""MySQL as a Database: MariaDB's code with MySQL's connector."""

from __future__ import annotations

from typing import ClassVar

from connectors.mariadb.address import TLS_MODES
from connectors.mariadb.database import MariaDB
from connectors.names import Names
from connectors.positions import Look


class MySQL(MariaDB):
    connector = "mysql"
    connector_class = "io.debezium.connector.mysql.MySqlConnector"
    tls_modes: ClassVar[dict[str, str]] = {each: each for each in TLS_MODES}

    def replaced(self, names: Names, applied: tuple[int, ...] | None, marks: str | None) -> Look:
        """Not compared: MySQL's GTIDs name the server, and what a reset does to them was not tried."""
        return Look(None, marks)
