"""Lint of a mapping's own tests: they name what is there, and they can tell something (M17x)."""

from __future__ import annotations

from sync.mapping.findings import nearest, shown
from sync.mapping.lint.subject import Subject
from sync.mapping.model import MappingTest
from sync.mapping.yaml_tree import Path


def check_tests(subject: Subject) -> None:
    mapping = subject.mapping
    names: dict[str, int] = {}
    for index, test in enumerate(mapping.tests):
        path: Path = ("tests", index)
        if test.name in names:
            message = f"test {shown(test.name)} has the name of test {names[test.name] + 1}"
            subject.error((*path, "name"), "M171", message)
        names.setdefault(test.name, index)
        _check_test(subject, test, path)
    tested = {test.document for test in mapping.tests}
    for name in mapping.documents:
        if name not in tested:
            message = f"document {shown(name)} has no test; add one under `tests:`"
            subject.warning(("documents", name), "M170", message, key=True)


def _check_test(subject: Subject, test: MappingTest, path: Path) -> None:
    document = subject.mapping.documents.get(test.document)
    if document is None:
        cure = nearest(test.document, subject.mapping.documents)
        subject.error((*path, "document"), "M171", f"no document {shown(test.document)}{cure}")
    for name, rows in test.given.items():
        table = subject.tables.get(name)
        if table is None:
            message = f"given: no table {shown(name)}{nearest(name, subject.tables)}"
            subject.error((*path, "given", name), "M171", message, key=True)
            continue
        for index, row in enumerate(rows):
            place: Path = (*path, "given", name, index)
            if not table.columns:
                continue
            for column in row:
                if column not in table.columns:
                    message = f"given: {shown(name)} has no column {shown(column)}{nearest(column, table.columns)}"
                    subject.error((*place, column), "M171", message, key=True)
            missing = [column for column in table.key or () if row.get(column) is None]
            if missing and table.is_listed:
                subject.error(place, "M171", f"given: a row of {shown(name)} without its key ({', '.join(missing)})")
    if document is not None:
        _check_root(subject, test, document.root, path)
        _check_expected(subject, test, path)


def _check_root(subject: Subject, test: MappingTest, root: str, path: Path) -> None:
    rows = test.given.get(root, [])
    if root not in subject.tables:
        return
    if not rows:
        message = f"given: no row of {shown(root)}, of which document {shown(test.document)} is made"
        subject.error((*path, "given"), "M172", message, key=True)
    elif len(rows) > 1 and test.key is None:
        message = f"given has {len(rows)} rows of {shown(root)}: say which one is meant, `key: …`"
        subject.error((*path, "given", root), "M172", message, key=True)


def _check_expected(subject: Subject, test: MappingTest, path: Path) -> None:
    expect, place = test.expect, (*path, "expect")
    asks = bool(expect.contains or expect.absent or expect.filters or expect.equals is not None)
    if expect.no_document and asks:
        message = "expect: no_document, and something of the document; only one can be true"
        subject.error((*place, "no_document"), "M172", message, key=True)
    elif not expect.no_document and not asks:
        subject.warning(place, "M172", "expect: asks nothing, so the test cannot fail", key=True)
    for field in ("contains", "absent"):
        for index, text in enumerate(getattr(expect, field)):
            if not text:
                subject.error((*place, field, index), "M172", f"{field}: an empty text stands in every text")
    document = subject.mapping.documents[test.document]
    properties: list[str] = []
    for entry in document.filters:
        properties += entry if isinstance(entry, dict) else [entry.replace(".", "_")]
    for name in expect.filters:
        if name not in properties:
            message = f"document {shown(test.document)} has no filter {shown(name)}{nearest(name, properties)}"
            subject.error((*place, "filters", name), "M171", message, key=True)
