"""`headrace`: the commands put together, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Annotated

import typer

from sync.cli import deadletters, environment, terminal
from sync.cli.apply import apply
from sync.cli.backfill import backfill
from sync.cli.demo import demo
from sync.cli.doctor import doctor
from sync.cli.embedder import embedder
from sync.cli.init import init
from sync.cli.lint import lint
from sync.cli.remove import remove
from sync.cli.run import run
from sync.cli.search import search
from sync.cli.show import show
from sync.cli.status import status
from sync.cli.test import run_tests
from sync.cli.wait import wait
from sync.errors import HeadraceError, MappingError, PreflightFailed

WRITE, SERVE, LOOK = "Write a mapping", "Serve it", "Look"

app = typer.Typer(
    name="headrace",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keep what a RAG app retrieves from Weaviate equal to the committed rows of your database.",
    epilog="Exit codes: 0 good, 1 findings, 2 cannot run. Settings are environment variables HEADRACE_* or a .env"
    " file; `headrace doctor` lists them.",
)
for panel, commands in (
    (WRITE, (init, lint, run_tests, show)),
    (SERVE, (doctor, apply, run, embedder, backfill, remove)),
    (LOOK, (status, wait, search, demo)),
):
    for command in commands:
        app.command("test" if command is run_tests else None, rich_help_panel=panel)(command)
app.add_typer(deadletters.app, name="deadletters", rich_help_panel=LOOK)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def _everywhere(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    environment.read_file()


def main() -> None:
    """Run `headrace` with the process's arguments; never returns."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # they are for those who develop libraries
    if logging.lastResort is not None:
        logging.lastResort.setLevel(logging.CRITICAL)  # libraries' complaints: our own errors say it once
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that lacks a sign shows ?
    try:
        app()
    except HeadraceError as exc:
        _explain_debug()
        terminal.fail(str(exc), exc.advice)
        sys.exit(terminal.FINDINGS if isinstance(exc, MappingError | PreflightFailed) else terminal.CANNOT_RUN)
    except Exception as exc:
        # The message may quote a row: only where it happened is shown.
        frame = traceback.extract_tb(exc.__traceback__)[-1]
        _explain_debug()
        terminal.fail(
            f"unexpected {type(exc).__name__} in {Path(frame.filename).name}:{frame.lineno}",
            "This is a defect of Headrace: please report it. HEADRACE_LOG_LEVEL=DEBUG shows where it came from.",
        )
        sys.exit(terminal.CANNOT_RUN)


def _explain_debug() -> None:
    if os.environ.get("HEADRACE_LOG_LEVEL", "").upper() == "DEBUG":
        traceback.print_exc()


if __name__ == "__main__":
    main()
