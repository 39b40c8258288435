"""MySQL as a Database: MariaDB's code with MySQL's connector."""

from __future__ import annotations

from typing import ClassVar

from connectors.mariadb.address import TLS_MODES
from connectors.mariadb.database import MariaDB


class MySQL(MariaDB):
    connector = "mysql"
    connector_class = "io.debezium.connector.mysql.MySqlConnector"
    tls_modes: ClassVar[dict[str, str]] = {each: each for each in TLS_MODES}
