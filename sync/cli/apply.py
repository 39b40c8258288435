"""`headrace apply`: register a mapping, all of it or nothing; `application.py` says in which order and why."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sync.cli import mapping_files, terminal
from sync.cli.application import Application
from sync.cli.applied_mappings import open_state
from sync.cli.environment import settings
from sync.errors import SettingsError

if TYPE_CHECKING:
    from sync.settings import Settings


def apply(
    file: mapping_files.File,
    auto_approve: Annotated[bool, typer.Option("--auto-approve", help="Do not ask.")] = False,
    json: terminal.Json = False,
) -> None:
    """Register a mapping: from then on `headrace run` keeps its collections equal to the source.

    Lints the file, asks the database what it lacks, shows what will be made, and asks. Makes collections, topics,
    publication and connector; one step that fails takes back everything before it. Applying the same version again
    restarts a failed connector.

    Examples:

        headrace apply mappings/airline.yml
        headrace apply mappings/airline.yml --auto-approve --json
    """
    console = terminal.err if json else terminal.out
    application = prepare(file, settings(), quiet=json)
    if application is None:
        raise typer.Exit(terminal.FINDINGS)
    with open_state() as state:
        again = application.check(state)
        if not again:
            if not json:
                application.show()
            _approved(auto_approve)
        with _taken_back_when_terminated():
            made = application.carry_out(state, partial(_step, console))
    if json:
        terminal.print_json(made)
    elif again:
        terminal.line(f"{application.name} {application.plan.version} is applied already; its connector runs")
    else:
        terminal.line(
            f"{application.name} is applied: `headrace run` serves it, `headrace status` shows its first load."
        )


def _step(console: Console, text: str) -> None:
    print_step = terminal.failed if text.startswith("could not") else terminal.done
    print_step(text, to=console)


@contextmanager
def _taken_back_when_terminated() -> Iterator[None]:
    """SIGTERM interrupts as Ctrl-C does, so that what was made is taken back."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _approved(auto_approve: bool) -> None:
    if auto_approve:
        return
    if not terminal.interactive():
        raise SettingsError("nobody is here to approve this", advice="Say --auto-approve to apply without being asked.")
    if not terminal.ask("Apply?"):
        terminal.line("nothing was done")
        raise typer.Exit(terminal.FINDINGS)


def prepare(file: str, wanted: Settings, *, quiet: bool = False) -> Application | None:
    """The file, linted and held against the live database; None where findings forbid it, which are then printed."""
    loaded, findings = mapping_files.check(file)
    if loaded.mapping is not None and not mapping_files.refused(findings):
        live = mapping_files.ask_databases(loaded, loaded.mapping, wanted)
        findings = [*findings, *live.findings]
        if loaded.lock is None:
            loaded = mapping_files.with_lock(loaded, live.lock)
            if loaded.file != "<stdin>":
                terminal.warn(f"{loaded.file} has no lock: `headrace lint --live` writes it")
    if findings and not quiet:
        mapping_files.print_findings(findings)
    if mapping_files.refused(findings) or loaded.mapping is None:
        if quiet:
            terminal.print_json([finding.to_json() for finding in findings])
        terminal.warn(f"{mapping_files.summary(1, findings)}; nothing was done")
        return None
    return Application(loaded.mapping, loaded.lock, wanted)
