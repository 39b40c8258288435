"""On what machine the figures were measured: without it they mean nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """``load`` is the run queue's length over the last minute, before anything of ours was started."""

    cores: int
    cpu: str
    memory_gb: float
    load: float
    system: str

    def sentence(self) -> str:
        busy = " (busy: compare ratios, not times)" if self.load > self.cores / 2 else ""
        what = f"{self.cores} cores, {self.cpu}, {self.memory_gb:.0f} GB, {self.system}"
        return f"{what}; load at start {self.load:.2f}{busy}"


def machine() -> Machine:
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_first("/proc/cpuinfo", "model name", "unknown CPU"),
        memory_gb=int(_first("/proc/meminfo", "MemTotal", "0 kB").split()[0]) / 1e6,
        load=os.getloadavg()[0],
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    )


def peak_memory(pid: int) -> int:
    """The process's peak resident set in bytes (VmHWM of proc(5))."""
    return int(_first(f"/proc/{pid}/status", "VmHWM", "0 kB").split()[0]) * 1024


def _first(path: str, name: str, otherwise: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return otherwise
