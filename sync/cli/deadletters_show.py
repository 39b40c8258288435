"""`headrace deadletters show`: everything that is known of one dead letter, and never a value of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch, called
from sync.cli.mapping_files import counted
from sync.cli.status import discard_command, moment, retry_command

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sync.evidence.parked import Parked, Unapplied
    from sync.mapping.assemble import Gathered
    from sync.state.database import State
    from sync.state.registry import DocumentKind, Registered

SHOWN = 20  # rows on a screen


def document(
    state: State, connection: Connection, registered: Registered, kind: DocumentKind, key: str
) -> tuple[Parked, list[dict[str, str]]]:
    """A parked document, and table and key of every row that it shows. Raises NoSuch where it is not parked."""
    from sync.evidence.parked import parked

    found = next(parked(connection, registered.name, (kind.id, key)), None)
    if found is None:
        raise NoSuch(
            f"{registered.name}.{called(kind.name)} {key} is not parked",
            advice=f"`headrace deadletters list {registered.name}` names what is.",
        )
    return found, rows_of(state, connection, registered, kind, key)


def rows_of(
    state: State, connection: Connection, registered: Registered, kind: DocumentKind, key: str
) -> list[dict[str, str]]:
    from sync.mapping.assemble import assemble
    from sync.write.rows import StateRows

    if kind.plan is None:
        return []
    tree = assemble(registered.plan, kind.plan, [key], StateRows(state, connection, registered))[key]
    found: dict[tuple[str, str], None] = {}
    if tree is not None:
        _walk(tree, found)
    return [{"table": table, "key": row} for table, row in found]


def _walk(row: Gathered, found: dict[tuple[str, str], None]) -> None:
    from sync.mapping.assemble import Gathered, Many

    found[row.table.name, row.key] = None
    for relative in row.relatives.values():
        if isinstance(relative, Gathered):
            _walk(relative, found)
        elif isinstance(relative, Many):
            for each in relative.rows:
                _walk(each, found)


def record(connection: Connection, registered: Registered, position: str) -> Unapplied:
    """A record that was not applied, or was discarded. Raises NoSuch where there is none at ``position``."""
    from sync.evidence.parked import unapplied

    for each in unapplied(connection, registered.name, limit=1_000_000, all_=True):
        if each.position == position:
            return each
    raise NoSuch(
        f"{registered.name}: no record at {position} was left out",
        advice=f"`headrace deadletters list {registered.name}` names those that were not.",
    )


def print_document(found: Parked, rows: list[dict[str, str]]) -> None:
    terminal.line(f"{found.mapping}.{called(found.document)} {found.key}", "bold")
    terminal.line(found.reason, "yellow", indent=2)
    terminal.line(f"tried {counted(found.attempts, 'time')} in vain", indent=2)
    if found.since:
        terminal.line(f"since {moment(found.since)}", indent=2)
    if found.position:
        terminal.line(f"from its rows as they were at position {found.position}", indent=2)
    if rows:
        terminal.line("its rows; a change of any of them tries it again:", indent=2)
        for each in rows[:SHOWN]:
            terminal.line(f"{each['table']} {each['key']}", indent=4)
        if len(rows) > SHOWN:
            terminal.line(f"and {len(rows) - SHOWN:,} more; --json names them", indent=4)
    print_cure(found)


def print_record(found: Unapplied) -> None:
    terminal.line(f"{found.mapping}, source {found.source}, record {found.position}", "bold")
    terminal.line(found.reason, "yellow", indent=2)
    terminal.line(f"tried {counted(found.attempts, 'time')} in vain, since {moment(found.since)}", indent=2)
    if found.table:
        row = f"row {found.table} {found.key}" if found.key else f"a row of {found.table}"
        terminal.line(f"{row}; settled by itself when that row is shown again, whole", indent=2)
    print_cure(found)


def print_cure(found: Parked | Unapplied) -> None:
    """What can be done about it; of one that is settled how it was."""
    from sync.evidence.parked import Parked

    if found.discarded is None:
        for cure in cures(found):
            terminal.line(cure, indent=2)
        return
    when = f", {moment(found.discarded_at)}" if found.discarded_at else ""
    if found.discarded_by is None:
        terminal.line(f"settled: {found.discarded}{when}", indent=2)
        return
    terminal.line(f"discarded by {found.discarded_by}{when}: {found.discarded}", indent=2)
    if isinstance(found, Parked):  # a record was settled by its row, or somebody has looked at it
        terminal.line(f"again: {retry_command(found)}", indent=2)


def cures(found: Parked | Unapplied) -> list[str]:
    return [f"again: {retry_command(found)}", f"if it does no harm: {discard_command(found)}"]


def document_json(found: Parked, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {**found.to_json(), "document": called(found.document), "rows": rows}
