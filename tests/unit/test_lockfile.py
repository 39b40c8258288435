"""The lock's file: what is written reads back the same, and reads well in a diff."""

from __future__ import annotations

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
    return Lock(sources={"s": SourceLock(connector="postgres", tables={"public.t": LockTable(key=("id",), columns=columns)})})


@settings(max_examples=60, deadline=None)
@given(lock=LOCKS)
def test_any_lock_reads_back_as_it_was_written(lock: Lock, tmp_path_factory: object) -> None:
    path = Path(f"/proc/self/fd/{_pipe(lock_text(lock))}")
    assert read_lock(path) == (lock, [])
