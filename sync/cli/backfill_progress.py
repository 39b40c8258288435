"""How far a backfill is, looked at until it has ended: bars on a terminal, lines in a pipe, JSON for a program."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch
from sync.cli.backfill_figures import Figures, Pace, as_json, of_documents, of_reading

if TYPE_CHECKING:
    from rich.console import Console
    from sqlalchemy import Connection

    from sync.state.backfills import Backfill
    from sync.state.database import State
    from sync.state.registry import Registered

EVERY = 0.25  # seconds between two looks
SILENT_AFTER = 10.0
SAY_EVERY = 3.0  # in a pipe
SILENT = "nothing was heard of the source for 10 s; it goes on when `headrace run` and Connect do"


@dataclass(frozen=True)
class Look:
    """One moment: the backfills, their rows so far, and documents still to be built for them."""

    backfills: list[Backfill]
    rows: dict[str, int]
    owed: int
    heard_at: float

    @property
    def done(self) -> bool:
        return all(each.outcome is not None for each in self.backfills) and not self.owed


def look(connection: Connection, registered: Registered, identities: Collection[str]) -> Look:
    """Read from the state alone: the worker does the work, and this is who looks on.

    Raises NoSuch when the mapping was removed meanwhile.
    """
    from sqlalchemy import func, select

    from sync.apply.snapshots import Snapshot
    from sync.state.backfills import find
    from sync.state.owed import Priority
    from sync.state.registry import DOCUMENT, SOURCE

    found = [each for each in (find(connection, identity) for identity in identities) if each is not None]
    sources = {row.id: row for row in connection.execute(select(SOURCE).where(SOURCE.c.mapping == registered.name))}
    if not sources:
        raise NoSuch(f"mapping {registered.name} was removed meanwhile, and its backfill ended with it")
    rows = {}
    for each in found:
        snapshot = Snapshot.from_json(sources[each.source_id].snapshot)
        rows[each.id] = snapshot.rows if each.outcome is None and snapshot.identity == each.id else each.rows
    owed = connection.execute(
        select(func.count()).where(
            DOCUMENT.c.type_id.in_([kind.id for kind in registered.kinds.values()]),
            DOCUMENT.c.priority == int(Priority.backfill),
        )
    ).scalar_one()
    return Look(found, rows, int(owed), min(source.heard_at for source in sources.values()))


def follow(state: State, registered: Registered, identities: Collection[str], *, json: bool) -> list[Backfill]:
    """Look until all have ended and what they changed is written; returns how they ended."""
    shown = Shown(registered.name, {number: name for name, number in registered.sources.items()}, json=json)
    with shown.progress:
        while True:
            with state.read() as connection:
                seen = look(connection, registered, identities)
            shown.update(seen, time.monotonic())
            if seen.done:
                return seen.backfills
            time.sleep(EVERY)


class Shown:
    """Bars on a terminal; in a pipe a line now and then. On standard error, as everything that is no result.

    ``sources`` are their names by number.
    """

    def __init__(self, mapping: str, sources: dict[int, str], *, json: bool, console: Console | None = None) -> None:
        self._console = console or terminal.err
        self._mapping, self._sources, self._json = mapping, sources, json
        self._bars = self._console.is_terminal and not json
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(None),
            TextColumn("{task.completed:,} of {task.total:,}"),
            TextColumn("{task.fields[rate]}", style="dim"),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            disable=not self._bars,
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}
        self._most = 0
        self._said: float | None = None
        self._warned = False

    def update(self, seen: Look, now: float) -> None:
        """Show a look that was taken ``now``, in seconds by a clock that only goes on."""
        readings = {
            each.id: of_reading(each, seen.rows[each.id], self._rate(each.id, now, seen.rows[each.id]))
            for each in seen.backfills
        }
        figures = dict(readings)
        self._most = max(self._most, seen.owed)
        if self._most:
            rate = self._rate("documents", now, self._most - seen.owed)
            figures["documents"] = of_documents(seen.owed, self._most, rate)
        for key, one in figures.items():
            self._show(key, one)
        if not self._bars and not seen.done and (self._said is None or now - self._said >= SAY_EVERY):
            self._said = now
            self._say(seen, readings, figures)
        if not (self._warned or self._json or seen.done) and time.time() - seen.heard_at > SILENT_AFTER:
            self._warned = True
            terminal.line(SILENT, "yellow", to=self._console)

    def _rate(self, key: str, now: float, done: int) -> float | None:
        return self._paces.setdefault(key, Pace()).rate(now, done)

    def _show(self, key: str, one: Figures) -> None:
        if key not in self._tasks:
            self._tasks[key] = self.progress.add_task(one.of, total=one.total, rate="", left="")
        self.progress.update(
            self._tasks[key], completed=one.done, total=one.total, rate=one.rate_text, left=one.left_text
        )

    def _say(self, seen: Look, readings: dict[str, Figures], figures: dict[str, Figures]) -> None:
        if not self._json:
            for one in figures.values():
                terminal.line(one.line(self._mapping), to=self._console)
            return
        silent = time.time() - seen.heard_at
        for each in seen.backfills:
            source, reading = self._sources[each.source_id], readings[each.id]
            line = as_json(self._mapping, source, each, reading, seen.owed, silent)
            self._console.file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._console.file.flush()
