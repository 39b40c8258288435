"""The second step of loading: a YAML tree held against a model; what does not fit becomes findings in its own place."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sync.mapping.findings import Finding, nearest, shown
from sync.mapping.yaml_tree import Entries, Items, Node, Path, Scalar, Tree

M = TypeVar("M", bound=BaseModel)

_WANTED = {
    "string": "a text",
    "dict": "a mapping of names",
    "model": "a mapping of fields",
    "tuple": "a list",
    "list": "a list",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
}
_FORGIVEN = {"extra_forbidden", "literal_error", "less_than_equal", "greater_than_equal", "greater_than"}


def fit(model: type[M], tree: Tree, data: Any) -> tuple[M | None, M | None, list[Finding]]:
    """The model of ``data``, a draft of it, and the findings.

    The model is None where something does not fit. The draft then leaves out the fields that are unknown or out of
    bounds, so that lint can go on and say the rest; it is None where that does not help.
    """
    result, errors = _validate(model, tree, data)
    if result is not None:
        return result, result, []
    findings = [_finding(model, tree, error) for error in errors]
    if all(error["type"] in _FORGIVEN for error in errors):
        for error in errors:
            _remove(data, tree.resolve(error["loc"])[0])
        return None, _validate(model, tree, data)[0], findings
    return None, None, findings


def _validate(model: type[M], tree: Tree, data: Any) -> tuple[M | None, list[ErrorDetails]]:
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # A text is asked and a number or a truth value stands there: it reads as it is written (`489.50`, `TRUE`)
    written = [where for e in errors if e["type"] == "string_type" and (where := _written(tree, e["loc"]))]
    for path, text in written:
        _replace(data, path, text)
    if not written:
        return None, errors
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _written(tree: Tree, location: Path) -> tuple[Path, str] | None:
    path, node = tree.resolve(location)
    if isinstance(node, Scalar) and node.plain and node.value() is not None:
        return path, node.text
    return None


def _replace(data: Any, path: Path, text: str) -> None:
    for part in path[:-1]:
        data = data[part]
    if path:
        data[path[-1]] = text


def _remove(data: Any, path: Path) -> None:
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):  # an earlier finding took it away already
            return
    if path and isinstance(data, dict):
        data.pop(path[-1], None)


def _finding(model: type[BaseModel], tree: Tree, error: ErrorDetails) -> Finding:
    path, node = tree.resolve(error["loc"])
    kind, name = error["type"], str(error["loc"][-1]) if error["loc"] else ""
    thing = dotted(path[:-1] if kind == "extra_forbidden" else path)
    where = f"{thing}: " if thing else ""
    on_key = False
    if kind == "extra_forbidden":
        code, on_key = "M010", True
        message = f"unknown field {shown(name)}{nearest(name, fields_at(model, error['loc'][:-1]))}"
    elif kind == "missing":
        code, message = "M011", f"{name} is missing: {_meaning(model, error['loc'])}"
    elif kind in ("too_short", "string_too_short"):
        code, message = "M011", f"nothing in it: {_meaning(model, error['loc'])}"
    elif kind == "literal_error":
        valid = re.findall(r"'([^']*)'", error["ctx"]["expected"]) or [error["ctx"]["expected"]]
        code = "M014"
        quoted = isinstance(node, Scalar) and not node.plain and node.text in valid
        cure = f": write {node.text} without quotes" if quoted and isinstance(node, Scalar) else ""
        message = f"{_found(node)} is not allowed{cure or nearest(str(error['input']), valid)}"
    elif kind == "string_pattern_mismatch":
        code, pattern = "M014", error["ctx"]["pattern"]
        message = f"{_found(node)} must look like {pattern}: {_meaning(model, error['loc'])}"
    elif kind.endswith(("_type", "_parsing", "_from_float")):
        code = "M013"
        wanted = _WANTED.get(kind.split("_")[0], error["msg"])
        message = f"expected {wanted}, found {_found(node)}{_hint(kind, node)}"
    else:
        code, message = "M014", f"{_found(node)}: {error['msg'][0].lower()}{error['msg'][1:]}"
    line, column = tree.place(path, key=on_key)
    return Finding(tree.file, line, column, code, "error", where + message)


def _found(node: Node | None) -> str:
    if isinstance(node, Entries):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Scalar) and node.plain and node.value() is None:
        return "nothing"
    return shown(node.text, 40) if isinstance(node, Scalar) else "nothing"


def _hint(kind: str, node: Node | None) -> str:
    if kind == "string_type" and isinstance(node, Scalar):
        return ' (write "" for a text without words)'
    if kind == "string_type" and isinstance(node, Entries):
        return " (quote a text that holds braces or a colon)"
    return ""


def _meaning(model: type[BaseModel], location: Path) -> str:
    for owner in _models_at(model, location[:-1]):
        for name, field in owner.model_fields.items():
            if (field.alias or name) == location[-1] and field.description:
                return field.description[0].lower() + field.description[1:].rstrip(".")
    return "it is needed"


def dotted(path: Iterable[str | int]) -> str:
    """``("tests", 0, "name")`` as ``tests[1].name``: people count from one."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{shown(part, 40)}"
    return text


def fields_at(model: type[BaseModel], location: Path) -> set[str]:
    """The names of the fields that the model knows at ``location``."""
    return {field.alias or name for owner in _models_at(model, location) for name, field in owner.model_fields.items()}


def _models_at(model: type[BaseModel], location: Path) -> list[type[BaseModel]]:
    candidates: list[Any] = [model]
    for part in location:
        stepped = [step for candidate in candidates for step in _step(candidate, part)]
        # nothing to step into: the part is the name of a union's branch, which stands for its own kind of thing
        candidates = stepped or candidates
    return [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]


def _step(annotation: Any, part: str | int) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if (field.alias or name) == part:
                return _branches(field.annotation)
        return []
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict and not str(part).startswith("("):
        return _branches(arguments[1])
    if origin in (tuple, list) and isinstance(part, int):
        return _branches(arguments[0])
    return []


def _branches(annotation: Any) -> list[Any]:
    """The plain types that an annotation may be: Annotated unwrapped, unions spread."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [branch for argument in get_args(annotation) for branch in _branches(argument)]
    return [annotation]
