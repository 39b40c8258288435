"""The lock's file: what is written reads back the same, and reads well in a diff."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.mapping.lock import ForeignKey, Lock, LockColumn, LockTable, SourceLock
from sync.mapping.lockfile import dump_lock, lock_path, lock_text, read_lock

TEXT = st.text(max_size=12)
COLUMNS = st.builds(
    LockColumn,
    type=TEXT,
    nullable=st.booleans(),
    generated=st.booleans(),
    values=st.lists(TEXT, max_size=2).map(tuple),
    collation=st.none() | TEXT,
)
NAMES = st.lists(TEXT, max_size=2).map(tuple)
KEYS = st.builds(ForeignKey, columns=NAMES, table=TEXT, references=NAMES, on_delete=TEXT)
TABLES = st.builds(
    LockTable,
    key=NAMES,
    unique=st.lists(NAMES, max_size=1).map(tuple),
    columns=st.dictionaries(TEXT, COLUMNS, max_size=3),
    foreign_keys=st.lists(KEYS, max_size=1).map(tuple),
)
LOCKS = st.builds(
    Lock,
    sources=st.dictionaries(
        TEXT, st.builds(SourceLock, connector=TEXT, tables=st.dictionaries(TEXT, TABLES, max_size=2)), max_size=2
    ),
)


def one_table(**columns: LockColumn) -> Lock:
    return Lock(
        sources={"s": SourceLock(connector="postgres", tables={"public.t": LockTable(key=("id",), columns=columns)})}
    )


@settings(max_examples=60, deadline=None)
@given(LOCKS)
def test_any_lock_reads_back_as_it_was_written(lock: Lock) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.lock"
        dump_lock(lock, path)
        assert read_lock(path) == (lock, [])


def test_the_same_lock_gives_the_same_text_whatever_order_its_tables_came_in() -> None:
    first, second = LockTable(key=("a",)), LockTable(key=("b",))
    one = Lock(sources={"s": SourceLock(connector="postgres", tables={"x": first, "y": second})})
    other = Lock(sources={"s": SourceLock(connector="postgres", tables={"y": second, "x": first})})
    assert lock_text(one) == lock_text(other)


def test_a_changed_column_changes_one_line() -> None:
    before = lock_text(one_table(id=LockColumn(type="integer"), name=LockColumn(type="text"))).splitlines()
    after = lock_text(one_table(id=LockColumn(type="bigint"), name=LockColumn(type="text"))).splitlines()
    assert len(before) == len(after)
    assert [line for line in after if line not in before] == ["          id: {type: bigint}"]


def test_the_lock_stands_beside_its_mapping() -> None:
    assert lock_path("mappings/airline.yml") == Path("mappings/airline.lock")


def test_no_lock_is_no_mistake_and_a_broken_one_is(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "a.lock") == (None, [])
    (tmp_path / "a.lock").write_text("version: 1\nsources: {s: {conector: postgres}}\n")
    lock, findings = read_lock(tmp_path / "a.lock")
    assert lock is None
    assert [(f.line, f.code) for f in findings] == [(2, "M030"), (2, "M030")]
    assert "conector (nearest: connector); write it anew with `headrace lint --live`" in findings[1].message
