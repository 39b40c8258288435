"""`headrace demo`: the whole path, alive in this terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli import terminal


def demo(
    seconds: Annotated[
        float | None, typer.Option(min=0, help="End after so many seconds; without it, at Ctrl-C.", show_default=False)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the demo's data of earlier runs first.")] = False,
    json: terminal.Json = False,
) -> None:
    """Show commits become searchable, on the real components, in an airline made up for it.

    Starts PostgreSQL, Kafka, Kafka Connect and Weaviate on this machine, applies mappings/airline.yml, runs the
    service, and commits about four changes a second. For each change it shows what it did to which document, and the
    milliseconds from commit to searchable; below, one question is asked again and again by vector search. Data is
    kept between runs. Ctrl-C stops everything that it started.

    Examples:

        headrace demo
        headrace demo --seconds 30 --json | jq .milliseconds
    """
    from sync.demo.live import run

    run(terminal.out, seconds=seconds, keep=keep, fresh=fresh, json=json)
