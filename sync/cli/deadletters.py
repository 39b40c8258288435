"""`headrace deadletters`: documents that could not be built and records that could not be applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli import terminal
from sync.cli.applied_mappings import called, document_key, find, find_all, find_document, open_state
from sync.cli.mapping_files import counted

if TYPE_CHECKING:
    from sync.evidence.parked import Parked, Unapplied

app = typer.Typer(no_args_is_help=True, help="What is set aside: list it, try it again, or say that it does no harm.")

What = Annotated[
    str, typer.Argument(metavar="[MAPPING.]DOCUMENT", help="The document type; of a record its mapping alone.")
]


@app.command("list")
def list_(
    mapping: Annotated[str | None, typer.Argument(metavar="MAPPING", help="Only this one.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    all_: Annotated[bool, typer.Option("--all", help="Also what was discarded, and records that are settled.")] = False,
    json: terminal.Json = False,
) -> None:
    """Every parked document and every record that was not applied, with the cure. Exit code 1 if there is one.

    Examples:

        headrace deadletters list airline

        headrace deadletters list --all
    """
    from sync.evidence.parked import count_discarded, parked, unapplied

    with open_state(new=False) as state, state.read() as connection:
        find_all(connection, mapping)
        found = list(parked(connection, mapping, limit=limit, all_=all_))
        lost = list(unapplied(connection, mapping, limit=limit, all_=all_))
        discarded = count_discarded(connection, mapping)
    if json:
        terminal.print_json(
            [{**each.to_json(), "document": called(each.document)} for each in found]
            + [record.to_json() for record in lost]
        )
    else:
        _print_list(lost, found)
    standing = any(each.discarded is None for each in found) or any(each.discarded is None for each in lost)
    if not json and not standing:
        hint = f" ({counted(discarded, 'document')} discarded: --all)" if discarded and not all_ else ""
        terminal.line(f"no document is parked, and every record was applied{hint}")
    if standing:
        raise typer.Exit(terminal.FINDINGS)


def _print_list(lost: list[Unapplied], found: list[Parked]) -> None:
    from sync.cli import deadletters_show as shown

    for record in lost:
        terminal.line(f"{record.mapping}, source {record.source}, record {record.position}", "bold")
        terminal.line(record.reason, indent=2)
        shown.print_cure(record)
    for each in found:
        terminal.line(f"{each.mapping}.{called(each.document)} {each.key}", "bold")
        terminal.line(each.reason, indent=2)
        shown.print_cure(each)


@app.command()
def show(
    what: What,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The document's key; of a record EPOCH:OFFSET.")],
    json: terminal.Json = False,
) -> None:
    """One dead letter: reason, position, attempts, and the keys of the rows that it is made of.

    Examples:

        headrace deadletters show airline.booking 7

        headrace deadletters show airline 1:4711
    """
    from sync.cli import deadletters_show as shown
    from sync.cli.deadletters_acts import means_records

    with open_state(new=False) as state, state.read() as connection:
        if means_records(connection, what, [key]):
            lost = shown.record(connection, find(connection, what), key)
            terminal.print_json(lost.to_json()) if json else shown.print_record(lost)
            return
        registered, kind = find_document(find_all(connection, None), what)
        found, rows = shown.document(state, connection, registered, kind, document_key(kind.plan, key))
    terminal.print_json(shown.document_json(found, rows)) if json else shown.print_document(found, rows)


@app.command()
def retry(
    what: What,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY", help="As for `show`; all of them where none is named.", show_default=False),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Try it again: documents are built anew, and the tables of records are read again from the source.

    Documents are owed again, discarded ones only where they are named; the worker parks again what still cannot be
    built. They are also tried by themselves when one of their rows changes, and when a mapping is applied anew.

    What a record said is not kept, and rows may have changed since. So its table is read again as by
    `headrace backfill` (all tables where it does not tell which); it is settled when its row comes whole, or is gone.

    Examples:

        headrace deadletters retry airline.booking 7

        headrace deadletters retry booking

        headrace deadletters retry airline 1:4711
    """
    from sync.cli.deadletters_acts import means_records, retry_documents, retry_records

    with open_state(new=False) as state:
        with state.read() as connection:
            registered = find(connection, what) if means_records(connection, what, keys or []) else None
        if registered is not None:
            retry_records(state, registered, keys or [], json=json)
        else:
            retry_documents(state, what, keys or [], json=json)


@app.command()
def discard(
    what: What,
    keys: Annotated[list[str], typer.Argument(metavar="KEY", help="As for `show`.")],
    reason: Annotated[str, typer.Option(help="Why it does no harm; kept and shown, so no value of a row.")],
    json: terminal.Json = False,
) -> None:
    """Take it that it does no harm: it is no longer in the way of `status` and `wait`. Who says so and why is kept.

    Of a document nothing stays in Weaviate: an old text of rows that have changed would be stale, and nobody would
    know. It comes back by itself when one of its rows or its table changes, and by `retry`. Nobody waits for it,
    except who names it: `headrace wait --document` says that it was discarded.

    Of a record: its rows were looked at, or changed since. Until then no document of the mapping counts as fresh,
    because nobody knows which of them it would have changed.

    `headrace deadletters list --all` lists what was discarded. Exit code 1 where nothing of that name stands.

    Examples:

        headrace deadletters discard airline.booking 7 --reason "a test booking, its fare code will never have words"

        headrace deadletters discard airline 1:4711 --reason "row 7 was deleted since"
    """
    from sync.cli.deadletters_acts import discarding, means_records

    with open_state(new=False) as state:
        with state.read() as connection:
            records = means_records(connection, what, keys)
        discarding(state, what, keys, reason, records=records, json=json)
