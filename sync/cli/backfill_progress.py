"""How far a backfill is, looked at until it has ended: rows read of the estimated, rate, time left, documents owed."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch

if TYPE_CHECKING:
    from rich.progress import Task
    from sqlalchemy import Connection

    from sync.state.backfills import Backfill
    from sync.state.database import State
    from sync.state.registry import Registered

EVERY = 0.25  # seconds between two looks
SILENT_AFTER = 10.0
SAY_EVERY = 10.0  # in a pipe


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


def follow(state: State, registered: Registered, identities: Collection[str], *, quiet: bool) -> list[Backfill]:
    """Look until all have ended and what they changed is written; returns how they ended."""
    shown = _Shown(quiet)
    with shown.progress:
        while True:
            with state.read() as connection:
                seen = look(connection, registered, identities)
            shown.update(seen)
            if seen.done:
                return seen.backfills
            time.sleep(EVERY)


class _Rate(TextColumn):
    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", "dim")


class _Shown:
    """Bars on a terminal; in a pipe a line now and then, on standard error, as everything that is no result."""

    def __init__(self, quiet: bool) -> None:
        console = terminal.err
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(None),
            TextColumn("{task.completed:,} of {task.total:,}"),
            _Rate(),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=quiet or not console.is_terminal,
            expand=True,
        )
        self._lines = not quiet and not console.is_terminal
        self._tasks: dict[str, TaskID] = {}
        self._most = 0
        self._said = time.monotonic()
        self._warned = quiet

    def update(self, seen: Look) -> None:
        for each in seen.backfills:
            total = max(each.total, seen.rows[each.id]) if each.outcome is None else seen.rows[each.id]
            self._show(each.id, _named(each.tables), seen.rows[each.id], total)
        self._most = max(self._most, seen.owed)
        if self._most:
            self._show("documents", "documents", self._most - seen.owed, self._most)
        if self._lines and time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            for each in seen.backfills:
                terminal.line(f"{_named(each.tables)}: {seen.rows[each.id]:,} of {each.total:,} rows", to=terminal.err)
        if not self._warned and not seen.done and time.time() - seen.heard_at > SILENT_AFTER:
            self._warned = True
            terminal.warn("nothing was heard of the source for 10 s; it goes on when `headrace run` and Connect do")

    def _show(self, key: str, text: str, done: int, total: int) -> None:
        if key not in self._tasks:
            self._tasks[key] = self.progress.add_task(text, total=total)
        self.progress.update(self._tasks[key], completed=done, total=total)


def _named(tables: tuple[str, ...]) -> str:
    return tables[0] if len(tables) == 1 else f"{tables[0]} and {len(tables) - 1} more"
