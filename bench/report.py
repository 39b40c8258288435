"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.figures import Figure
from bench.machine import Machine

WORDS = {True: ("PASS", "green"), False: ("FAIL", "bold red"), None: ("", "dim")}


def show(console: Console, machine: Machine, figures: Sequence[Figure], missing: dict[str, str]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("what", overflow="fold")
    for column in ("measured", "floor", "× floor", "goal"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for figure in figures:
        word, style = WORDS[figure.passed]
        table.add_row(
            figure.name,
            f"{number(figure.value)} {figure.unit}",
            "" if figure.floor is None else number(figure.floor),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            goal(figure),
            Text(word, style),
        )
    console.print(table)
    for name, why in missing.items():
        console.print(f"{name}: not measured: {why}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    console.print(machine.sentence(), style="dim", markup=False, highlight=False, soft_wrap=True)


def goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{figure.goal} ×" if figure.floor is not None else str(figure.goal)


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.1f}"  # 299.6 must not read as 300
    return f"{value:.3g}"


def to_json(machine: Machine, figures: Sequence[Figure], missing: dict[str, str], *, quick: bool) -> dict[str, Any]:
    return {
        "machine": asdict(machine),
        "quick": quick,
        "figures": [figure.to_json() for figure in figures],
        "not_measured": missing,
    }


def write(path: str, content: dict[str, Any]) -> None:
    """Into the file ``path``, or to standard output where it is ``-``."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"
    if path == "-":
        sys.stdout.buffer.write(text)
    else:
        Path(path).write_bytes(text)
