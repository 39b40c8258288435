"""A process of ours in the background, `headrace …` above all: signalled, killed, stopped, and read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from tests.support.launch import Launched


def dying_with_us() -> list[str]:
    """A test session that is killed with -9 stops nothing itself: Linux does."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


class Process:
    """A process of ours, in a group of its own, its output in a file."""

    process: subprocess.Popen[bytes] | Launched

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*dying_with_us(), *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout: float = 40.0) -> int:
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as exc:
            self.kill()
            raise AssertionError(f"it did not stop in {timeout} s; its log: {self.text()[-3000:]}") from exc

    def text(self) -> str:
        return self.log.read_text(errors="replace")


class Headrace(Process):
    """`headrace …` in the background."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        log.touch()
        self.process = Launched(arguments, env, log.parent, log, log)
