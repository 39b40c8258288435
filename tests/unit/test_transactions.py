"""Where a batch is cut, and which transaction is open after a record."""

from __future__ import annotations

from connectors.change import TransactionEnd
from sync.apply.transactions import last_cut, opened
from tests.support.airline import BOOKING, FLIGHT, Log


def log_of(*sizes: int) -> Log:
    log = Log()
    for size in sizes:
        log.commit(*(("flights", "u", FLIGHT) for _ in range(size)))
    return log


def test_a_batch_is_cut_after_its_last_whole_transaction() -> None:
    records = log_of(2, 3).records  # 2 changes, END, 3 changes, END
    assert last_cut(records) == 7
    assert last_cut(records[:-1]) == 3
    assert last_cut(records[:5]) == 3
    assert last_cut(records[:2]) == 0


def test_an_unfinished_transaction_that_is_too_long_is_applied_as_open() -> None:
    records = log_of(1, 50).records[:-1]
    assert last_cut(records, held_at_most=10) == len(records)


def test_snapshot_rows_belong_to_no_transaction() -> None:
    log = Log()
    log.change("bookings", "r", BOOKING)
    assert last_cut(log.records) == 1


def test_the_end_of_another_transaction_closes_nothing() -> None:
    log = log_of(1)
    change = log.records[0]
    name = opened(None, change)
    assert name is not None
    assert opened(name, TransactionEnd(9, 0, "somebody else's")) == name
    assert opened(name, TransactionEnd(9, 0, name)) is None


def test_a_change_of_a_new_transaction_takes_over_from_one_that_was_never_ended() -> None:
    first, second = log_of(1).records[0], log_of(1, 1).records[2]
    assert opened(opened(None, first), second) == opened(None, second)
