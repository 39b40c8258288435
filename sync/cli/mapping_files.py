"""Mapping files as commands take them: which are meant, what lint says of them, what the live database adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sync.cli import terminal
from sync.errors import SettingsError

if TYPE_CHECKING:
    from connectors.problem import Problem
    from sync.mapping.findings import Finding
    from sync.mapping.load import Loaded
    from sync.mapping.lock import Lock
    from sync.mapping.model import Mapping
    from sync.settings import Settings

FOLDER = Path("mappings")

File = Annotated[str, typer.Argument(metavar="FILE", help="The mapping file; - reads standard input.")]
Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE", help="Mapping files, mappings/*.yml where none is named; - reads standard input.",
        show_default=False,
    ),
]  # fmt: skip


def chosen(files: Sequence[str] | None) -> list[str]:
    """The files that are meant. Raises SettingsError where none is named and `mappings/` has none."""
    if files:
        return list(dict.fromkeys(files))
    found = sorted(str(path) for pattern in ("*.yml", "*.yaml") for path in FOLDER.glob(pattern))
    if not found:
        raise SettingsError(
            f"there is no mapping in {FOLDER}/ and none is named",
            advice="Name a file, or write one: headrace init --database postgresql://…",
        )
    return found


def check(file: str) -> tuple[Loaded, list[Finding]]:
    """A file, read and linted without any service."""
    from sync.mapping.lint import lint
    from sync.mapping.load import load

    loaded = load(file)
    return loaded, lint(loaded)


def refused(findings: Iterable[Finding]) -> bool:
    return any(finding.is_error for finding in findings)


def print_findings(findings: Sequence[Finding]) -> None:
    """One line a finding, ``file:line:column CODE severity message``."""
    for finding in findings:
        style = "red" if finding.is_error else "yellow"
        text = Text(f"{finding.file}:{finding.line}:{finding.column} ", "bold")
        text.append(f"{finding.code} {finding.severity} ", f"{style} not bold").append(
            finding.message, "default not bold"
        )
        terminal.line(text)


def counted(number: int, thing: str, things: str = "") -> str:
    """``1 error``, ``2 errors``."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def summary(files: int, findings: Sequence[Finding]) -> str:
    errors = sum(finding.is_error for finding in findings)
    return (
        f"{counted(files, 'file')}: {counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}"
        if findings
        else f"{counted(files, 'file')}: nothing to say against it"
    )


@dataclass(frozen=True)
class Live:
    """What the databases of one mapping say: their catalogue as a lock, and everything that stands against capture."""

    lock: Lock
    findings: list[Finding]


def read_catalogues(loaded: Loaded, mapping: Mapping) -> Lock:
    """The lock as the databases give it now, of the mapped tables. Raises SourceUnreachable, SourceRefused."""
    from connectors.captured import captured
    from connectors.registration import source_database
    from sync.mapping.lock import Lock
    from sync.mapping.tables import sources_of

    return Lock(
        sources={
            source: source_database(mapping, source).catalogue(
                [table.name for table in captured(mapping, loaded.lock, source)]
            )
            for source in sources_of(mapping)
        }
    )


def _other_tables(loaded: Loaded, mapping: Mapping, live: Lock) -> dict[str, list[str]]:
    """All tables of the sources where a mapped one is missing: it may go by another name now."""
    from connectors.captured import captured
    from connectors.registration import source_database

    return {
        source: list(source_database(mapping, source).catalogue().tables)
        for source, found in live.sources.items()
        if not {table.name for table in captured(mapping, loaded.lock, source)} <= found.tables.keys()
    }


# What drift says of a table or column, preflight says too; once is enough.
_SAME = {"M218": "M201", "M219": "M202", "M221": "M203", "M226": "M124"}


def ask_databases(loaded: Loaded, mapping: Mapping, settings: Settings) -> Live:
    """Read catalogues, compare them with the lock, and ask what capture would lack.

    Raises SourceUnreachable, SourceRefused, SettingsError.
    """
    from connectors.registration import preflight
    from sync.mapping.lint import drift

    live = read_catalogues(loaded, mapping)
    findings = drift(loaded, live, _other_tables(loaded, mapping, live))
    said = {(finding.line, finding.code) for finding in findings}
    for problems in preflight(mapping, loaded.lock or live, settings).values():
        for problem in problems:
            found = _as_finding(loaded, mapping, problem)
            if (found.line, _SAME.get(found.code)) not in said:
                findings.append(found)
    return Live(live, sorted(set(findings)))


def _as_finding(loaded: Loaded, mapping: Mapping, problem: Problem) -> Finding:
    """A problem of the database at the place in the file that it concerns."""
    from sync.mapping.plan import plan

    message = problem.message + (f". Run: {problem.sql}" if problem.sql else "")
    path: tuple[str | int, ...] = ("source",) if mapping.source else ("sources",)
    if problem.table:
        tables = plan(mapping, loaded.lock).tables.values()
        table = next((each for each in tables if each.database_name == problem.table), None)
        if table is not None:
            column = next((c.name for c in table.columns.values() if c.database_name == problem.column), None)
            path = ("tables", table.name, "columns", column) if column else ("tables", table.name)
    return loaded.positions.finding(path, problem.code, message, problem.severity, key=bool(problem.table))


def with_lock(loaded: Loaded, lock: Lock) -> Loaded:
    """The same file, read with this lock."""
    return replace(loaded, lock=lock)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest that there is, else all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" (nearest: {close[0]})"
    return f" (there are: {', '.join(names)})" if names else ""
