"""`headrace …` in a copy of a process that has imported everything: what a user starts, without 2 s of imports each.

Tests start it some hundred times. That it starts as a user's shell starts it, the tests of the docs and of the
command line show.
"""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "sync.cli.main",
        "sync.cli.application",
        "sync.cli.remove",
        "sync.embed.local",
        "sync.worker.service",
        "connectors.registration",
        "connectors.mariadb.database",
        "connectors.postgres.database",
        "tests.support.launch",
    ]
)


class Launched:
    """One `headrace` command, in a session of its own; ended with `kill -9` when this process is. As a Popen."""

    def __init__(self, arguments: list[str], env: dict[str, str], folder: Path, out: Path, err: Path) -> None:
        self.args = arguments
        ready, told = _context.Pipe(duplex=False)
        self._process = _context.Process(
            target=_become, args=(told, arguments, env, str(folder), str(out), str(err)), daemon=True
        )
        self._process.start()
        told.close()
        with ready:
            ready.recv()  # before it has a session of its own, no signal to that would find it
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative where a signal ended it. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if (code := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired(["headrace", *self.args], timeout or 0.0)
        return code


def _become(told: Connection, arguments: list[str], env: dict[str, str], folder: str, out: str, err: str) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    told.send(None)
    told.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for path, number in ((out, 1), (err, 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), number)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)  # `Pipeline.wait` asks one that stands still where it stands
    sys.argv = ["headrace", *arguments]
    from sync.cli.main import main

    main()
