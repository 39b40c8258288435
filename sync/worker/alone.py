"""SQLite allows one worker: the second must say so instead of fighting for the file."""

from __future__ import annotations

import fcntl
import os
from typing import IO

from sync.errors import StateInUse
from sync.state.database import State


def claim(state: State) -> IO[str] | None:
    """Hold the state for this process; released when the file is closed or the process ends, however it ends.

    Raises StateInUse, naming the process that holds it. None for a state that several workers may share.
    """
    database = state.url.database
    if not state.is_sqlite or not database or database == ":memory:":
        return None
    lock = open(f"{database}.worker", "a+", encoding="utf-8")  # noqa: SIM115  (held as long as the worker lives)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.seek(0)
        other = lock.read().strip() or "unknown"
        lock.close()
        raise StateInUse(f"the state {database} is in use by another worker (process {other})") from exc
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
