"""Lint: everything that can be said of a mapping before it runs, all at once, each with its line and column.

Offline: shape (M0xx, found in loading) and meaning (M1xx). With the live catalogue: `drift` (M2xx).
"""

from __future__ import annotations

from sync.errors import HeadraceError
from sync.mapping.build import Builder
from sync.mapping.findings import Finding, shown
from sync.mapping.lint.documents import check_documents
from sync.mapping.lint.live import drift
from sync.mapping.lint.subject import Subject
from sync.mapping.lint.tables import check_sources, check_tables
from sync.mapping.lint.tests import check_tests
from sync.mapping.load import Loaded
from sync.mapping.plan import plan

__all__ = ["drift", "lint"]


def lint(loaded: Loaded) -> list[Finding]:
    """All findings of a loaded mapping, in the order of its lines. Needs no network and raises nothing."""
    if loaded.draft is None:
        return sorted(loaded.findings)
    subject = Subject(loaded.draft, loaded.lock, loaded.positions)
    check_sources(subject)
    check_tables(subject)
    check_documents(subject)
    check_tests(subject)
    findings = loaded.findings + subject.findings
    if not any(finding.is_error for finding in findings):
        findings += _plan(loaded)
    return sorted(set(findings))


def _plan(loaded: Loaded) -> list[Finding]:
    """The plan has the last word: what it refuses and no check above has named is still a finding."""
    if loaded.mapping is None:
        return []
    try:
        planned = plan(loaded.mapping, loaded.lock)
    except HeadraceError as error:
        return [loaded.positions.finding((), "M199", shown(str(error), 300))]
    findings: list[Finding] = []
    for name, document in planned.documents.items():
        try:
            Builder(planned, document)
        except HeadraceError as error:
            findings.append(loaded.positions.finding(("documents", name), "M134", shown(str(error), 300), key=True))
    return findings
