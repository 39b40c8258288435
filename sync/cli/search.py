"""`headrace search`: ask a collection a question as an app would, through Weaviate's ordinary client."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from sync.cli import terminal
from sync.cli.environment import settings
from sync.cli.mapping_files import counted, nearest
from sync.errors import HeadraceError, SettingsError

if TYPE_CHECKING:
    from sync.write.weaviate import Found, Weaviate

SNIPPET = 300  # characters


class Mode(StrEnum):
    hybrid = "hybrid"
    vector = "vector"
    keyword = "keyword"


_HOW = {Mode.hybrid: "hybrid", Mode.vector: "near_text", Mode.keyword: "bm25"}


def search(
    collection: Annotated[
        str, typer.Argument(metavar="COLLECTION|DOCUMENT", help="Booking, or booking, or airline.booking.")
    ],
    query: Annotated[str, typer.Argument(metavar="QUERY", help="The question, or the words.")],
    mode: Annotated[Mode, typer.Option(help="By meaning and words, by meaning, or by words.")] = Mode.hybrid,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 5,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Only these; may be said again. NAME= means: has none.", show_default=False
        ),
    ] = None,
    json: terminal.Json = False,
) -> None:
    """Search a collection and print what an app would get, with the commit that each text reflects.

    Examples:

        headrace search booking "which bookings are on a cancelled flight"
        headrace search Booking "cancelled" --mode keyword --where customer_tier_cd=Gold
    """
    from sync.write.weaviate import Weaviate

    with Weaviate(settings()) as weaviate:
        name = _collection(weaviate, collection)
        filters = _filters(weaviate, name, where or [])
        found = weaviate.search(name, query, how=_HOW[mode], limit=limit, filters=filters)  # type: ignore[arg-type]
    if json:
        terminal.print_json([_json(each) for each in found])
        return
    for each in found:
        _print(each)
    terminal.line(
        f"{counted(len(found), 'object')} of {name}, by {mode.value}" if found else f"nothing found in {name}"
    )


def _collection(weaviate: Weaviate, name: str) -> str:
    """A collection or alias as Weaviate has it, or the one of the document type that is called so."""
    if name[:1].isupper() and (weaviate.alias(name) or weaviate.schema(name)):
        return name
    try:
        from sync.cli.applied_mappings import find_all, find_document, open_state

        with open_state(new=False) as state, state.read() as connection:
            return find_document(find_all(connection, None), name)[1].alias
    except HeadraceError as exc:
        known = weaviate.collections()
        raise SettingsError(
            f"{name} is no collection in Weaviate{nearest(name, known)}, and as a document: {exc}"
        ) from exc


def _filters(weaviate: Weaviate, name: str, conditions: Sequence[str]) -> dict[str, Any]:
    """``name=value`` …, each value of its property's type."""
    if not conditions:
        return {}
    schema = weaviate.schema(weaviate.alias(name) or name) or {}
    types = {one["name"]: one["dataType"][0] for one in schema.get("properties", ())}
    found: dict[str, Any] = {}
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals:
            raise SettingsError(f"--where {condition}: write NAME=VALUE")
        if key not in types:
            raise SettingsError(f"--where: {name} has no property {key}{nearest(key, types)}")
        found[key] = _typed(key, value, types[key])
    return found


def _typed(name: str, text: str, kind: str) -> Any:
    if text == "":
        return None
    if kind.endswith("[]"):
        return [_typed(name, text, kind[:-2])]
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
        return int(text) if kind == "int" else float(text) if kind == "number" else _instant(text, kind)
    except (KeyError, ValueError) as exc:
        wanted = "true or false" if kind == "boolean" else f"a value of type {kind}"
        raise SettingsError(f"--where {name}: {wanted} is wanted, not {text}") from exc


def _instant(text: str, kind: str) -> Any:
    from datetime import UTC, datetime

    if kind != "date":
        return text
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _json(each: Found) -> dict[str, Any]:
    shown = jsonlib.loads(jsonlib.dumps(each.properties, default=str))
    return {"uuid": str(each.uuid), "score": each.score, "distance": each.distance, "properties": shown}


def _print(each: Found) -> None:
    content = str(each.properties.get("content") or "")
    title, _, text = content.partition("\n")
    chunk, chunks = each.properties.get("chunk"), each.properties.get("chunks")
    head = Text(title, "bold")
    head.append(f"  key {each.properties.get('document_key')}", "not bold dim")
    if chunks and chunks != 1:
        head.append(f", chunk {int(chunk or 0) + 1} of {int(chunks)}", "not bold dim")
    head.append(f"  {_nearness(each)}", "not bold dim")
    terminal.line(head)
    snippet = " ".join(text.split())
    terminal.line(snippet if len(snippet) <= SNIPPET else snippet[:SNIPPET] + " …", indent=2)
    committed = each.properties.get("source_committed_at")
    reflects = f"position {each.properties.get('source_position')}"
    terminal.line(
        Text(f"reflects {reflects}" + (f", committed {_moment(committed)}" if committed else ""), "dim"), indent=2
    )
    terminal.line()


def _nearness(each: Found) -> str:
    if each.distance is not None:
        return f"distance {each.distance:.3f}"
    return f"score {each.score:.3f}" if each.score is not None else ""


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC" if hasattr(value, "strftime") else str(value)
