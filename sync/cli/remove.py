"""`headrace remove`: take a mapping away, from every component, so that no forgotten slot fills a disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sync.cli import mapping_files, terminal
from sync.cli.applied_mappings import NoSuch, find, open_state
from sync.cli.environment import settings
from sync.errors import HeadraceError, SettingsError

if TYPE_CHECKING:
    from connectors.registration import Removal
    from sync.mapping.model import Mapping
    from sync.state.database import State


def remove(
    mapping: Annotated[
        str,
        typer.Argument(metavar="MAPPING", help="An applied mapping, or the file of one of which something is left."),
    ],
    collections: Annotated[
        bool, typer.Option("--collections", help="Drop its collections in Weaviate too, with their aliases.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: terminal.Json = False,
) -> None:
    """Take a mapping away: connector and its offsets, replication slot, publication, topics, state.

    Its collections stay, as they are, unless you say --collections. Goes on past what is missing and past what does
    not answer; exit code 1 if something could not be removed. May be run again.

    Examples:

        headrace remove airline
        headrace remove airline --collections --yes
    """
    console = terminal.err if json else terminal.out
    with open_state() as state:
        model = _model(state, mapping)
        if not yes:
            _approve(model, collections)
        removal = carry_out(state, model, collections=collections, say=partial(_step, console))
    if json:
        terminal.print_json({"mapping": model.name, "removed": removal.done, "failed": removal.failed})
    for failure in removal.failed:
        terminal.fail(failure)
    if removal.failed:
        _by_hand(model)
        raise typer.Exit(terminal.FINDINGS)
    if not json:
        terminal.line(f"{model.name} is removed" if removal.done else f"nothing was left of {model.name}")


def _step(console: Console, text: str) -> None:
    if not text.startswith("could not"):  # those are told at the end, with what to do
        terminal.done(text, to=console)


def _model(state: State, name: str) -> Mapping:
    """The mapping as it was applied; else as its file says. Raises NoSuch, MappingError."""
    from sync.mapping.load import load

    if not name.endswith((".yml", ".yaml")):
        try:
            with state.read() as connection:
                return find(connection, name).plan.mapping
        except NoSuch:
            # Its state may be gone already, and its slot not.
            for file in mapping_files.FOLDER.glob("*.y*ml"):
                found = load(file).mapping
                if found is not None and found.name == name:
                    return found
            raise
    return load(name).accepted()


def _approve(model: Mapping, collections: bool) -> None:
    if not terminal.interactive():
        raise SettingsError("nobody is here to approve this", advice="Say --yes to remove without being asked.")
    what = "connector, slot, publication, topics and state" + (", and its collections" if collections else "")
    terminal.line(f"This takes away of {model.name}: {what}.")
    if not terminal.ask("Remove?"):
        terminal.line("nothing was done")
        raise typer.Exit(terminal.FINDINGS)


def carry_out(state: State, model: Mapping, *, collections: bool, say: Callable[[str], None]) -> Removal:
    """Remove it everywhere; says each step. What does not answer is in ``failed``, and the rest goes on.

    The state goes first: the worker then leaves the topic before it vanishes, and writes nothing any more.
    """
    from connectors.registration import unregister
    from sync.state.registry import applied, forget

    before: list[str] = []
    with state.write() as connection:
        if model.name in applied(connection):
            forget(connection, model.name)
            before.append(f"forgot mapping {model.name} in the state")
            say(before[0])
    removal = unregister(model, settings(), say)
    removal.done[:0] = before
    if collections:
        try:
            _drop_collections(model, removal, say)
        except HeadraceError as exc:
            removal.failed.append(f"collections in Weaviate: {exc}")
    return removal


def _drop_collections(model: Mapping, removal: Removal, say: Callable[[str], None]) -> None:
    from sync.write.collections import drop, drop_alias
    from sync.write.targets import left
    from sync.write.weaviate import Weaviate

    with Weaviate(settings()) as weaviate:
        for name in left(weaviate, model.name):
            alias = name.rpartition("_g")[0]
            if weaviate.alias(alias) == name:
                drop_alias(weaviate, alias)
            drop(weaviate, name)
            removal.done.append(f"dropped collection {name} and its alias {alias}")
            say(removal.done[-1])


def _by_hand(model: Mapping) -> None:
    """How to do without Headrace what it could not do."""
    from connectors.names import SCHEMA, names
    from sync.mapping.tables import sources_of

    terminal.warn(
        f"Run `headrace remove {model.name}` again when everything answers; or by hand, what of this is left:"
    )
    for source in sources_of(model):
        own = names(model, source)
        for step in (
            f"Kafka Connect: PUT /connectors/{own.connector}/stop; DELETE …/offsets; DELETE …/{own.connector}",
            f"database: select pg_drop_replication_slot('{own.slot}'); drop publication {own.publication};"
            f" drop table {SCHEMA}.{own.signal_table}, {SCHEMA}.{own.heartbeat_table};",
            f"Kafka: delete the topic {own.topic}",
        ):
            terminal.line(step, to=terminal.err, indent=2)
