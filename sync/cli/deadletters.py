"""`headrace deadletters`: documents that could not be built and records that could not be applied."""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer

from sync.cli import terminal
from sync.cli.applied_mappings import called, document_key, find, find_all, find_document, open_state
from sync.cli.mapping_files import counted
from sync.errors import SettingsError

POSITION = re.compile(r"\d+:\d+")

app = typer.Typer(no_args_is_help=True, help="What is set aside: list it, try it again, or say that it does no harm.")


@app.command("list")
def list_(
    mapping: Annotated[str | None, typer.Argument(metavar="MAPPING", help="Only this one.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    json: terminal.Json = False,
) -> None:
    """Every parked document and every record that was not applied, with the cure. Exit code 1 if there is one.

    Examples:

        headrace deadletters list airline
    """
    from sync.cli.status import discard_command, read_again_command, retry_command
    from sync.evidence.parked import parked, unapplied

    with open_state(new=False) as state, state.read() as connection:
        find_all(connection, mapping)
        found = list(parked(connection, mapping, limit=limit))
        lost = list(unapplied(connection, mapping, limit=limit))
    if json:
        terminal.print_json(
            [{**each.to_json(), "document": called(each.document)} for each in found]
            + [record.to_json() for record in lost]
        )
    for record in [] if json else lost:
        terminal.line(f"{record.mapping}, source {record.source}, record {record.position}", "bold")
        terminal.line(record.reason, indent=2)
        terminal.line(f"read it again: {read_again_command(record)}", indent=2)
        terminal.line(f"if it does no harm: {discard_command(record)}", indent=2)
    for each in [] if json else found:
        terminal.line(f"{each.mapping}.{called(each.document)} {each.key}", "bold")
        terminal.line(each.reason, indent=2)
        terminal.line(f"again: {retry_command(each)}", indent=2)
    if found or lost:
        raise typer.Exit(terminal.FINDINGS)
    if not json:
        terminal.line("no document is parked, and every record was applied")


@app.command()
def show(
    what: Annotated[
        str, typer.Argument(metavar="[MAPPING.]DOCUMENT", help="The document type; of a record the mapping.")
    ],
    key: Annotated[str, typer.Argument(metavar="KEY", help="The document's key; of a record EPOCH:OFFSET.")],
    json: terminal.Json = False,
) -> None:
    """One dead letter: reason, position, attempts, and the keys of the rows that it is made of.

    Examples:

        headrace deadletters show airline.booking 7

        headrace deadletters show airline 1:4711
    """
    from sync.cli import deadletters_show as shown
    from sync.state.registry import applied

    with open_state(new=False) as state, state.read() as connection:
        if POSITION.fullmatch(key) and what in applied(connection):
            lost = shown.record(connection, find(connection, what), key)
            terminal.print_json(lost.to_json()) if json else shown.print_record(lost)
            return
        registered, kind = find_document(find_all(connection, None), what)
        found, rows = shown.document(state, connection, registered, kind, document_key(kind.plan, key))
    terminal.print_json(shown.document_json(found, rows)) if json else shown.print_document(found, rows)


@app.command()
def retry(
    document: Annotated[str, typer.Argument(metavar="[MAPPING.]DOCUMENT", help="The document type.")],
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY", help="All parked ones where none is named.", show_default=False),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Owe parked documents again: the worker builds them anew and parks again what still cannot be built.

    A document is also tried again by itself when one of its rows changes, and all are when a mapping is applied anew.
    For a record that was not applied, `headrace backfill` reads its table again.

    Examples:

        headrace deadletters retry airline.booking 7
        headrace deadletters retry booking
    """
    from sqlalchemy import select

    from sync.state.owed import Priority, Raise
    from sync.state.raises import Raises
    from sync.state.registry import DOCUMENT, next_sequence

    with open_state(new=False) as state, state.write() as connection:
        registered, kind = find_document(find_all(connection, None), document)
        known = select(DOCUMENT.c.key).where(DOCUMENT.c.type_id == kind.id, DOCUMENT.c.parked.is_not(None))
        if keys:
            known = known.where(DOCUMENT.c.key.in_([document_key(kind.plan, key) for key in keys]))
        found = list(connection.execute(known).scalars())
        why = Raise(next_sequence(state, connection, registered.name, 1), time.time_ns() // 1000, "retry")
        for start in range(0, len(found), 500):
            Raises(state).raise_known(connection, kind.id, found[start : start + 500], why, Priority.direct)
    if json:
        terminal.print_json({"document": f"{registered.name}.{called(kind.name)}", "owed": found})
    else:
        terminal.line(f"{counted(len(found), 'document')} owed again" if found else "nothing of it is parked")


@app.command()
def discard(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The applied mapping.")],
    position: Annotated[str, typer.Argument(metavar="EPOCH:OFFSET", help="As `headrace status` names the record.")],
    reason: Annotated[str, typer.Option(help="Why it does no harm; kept beside the record.")],
    json: terminal.Json = False,
) -> None:
    """Take it that a record which could not be applied does no harm: its rows were looked at, or changed since.

    Until then no document of the mapping counts as fresh, because nobody knows which of them it would have changed.

    Examples:

        headrace deadletters discard airline 1:4711 --reason "row 7 was deleted since"
    """
    from sync.evidence.parked import discard as discard_record

    with open_state(new=False) as state, state.write() as connection:
        find(connection, mapping)
        try:
            found = discard_record(connection, mapping, position, reason)
        except ValueError as exc:
            raise SettingsError(f"{position} is no position", advice="`headrace status` names it: 1:4711.") from exc
    if json:
        terminal.print_json({"mapping": mapping, "position": position, "discarded": found})
    else:
        terminal.line(f"{counted(found, 'record')} discarded" if found else "no such record stands there")
    if not found:
        raise typer.Exit(terminal.FINDINGS)
