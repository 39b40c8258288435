"""Glossary files, on the way of loading: shared terms and value lists are merged into the mapping that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from sync.mapping.findings import Finding, nearest, shown
from sync.mapping.model import Glossary
from sync.mapping.shape import dotted, fit
from sync.mapping.yaml_tree import Path, Scalar, Tree, parse, plain

Grafts = dict[Path, tuple[Tree, Path]]
Read = Callable[[FilePath], bytes | Finding]


def merge(data: Any, tree: Tree, folder: FilePath, read: Read) -> tuple[Grafts, list[Finding]]:
    """Put the terms of the named glossaries into ``data``, and their value lists where columns name them.

    Returns where each thing that was brought stands, and the findings (M020, M021, M022).
    """
    names = data.get("glossary") or []
    findings: list[Finding] = []
    grafts: Grafts = {}
    lists: dict[str, tuple[dict[str, str], Tree]] = {}
    complete = True
    for index, name in enumerate([names] if isinstance(names, str) else names if isinstance(names, list) else []):
        path: Path = ("glossary", index)
        glossary, source, found = _read_glossary(name, folder, read, tree, path)
        findings += found
        complete = complete and glossary is not None
        if glossary is None:
            continue
        _merge_terms(data, glossary, source, grafts, tree, findings)
        for list_name, words in glossary.values.items():
            if list_name in lists and lists[list_name][0] != words:
                line, column = source.place(("values", list_name), key=True)
                message = f"value list {shown(list_name)} is in {lists[list_name][1].file} too, with other words"
                findings.append(Finding(source.file, line, column, "M021", "error", message))
            lists.setdefault(list_name, (words, source))
    _resolve_lists(data, lists, grafts, tree, findings, complete)
    return grafts, findings


def _read_glossary(
    name: Any, folder: FilePath, read: Read, tree: Tree, path: Path
) -> tuple[Glossary | None, Tree, list[Finding]]:
    line, column = tree.place(path)
    if not isinstance(name, str):  # its shape is a finding of the mapping's own
        return None, tree, []
    content = read(folder / name)
    if isinstance(content, Finding):
        message = f"glossary {shown(name)}: {content.message}; its path is relative to the mapping"
        return None, tree, [Finding(tree.file, line, column, "M020", "error", message)]
    source = parse(content, str(folder / name))
    if source.root is None:
        return None, source, source.findings
    glossary, _, findings = fit(Glossary, source, plain(source.root))
    return (None if source.findings else glossary), source, source.findings + findings


def _merge_terms(
    data: Any, glossary: Glossary, source: Tree, grafts: Grafts, tree: Tree, findings: list[Finding]
) -> None:
    terms = data.get("terms")
    if terms is None:
        terms = data["terms"] = {}
    if not isinstance(terms, dict):
        return
    for term, meaning in glossary.terms.items():
        if term in terms and terms[term] != meaning:
            line, column = source.place(("terms", term), key=True)
            other = grafts[("terms", term)][0].file if ("terms", term) in grafts else tree.file
            message = f"term {shown(term)} is in {other} too, with another meaning"
            findings.append(Finding(source.file, line, column, "M021", "error", message))
        elif term not in terms:
            terms[term] = meaning
            grafts[("terms", term)] = (source, ("terms", term))


def _resolve_lists(
    data: Any,
    lists: dict[str, tuple[dict[str, str], Tree]],
    grafts: Grafts,
    tree: Tree,
    findings: list[Finding],
    complete: bool,
) -> None:
    for path, column in _columns(data):
        name = column.get("values")
        node = tree.find((*path, "values"))
        if name is None or isinstance(name, dict | list) or not isinstance(node, Scalar):
            continue
        if node.text in lists:
            words, source = lists[node.text]
            column["values"] = dict(words)
            grafts[(*path, "values")] = (source, ("values", node.text))
        elif complete:  # of a glossary that cannot be read nobody knows which lists it holds
            line, at = tree.place((*path, "values"))
            cure = nearest(node.text, lists) or "; list the glossary's file under `glossary:`"
            message = f"{dotted(path)}: no glossary holds the value list {shown(node.text)}{cure}"
            findings.append(Finding(tree.file, line, at, "M022", "error", message))


def _columns(data: Any) -> list[tuple[Path, dict[str, Any]]]:
    tables = data.get("tables")
    found: list[tuple[Path, dict[str, Any]]] = []
    for table_name, table in tables.items() if isinstance(tables, dict) else ():
        columns = table.get("columns") if isinstance(table, dict) else None
        for name, column in columns.items() if isinstance(columns, dict) else ():
            if isinstance(column, dict):
                found.append((("tables", table_name, "columns", name), column))
    return found
