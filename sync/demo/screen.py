"""The demo's one screen: changes above, the question and its answer below, how it stands at the foot."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sync.demo import words
from sync.demo.airline import FEATURED_NUMBER
from sync.demo.feed import Change, Standing
from sync.demo.question import ANSWERS, QUESTION, Asked

WIDE = 108  # columns from which on there is room for the time and for whole sentences
CHROME = 9 + ANSWERS  # lines that are not changes
MARKS = {"fresh": ("●", "green"), "catching up": ("◐", "cyan"), "late": ("▲", "yellow"),
         "stale": ("■", "red"), "unknown": ("?", "red")}  # fmt: skip
SPOKEN = {"cancelled": "red", "delayed": "yellow"}


@dataclass
class View:
    """Everything one picture shows."""

    url: str
    changes: list[Change] = field(default_factory=list)
    asked: Asked | None = None
    turned_at: int | None = None  # µs since 1970 when the answer last changed
    standing: Standing | None = None
    trouble: str | None = None


def rows_that_fit(height: int) -> int:
    return max(3, height - CHROME)


def picture(view: View, width: int, height: int) -> RenderableType:
    """The whole screen, exactly as wide and at most as high as the terminal."""
    wide = width >= WIDE
    return Group(
        Rule(Text.assemble(("Headrace", "bold"), "  a committed row, searchable"), align="left", style="dim"),
        _changes(view.changes[: rows_that_fit(height)], wide),
        Rule(style="dim"),
        _question(view, width),
        Rule(style="dim"),
        _foot(view, width),
    )


def _changes(changes: list[Change], wide: bool) -> Table:
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    if wide:
        table.add_column("commit", width=8, style="dim")
    table.add_column("table", width=9, no_wrap=True)
    table.add_column("key", width=12 if wide else 10, no_wrap=True)
    table.add_column("change", ratio=4 if wide else 5, no_wrap=True, overflow="ellipsis")
    table.add_column("what it did", ratio=6 if wide else 5, no_wrap=True, overflow="ellipsis")
    table.add_column("ms", width=7, justify="right", no_wrap=True)
    for change in changes:
        name, key = words.place(change)
        cells: list[RenderableType] = [Text(clock)] if wide and (clock := words.clock(change.ended)) else []
        cells += [
            Text(name),
            Text(key),
            Text(change.what, style="bold" if FEATURED_NUMBER in change.what else ""),
            Text(words.effect(change, short=not wide), style="" if change.outcomes else "dim"),
            Text(words.milliseconds(change.milliseconds), style="green" if change.milliseconds is not None else "dim"),
        ]
        table.add_row(*cells)
    return table


def _question(view: View, width: int) -> RenderableType:
    lines: list[RenderableType] = [Text(f"? {QUESTION}", style="bold", no_wrap=True, overflow="ellipsis")]
    if view.asked is None:
        return Group(*lines, Text("  asking …", style="dim"))
    since = f", since {words.clock(view.turned_at)}" if view.turned_at and width >= WIDE else ""
    lines.append(
        Text.assemble(
            ("  " + words.verdict(view.asked), "red" if view.asked.cancelled else "green"),
            (f"  ({words.milliseconds(view.asked.took)} ms{since})", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )
    )
    answers = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    answers.add_column(width=10)
    answers.add_column(width=7, style="dim")
    answers.add_column(no_wrap=True, overflow="ellipsis")
    for answer in view.asked.answers:
        says = f"{FEATURED_NUMBER}: {answer.status}" if answer.status else "other flights"
        answers.add_row(
            f"    {answer.pnr}", f"{answer.distance:.3f}", Text(says, SPOKEN.get(answer.status or "", "dim"))
        )
    return Group(*lines, answers)


def _foot(view: View, width: int) -> RenderableType:
    first = Text(no_wrap=True, overflow="ellipsis")
    if view.standing is None:
        first.append("…", "dim")
    else:
        word = words.worst(view.standing.statuses)
        mark, colour = MARKS[word]
        first.append(f"{mark} {word}", f"bold {colour}")
        for part in words.standing(view.standing):
            if len(first) + len(part) + 3 <= width:
                first.append(" · ", "dim").append(part)
    second = Text(f"! {view.trouble}", "red") if view.trouble else Text(f"try it: psql {view.url}", "dim")
    second.no_wrap, second.overflow = True, "ellipsis"
    hint = Text("Ctrl-C stops everything", "dim")
    if width >= WIDE:
        line = Table.grid(expand=True)
        line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        line.add_column(justify="right", width=len(hint))
        line.add_row(second, hint)
        return Group(first, line)
    return Group(first, second, hint)
