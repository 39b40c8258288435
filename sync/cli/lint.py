"""`headrace lint`: everything that is wrong with a mapping, each with file, line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sync.cli import mapping_files, terminal
from sync.cli.environment import settings
from sync.errors import HeadraceError

if TYPE_CHECKING:
    from sync.cli.mapping_files import Live
    from sync.mapping.findings import Finding
    from sync.mapping.load import Loaded


def lint(
    files: mapping_files.Files = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the database too; write the lock where it is missing.")
    ] = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="With --live: write the lock anew although the database has drifted from it."),
    ] = False,
    codes: Annotated[bool, typer.Option("--codes", help="List every code with what it means.")] = False,
    json: terminal.Json = False,
) -> None:
    """Check mappings: their shape, their meaning, and with --live what the database says to them.

    Prints every finding as `file:line:column CODE severity message`. Needs no service, except with --live. Exit code
    1 if one is an error.

    Examples:

        headrace lint
        headrace lint mappings/airline.yml --live
        git show HEAD:mappings/airline.yml | headrace lint -
    """
    if codes:
        _list_codes(json)
        return
    findings: list[Finding] = []
    chosen = mapping_files.chosen(files)
    unread = ""
    for file in chosen:
        loaded, found = mapping_files.check(file)
        if (live or accept) and loaded.mapping is not None:
            try:
                found = _live(loaded, found, accept)
            except HeadraceError as exc:
                unread = f"{loaded.file}: {exc}"
                terminal.fail(unread, exc.advice)
        findings += found
        if not json:
            mapping_files.print_findings(found)
    if json:
        terminal.print_json([finding.to_json() for finding in findings])
    elif findings or not unread:  # unread, a file that nothing is said against is not without fault
        terminal.line(mapping_files.summary(len(chosen), findings))
    if unread:
        raise typer.Exit(terminal.CANNOT_RUN)
    if mapping_files.refused(findings):
        raise typer.Exit(terminal.FINDINGS)


def _live(loaded: Loaded, offline: list[Finding], accept: bool) -> list[Finding]:
    """The findings with those of the database; the lock is written where that loses nothing anybody decided."""
    from sync.mapping.lint import lint as lint_offline

    assert loaded.mapping is not None
    asked = mapping_files.ask_databases(loaded, loaded.mapping, settings())
    if loaded.lock is None:
        offline = lint_offline(mapping_files.with_lock(loaded, asked.lock))
    _keep_lock(loaded, asked, accept)
    return sorted({*offline, *asked.findings})


_DRIFTED = {"M203", "M204", "M205", "M206", "M209"}


def _keep_lock(loaded: Loaded, asked: Live, accept: bool) -> None:
    from sync.mapping.lockfile import dump_lock, lock_path

    if loaded.file == "<stdin>":
        return
    drifted = any(finding.code in _DRIFTED for finding in asked.findings)
    unknown = any(finding.code == "M208" for finding in asked.findings)
    path = lock_path(loaded.file)
    if loaded.lock is None or accept or (unknown and not drifted):
        dump_lock(asked.lock, path)
        terminal.line(f"wrote {path}: commit it with the mapping", to=terminal.err)
    elif drifted:
        terminal.line(f"{path} is as it was; --accept writes what the database says now", to=terminal.err)


def _list_codes(json: bool) -> None:
    from connectors.mariadb.problems import MARIADB_PROBLEMS
    from connectors.problem import PROBLEMS
    from sync.mapping.findings import CODES

    known = {**CODES, **PROBLEMS, **MARIADB_PROBLEMS}
    if json:
        terminal.print_json(known)
    else:
        terminal.show(terminal.table(["CODE", "MEANING"], sorted(known.items())))
