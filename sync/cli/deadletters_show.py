"""`headrace deadletters show`: everything that is known of one dead letter, and never a value of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch, called
from sync.cli.status import discard_command, moment, read_again_command, retry_command

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
    """A record that was not applied. Raises NoSuch where none stands at ``position``."""
    from sync.evidence.parked import unapplied

    for each in unapplied(connection, registered.name, limit=1_000_000):
        if each.position == position:
            return each
    raise NoSuch(
        f"{registered.name}: every record at {position} was applied, or read again since",
        advice=f"`headrace deadletters list {registered.name}` names those that were not.",
    )


def print_document(found: Parked, rows: list[dict[str, str]]) -> None:
    terminal.line(f"{found.mapping}.{called(found.document)} {found.key}", "bold")
    terminal.line(found.reason, "yellow", indent=2)
    terminal.line(f"tried {found.attempts} times in vain", indent=2)
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
    terminal.line(f"again: {retry_command(found)}", indent=2)


def print_record(found: Unapplied) -> None:
    terminal.line(f"{found.mapping}, source {found.source}, record {found.position}", "bold")
    terminal.line(found.reason, "yellow", indent=2)
    terminal.line(f"since {moment(found.since)}", indent=2)
    if found.table:
        row = f"row {found.table} {found.key}" if found.key else f"a row of {found.table}"
        terminal.line(f"{row}; settled by itself when that row is shown again, whole", indent=2)
    terminal.line(f"read it again: {read_again_command(found)}", indent=2)
    terminal.line(f"if it does no harm: {discard_command(found)}", indent=2)


def document_json(found: Parked, rows: list[dict[str, str]]) -> dict[str, Any]:
    return {**found.to_json(), "document": called(found.document), "rows": rows}
