"""Processes of a stack: each in a session of its own, known by pid and start time, signalled as a family."""

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """What to run. `user` is the name of the operating system's user, None for the one who runs `stack`."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    cwd: Path = Path("/")


@dataclass(frozen=True)
class Process:
    """A process that we started. The start time tells it from a stranger who got the same pid later."""

    pid: int
    started: int

    def state(self) -> str:
        """'R', 'S', 'T' (paused) … as in /proc; '' when it is gone."""
        stat = read_stat(self.pid)
        return "" if stat is None or stat.started != self.started or stat.state in "ZX" else stat.state

    def family(self) -> list[int]:
        """The process, then its descendants. A group would not do: PostgreSQL's children lead their own."""
        if not self.state():
            return []
        children: dict[int, list[int]] = {}
        for pid in pids():
            if stat := read_stat(pid):
                children.setdefault(stat.parent, []).append(pid)
        found = [self.pid]
        for pid in found:
            found.extend(children.get(pid, []))
        return found

    def memory(self) -> int:
        """Bytes in use by the family; shared pages count once, where the kernel lets us see that."""
        return sum(memory_of(pid) for pid in self.family())


@dataclass(frozen=True)
class Stat:
    state: str
    parent: int
    started: int


def pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def read_stat(pid: int) -> Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    return Stat(fields[0], int(fields[1]), int(fields[19]))


def memory_of(pid: int) -> int:
    for file, key in ((f"/proc/{pid}/smaps_rollup", "Pss:"), (f"/proc/{pid}/status", "VmRSS:")):
        try:
            for line in Path(file).read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
        except OSError:
            continue  # not ours to see, or gone
    return 0


def spawn(command: Command, log: Path, record: Path) -> Process:
    """Start it, away from the caller's terminal, and write down who it is before anything else can fail."""
    if log.exists() and log.stat().st_size > 20_000_000:
        log.replace(log.with_suffix(".log.1"))
    identity = pwd.getpwnam(command.user) if command.user else None
    with log.open("ab") as output:
        child = subprocess.Popen(
            command.argv,
            env={**os.environ, **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=identity.pw_uid if identity else None,
            group=identity.pw_gid if identity else None,
            extra_groups=[] if identity else None,
        )
    stat = read_stat(child.pid)
    process = Process(child.pid, stat.started if stat else 0)
    record.write_text(json.dumps({"pid": process.pid, "started": process.started}) + "\n")
    child.returncode = 0  # it outlives us on purpose; without this Python warns about a running child
    return process


def recorded(record: Path) -> Process | None:
    """The process of this record, if it still lives."""
    try:
        content = json.loads(record.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    process = Process(content["pid"], content["started"])
    return process if process.state() else None


def send(pids_: Iterable[int], number: signal.Signals) -> None:
    for pid in pids_:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended between the look and the signal


def stop(process: Process, number: signal.Signals, patience: float) -> bool:
    """Ask, wait, then force. True when asking was enough."""
    family = process.family()
    send(family, signal.SIGCONT)  # a paused process would never hear the request
    send(family[:1], number)
    if gone(process, family, patience):
        return True
    kill(process)
    return False


def kill(process: Process) -> None:
    """SIGKILL for the whole family; the parent is frozen first, so that it starts no further children."""
    send([process.pid], signal.SIGSTOP)
    family = process.family()
    send(family, signal.SIGKILL)
    gone(process, family, 10)


def gone(process: Process, family: list[int], patience: float) -> bool:
    """Wait until none is left: a child that outlives its parent still holds ports and shared memory."""
    born = {pid: stat.started for pid in family if (stat := read_stat(pid))}
    deadline = time.monotonic() + patience
    while True:
        left = [pid for pid, started in born.items() if Process(pid, started).state()]
        if not left and not process.state():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
