"""Templates that would take all memory or hours, tried in a process of its own that may take neither.

Reads a JSON list of templates, each with what one rendering may spend; writes a line of JSON for each: what compiling
and rendering it said, and how many seconds of this process it took.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from sync.errors import HeadraceError
from sync.mapping import meter
from sync.mapping.build import Builder
from tests.support.plans import gather, plan_of

# A text of 300 million characters does not fit, and ends in a MemoryError that no test takes for an answer.
MOST_MEMORY, MOST_SECONDS = 280_000_000, 60


def said(text: str) -> str:
    made = plan_of(
        "tables: {a: {key: id, columns: {id: {type: integer}, note: {type: text}, tags: {type: list}}}}\n"
        f"documents: {{a: {{root: a, title: A, text: {json.dumps(text)}}}}}"
    )
    row: dict[str, Any] = {"id": 1, "note": "a note", "tags": ["a", "b"]}
    try:
        builder = Builder(made, made.documents["a"])
        gathered = gather(made, {"a": [row]}, "1")
        assert gathered is not None
        return f"{len(builder.build(gathered).text)} characters"
    except HeadraceError as error:
        return str(error)


def main() -> None:
    said("{{ 'warm' | upper }}")
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_MEMORY, taken + MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    for text, meter.MAX_WORK in json.load(sys.stdin):
        started = time.process_time()
        answer = said(text)
        print(json.dumps([answer, time.process_time() - started]), flush=True)


if __name__ == "__main__":
    main()
