"""② write: what a collection in Weaviate looks like, and the alias by which apps find its live generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from sync.embed.base import Model
from sync.errors import WeaviateRefused
from sync.write.weaviate import Weaviate
from sync.write.wire import VECTOR

Type = Literal["text", "int", "number", "bool", "date"]


class Property(Protocol):
    """A filter of a document, as an exact property: what sync/mapping/filters.py gives."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> Type: ...
    @property
    def many(self) -> bool: ...
    @property
    def description(self) -> str: ...


# A change of text moves a vector within the graph, which is most of a write's cost. Built with 64 candidates instead
# of 128, single changes take about a quarter less of Weaviate's processor time; asked with 200 instead of 100 it finds
# no less (10,000 bookings, 256 dimensions: 99.95 % of the true ten nearest, before and after 3,000 changes; the
# defaults 99.85 %; 64 and 100 99.6 %).
HNSW: dict[str, Any] = {"distance": "cosine", "efConstruction": 64, "dynamicEfMin": 200}

_CONTENT = "the chunk's text, its title first; the only property searched by words"
_OWN: tuple[tuple[str, Type, str], ...] = (
    ("document_key", "text", "canonical key of the document's root row: 7, or a JSON list such as [7,2]"),
    ("chunk", "int", "number of this chunk within its document, from 0"),
    ("chunks", "int", "how many chunks the document has"),
    ("level", "text", "root for a document of rows, terminology for one that explains words"),
    ("content_hash", "text", "hash of content"),
    ("source_position", "text", "position in the source's log that this text reflects"),
    (
        "source_committed_at",
        "date",
        "commit time of the source's newest change when this was built",
    ),
    ("written_at", "date", "when Headrace wrote this object"),
    ("mapping_version", "text", "short hash of the mapping that this text was built by"),
)
OWN_NAMES = frozenset({"content", *(name for name, _, _ in _OWN)})


def generation_name(collection: str, generation: int) -> str:
    """``Booking``, 3 → ``Booking_g3``: the collection that the alias ``Booking`` may point to."""
    return f"{collection}_g{generation}"


def properties_for(filters: Sequence[Property]) -> list[dict[str, Any]]:
    """The properties of a collection in the form of Weaviate's schema: content, the filters, Headrace's own."""
    content = {
        "name": "content",
        "dataType": ["text"],
        "description": _CONTENT,
        "tokenization": "word",
        "indexSearchable": True,
        "indexFilterable": False,
    }
    return [
        content,
        *(_exact(one.name, one.type, one.many, one.description) for one in filters),
        *(_exact(name, kind, False, description) for name, kind, description in _OWN),
    ]


def _exact(name: str, kind: Type, many: bool, description: str) -> dict[str, Any]:
    """A property that filters compare exactly. Tokenization `word` would find `7,2` for `7`."""
    kind_name = "boolean" if kind == "bool" else kind
    made: dict[str, Any] = {
        "name": name,
        "dataType": [f"{kind_name}[]" if many else kind_name],
        "description": description,
        "indexFilterable": True,
        "indexSearchable": False,
    }
    if kind == "text":
        made["tokenization"] = "field"
    return made


def schema(name: str, filters: Sequence[Property], model: Model, *, description: str = "") -> dict[str, Any]:
    """The whole collection in the form of Weaviate's `POST /v1/schema`."""
    return {
        "class": name,
        "description": description,
        "properties": properties_for(filters),
        "vectorConfig": {
            VECTOR: {
                "vectorizer": _vectorizer(model),
                "vectorIndexType": "hnsw",
                "vectorIndexConfig": dict(HNSW),
            }
        },
        # Cannot be switched on later, and `is_none` does not work without.
        "invertedIndexConfig": {"indexNullState": True},
    }


def _vectorizer(model: Model) -> dict[str, Any]:
    """The module that embeds an app's question as the documents were; objects bring their own vectors."""
    settings: dict[str, Any] = {"properties": ["content"], "vectorizeClassName": False}
    url = model.url.rstrip("/")
    if model.kind == "local":
        return {"text2vec-transformers": {**settings, "poolingStrategy": "masked_mean", "inferenceUrl": url}}
    if url:
        settings["baseURL"] = url
    return {f"text2vec-{model.kind}": {**settings, "model": model.name}}


