"""A log that is not the one that was applied, seen by what is fetched: each case is a gap, and never silent."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from connectors.change import Record
from connectors.envelope import decode
from sync.errors import Gap
from sync.worker import intake as intakes
from sync.worker.intake import Intake, fingerprint


class Raw(NamedTuple):
    offset: int
    key: bytes | None = None
    value: bytes | None = b'{"ts_ms": 1}'  # a heartbeat
    headers: tuple[()] = ()


class FakeApplier:
    """Keeps what was applied; the state is not the matter here."""

    def __init__(self, offset: int, last_hash: str | None) -> None:
        self.registered, self.source = SimpleNamespace(name="m"), "s"
        self.progress = SimpleNamespace(offset=offset, last_hash=last_hash)

    def reload(self) -> Any:
        return self.progress

    def apply(self, records: Sequence[Record], last_hash: str | None = None) -> None:
        self.progress.offset, self.progress.last_hash = records[-1].offset, last_hash


def intake(offset: int = -1, last_hash: str | None = None) -> Intake:
    return Intake(FakeApplier(offset, last_hash), lambda: None)  # type: ignore[arg-type]


KNOWN = fingerprint(None, b'{"ts_ms": 1}')


def test_the_last_applied_record_is_read_once_more_and_compared() -> None:
    made = intake(7, KNOWN)
    assert made.begin() == 7
    made.take([Raw(7), Raw(8)])
    assert made.reached == 8


def test_another_record_where_the_last_applied_one_was_is_a_gap() -> None:
    made = intake(7, KNOWN)
    made.begin()
    with pytest.raises(Gap, match="offset 7 is not the one that was applied"):
        made.take([Raw(7, value=b'{"ts_ms": 2}')])


def test_a_log_that_came_back_shorter_is_a_gap() -> None:
    made = intake(7, KNOWN)
    made.begin()
    with pytest.raises(Gap, match="goes back to offset 0"):
        made.take([Raw(0)])


def test_a_log_that_goes_back_while_it_is_read_is_a_gap() -> None:
    made = intake()
    assert made.begin() == 0
    made.take([Raw(0), Raw(1)])
    with pytest.raises(Gap, match="goes back to offset 0 from 1"):
        made.take([Raw(0)])


def test_a_hole_is_a_gap() -> None:
    made = intake()
    made.begin()
    with pytest.raises(Gap, match="continues at offset 2, but 1 comes next"):
        made.take([Raw(0), Raw(2)])


def test_the_same_fetch_may_be_taken_twice() -> None:
    made = intake()
    made.begin()
    fetched = [Raw(0), Raw(1)]
    made.take(fetched)
    made.take(fetched)
    assert made.reached == 1


def test_a_long_fetch_is_never_decoded_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoded record takes ten times its bytes: what is decoded and not yet applied bounds the memory of a load."""
    made, decoded = intake(), 0
    held: list[int] = []

    def counted(*raw: Any) -> Record:
        nonlocal decoded
        decoded += 1
        held.append(decoded - 1 - made.applier.progress.offset)
        return decode(*raw)

    monkeypatch.setattr(intakes, "decode", counted)
    made.begin()
    made.take([Raw(offset) for offset in range(10 * intakes.STEP)])
    assert made.applier.progress.offset == 10 * intakes.STEP - 1
    assert max(held) <= 2 * intakes.STEP
