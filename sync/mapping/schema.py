"""The JSON Schema of a mapping file, for editors, made of the model: `python -m sync.mapping.schema`.

It is `mappings/.schema.json`; a mapping's first line names it, and an editor then completes and explains its fields.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sync.mapping.model import Mapping

Schema = dict[str, Any]


def schema() -> Schema:
    """The schema as JSON Schema draft 2020-12. It refuses nothing that `headrace lint` accepts."""
    made = _adapt(Mapping.model_json_schema(by_alias=True, mode="validation"))
    made.pop("title", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A Headrace mapping", **made}


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _adapt(node: Any) -> Any:
    if isinstance(node, list):
        return [_adapt(part) for part in node]
    if not isinstance(node, dict):
        return node
    adapted: Schema = {}
    for name, part in node.items():
        if name == "title" and isinstance(part, str):
            continue  # "Max Tokens" for max_tokens says nothing
        if name in ("default", "examples", "const", "enum"):
            adapted[name] = part
        elif name in ("properties", "$defs"):
            adapted[name] = {key: _adapt(value) for key, value in part.items()}
        else:
            # pydantic tells a union's branches apart by shape; to a schema several may fit at once
            adapted["anyOf" if name == "oneOf" else name] = _adapt(part)
    _allow_empty_sections(adapted)
    if adapted.get("type") == "string" and not adapted.keys() & {"enum", "pattern"}:
        adapted["type"] = ["string", "number", "boolean"]  # they read as they are written
    return adapted


def _allow_empty_sections(node: Schema) -> None:
    """A section that is named and left empty (`terms:`) is null to YAML."""
    for name, part in node.get("properties", {}).items():
        branches = part.get("anyOf", [part])
        holds = any(branch.get("type") in ("object", "array") or "$ref" in branch for branch in branches)
        if holds and {"type": "null"} not in branches and name not in node.get("required", ()):
            outside = {key: part.pop(key) for key in ("description", "default", "examples") if key in part}
            node["properties"][name] = {**outside, "anyOf": [part, {"type": "null"}]}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
