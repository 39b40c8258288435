"""`headrace deadletters retry` and `discard`: what they do to documents, and to records."""

from __future__ import annotations

import getpass
import re
import socket
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

import typer

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch, called, document_key, find, find_all, find_document
from sync.cli.mapping_files import counted
from sync.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sync.evidence.parked import Unapplied
    from sync.state.database import State
    from sync.state.discards import Discard
    from sync.state.registry import Registered

POSITION = re.compile(r"\d+:\d+")
AT_ONCE = 500  # keys in a statement


def means_records(connection: Connection, what: str, keys: Collection[str]) -> bool:
    """Whether ``what`` and ``keys`` name records of a mapping, and not documents. Raises SettingsError."""
    from sync.state.registry import applied

    if what not in applied(connection):
        return False
    wrong = next((key for key in keys if not POSITION.fullmatch(key)), None)
    if wrong is None:
        return True
    if any(called(name) == what for each in find_all(connection, None) for name in each.kinds):
        return False
    raise SettingsError(
        f"{wrong} is no position of a record of {what}",
        advice=f"`headrace status` names it: 1:4711. A document goes by its type: {what}.DOCUMENT {wrong}.",
    )


def retry_documents(state: State, what: str, keys: list[str], *, json: bool) -> None:
    """Owe parked documents; one that was discarded only where somebody names it."""
    from sqlalchemy import select

    from sync.evidence.parked import PARKED
    from sync.state.owed import Priority, Raise
    from sync.state.raises import Raises
    from sync.state.registry import DOCUMENT, next_sequence

    with state.write() as connection:
        registered, kind = find_document(find_all(connection, None), what)
        known = select(DOCUMENT.c.key).where(DOCUMENT.c.type_id == kind.id)
        known = known.where(DOCUMENT.c.parked.is_not(None) if keys else PARKED)
        if keys:
            known = known.where(DOCUMENT.c.key.in_([document_key(kind.plan, key) for key in keys]))
        found = list(connection.execute(known).scalars())
        why = Raise(next_sequence(state, connection, registered.name, 1), time.time_ns() // 1000, "retry")
        for start in range(0, len(found), AT_ONCE):
            Raises(state).raise_known(connection, kind.id, found[start : start + AT_ONCE], why, Priority.direct)
        state.announce(connection)
    if json:
        terminal.print_json({"document": f"{registered.name}.{called(kind.name)}", "owed": found})
    else:
        terminal.line(f"{counted(len(found), 'document')} owed again" if found else "nothing of it is parked")


def retry_records(state: State, registered: Registered, positions: list[str], *, json: bool) -> None:
    """Have the tables of records read again. Raises NoSuch, BackfillRefused, and what a source raises."""
    from sync.cli.backfill import as_json, ask_for
    from sync.evidence.parked import unapplied

    with state.read() as connection:
        standing = list(unapplied(connection, registered.name, limit=1_000_000))
    chosen = [each for each in standing if not positions or each.position in positions]
    if missing := sorted(set(positions) - {each.position for each in chosen}):
        raise NoSuch(
            f"{registered.name}: every record at {', '.join(missing)} was applied, or read again since",
            advice=f"`headrace deadletters list {registered.name}` names those that were not.",
        )
    wanted = _tables(registered, chosen)
    asked = [ask_for(state, registered, source, tables) for source, tables in wanted.items()]
    if json:
        backfills = [as_json(registered, each) for each in asked]
        records = [each.position for each in chosen]
        terminal.print_json({"mapping": registered.name, "records": records, "backfills": backfills})
        return
    if not asked:
        terminal.line("every record of it was applied")
        return
    tables = ", ".join(table for each in asked for table in each.tables)
    terminal.line(f"{counted(len(chosen), 'record')}: {tables} read again from the source")
    terminal.line(f"look: headrace backfill {registered.name} --watch")


def _tables(registered: Registered, records: Collection[Unapplied]) -> dict[str, tuple[str, ...]]:
    """Source → the tables that these records are of; all of its tables where one does not tell."""
    wanted: dict[str, set[str]] = {}
    for each in records:
        known = [table.name for table in registered.tables_of(each.source)]
        wanted.setdefault(each.source, set()).update([each.table] if each.table in known else known)
    return {source: tuple(sorted(tables)) for source, tables in wanted.items()}


def discarding(state: State, what: str, keys: list[str], reason: str, *, records: bool, json: bool) -> None:
    """Set aside what stands of these. Raises typer.Exit where something of them does not stand."""
    from sync.state.discards import Discard

    if not reason.strip():
        raise SettingsError("--reason is empty", advice="Say why it does no harm: it is kept beside it.")
    said = Discard(_whoever(), reason.strip())
    if records:
        done = _discard_records(state, what, keys, said)
    else:
        what, keys, done = _discard_documents(state, what, keys, said)
    if json:
        terminal.print_json({"of": what, "discarded": done, "by": said.by, "reason": said.reason})
    elif done and records:
        terminal.line(f"{counted(len(done), 'record')} discarded")
    elif done:
        terminal.line(f"{counted(len(done), 'document')} discarded; what Weaviate has of it is removed")
    missing = [key for key in dict.fromkeys(keys) if key not in done]
    for key in missing:
        terminal.fail(f"{what} {key}: no such record stands there" if records else f"{what} {key} is not parked")
    if missing:
        raise typer.Exit(terminal.FINDINGS)


def _discard_records(state: State, mapping: str, positions: list[str], said: Discard) -> list[str]:
    from sync.state.discards import discard_record

    with state.write() as connection:
        find(connection, mapping)
        return [each for each in dict.fromkeys(positions) if discard_record(connection, mapping, each, said)]


def _discard_documents(state: State, what: str, keys: list[str], said: Discard) -> tuple[str, list[str], list[str]]:
    """Name of the type, the keys as the state has them, and those that were parked."""
    from sync.state.discards import discard_documents
    from sync.state.owed import Raise
    from sync.state.registry import next_sequence

    with state.write() as connection:
        registered, kind = find_document(find_all(connection, None), what)
        wanted = [document_key(kind.plan, key) for key in keys]
        why = Raise(next_sequence(state, connection, registered.name, 1), time.time_ns() // 1000, "discarded")
        done = discard_documents(connection, kind.id, wanted, said, why)
        state.announce(connection)
    return f"{registered.name}.{called(kind.name)}", wanted, done


def _whoever() -> str:
    """Who types this, as far as the machine knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may run as a user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
