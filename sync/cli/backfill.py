"""`headrace backfill`: tables read again from the source while changes flow."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sync.cli import terminal
from sync.cli.applied_mappings import NoSuch, find, open_state
from sync.cli.mapping_files import nearest
from sync.errors import SettingsError

if TYPE_CHECKING:
    from sync.state.backfills import Backfill
    from sync.state.database import State
    from sync.state.registry import Registered


STOPPED_WITHIN = 10.0  # seconds


def backfill(
    mapping: Annotated[str, typer.Argument(metavar="MAPPING", help="The applied mapping.")],
    table: Annotated[
        str | None,
        typer.Argument(metavar="TABLE", help="One of its tables; all of them where none is named.", show_default=False),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="SQL", help="Only rows that meet this, in the database's own SQL.", show_default=False),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this source's tables.", show_default=False)
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return as soon as it is asked for.")] = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look at the one under way, or at the last.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the one under way; what it read stays.")] = False,
    json: terminal.Json = False,
) -> None:
    """Read tables again while changes flow, and mend what is not as in the source.

    A row that is as it was stored changes nothing: no write, no embedding. Documents of other rows are built again
    behind fresh changes. After a whole table was read, rows that it no longer has are taken for deleted; with
    `--where`, or when the reading was interrupted, nothing is. The worker does it: Ctrl-C ends the looking, not the
    reading, and a restart of worker or Connect does not end it either. Exit code 1 if a table could not be read.

    Meanwhile standard error shows rows read of the estimated, rows a second and the time left: bars on a terminal,
    a line every 3 s elsewhere, with `--json` a JSON object a line. Standard output has the result alone.

    Examples:

        headrace backfill airline

        headrace backfill airline bookings --where "booked_at >= '2026-01-01'"

        headrace backfill airline --watch
    """
    from sync.cli.backfill_progress import follow

    if sum((watch, stop, detach)) > 1:
        raise SettingsError("--detach, --watch and --stop exclude each other", advice="Say one of them.")
    with open_state(new=False) as state:
        with state.read() as connection:
            registered = find(connection, mapping)
        chosen = _chosen(registered, table, where, source)
        if stop:
            _stop(state, registered, list(chosen), json=json)
            return
        asked: list[Backfill] = _latest(state, registered, list(chosen)) if watch else []
        try:
            if not watch:
                for name, tables in chosen.items():
                    asked.append(ask_for(state, registered, name, tables, where))
            if detach:
                _say_detached(registered, asked, json=json)
                return
            ended = follow(state, registered, [each.id for each in asked], json=json)
        except KeyboardInterrupt:
            if not asked:
                raise
            terminal.line(f"it goes on; look again: headrace backfill {registered.name} --watch", to=terminal.err)
            return
    _print(registered, ended, json=json)


def _chosen(
    registered: Registered, table: str | None, where: str | None, source: str | None
) -> dict[str, tuple[str, ...]]:
    """Source → the tables of it that are meant. Raises NoSuch, SettingsError."""
    tables = registered.plan.tables
    if source is not None and source not in registered.sources:
        raise NoSuch(
            f"mapping {registered.name} has no source {source}{nearest(source, registered.sources)}",
            advice=f"Its sources: {', '.join(registered.sources)}.",
        )
    if table is not None and table not in tables:
        raise NoSuch(
            f"mapping {registered.name} has no table {table}{nearest(table, tables)}",
            advice=f"Its tables: {', '.join(sorted(tables))}.",
        )
    if where is not None and table is None:
        raise SettingsError(
            "--where needs the table that it filters", advice="headrace backfill MAPPING TABLE --where …"
        )
    chosen: dict[str, tuple[str, ...]] = {}
    for name, plan in tables.items():
        if table in (None, name) and source in (None, plan.source):
            chosen[plan.source] = (*chosen.get(plan.source, ()), name)
    if not chosen:
        raise NoSuch(f"table {table} is not of source {source}", advice=f"It is of {tables[str(table)].source}.")
    return chosen


def ask_for(
    state: State, registered: Registered, source: str, tables: tuple[str, ...], where: str | None = None
) -> Backfill:
    """Note it in the state: the worker tells the connector, and does so again where it was killed in the middle."""
    from connectors.registration import source_database
    from sync.state.backfills import ask
    from sync.state.backfills import find as find_backfill

    database = source_database(registered.plan.mapping, source)
    counted = {registered.plan.tables[table].database_name for table in tables}
    total = sum(database.count(table, where) for table in counted)
    identity = f"headrace-{uuid.uuid4().hex}"
    with state.write() as connection:
        ask(connection, registered, source, identity, tables, where, total)
        asked = find_backfill(connection, identity)
    assert asked is not None
    return asked


def _latest(state: State, registered: Registered, sources: list[str]) -> list[Backfill]:
    from sync.state.backfills import latest

    with state.read() as connection:
        found = latest(connection, [registered.sources[source] for source in sources])
    if not found:
        raise NoSuch(f"no table of {registered.name} was read again so far", advice="`headrace backfill --help`")
    return found


def _stop(state: State, registered: Registered, sources: list[str], *, json: bool) -> None:
    """End it at its connector; what the connector was not told of yet is simply not asked for any more."""
    from connectors import incremental
    from connectors.names import names
    from connectors.registration import source_database
    from sync.state.backfills import STOPPED, ended, stopping, under_way, withdraw
    from sync.state.backfills import find as find_backfill

    wanted: list[Backfill] = []
    for source in sources:
        with state.read() as connection:
            found = under_way(connection, [registered.sources[source]])
        mapping = registered.plan.mapping
        for each in found:
            with state.write() as connection:
                if withdraw(connection, each.id):
                    continue
                stopping(connection, each.id)
            incremental.stop(source_database(mapping, source), names(mapping, source), each.id)
            _wait_for_end(state, each.id)
            with state.write() as connection:
                ended(connection, [each.id], STOPPED)  # one that has ended meanwhile stays as it is
        wanted += found
    with state.read() as connection:
        done = [each for each in (find_backfill(connection, one.id) for one in wanted) if each is not None]
    if json:
        terminal.print_json([as_json(registered, each) for each in done])
        return
    for each in done:
        terminal.line(f"{registered.name}: {', '.join(each.tables)}: {each.outcome} after {each.rows:,} rows")
    if not done:
        terminal.line("nothing is being read again")


def _wait_for_end(state: State, identity: str) -> None:
    """Until the connector has said so; one that is down comes to it in the log when it is back."""
    from sync.state.backfills import find

    end = time.monotonic() + STOPPED_WITHIN
    while time.monotonic() < end:
        with state.read() as connection:
            found = find(connection, identity)
        if found is None or found.outcome is not None:
            return
        time.sleep(0.1)


def _say_detached(registered: Registered, asked: list[Backfill], *, json: bool) -> None:
    if json:
        terminal.print_json([as_json(registered, each) for each in asked])
        return
    tables = ", ".join(table for each in asked for table in each.tables)
    terminal.line(f"asked for {tables}; look: headrace backfill {registered.name} --watch")


def as_json(registered: Registered, one: Backfill) -> dict[str, Any]:
    source = next(name for name, number in registered.sources.items() if number == one.source_id)
    took = None if one.ended_at is None else round(one.ended_at - one.asked_at, 1)
    return {
        "mapping": registered.name,
        "source": source,
        "tables": list(one.tables),
        "where": one.condition,
        "rows": one.rows,
        "changed": one.changed,
        "removed": one.removed,
        "swept": one.swept,
        "outcome": one.outcome,
        "seconds": took,
    }


def _print(registered: Registered, ended: list[Backfill], *, json: bool) -> None:
    from sync.cli.backfill_figures import result
    from sync.state.backfills import COMPLETE

    if json:
        terminal.print_json([as_json(registered, each) for each in ended])
    for each in ended:
        tables = ", ".join(each.tables)
        if each.outcome != COMPLETE:
            terminal.fail(f"{registered.name}: {tables}: {each.outcome}", "What was read of it is applied.")
        elif not json:
            terminal.line(result(registered.name, each))
        if each.outcome == COMPLETE and not each.swept and each.condition is None:
            terminal.warn("The reading was interrupted, so rows that the source no longer has were not looked for.")
            terminal.warn("To have them removed, run it again.")
    if any(each.outcome != COMPLETE for each in ended):
        raise typer.Exit(terminal.FINDINGS)
