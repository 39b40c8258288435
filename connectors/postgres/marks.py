"""Whether a slot and its server's log are still those of the last look: PostgreSQL gives a slot no identity.

A slot that was dropped and made again under its name begins later, and neither the server nor Debezium 3.6 says so to
a connector that runs. But the server counts for each slot the transactions that it decoded, and begins at zero.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from psycopg.rows import class_row

from connectors.positions import Look
from connectors.postgres.address import Address

_READ = """
select pg_postmaster_start_time()::text as started, counted.stats_reset::text as reset,
       counted.total_txns as transactions,
       ((case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end)
        - '0/0')::bigint as lsn
from pg_replication_slots slot join pg_stat_replication_slots counted using (slot_name)
where slot_name = %s
"""


@dataclass(frozen=True)
class Marks:
    """``transactions`` that the slot decoded since it was made, the server ``started`` after a crash, or ``reset``."""

    started: str
    reset: str | None
    transactions: int
    lsn: int


def replaced(address: Address, slot: str, applied: tuple[int, ...] | None, marks: str | None) -> Look:
    """Compare with the last look's ``marks``; ``applied`` is how far the log is applied: (commit's LSN, LSN).

    No verdict where there is no slot. Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as connection, connection.cursor(row_factory=class_row(Marks)) as cursor:
        now = cursor.execute(_READ, [slot]).fetchone()
    if now is None:
        return Look(None, marks)
    kept = json.dumps(asdict(now))
    if applied is not None and now.lsn < applied[0]:
        return Look("the database's log went back: it was restored to an earlier point", kept)
    before = Marks(**json.loads(marks)) if marks else None
    same = before is not None and (before.started, before.reset) == (now.started, now.reset)
    if before is not None and same and now.transactions < before.transactions:
        return Look(f"slot {slot} was dropped and made again", kept)
    return Look(None, kept)
