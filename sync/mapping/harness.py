"""A mapping's own `tests:`, run offline: the given rows become documents, and the documents are compared."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sync.errors import BuildError, MappingError
from sync.mapping.assemble import MemoryRows, assemble
from sync.mapping.build import Builder, Built
from sync.mapping.canonical import canonical, key_text
from sync.mapping.image import Image, captured, image, key_of
from sync.mapping.model import Expectation, MappingTest
from sync.mapping.plan import DocumentPlan, Plan, TablePlan, unknown

SALT = "salt of the mapping's tests"
_NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class Result:
    """What became of one test; each problem says what was expected and what was found."""

    name: str
    passed: bool
    problems: tuple[str, ...] = ()
    text: str = ""  # of the document, where one was built


def run(plan: Plan, select: str | None = None) -> list[Result]:
    """Runs the mapping's tests (those whose name contains ``select``); never raises for what a test says."""
    return [run_test(plan, test) for test in plan.mapping.tests if select is None or select in test.name]


def run_test(plan: Plan, test: MappingTest) -> Result:
    """One test. Given values are treated as the connector would: dropped, masked, hashed."""
    built: Built | None = None
    try:
        document = plan.documents.get(test.document)
        if document is None:
            raise unknown("document", test.document, plan.documents, f'test "{test.name}"')
        rows = MemoryRows(plan, {name: _images(plan, name, given) for name, given in test.given.items()})
        key = _root_key(document, test, rows.keys(document.root.table))
        gathered = assemble(plan, document, [key], rows)[key] if key is not None else None
        built = Builder(plan, document).build(gathered) if gathered is not None else None
    except (BuildError, MappingError) as error:
        parked = "the document is parked: " if isinstance(error, BuildError) else ""
        return Result(test.name, False, (f"{parked}{error}",))
    problems = tuple(_problems(test.expect, built, document))
    return Result(test.name, not problems, problems, built.text if built is not None else "")


def _images(plan: Plan, name: str, given: Sequence[dict[str, Any]]) -> list[Image]:
    table = plan.tables.get(name)
    if table is None:
        raise unknown("table", name, plan.tables, "given")
    images = [_image(table, row) for row in given]
    keys = [key_of(table, row) for row in images]
    for key in keys:
        if keys.count(key) > 1:
            raise MappingError(f'given: two rows of table "{name}" have the same key ({", ".join(table.key)})')
    return images


def _image(table: TablePlan, row: Mapping[str, Any]) -> Image:
    for name in row:
        if name not in table.columns:
            raise unknown("column", name, table.columns, f'given, table "{table.name}"')
    # A test writes what matters to it; what it leaves out is NULL, not a column that was never captured.
    raw = {column.database_name: row.get(column.name) for column in table.columns.values()}
    return image(table, captured(table, raw, SALT), _NO_LIMIT)


def _root_key(document: DocumentPlan, test: MappingTest, keys: Sequence[str]) -> str | None:
    """The root row that the test means; None: it means one that is not there, and so has no document."""
    table = document.root.of
    if test.key is None:
        if len(keys) == 1:
            return keys[0]
        raise MappingError(
            f'given: {len(keys)} rows of "{table.name}", the root of "{document.name}"; '
            + ("say which one with `key:`" if keys else "give one")
        )
    given = test.key
    if isinstance(given, Mapping):
        parts: list[Any] = [given.get(name) for name in table.key]
    else:
        parts = list(given) if isinstance(given, list | tuple) else [given]
    texts = [
        canonical(part, table.columns[name].compared_as, table.columns[name].database_type)
        for name, part in zip(table.key, parts, strict=False)
    ]
    whole = [text for text in texts if text is not None]
    if len(parts) != len(table.key) or len(whole) != len(table.key):
        raise MappingError(f'key: the key of "{table.name}" is {", ".join(table.key)}')
    key = key_text(whole)
    return key if key in keys else None


def _problems(expect: Expectation, built: Built | None, document: DocumentPlan) -> Iterator[str]:
    if built is None:
        if not expect.no_document:
            yield f'no "{document.name}" document was built: its row is not given, or `where` rejects it'
        return
    if expect.no_document:
        yield f"expected no document, but one was built:\n{_quoted(built.text)}"
        return
    for wanted in expect.contains:
        if wanted not in built.text and wanted not in built.title:
            yield f'expected the text to contain "{wanted}"{_nearest(wanted, built.text)}:\n{_quoted(built.text)}'
    everything = [built.title, built.text, *built.chunks, *_texts(built.properties)]
    for unwanted in expect.absent:
        found = next((part for part in everything if unwanted in part), None)
        if found is not None:
            yield f'expected "{unwanted}" to be absent, but found it in:\n{_quoted(found)}'
    if expect.equals is not None and expect.equals.strip() != built.text:
        yield "expected another text (- expected, + found):\n" + _difference(expect.equals.strip(), built.text)
    yield from _filters(expect.filters, built, document)


def _filters(wanted: Mapping[str, Any], built: Built, document: DocumentPlan) -> Iterator[str]:
    names = [p.name for p in document.properties]
    for name, value in wanted.items():
        if name not in names:
            yield str(unknown("filter", name, names, f'document "{document.name}"'))
            continue
        found = built.properties.get(name)
        if not _same(value, found):
            yield f'expected filter "{name}" to be {value!r}, found {found!r}'


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list) or isinstance(found, list):
        one, other = (x if isinstance(x, list) else [] if x is None else [x] for x in (wanted, found))
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    if wanted is None or found is None:
        return wanted is found
    if isinstance(found, bool) or isinstance(wanted, bool):
        return wanted is found
    if isinstance(found, int | float):
        return canonical(wanted, "decimal") == canonical(found, "decimal")
    # A day may be written for the instant at which it begins.
    return str(found) in (canonical(wanted, "text"), canonical(wanted, "timestamp"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    else:
        yield str(value)


def _nearest(wanted: str, text: str) -> str:
    close = difflib.get_close_matches(wanted, text.splitlines(), 1, 0.4)
    return f' (nearest line: "{close[0].strip()}")' if close else ""


def _quoted(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (empty)"


def _difference(expected: str, found: str) -> str:
    lines = difflib.ndiff(expected.splitlines(), found.splitlines())
    return "\n".join(f"    {line.rstrip()}" for line in lines)
