"""`headrace status`: per document type how fresh it is, and by name what is parked."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from sync.cli import terminal
from sync.cli.applied_mappings import NoState, called, find_all, open_state
from sync.cli.environment import settings
from sync.cli.mapping_files import counted

if TYPE_CHECKING:
    from sync.evidence.freshness import Status
    from sync.evidence.parked import Parked, Unapplied
    from sync.state.database import State
    from sync.state.leases import Member

EVERY = 1.0  # seconds between two looks of --watch
_STYLES = {"fresh": "green", "late": "yellow", "stale": "bold red", "catching up": "cyan", "unknown": "bold magenta"}
_SIGNS = {"fresh": "●", "late": "◐", "stale": "○", "catching up": "↻", "unknown": "?"}


def status(
    mapping: Annotated[str | None, typer.Argument(metavar="MAPPING", help="Only this one.", show_default=False)] = None,
    json: terminal.Json = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every second, until Ctrl-C.")] = False,
) -> None:
    """How fresh every document type is: one line each, parked documents by name.

    *fresh*, *late* (beyond `warn_after`), *stale* (beyond `error_after`), *catching up* (a first load or a backfill
    is under way) or *unknown* (nothing was heard from the source for 10 s: never taken for fresh). LAG is how long
    ago the newest commit was made up to which everything is known to be searchable. The exit code is 0 whatever the
    state is; it is 2 when the state cannot be read. With `--json` a list, one entry per document type.

    Examples:

        headrace status
        headrace status airline --json | jq '.[] | select(.parked > 0)'
    """
    try:
        with open_state(new=False) as state:
            _show(state, mapping, json=json, watch=watch)
    except NoState:
        if mapping is not None:
            raise
        _print(Seen(settings().state_url, [], [], []), json=json)


def _show(state: State, mapping: str | None, *, json: bool, watch: bool) -> None:
    if watch and terminal.out.is_terminal and not json:
        _watch(state, mapping)
        return
    while True:
        _print(_look(state, mapping), json=json)
        if not watch:
            return
        time.sleep(EVERY)


def _print(seen: Seen, *, json: bool) -> None:
    if json:
        terminal.print_json([_json(each, seen) for each in seen.statuses])
    else:
        terminal.show(_table(seen))


@dataclass(frozen=True)
class Seen:
    """One look at the state, whose address is ``state``."""

    state: str
    statuses: list[Status]
    parked: list[Parked]
    unapplied: list[Unapplied]
    workers: str | None = None


def _look(state: State, mapping: str | None) -> Seen:
    from sync.evidence.freshness import statuses
    from sync.evidence.parked import parked, unapplied
    from sync.state.leases import members

    with state.read() as connection:
        find_all(connection, mapping)  # a name that is not applied is an error, not an empty list
        return Seen(
            state.url.render_as_string(hide_password=True),
            sorted(
                statuses(connection, mapping), key=lambda each: (each.mapping, each.document != called(each.document))
            ),
            list(parked(connection, mapping)),
            list(unapplied(connection, mapping)),
            None if state.is_sqlite else workers(members(connection)),
        )


def _json(each: Status, seen: Seen) -> dict[str, Any]:
    lost = [f"not applied: {one.position} {one.reason}" for one in seen.unapplied if one.mapping == each.mapping]
    return {
        **each.to_json(),
        "document": called(each.document),
        "trouble": "; ".join(filter(None, [each.trouble, *lost])) or None,
    }


def _watch(state: State, mapping: str | None) -> None:
    from rich.live import Live

    with Live(console=terminal.out, auto_refresh=False, screen=True) as live:
        while True:
            live.update(_table(_look(state, mapping), clock=True), refresh=True)
            time.sleep(EVERY)


def _table(seen: Seen, *, clock: bool = False) -> RenderableType:
    statuses, parked = seen.statuses, seen.parked
    parts: list[RenderableType] = []
    if clock:
        parts += [Text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", "dim"), Text()]
    if not statuses:
        parts.append(Text(f"no mapping is applied in {seen.state}; `headrace apply FILE` applies one"))
        return Group(*parts, *([Text(seen.workers, "dim")] if seen.workers else []))
    several = len({each.mapping for each in statuses}) > 1
    columns = ["DOCUMENT", "COLLECTION", "STATE", "LAG", "OWED", "PARKED", "DOCUMENTS", "OBJECTS"]
    rows = [_row(each, several) for each in statuses]
    parts.append(terminal.table(columns, rows, right=["LAG", "OWED", "PARKED", "DOCUMENTS", "OBJECTS"]))
    for trouble in dict.fromkeys((each.mapping, each.trouble) for each in statuses if each.trouble):
        parts += [Text(), Text(f"{trouble[0]}: {trouble[1]}", "red")]
    if any(each.state in ("late", "stale", "unknown") and not each.trouble for each in statuses):
        parts += [Text(), Text("`headrace doctor` says which component does not answer", "dim")]
    if seen.unapplied:
        parts += [Text(), *_unapplied(seen.unapplied)]
    if parked:
        parts += [Text(), *_parked(statuses, parked)]
    if discarded := sum(each.discarded for each in statuses):
        said = f"{counted(discarded, 'document')} discarded, not in Weaviate: headrace deadletters list --all"
        parts += [Text(), Text(said, "dim")]
    if seen.workers:
        parts += [Text(), Text(seen.workers, "dim")]
    return Group(*parts)


def _row(each: Status, several: bool) -> list[str | Text]:
    name = called(each.document)
    return [
        f"{each.mapping}.{name}" if several else name,
        each.collection,
        Text(f"{_SIGNS[each.state]} {each.state}", _STYLES[each.state]),
        ago(each.lag_seconds),
        f"{each.owed:,}",
        Text(f"{each.parked:,}", "red" if each.parked else ""),
        f"{each.documents:,}",
        f"{each.objects:,}",
    ]


def _unapplied(unapplied: list[Unapplied]) -> list[RenderableType]:
    made: list[RenderableType] = [
        Text("records that could not be applied; their rows are not as in the source:", "bold red")
    ]
    for each in unapplied:
        made.append(Text(f"{each.mapping}, source {each.source}, position {each.position}, since {moment(each.since)}"))
        made.append(Text(f"  {each.reason}", "yellow"))
        made.append(Text(f"  again: {retry_command(each)}", "dim"))
        made.append(Text(f"  if it does no harm: {discard_command(each)}", "dim"))
    return made


def moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _parked(statuses: list[Status], parked: list[Parked]) -> list[RenderableType]:
    total = sum(each.parked for each in statuses)
    more = f", {len(parked)} of them here" if total > len(parked) else ""
    made: list[RenderableType] = [Text(f"{counted(total, 'document')} parked{more}:", "bold")]
    for each in parked:
        name = called(each.document)
        since = f", since {moment(each.since)}" if each.since else ""
        made += [Text(f"{each.mapping}.{name} {each.key}{since}"), Text(f"  {each.reason}", "yellow")]
        made.append(Text(f"  again: {retry_command(each)}", "dim"))
    return made


def workers(members: Sequence[Member]) -> str:
    """Who shares the state, and how many of the 256 buckets each has."""
    if not members:
        return "no worker is running: `headrace run` starts one"
    named = ", ".join(f"{each.name} ({counted(each.buckets, 'bucket')})" for each in members)
    return f"{counted(len(members), 'worker')}: {named}"


def retry_command(found: Parked | Unapplied) -> str:
    """The command that builds a parked document again, or reads the table of a record again."""
    return shlex.join(["headrace", "deadletters", "retry", *_name(found)])


def discard_command(found: Parked | Unapplied) -> str:
    """The command that says that it does no harm."""
    return shlex.join(["headrace", "deadletters", "discard", *_name(found), "--reason", "…"])


def _name(found: Parked | Unapplied) -> tuple[str, str]:
    from sync.evidence.parked import Parked

    if isinstance(found, Parked):
        return f"{found.mapping}.{called(found.document)}", found.key
    return found.mapping, found.position


def ago(seconds: float | None) -> str:
    """A lag as people read it: ``0.2 s``, ``3m 12s``, ``2h 5m``."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s"
