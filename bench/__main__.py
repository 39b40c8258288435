"""`python -m bench`: one stack, one airline, every measurement in turn; prints a table, and JSON where asked."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable

from rich.console import Console

from bench import (
    applying,
    backfilling,
    fan_out,
    first_load,
    gaps,
    highest,
    large,
    latency,
    memory,
    million,
    quiet,
    report,
    several,
)
from bench.course import Course
from bench.figures import Figure, NotMeasured
from bench.floors import commit_to_kafka
from bench.machine import machine
from bench.recording import completed, record
from bench.rig import rig
from sync.demo.airline import Sizes
from sync.errors import HeadraceError
from tests.support.stack import StackFailed

NAMES = (
    "load",
    "latency",
    "highest",
    "fan-out",
    "apply",
    "quiet",
    "backfill",
    "gaps",
    "memory",
    "several",
    "large",
    "million",
)
USUAL = tuple(name for name in NAMES if name != "million")  # which takes a quarter of an hour by itself


class Run:
    """What was asked for, what was measured, and what could not be."""

    def __init__(self, wanted: frozenset[str], *, quick: bool, console: Console) -> None:
        self.wanted, self.quick, self._console = wanted, quick, console
        self.figures: list[Figure] = []
        self.missing: dict[str, str] = {}

    def say(self, sentence: str) -> None:
        self._console.print(f"… {sentence}", style="dim", markup=False, highlight=False, soft_wrap=True)

    def measure(self) -> None:
        if self.wanted - {"several", "large", "million"}:  # these have stacks of their own
            self._on_one_stack()
        if "several" in self.wanted:
            self._part("several", lambda: [several.measure(self.say, quick=self.quick)])
        if "large" in self.wanted:
            self._part("large", lambda: large.measure(self.say, quick=self.quick))
        if "million" in self.wanted:
            self._part("million", lambda: million.measure(self.say, quick=self.quick))

    def _on_one_stack(self) -> None:
        with rig(Sizes(), self.say) as made:
            record(made, completed, keep=False)
            self.say("floor: commit → Kafka, nothing else going on")
            kafka = commit_to_kafka(made, count=60 if self.quick else 200)
            course = Course(made, self.say, self.quick, kafka)
            self.say(f"first load of {made.sizes.bookings:,} bookings")
            loaded = first_load.load(made)
            made.settle()
            parts: dict[str, Callable[[], list[Figure]]] = {
                "load": lambda: first_load.figures(course, loaded),
                "latency": lambda: latency.measure(course),
                "highest": lambda: highest.measure(course),
                "fan-out": lambda: fan_out.measure(course),
                "memory": lambda: [memory.small(loaded, made.worker_peak())],
                "apply": lambda: applying.measure(course),
                "quiet": lambda: quiet.measure(course),
                "backfill": lambda: backfilling.measure(course),
                "gaps": lambda: gaps.measure(course),
            }
            self._part("floors", course.floor_figures)
            for name, part in parts.items():
                if name in self.wanted:
                    self._part(name, part)
        if "memory" in self.wanted:
            self._part("memory, many rows", lambda: [memory.large(loaded, self.say, quick=self.quick)])

    def _part(self, name: str, part: Callable[[], list[Figure]]) -> None:
        """One that cannot be measured must not cost the others."""
        try:
            self.figures += part()
        except (NotMeasured, HeadraceError, StackFailed) as exc:
            self.missing[name] = str(exc)
            self.say(f"{name}: not measured: {exc}")


def main(arguments: list[str] | None = None) -> int:
    """0 when all was measured, whatever the figures say; 2 when something could not be."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write figures and raw samples there too; - prints them")
    parser.add_argument("--only", metavar="A,B", default=",".join(USUAL), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher")
    options = parser.parse_args(arguments)
    wanted = frozenset(options.only.split(","))
    if unknown := wanted - set(NAMES):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    where = machine()
    run = Run(wanted, quick=options.quick, console=Console(stderr=True))
    try:
        run.measure()
    except (NotMeasured, HeadraceError, StackFailed) as exc:
        run.missing["everything after"] = str(exc)
    except KeyboardInterrupt:  # the stack is down by now; what was measured is worth telling
        run.missing["everything after"] = "interrupted"
    content = report.to_json(where, run.figures, run.missing, quick=options.quick)
    if options.json != "-":
        report.show(Console(), where, run.figures, run.missing)
    if options.json:
        report.write(options.json, content)
    return 2 if run.missing else 0


if __name__ == "__main__":
    sys.exit(main())
