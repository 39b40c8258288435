"""① apply, before anything: where a batch may be cut so that no document is built from half a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.change import Change, Message, Record, TransactionEnd, Truncate

HELD_AT_MOST = 2_000  # records of an unfinished transaction that wait in memory; a longer one is applied as open


def last_cut(records: Sequence[Record], held_at_most: int = HELD_AT_MOST) -> int:
    """How many records to apply now: up to the last place where no transaction is open.

    A transaction longer than ``held_at_most`` is applied piece by piece; until its END is applied the
    source has an ``open_transaction`` and no document of its mapping is gathered.
    """
    open_transaction: str | None = None
    cut = 0
    for number, record in enumerate(records, 1):
        open_transaction = opened(open_transaction, record)
        if open_transaction is None:
            cut = number
    return cut if len(records) - cut <= held_at_most else len(records)


def opened(current: str | None, record: Record) -> str | None:
    """The transaction that is open after ``record``.

    An END closes only its own transaction: a stale connector task may append another's. A change of a new
    transaction takes over: in log order the earlier one was complete, or will be sent again from its start.
    """
    if isinstance(record, TransactionEnd):
        return None if record.transaction == current else current
    if isinstance(record, Change | Truncate | Message) and record.transaction is not None:
        return record.transaction
    return current
