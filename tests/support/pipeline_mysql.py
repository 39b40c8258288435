"""The same pipeline on MySQL, whose tests `make mysql` runs: its server is in no stable release of Debian."""

from __future__ import annotations

from typing import ClassVar

import pytest

from connectors.mariadb.database import MariaDB
from connectors.mysql.database import MySQL
from tests.support.pipeline_mariadb import MariaDBPipeline


class MySQLPipeline(MariaDBPipeline):
    """As `MariaDBPipeline`, on MySQL."""

    kind = "mysql"
    source: ClassVar[type[MariaDB]] = MySQL


ON_MYSQL = pytest.param(MySQLPipeline, marks=pytest.mark.mysql)
