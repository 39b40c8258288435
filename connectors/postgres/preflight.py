"""Before a source is registered: everything that PostgreSQL lacks for it, each with the SQL that mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from connectors.captured import CapturedTable
from connectors.names import Names
from connectors.postgres import own_tables, publication
from connectors.postgres.address import Address
from connectors.postgres.preflight_table import check_table, quoted
from connectors.postgres.slot import PLUGIN
from connectors.postgres.tables import read_tables
from connectors.problem import Problem

COLUMN_LISTS = 150000  # server_version_num from which a publication may list columns
LATE_MS = 20

_SERVER = """
select current_setting('server_version_num')::int as version, current_setting('server_version') as version_text,
       current_setting('wal_level') as wal_level,
       current_setting('max_replication_slots')::int as slots,
       (select count(*) from pg_replication_slots)::int as slots_used,
       current_setting('max_wal_senders')::int as senders,
       (select count(*) from pg_stat_activity where backend_type = 'walsender')::int as senders_used,
       current_setting('synchronous_commit') as synchronous_commit,
       (select setting::int from pg_settings where name = 'wal_writer_delay') as wal_writer_delay,
       pg_is_in_recovery() as standby,
       current_user as "user", current_database() as database,
       r.rolsuper as superuser,
       r.rolreplication or r.rolsuper
         or exists (select from pg_roles m where m.rolname = 'rds_replication' and pg_has_role(m.oid, 'MEMBER'))
         as may_replicate,
       has_database_privilege(current_database(), 'CREATE') as may_create
from pg_roles r where r.rolname = current_user
"""

_SLOT = """
select database::text, plugin::text, active, wal_status from pg_replication_slots where slot_name = %s
"""

_NEIGHBOURS = """
select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""


def preflight(address: Address, names: Names, tables: Sequence[CapturedTable], *, registered: bool) -> list[Problem]:
    """All problems, never only the first; empty where capture can begin.

    ``registered``: our connector exists already, so that its slot is in use with good reason.
    Raises SourceUnreachable, and SourceRefused for a wrong password or a missing database.
    """
    with address.connect() as connection:
        with connection.cursor(row_factory=dict_row) as cursor:
            server = cursor.execute(_SERVER).fetchone() or {}
            slot = cursor.execute(_SLOT, [names.slot]).fetchone()
        found = [
            *check_server(server, bool(slot) or registered),
            *check_rights(server),
            *_names(connection, names, slot, registered),
            *own_tables.check(connection, publication.beside(names)),
        ]
        there = read_tables(connection, "", [table.name for table in tables])
        for table in tables:
            if table.name in there:
                found += check_table(table, there[table.name], server)
            else:
                found.append(_missing(connection, table))
    return found


def check_server(server: dict[str, Any], has_slot: bool) -> Iterator[Problem]:
    if server["version"] < COLUMN_LISTS:
        yield Problem(
            "M213",
            "error",
            f"this is PostgreSQL {server['version_text']}; publications with column lists, which keep unlisted columns"
            " inside the database, need 15 or newer",
        )
    if server["wal_level"] != "logical":
        yield Problem(
            "M210",
            "error",
            f"wal_level is {server['wal_level']}, and must be logical; it counts after a restart of the server",
            "alter system set wal_level = 'logical';",
        )
    if not has_slot and server["slots_used"] >= server["slots"]:
        yield Problem(
            "M211",
            "error",
            f"all {server['slots']} replication slots are taken; a higher limit counts after a restart of the server",
            f"alter system set max_replication_slots = {server['slots'] + 5};",
        )
    # A registered connector's own sender is among those counted.
    if not has_slot and server["senders_used"] >= server["senders"]:
        yield Problem(
            "M212",
            "error",
            f"all {server['senders']} WAL senders are taken; a higher limit counts after a restart of the server",
            f"alter system set max_wal_senders = {server['senders'] + 5};",
        )
    if server["synchronous_commit"] == "off" and server["wal_writer_delay"] > LATE_MS:
        yield Problem(
            "M227",
            "warning",
            f"synchronous_commit is off, so that a change may leave the server {server['wal_writer_delay']} ms late",
            "alter system set wal_writer_delay = '10ms'; select pg_reload_conf();",
        )


def check_rights(server: dict[str, Any]) -> Iterator[Problem]:
    user, database = quoted(server["user"]), quoted(server["database"])
    if not server["may_replicate"]:
        yield Problem(
            "M214", "error", f"user {server['user']} has no right to replicate", f"alter role {user} replication;"
        )
    if not server["may_create"]:
        yield Problem(
            "M215",
            "error",
            f"user {server['user']} may not create a publication in database {server['database']}",
            f"grant create on database {database} to {user};",
        )


def _names(
    connection: psycopg.Connection[Any], names: Names, slot: dict[str, Any] | None, registered: bool
) -> Iterator[Problem]:
    ours = publication.ours(connection, names)
    if ours is False:
        yield Problem(
            "M217",
            "error",
            f"publication {names.publication} exists and is not Headrace's for this mapping",
            f"drop publication {quoted(names.publication)};  -- if nobody needs it; otherwise rename the mapping",
        )
    if slot is None:
        return
    here = slot["database"] == connection.info.dbname and slot["plugin"] == PLUGIN
    # A slot beside our own publication, which nobody reads, is what an interrupted `apply` or `remove` left.
    if not here or not (registered or (ours and not slot["active"])):
        yield Problem(
            "M217",
            "error",
            f"replication slot {names.slot} exists and belongs to something else"
            + (" (it is being read)" if slot["active"] else ""),
            sql.SQL("select pg_drop_replication_slot({});").format(names.slot).as_string()
            + "  -- if nobody needs it; otherwise rename the mapping",
        )
    elif registered and slot["wal_status"] == "lost":
        yield Problem(
            "M228",
            "warning",
            f"the server has discarded log that slot {names.slot} had not yet sent: the source will be read again",
        )


def _missing(connection: psycopg.Connection[Any], table: CapturedTable) -> Problem:
    known = [row[0] for row in connection.execute(_NEIGHBOURS)]
    near = difflib.get_close_matches(table.name, known, n=1, cutoff=0.6)
    advice = f"; the nearest is {near[0]}" if near else ""
    return Problem("M218", "error", f"there is no table {table.name}{advice}", table=table.name)
