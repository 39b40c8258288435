"""Before a source is registered: everything that MariaDB or MySQL lacks for it, each with the SQL that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence

import pymysql
from pymysql.cursors import DictCursor

from connectors.captured import CapturedTable
from connectors.mariadb.address import Address
from connectors.mariadb.grants import Grants, check_grants
from connectors.mariadb.preflight_table import check_table
from connectors.mariadb.server import log_status, replicas
from connectors.mariadb.tables import read_tables
from connectors.mariadb.unread import check_unread, unread_of
from connectors.problem import Problem

SHORT_LOG = 24 * 3600  # seconds
MYSQL_WANTED = {"gtid_mode": "ON", "binlog_row_value_options": "", "binlog_transaction_compression": "OFF"}
Variables = Mapping[str, str]


def preflight(
    address: Address,
    connector: str,
    server_id: int,
    signal_table: str,
    tables: Sequence[CapturedTable],
    *,
    registered: bool,
) -> list[Problem]:
    """All problems, never only the first; empty where capture can begin.

    ``registered``: our connector exists already, so that ``server_id`` is in use with good reason.
    Raises SourceUnreachable, and SourceRefused for a wrong password or a missing database.
    """
    mariadb = connector == "mariadb"
    nameless = [table for table in tables if not table.schema]
    named = [table for table in tables if table.schema]
    with address.connect() as cursor:
        variables = _variables(cursor)
        cursor.execute("show grants")
        grants = Grants(str(value) for row in cursor.fetchall() for value in row.values())
        found = [
            *check_server(variables, mariadb=mariadb),
            *check_grants(grants, address, named, signal_table, mariadb=mariadb),
            *_replicas(cursor, server_id, registered, mariadb),
            *_logged(cursor, {table.schema for table in named}, mariadb),
            *(_nameless(address, table) for table in nameless),
        ]
        there = read_tables(cursor, address.database, [table.name for table in named], mariadb=mariadb)
        for table in named:
            if table.name in there:
                found += check_table(
                    table, there[table.name], named, zero_dates=_zero_dates(variables), silent=_silent(variables)
                )
                if mariadb:
                    unread = unread_of(cursor, table.schema, table.table)
                    found += check_unread(table, there[table.name], unread)
            else:
                found.append(_missing(cursor, table))
    return found


def check_server(variables: Variables, *, mariadb: bool) -> Iterator[Problem]:
    """``variables``: the server's global variables by name; one that it does not know is missing."""
    if ("mariadb" in variables.get("version", "").lower()) is not mariadb:
        says, is_there = ("mariadb", "mysql") if mariadb else ("mysql", "mariadb")
        yield Problem("M240", "error", f"the mapping says `connector: {says}`, and the server is of kind {is_there}")
        return
    wanted = {"log_bin": "ON", "binlog_format": "ROW", "binlog_row_image": "FULL"}
    # What is compressed arrives without a place of its own: changes could be taken for some that were sent before.
    wanted |= {"log_bin_compress": "OFF"} if mariadb else MYSQL_WANTED
    for name, value in wanted.items():
        is_now = variables.get(name, value).upper()
        if is_now != value:
            # log_bin, and MySQL's gtid_mode, cannot be changed by one statement while the server runs.
            restart = name in ("log_bin", "gtid_mode")
            yield Problem(
                "M210",
                "error",
                f"{name} is {is_now}, and must be {value or 'empty'}"
                + ("; set it in the server's configuration and restart it" if restart else ""),
                "" if restart else f"set global {name} = {_literal(value)};",
            )
    if variables.get("server_id") == "0":
        yield Problem("M210", "error", "server_id is 0, so that nobody may read the log", "set global server_id = 1;")
    if mariadb and variables.get("gtid_strict_mode", "ON").upper() == "OFF":
        yield Problem(
            "M236",
            "warning",
            "gtid_strict_mode is OFF: a replica's log may hold transactions out of order, which would look like changes"
            " that are sent again",
            "set global gtid_strict_mode = on;",
        )
    kept = variables.get("binlog_expire_logs_seconds", "0")
    if kept.isdigit() and 0 < int(kept) < SHORT_LOG:
        yield Problem(
            "M239",
            "warning",
            f"the binary log is kept for {int(kept)} s: after a longer pause the source is read again",
            "set global binlog_expire_logs_seconds = 259200;",
        )


def _variables(cursor: DictCursor) -> dict[str, str]:
    cursor.execute("show global variables")
    return {str(row["Variable_name"]).lower(): str(row["Value"]) for row in cursor.fetchall()}


def _zero_dates(variables: Variables) -> bool:
    """Whether the server takes 0000-00-00 for a date."""
    return "NO_ZERO_DATE" not in variables.get("sql_mode", "").upper()


def _silent(variables: Variables) -> bool:
    """Whether what foreign keys do is missing from the log: since MySQL 9.6 it is there, unless told otherwise."""
    return variables.get("innodb_native_foreign_keys", "ON").upper() == "ON"


def _replicas(cursor: DictCursor, server_id: int, registered: bool, mariadb: bool) -> Iterator[Problem]:
    try:
        connected = replicas(cursor, mariadb=mariadb)
    except pymysql.err.MySQLError:
        return  # it says so only to some users; a clash shows as a failing task
    # MariaDB writes Server_id, MySQL Server_Id.
    known = {str(value) for row in connected for name, value in row.items() if name.lower() == "server_id"}
    if not registered and str(server_id) in known:
        yield Problem(
            "M233",
            "error",
            f"a replica with server id {server_id} is connected already: two of one id disconnect each other."
            " Is this mapping applied from elsewhere too? Otherwise rename it",
        )


def _logged(cursor: DictCursor, schemas: Collection[str], mariadb: bool) -> Iterator[Problem]:
    try:
        row = log_status(cursor, mariadb=mariadb) or {}
    except pymysql.err.MySQLError:
        return  # a missing right is named elsewhere
    only = [each for each in str(row.get("Binlog_Do_DB") or "").split(",") if each]
    never = [each for each in str(row.get("Binlog_Ignore_DB") or "").split(",") if each]
    for schema in sorted(schemas):
        if (only and schema not in only) or schema in never:
            yield Problem(
                "M210",
                "error",
                f"the server does not log database {schema} (binlog_do_db, binlog_ignore_db); change its configuration"
                " and restart it",
            )


def _nameless(address: Address, table: CapturedTable) -> Problem:
    return Problem(
        "M237", "error", f"the mapping does not say in which database table {table.table} is:"
        f" add `schema: {address.database}` to its source", table=table.table,
    )  # fmt: skip


def _missing(cursor: DictCursor, table: CapturedTable) -> Problem:
    cursor.execute(
        "select concat(table_schema, '.', table_name) as name from information_schema.tables"
        " where table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')"
    )
    near = difflib.get_close_matches(table.name, [str(row["name"]) for row in cursor.fetchall()], n=1, cutoff=0.6)
    advice = f"; the nearest is {near[0]}" if near else ""
    return Problem("M218", "error", f"there is no table {table.name}{advice}", table=table.name)


def _literal(value: str) -> str:
    return f"'{value}'" if not value or value in ("ROW", "FULL") else value.lower()
