"""The commented starter mapping that `headrace init` writes: a first draft that runs, and says where it guessed.

Nothing of a row goes into it: the test's rows are made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sync.errors import MappingError
from sync.mapping.assemble import MemoryRows, assemble
from sync.mapping.build import Builder, Built
from sync.mapping.harness import SALT
from sync.mapping.image import captured, image
from sync.mapping.load import load
from sync.mapping.lock import Lock, SourceLock
from sync.mapping.model import NAME
from sync.mapping.plan import plan
from sync.mapping.starter.catalogue import Catalogue, FoundColumn, Samples, read_catalogue
from sync.mapping.starter.documents import Proposed, ProposedDocument, by, limit, order, propose
from sync.mapping.starter.guesses import TREATMENTS, is_cents, looks_coded, words
from sync.mapping.starter.rows import Rows, made_up, private_texts
from sync.mapping.yaml_text import quoted, scalar


def starter(lock: SourceLock, name: str, url_variable: str, samples: Samples | None = None) -> str:
    """A mapping file for the catalogue, which lints without errors and whose own test passes.

    ``url_variable`` is the environment variable that holds the database's url. ``samples``: "schema.table" → column
    → the distinct codes seen in it; a short list becomes `values:`, unless the column looks personal.
    Raises MappingError for a name that no mapping may have, and for a catalogue without a table that can be mapped.
    """
    if not re.fullmatch(NAME, name) or len(name) > 40:
        raise MappingError(f"{name!r} cannot name a mapping: small letters, digits and _, a letter first, at most 40")
    catalogue = read_catalogue(lock, samples)
    if not catalogue.tables:
        why = "; ".join(f"{table}: {reason}" for table, reason in catalogue.left_out.items()) or "it has no tables"
        raise MappingError(f"nothing in this schema can be mapped: {why}")
    documents = propose(catalogue, name)
    head = "\n".join([*_head(lock, name, url_variable, catalogue), *_tables(catalogue), *_documents(documents)])
    return head + "\n" + "\n".join(_test(head, documents[0], Lock(sources={name: lock}))) + "\n"


def _head(lock: SourceLock, name: str, url_variable: str, catalogue: Catalogue) -> Iterator[str]:
    schema = f", schema: {_scalar(catalogue.schema)}" if catalogue.schema is not None else ""
    yield "# yaml-language-server: $schema=./.schema.json"
    yield "# Written by `headrace init` from the database's catalogue. What it guessed is marked `# review`."
    yield "# Next: put words to columns and codes, then `headrace lint`, `headrace test`, `headrace show`."
    yield "version: 1"
    yield f"name: {name}"
    yield "# owner: {team: who answers for it, contact: how to reach them}"
    yield f'source: {{connector: {lock.connector}, url: "${{{url_variable}}}"{schema}}}'
    yield ""
    yield "# terms:                     # the business's words; they become searchable too"
    yield "#   PNR: six-character booking reference"
    yield ""
    classes = sorted({c.pii for t in catalogue.tables.values() for c in t.columns.values() if c.pii is not None})
    if classes:
        yield "privacy:                     # mask: only the first character is captured; drop: nothing; hash: a token"
        yield from (f"  {name}: {TREATMENTS[name]}" for name in classes)
        yield ""


def _tables(catalogue: Catalogue) -> Iterator[str]:
    yield "tables:                      # what the rows mean; a column that is not listed is never captured"
    for table in catalogue.tables.values():
        yield f"  {_scalar(table.name)}:"
        if table.name != table.table:
            yield f"    table: {_scalar(table.table)}"
        if table.schema != (catalogue.schema or ""):
            yield f"    schema: {_scalar(table.schema)}"
        yield f"    key: {_several(table.key)}"
        yield "    columns:"
        width = max(len(_scalar(column)) for column in table.columns) + 1
        for column in table.columns.values():
            yield f"      {_scalar(column.name) + ':':<{width}} {_column(column)}"
        for name, why in table.left_out.items():
            yield f"      # left out: {_comment(name)}: {_comment(why)}"
    for full, why in catalogue.left_out.items():
        yield f"  # left out: {_comment(full)}: {_comment(why)}"
    yield ""


def _column(column: FoundColumn) -> str:
    parts = [f"label: {_scalar(column.label)}"]
    review = ""
    if column.name != column.database_name:
        parts.insert(0, f"column: {quoted(column.database_name)}")
    if column.codes:
        parts.append("values: {" + ", ".join(f"{_scalar(c)}: {_scalar(words(c))}" for c in column.codes) + "}")
        review = "  # review: the words for each code"
    elif looks_coded(column.database_name, column.locked) and column.pii is None:
        review = "  # review: codes? `values: {code: words}`"
    if is_cents(column.database_name, column.locked):
        parts.append("scale: 0.01")
        review = "  # review: scale and unit"
    if column.kind == "timestamp" and "without time zone" in column.locked.type:
        parts.append("stored_in: UTC")
        review = "  # review: the zone it is stored in"
    if column.pii is not None:
        parts.append(f"pii: {column.pii}")
        review = "  # review"
    return "{" + ", ".join(parts) + "}" + review


def _documents(documents: list[ProposedDocument]) -> Iterator[str]:
    yield "documents:                   # what becomes searchable: one document per root row, with its relatives"
    for document in documents:
        yield f"  {_scalar(document.name)}:"
        yield f"    root: {_scalar(document.root.table.name)}"
        if document.root.relations:
            yield "    with:"
            for relation in document.root.relations:
                yield from _relation(relation, "      ")
        yield f"    title: {quoted(document.title)}"
        yield "    text: |"
        yield from (f"      {line}" for line in document.text)
        if document.filters:
            yield f"    filters: [{', '.join(map(_scalar, document.filters))}]"
        yield "    # chunk: {max_tokens: 300, overlap: 30}"
        yield "    # freshness: {warn_after: 5s, error_after: 1m, objective: 99.9%, window: 30d}"
    yield ""


def _relation(relation: Proposed, indent: str) -> Iterator[str]:
    kind = "many" if relation.is_many else "one"
    paired = by(relation)
    if isinstance(paired, dict):
        how = "{" + ", ".join(f"{_scalar(mine)}: {_scalar(theirs)}" for mine, theirs in paired.items()) + "}"
    else:
        how = _several(paired)
    parts = [f"{kind}: {_scalar(relation.table.name)}", f"by: {how}"]
    if relation.is_many:
        parts += [f"order: {_several(order(relation))}", f"limit: {limit(relation)}"]
    if not relation.relations:
        yield f"{indent}{_scalar(relation.name)}: {{{', '.join(parts)}}}"
        return
    yield f"{indent}{_scalar(relation.name)}:"
    yield from (f"{indent}  {part}" for part in parts)
    yield f"{indent}  with:"
    for below in relation.relations:
        yield from _relation(below, indent + "    ")


def _test(head: str, document: ProposedDocument, lock: Lock) -> Iterator[str]:
    """The test: made-up rows, and what their document really says."""
    rows = made_up(document)
    built = _build(head, document, rows, lock)
    yield "tests:                       # run by `headrace test`; the rows are made up"
    yield f"  - name: a {words(document.name)} reads as it should"
    yield f"    document: {_scalar(document.name)}"
    yield "    given:"
    for table, row in rows.items():
        yield f"      {_scalar(table)}: [{{{', '.join(f'{_scalar(n)}: {_scalar(v)}' for n, v in row.items())}}}]"
    yield "    expect:"
    lines = [built.title, *built.text.splitlines()]
    contained = list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:3]
    yield f"      contains: [{', '.join(_scalar(line) for line in contained)}]"
    everything = "\n".join([built.title, built.text, json.dumps(built.properties)])
    absent = [text for text in private_texts(document, rows) if text not in everything]
    if absent:
        yield f"      absent: [{', '.join(_scalar(text) for text in absent)}]"


def _build(head: str, document: ProposedDocument, rows: Rows, lock: Lock) -> Built:
    loaded = load("-", head, lock=lock)
    planned = plan(loaded.accepted(), lock)
    kept = {}
    for name, row in rows.items():
        table = planned.tables[name]
        raw = {table.columns[column].database_name: value for column, value in row.items()}
        kept[name] = [image(table, captured(table, raw, SALT), 1_000_000)]
    memory = MemoryRows(planned, kept)
    target = planned.documents[document.name]
    key = memory.keys(target.root.table)[0]
    gathered = assemble(planned, target, [key], memory)[key]
    assert gathered is not None  # a starter has no `where`
    return Builder(planned, target).build(gathered)


# --- YAML


def _several(names: Sequence[str]) -> str:
    return _scalar(names[0]) if len(names) == 1 else "[" + ", ".join(map(_scalar, names)) + "]"


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
