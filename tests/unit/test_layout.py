"""The layout is the architecture: imports point one way, files stay small, each module says where it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each layer may import itself and those before it. connectors/ knows nothing of documents or Weaviate.
LAYERS = [
    ("sync.errors", "sync.settings"),
    ("sync.mapping",),
    ("connectors",),
    ("sync.state",),
    ("sync.evidence",),
    ("sync.embed",),
    ("sync.apply",),
    ("sync.write",),
    ("sync.worker",),
    ("sync.demo",),
    ("sync.cli",),
]
# apply and write stand side by side: neither may know the other.
STRANGERS = {("sync.write", "sync.apply"), ("sync.apply", "sync.embed"), ("connectors", "sync.embed")}
MODULES = sorted(path for folder in ("connectors", "sync") for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int | None:
    for number, layer in enumerate(LAYERS):
        if any(module == name or module.startswith(name + ".") for name in layer):
            return number
    return None


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    module = module_of(path)
    mine = layer_of(module)
    if mine is None:
        assert module in ("sync", "connectors"), f"{module} stands in no layer: add it to LAYERS"
        return
    for imported in imports_of(path):
        theirs = layer_of(imported)
        assert theirs is None or theirs <= mine, f"{module} imports {imported}, which stands above it"
        pair = (LAYERS[mine][0], LAYERS[theirs][0]) if theirs is not None else None
        assert pair not in STRANGERS, f"{module} imports {imported}: the two stages do not know each other"


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_every_module_says_in_its_first_line_where_it_stands(path: Path) -> None:
    text = path.read_text()
    if text.strip():
        docstring = ast.get_docstring(ast.parse(text))
        assert docstring, f"{module_of(path)} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=module_of)
def test_no_file_has_grown_past_400_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