def create(weaviate: Weaviate, wanted: dict[str, Any]) -> None:
    """Create the collection, or accept the one that stands there if it is the same. Raises WeaviateRefused."""
    name = wanted["class"]
    if exists(weaviate, name):
        if found := differences(weaviate, wanted):
            raise WeaviateRefused(
                f"the collection {name} exists and is another: {'; '.join(found)}",
                advice=f"Build the next generation, or drop {name} if nothing reads it.",
            )
        return
    weaviate.create_collection(wanted)


def exists(weaviate: Weaviate, name: str) -> bool:
    return weaviate.schema(name) is not None


def differences(weaviate: Weaviate, wanted: dict[str, Any]) -> list[str]:
    """What sets the collection in Weaviate apart from the wanted schema, a phrase each; none: it matches.

    Descriptions do not count: they can be changed in place and no object depends on them.
    """
    found = weaviate.schema(wanted["class"])
    if found is None:
        return [f"there is no collection {wanted['class']}"]
    told: list[str] = []
    _compare(_facts(wanted), _facts(found), told)
    return told


def _facts(schema: dict[str, Any]) -> dict[str, Any]:
    """What of a schema decides how objects are stored and found, flat: path → value."""
    facts: dict[str, Any] = {}
    for one in schema.get("properties", []):
        at = f"property {one['name']}"
        facts[f"{at}: type"] = one["dataType"][0]
        facts[f"{at}: filterable"] = one.get("indexFilterable", True)
        if one["dataType"][0].startswith("text"):
            facts[f"{at}: tokenization"] = one.get("tokenization", "word")
            facts[f"{at}: searchable"] = one.get("indexSearchable", True)
    for vector, config in schema.get("vectorConfig", {}).items():
        facts[f"vector {vector}: index"] = config.get("vectorIndexType")
        facts[f"vector {vector}: distance"] = config.get("vectorIndexConfig", {}).get("distance")
        for module, settings in config.get("vectorizer", {}).items():
            facts[f"vector {vector}: vectorizer"] = module
            for key in ("inferenceUrl", "baseURL", "model", "properties"):
                if settings.get(key):
                    value = settings[key]
                    facts[f"vector {vector}: {key}"] = value.rstrip("/") if isinstance(value, str) else value
    facts["null state indexed"] = schema.get("invertedIndexConfig", {}).get("indexNullState", False)
    return facts


def _compare(wanted: dict[str, Any], found: dict[str, Any], told: list[str]) -> None:
    for path, value in wanted.items():
        if path not in found:
            told.append(f"{path} is missing (wanted {value})")
        elif found[path] != value:
            told.append(f"{path} is {found[path]}, not {value}")
    told.extend(f"{path} is {found[path]}, not wanted at all" for path in found if path not in wanted)


def count(weaviate: Weaviate, name: str) -> int:
    """How many objects a collection, or the one behind an alias, holds."""
    return weaviate.count(name)


def drop(weaviate: Weaviate, name: str) -> None:
    """Drop a collection with its objects; one that does not exist counts as dropped."""
    weaviate.drop_collection(name)


def live(weaviate: Weaviate, alias: str) -> str | None:
    """The collection that the alias points to, or None."""
    return weaviate.alias(alias)


def make_live(weaviate: Weaviate, alias: str, name: str) -> None:
    """Point the alias to this collection, in one step for every reader. May be called twice."""
    current = weaviate.alias(alias)
    if current == name:
        return
    if current is None and weaviate.schema(alias) is not None:
        raise WeaviateRefused(
            f"a collection named {alias} exists, so no alias can have that name",
            advice="Drop it if nothing reads it, or name another with `collection:` in the mapping's document.",
        )
    weaviate.set_alias(alias, name, new=current is None)


def drop_alias(weaviate: Weaviate, alias: str) -> None:
    """Take the alias away; one that does not exist counts as taken away."""
    weaviate.drop_alias(alias)
