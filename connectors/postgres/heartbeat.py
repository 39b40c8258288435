"""What PostgreSQL's connector runs every second: a message into the log that names the one before it.

A restored database knows no heartbeat of after its copy was made: the next one names one that is long past. LSNs alone
do not say so, for the restored log grows past what was applied of the lost one.
"""

from __future__ import annotations

from psycopg import sql

from connectors.names import HEARTBEAT_PREFIX, SCHEMA, Names
from connectors.postgres.own_tables import OwnTable

_COLUMNS = "one boolean primary key check (one), token text not null, before text"

# Transactional, so that the message carries the true commit time and a position between the commits. The row is
# held until the commit: whoever beats, heartbeats commit in the order in which they name each other.
_BEAT = """
with beat as (
  insert into {table} as kept (one, token) values (true, gen_random_uuid())
  on conflict (one) do update set before = kept.token, token = excluded.token returning before, token)
select pg_logical_emit_message(true, {prefix}, json_build_array({own}::text, before, token)::text) from beat
"""


def table(names: Names) -> OwnTable:
    """Not in the publication: nothing of it is captured."""
    return OwnTable(
        names.heartbeat_table, _COLUMNS, "headrace: the last heartbeat of this source", "by which a restore is noticed"
    )


def query(names: Names) -> str:
    statement = sql.SQL(_BEAT).format(
        table=sql.Identifier(SCHEMA, names.heartbeat_table),
        prefix=sql.Literal(HEARTBEAT_PREFIX),
        own=sql.Literal(names.prefix),
    )
    return " ".join(statement.as_string().split())
