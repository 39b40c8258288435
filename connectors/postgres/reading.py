"""What PostgreSQL's publication must let out while Debezium reads tables again: all columns of some of them.

When an incremental snapshot takes a table up, Debezium (3.6.1: PostgresSchema.refreshFromIncrementalSnapshot) takes all
its columns from the catalogue for those of its changes, and finds values by their places alone
(PgOutputMessageDecoder.resolveColumnsFromStreamTupleData). Behind a column that is not let out each value would stand
in the next one's place, a private one in clear; and so would those of rows that it has read already when it is told the
columns again. What is let out and not captured ends at the connector.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from connectors.captured import CapturedTable
from connectors.names import Names
from connectors.postgres import publication
from connectors.postgres.address import Address, Connection
from connectors.postgres.tables import CatalogueTable, read_tables
from sync.errors import SourceError, SourceUnreachable

WRITERS_WITHIN = 10.0  # seconds
# Debezium's readUntilNewTransactionChange reads piece after piece at one commit, until the server has given a new
# transaction number meanwhile: the commits behind it wait, longer with each. Numbers of transactions without a change
# end that, come out of no log, and leave about one piece to each commit. Nothing is lost with them: they need not
# wait for the disk.
GIVEN_FOR = 0.25  # seconds
_NUMBERS = f"""
do $$
declare
  until timestamptz := clock_timestamp() + interval '{GIVEN_FOR} seconds';
begin
  while clock_timestamp() < until loop
    perform pg_current_xact_id();
    commit;
    perform pg_sleep(0.001);
  end loop;
end $$
"""
_WRITERS = """
select distinct virtualtransaction from pg_locks
where locktype = 'relation' and granted and pid is distinct from pg_backend_pid()
  and database = (select oid from pg_database where datname = current_database())
  and mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  and relation = any(
    select part from pg_class c join pg_namespace n on n.oid = c.relnamespace,
           lateral (select c.oid union select relid from pg_partition_tree(c.oid)) parts (part)
    where n.nspname || '.' || c.relname = any(%s))
"""


def prepare(connection: Connection, names: Names, tables: Sequence[CapturedTable]) -> bool:
    """Let out what is needed, until `publication.ensure` is called again; False where nothing is.

    Returns when every transaction has ended that wrote to such a table before: it is sent as it was published then.
    Raises SourceUnreachable where one goes on for long.
    """
    known = read_tables(connection, "", [table.name for table in tables])
    there = [table for table in tables if table.name in known]
    listed = publication.wanted(there, known)
    gaps = [t for t in there if leaves_gaps(listed[t.schema, t.table], known[t.name])]
    found = publication.read(connection, names.publication)
    if not gaps or found is None:
        return False
    members = found.members | {(table.schema, table.table): None for table in gaps}
    if members != found.members:
        with connection.transaction():
            publication.publish(connection, names, members)
    _wait_for_writers(connection, [table.name for table in gaps])
    return True


def tell_again(connection: Connection, names: Names) -> None:
    """Have whoever reads the slot told each table's columns anew: a transaction of before may have been sent since."""
    if (found := publication.read(connection, names.publication)) is not None:
        publication.publish(connection, names, found.members)


@contextmanager
def giving_way(address: Address) -> Iterator[None]:
    """Keeps a connector that reads tables again from reading on and on."""
    over = threading.Event()

    def give() -> None:
        # That the database is away is noticed by whoever uses this.
        with suppress(SourceError), address.connect() as connection:
            connection.execute("set synchronous_commit = off")
            while not over.is_set():
                connection.execute(_NUMBERS)

    giver = threading.Thread(target=give, name="give way", daemon=True)
    giver.start()
    try:
        yield
    finally:
        over.set()
        giver.join(2 * GIVEN_FOR)


def leaves_gaps(columns: tuple[str, ...] | None, there: CatalogueTable) -> bool:
    """Whether a column is left out that stands before one of these; generated ones are never let out, nor counted."""
    places = [name for name, column in there.columns.items() if not column.generated]
    return columns is not None and tuple(places[: len(columns)]) != columns


def _wait_for_writers(connection: Connection, tables: list[str]) -> None:
    def writers() -> set[str]:
        return {row[0] for row in connection.execute(_WRITERS, [tables])}

    before, deadline = writers(), time.monotonic() + WRITERS_WITHIN
    while before:
        if time.monotonic() > deadline:
            raise SourceUnreachable(f"a transaction that has written to {', '.join(tables)} goes on: it is waited for")
        time.sleep(0.05)
        before &= writers()
