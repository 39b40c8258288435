"""`headrace wait`: return when everything that was committed before this call is searchable."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch, called, document_key, find, find_all, find_document, open_state
from sync.cli.mapping_files import counted
from sync.errors import SettingsError

if TYPE_CHECKING:
    from sync.evidence.parked import Parked, Unapplied
    from sync.evidence.visible import Markers, Visible
    from sync.state.database import State
    from sync.state.registry import Registered


@dataclass(frozen=True)
class Waited:
    """What became of one mapping's wait; ``milliseconds`` since its marker was committed."""

    mapping: str
    found: Visible
    milliseconds: float
    parked: tuple[Parked, ...]
    unapplied: tuple[Unapplied, ...]  # records that no wait can wait for

    def to_json(self) -> dict[str, Any]:
        return {
            "mapping": self.mapping,
            "visible": self.found.yes,
            "milliseconds": round(self.milliseconds, 1),
            "marker_seen": self.found.seen,
            "owed": self.found.owed,
            "parked": [{**each.to_json(), "document": called(each.document)} for each in self.parked],
            "unapplied": [each.to_json() for each in self.unapplied],
            "drift": list(self.found.drift),
        }


def wait(
    mapping: Annotated[
        str | None, typer.Argument(metavar="MAPPING", help="All of them where none is named.", show_default=False)
    ] = None,
    document: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="TYPE KEY", help="Wait for this document only, whatever else is owed.", show_default=False
        ),
    ] = None,
    timeout: Annotated[str, typer.Option(help="Give up after this time: 500ms, 30s, 5m.")] = "30s",
    json: terminal.Json = False,
) -> None:
    """Wait until everything committed before this call is searchable: read your own writes.

    Writes a marker into each source's own log and waits until it has come out at the other end and nothing that was
    committed before it is owed. Prints the milliseconds since the marker's commit. Exit code 1 after the timeout, or
    when parked documents, or records that could not be applied, stand in the way; they are named. Documents that were
    discarded are waited for only where `--document` names one, and then it says so.

    Examples:

        headrace wait airline
        headrace wait airline --document booking 7 --timeout 2s
    """
    limit = _seconds(timeout)
    with open_state(new=False) as state:
        waited = list(_wait(state, mapping, document, limit))
    if not waited:
        raise NoSuch(
            "no mapping is applied in this state: nothing vouches for what was committed",
            advice="`headrace status` names the state; HEADRACE_STATE_URL must be that of `headrace run`.",
        )
    if json:
        terminal.print_json([each.to_json() for each in waited])
    else:
        for each in waited:
            _print(each, timeout)
    if not all(each.found.yes for each in waited):
        raise typer.Exit(terminal.FINDINGS)


def _seconds(text: str) -> float:
    from sync.mapping.duration import seconds

    try:
        return seconds(text)
    except ValueError as exc:
        raise SettingsError(f"--timeout: {exc}", advice="Write it as 500ms, 30s or 5m.") from exc


def _wait(state: State, mapping: str | None, document: tuple[str, str] | None, limit: float) -> list[Waited]:
    """All markers first, then one wait after the other: each counts from its own marker's commit."""
    wanted: tuple[int, str] | None = None
    with state.read() as connection:
        mappings = find_all(connection, mapping)
        if document is not None:
            found, kind = find_document([find(connection, mapping)] if mapping else mappings, document[0])
            mappings, wanted = [found], (kind.id, document_key(kind.plan, document[1]))
    marked = [(each, _mark(state, each), time.monotonic()) for each in mappings]
    return [_wait_for(state, each, markers, at, limit, wanted) for each, markers, at in marked]


def _mark(state: State, registered: Registered) -> Markers:
    from connectors.registration import source_database
    from sync.evidence.visible import Markers

    return Markers(state, registered, lambda name, token: source_database(registered.plan.mapping, name).emit(token))


def _wait_for(
    state: State, registered: Registered, markers: Markers, since: float, limit: float, wanted: tuple[int, str] | None
) -> Waited:
    from sync.evidence.parked import parked, unapplied
    from sync.evidence.visible import wait as wait_until_visible

    left = max(0.0, since + limit - time.monotonic())
    found = wait_until_visible(state, registered, markers, left, wanted)
    took = (time.monotonic() - since) * 1000
    with state.read() as connection:
        set_aside = tuple(parked(connection, registered.name, wanted))
        lost = tuple(unapplied(connection, registered.name))
    return Waited(registered.name, found, took, set_aside, lost)


def _print(waited: Waited, timeout: str) -> None:
    from sync.cli.status import discard_command, retry_command
    from sync.state.drift import CURE

    found = waited.found
    for lost in waited.unapplied:
        terminal.fail(
            f"{waited.mapping}: the record at {lost.position} could not be applied: {lost.reason}",
            f"Again: {retry_command(lost)}. If it does no harm: {discard_command(lost)}",
        )
    for reason in found.drift:
        terminal.fail(f"{waited.mapping}: {reason}", CURE)
    if found.yes:
        terminal.line(f"{waited.mapping}: searchable after {waited.milliseconds:.0f} ms")
        return
    if not found.seen:
        terminal.fail(
            f"{waited.mapping}: the marker did not come out of the source's log within {timeout}",
            "Is `headrace run` running? `headrace status` and `headrace doctor` say where it stands.",
        )
    elif found.owed or not (waited.parked or waited.unapplied or found.drift):
        what = counted(found.owed, "document") if found.owed else "the first load"
        terminal.fail(f"{waited.mapping}: {what} still owed after {timeout}")
    for each in waited.parked:
        what = "parked" if each.discarded is None else "discarded, and nothing of it searchable"
        terminal.fail(
            f"{each.mapping}.{called(each.document)} {each.key} is {what}: {each.discarded or each.reason}",
            f"Again: {retry_command(each)}",
        )
