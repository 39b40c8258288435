"""A tiny process that waits for another one to disappear and then takes the stack down (`up --die-with PID`).

Tests use it: killed with -9 they run no clean-up of their own, and six servers would stay behind.
"""

import os
import select
import signal
import sys
from pathlib import Path

from nativestack import process
from nativestack.errors import StackError
from nativestack.layout import Layout

NAME = "watchdog"


def start(layout: Layout, pid: int) -> None:
    stop(layout)
    if process.read_stat(pid) is None:
        raise StackError(f"--die-with {pid}: there is no such process")
    script = str(Path(__file__).resolve().parent.parent / "stack")
    argv = [sys.executable, script, "watch", "--name", layout.name, "--pid", str(pid)]
    process.spawn(process.Command(argv), layout.log(NAME), layout.record(NAME))


def stop(layout: Layout) -> None:
    found = process.recorded(layout.record(NAME))
    if found is not None and found.pid != os.getpid():
        process.stop(found, signal.SIGTERM, 5)
    layout.record(NAME).unlink(missing_ok=True)


def await_end(pid: int) -> None:
    """Return when the process has ended, at once and without polling."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
