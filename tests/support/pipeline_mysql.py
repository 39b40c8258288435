"""The same pipeline on MySQL, whose tests `make mysql` runs: its server is in no stable release of Debian."""

from __future__ import annotations

from typing import ClassVar

import pytest

from connectors.mariadb.database import MariaDB
from connectors.mysql.database import MySQL
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.stack import Stack as RealStack


class MySQLPipeline(MariaDBPipeline):
    """As `MariaDBPipeline`, on MySQL."""

    kind = "mysql"
    source: ClassVar[type[MariaDB]] = MySQL


class OlderMySQLPipeline(MySQLPipeline):
    """As MySQL was up to 9.5, and still can be told to be: what foreign keys do is not in its log."""

    def server(self) -> str:
        # Only its start can tell it so; another one beside the session's.
        self._own = RealStack.up("older", only=["mysql"], settings=["mysql.innodb-native-foreign-keys=ON"])
        super().server()
        return self._own.env["MYSQL_URL"]

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._own.down()


ON_MYSQL = pytest.param(MySQLPipeline, marks=pytest.mark.mysql)
ON_OLDER_MYSQL = pytest.param(OlderMySQLPipeline, marks=pytest.mark.mysql, id="mysql-silent-foreign-keys")
