"""What MariaDB and MySQL can lack beside what `connectors.problem.PROBLEMS` lists for every database."""

from __future__ import annotations

MARIADB_PROBLEMS: dict[str, str] = {
    "M233": "the connector's number among the server's replicas is taken",
    "M234": "zero dates arrive as 1970-01-01",
    "M235": "a foreign key changes rows without a word in the log",
    "M236": "changes that are sent again could not be recognised",
    "M237": "the mapping names no database",
    "M238": "the user may not lock tables, keep the marker table, or see foreign keys",
    "M239": "the server's log is kept for a short time only",
    "M240": "the server is MariaDB where the mapping says MySQL, or the other way round",
    "M242": "the connector cannot read how a table is made, or its changes in the log",
}
