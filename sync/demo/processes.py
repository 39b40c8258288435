"""Around the path: the stack and the processes that the demo starts, and stops again whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sync.errors import HeadraceError, SettingsError

CHECKOUT = Path(__file__).resolve().parents[2]
STACK = CHECKOUT / "docker" / "native" / "stack"
STOP_PATIENCE = 20.0  # seconds that a process may take to end in its own way
OWN_SETTINGS = ("HEADRACE_CACHE", "HEADRACE_STACKS", "HEADRACE_LOG_LEVEL")


class DemoFailed(HeadraceError):
    """Something the demo started did not work; the advice names its log."""


def plain_environment() -> dict[str, str]:
    """The environment without Headrace's settings: those of a real installation must not meet the demo."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_") or name in OWN_SETTINGS
    }


class NativeStack:
    """`docker/native/stack` of this checkout, under one name. Raises SettingsError where it is not there."""

    def __init__(self, name: str, script: Path = STACK) -> None:
        if not script.is_file():
            raise SettingsError(
                f"the demo needs the native stack, and {script} is not there",
                advice="Run it from a checkout of the repository: `make demo`.",
            )
        self.name, self._script = name, script

    def running(self) -> frozenset[str]:
        """Names of the components that run now; none where the stack was never started."""
        done = self._call("status", "--json")
        if done.returncode:
            return frozenset()
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return frozenset(str(row["component"]) for row in rows if row["pid"] is not None)

    def up(self, *, fresh: bool, die_with: int | None) -> None:
        """Start what does not run; its own progress goes to stderr. Raises DemoFailed."""
        more = ["--fresh"] if fresh else []
        more += ["--die-with", str(die_with)] if die_with else []
        if self._call("up", *more, capture=False).returncode:
            raise DemoFailed("the stack did not start", advice=f"The lines above say why; {self._logs}.")

    def stop_but(self, kept: frozenset[str]) -> None:
        """Stop everything but what ran before; with nothing to keep, the stack goes down as a whole."""
        if not kept:
            self._call("down", capture=False)
            return
        for name in sorted(self.running() - kept):
            self._call("stop", name, capture=False)

    def environment(self) -> dict[str, str]:
        """Its addresses, as `stack env` prints them. Raises DemoFailed."""
        done = self._call("env", "--json")
        if done.returncode:
            raise DemoFailed(f"the stack does not say its addresses: {done.stderr.strip()}", advice=f"{self._logs}.")
        values: dict[str, str] = json.loads(done.stdout)
        return values

    @property
    def _logs(self) -> str:
        return f"`{self._script} logs --name {self.name}` shows the logs"

    def _call(self, verb: str, *more: str, capture: bool = True) -> subprocess.CompletedProcess[str]:
        # What takes down is out of Ctrl-C's reach; `up` is not, and then stops what it was starting.
        return subprocess.run(
            [sys.executable, str(self._script), verb, "--name", self.name, *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else sys.stderr,
            stderr=subprocess.PIPE if capture else None,
            text=True,
            env=plain_environment(),
            check=False,
            start_new_session=verb in ("down", "stop"),
        )


@dataclass
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """Processes of Headrace itself, each the leader of its own group, their output in log files.

    They work in the folder ``logs``, where no `.env` of a real installation can reach them.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs, self._environment = logs, dict(environment)
        self._children: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str, more: Mapping[str, str] | None = None) -> Child:
        """`headrace ARGUMENTS…` in the background, with ``more`` variables in its environment."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_dying_with_us(), *headrace(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment | dict(more or {}),
                cwd=self._logs,
                start_new_session=True,
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def call(self, *arguments: str) -> str:
        """`headrace ARGUMENTS…` to its end; returns what it printed. Raises DemoFailed."""
        done = subprocess.run(
            [*headrace(), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self._logs,
            check=False,
        )
        if done.returncode:
            said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-12:])
            raise DemoFailed(f"`headrace {' '.join(arguments)}` ended with {done.returncode}:\n{said}", advice="")
        return done.stdout

    def check(self) -> None:
        """Raise DemoFailed when one of them has ended by itself."""
        for child in self._children:
            if (code := child.process.poll()) is not None:
                last = "\n".join(child.log.read_text(errors="replace").splitlines()[-8:])
                raise DemoFailed(f"`headrace {child.name}` ended with {code}:\n{last}", advice=f"Its log: {child.log}")

    def end(self, child: Child) -> None:
        """Stop this one."""
        self._children.remove(child)
        _stop_group(child.process)

    def stop(self) -> None:
        """Stop them all, the last started first; returns when none is left."""
        for child in reversed(self._children):
            _stop_group(child.process)
        self._children.clear()


def headrace() -> list[str]:
    """The command of this very installation, not of whatever PATH finds."""
    script = Path(sys.executable).with_name("headrace")
    return [str(script)] if script.exists() else [sys.executable, "-c", "from sync.cli.main import main; main()"]


def _dying_with_us() -> list[str]:
    """Linux can tell a child when its parent is gone; a demo that is killed with -9 cleans nothing up."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_PATIENCE)
    _signal(process, signal.SIGKILL)  # also what its leader left behind
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
