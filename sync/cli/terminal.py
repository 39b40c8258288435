"""What every command prints with: wrapped lines and tables on a terminal, whole lines in a pipe, JSON when asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GOOD, FINDINGS, CANNOT_RUN = 0, 1, 2  # exit codes

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

# Markup, emoji codes and highlighting would change what a row or a mapping says: a key is written `[7,2]`.
_PLAIN = {"markup": False, "emoji": False, "highlight": False}
out = Console(**_PLAIN)  # type: ignore[arg-type]
err = Console(stderr=True, **_PLAIN)  # type: ignore[arg-type]

IN_A_PIPE = 200  # columns of a table when nobody says how wide the reader is


def line(text: str | Text = "", style: str = "", *, to: Console | None = None, indent: int = 0) -> None:
    """One paragraph: wrapped between words on a terminal, never in a pipe, where a line is a record."""
    console = to or out
    shown: RenderableType = Text(text) if isinstance(text, str) else text
    if console.is_terminal:
        console.print(Padding(shown, (0, 0, 0, indent)) if indent else shown, style=style)
    else:
        console.print(Text(" " * indent) + (Text(text) if isinstance(text, str) else text), style=style, soft_wrap=True)


def warn(text: str) -> None:
    """A sentence on standard error that is no failure."""
    line(text, "yellow", to=err)


def fail(text: str, advice: str = "") -> None:
    """What is wrong, and what to do about it, on standard error."""
    message = Text("headrace: ", "bold red")
    message.append(text, "default not bold")
    line(message, to=err)
    if advice:
        line(advice, to=err, indent=2)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Sequence[str] = ()) -> Table:
    """Rows under their headings, without frame. ``right`` names columns of numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def show(renderable: RenderableType, *, to: Console | None = None) -> None:
    """Print a table or the like; in a pipe nothing is folded that would fit on a wide screen."""
    console = to or out
    if console.is_terminal:
        console.print(renderable)
        return
    wide = Console(file=StringIO(), width=None if "COLUMNS" in os.environ else IN_A_PIPE, **_PLAIN)  # type: ignore[arg-type]
    wide.print(renderable)
    assert isinstance(wide.file, StringIO)
    console.file.writelines(f"{each.rstrip()}\n" for each in wide.file.getvalue().splitlines())


def print_json(data: Any) -> None:
    """``data`` on standard output: indented for a person, and the same for a program."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def done(text: str, *, to: Console | None = None) -> None:
    """A step that succeeded."""
    _step("✓", "OK", "green", text, to or out)


def failed(text: str, *, to: Console | None = None) -> None:
    """A step that did not."""
    _step("✗", "FAILED", "bold red", text, to or out)


def skipped(text: str, *, to: Console | None = None) -> None:
    """A step that was not needed."""
    _step("–", "-", "dim", text, to or out)


def _step(mark: str, word: str, style: str, text: str, console: Console) -> None:
    sign = mark if (console.encoding or "").lower().startswith("utf") else word
    line(Text(f"{sign} ", style).append(text, "default not bold"), to=console)


def ask(question: str) -> bool:
    """A yes or no from the person at the terminal; no is the default."""
    return typer.confirm(question, default=False)


def interactive() -> bool:
    """Whether somebody is there who can answer a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()
