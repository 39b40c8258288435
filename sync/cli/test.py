"""`headrace test`: a mapping's own tests, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sync.cli import mapping_files, terminal

if TYPE_CHECKING:
    from sync.mapping.harness import Result


def run_tests(
    files: mapping_files.Files = None,
    select: Annotated[
        str | None, typer.Option("--select", "-k", metavar="TEXT", help="Only tests whose name contains this.")
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Run the `tests:` of mappings: given these rows, the document says this. Needs no service.

    Private columns are masked, hashed or dropped in the given rows as the connector would do it. Exit code 1 if a
    test fails or a file has errors.

    Examples:

        headrace test
        headrace test mappings/airline.yml --select cancelled
    """
    results: list[tuple[str, Result]] = []
    broken = False
    for file in mapping_files.chosen(files):
        found, wrong = _run(file, select)
        broken = broken or wrong
        results += found
    failed = sum(not result.passed for _, result in results)
    if json:
        terminal.print_json(
            [
                {"file": file, "name": result.name, "passed": result.passed, "problems": list(result.problems)}
                for file, result in results
            ]
        )
    else:
        for file, result in results:
            _print(file, result)
        terminal.line(_summary(len(results), failed))
    if failed or broken:
        raise typer.Exit(terminal.FINDINGS)


def _run(file: str, select: str | None) -> tuple[list[tuple[str, Result]], bool]:
    """The results of one file, and whether it could not be run at all."""
    from sync.mapping.harness import run
    from sync.mapping.plan import plan

    loaded, findings = mapping_files.check(file)
    errors = [finding for finding in findings if finding.is_error]
    if loaded.mapping is None or errors:
        for finding in errors:
            terminal.line(str(finding), "red", to=terminal.err)
        return [], True
    return [(loaded.file, result) for result in run(plan(loaded.mapping, loaded.lock), select)], False


def _print(file: str, result: Result) -> None:
    if result.passed:
        terminal.done(f"{file}: {result.name}")
        return
    terminal.failed(f"{file}: {result.name}")
    for problem in result.problems:
        for line in problem.splitlines():
            terminal.line(_coloured(line), indent=4)


def _coloured(line: str) -> Text:
    """The lines of a comparison in the colours that everybody's tools give them."""
    styles = {"- ": "red", "+ ": "green", "? ": "dim"}
    return Text(line, styles.get(line.strip()[:2] if line.startswith("    ") else "", ""))


def _summary(number: int, failed: int) -> str:
    if not number:
        return "no test ran"
    tests = mapping_files.counted(number, "test")
    return f"{tests}, {failed:,} failed" if failed else f"{tests} passed"
