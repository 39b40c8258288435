"""MySQL as a Database: MariaDB's code with MySQL's connector."""

from __future__ import annotations

from connectors.mariadb.database import MariaDB


class MySQL(MariaDB):
    connector = "mysql"
    connector_class = "io.debezium.connector.mysql.MySqlConnector"
    tls_modes = {each: each for each in ("disabled", "preferred", "required", "verify_ca", "verify_identity")}
