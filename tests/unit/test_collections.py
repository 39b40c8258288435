"""What a collection looks like, and what is told when the one in Weaviate is another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sync.embed.base import Model
from sync.errors import WeaviateRefused
from sync.write import collections
from sync.write.collections import Type, generation_name, properties_for, schema


@dataclass(frozen=True)
class Filter:
    name: str
    type: Type
    many: bool = False
    description: str = "what it is"


LOCAL = Model("wordllama", 256, "local", "http://127.0.0.1:8090/")
FILTERS = [
    Filter("pnr", "text"),
    Filter("legs", "text", many=True),
    Filter("seats", "int"),
    Filter("price", "number"),
    Filter("open", "bool"),
    Filter("booked_at", "date"),
]


class FakeWeaviate:
    """Schemas and aliases, as the edge keeps them."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.calls: list[str] = []

    def schema(self, name: str) -> dict[str, Any] | None:
        return self.schemas.get(name)

    def create_collection(self, schema: dict[str, Any]) -> None:
        self.calls.append("create")
        self.schemas[schema["class"]] = schema

    def alias(self, name: str) -> str | None:
        return self.aliases.get(name)

    def set_alias(self, alias: str, collection: str, *, new: bool) -> None:
        assert new == (alias not in self.aliases)
        self.calls.append("set_alias")
        self.aliases[alias] = collection


def by_name(properties: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in properties}


def test_only_content_is_searched_by_words_and_all_else_is_exact() -> None:
    made = by_name(properties_for(FILTERS))
    assert (made["content"]["tokenization"], made["content"]["indexSearchable"]) == ("word", True)
    for name, one in made.items():
        if name != "content":
            assert not one["indexSearchable"], name
            assert one["indexFilterable"], name
            assert one.get("tokenization") == ("field" if one["dataType"][0].startswith("text") else None), name


def test_every_property_has_its_explicit_type_and_a_description() -> None:
    made = by_name(properties_for(FILTERS))
    types = {name: one["dataType"] for name, one in made.items()}
    assert types == {
        "content": ["text"],
        "pnr": ["text"],
        "legs": ["text[]"],
        "seats": ["int"],
        "price": ["number"],
        "open": ["boolean"],
        "booked_at": ["date"],
        "document_key": ["text"],
        "chunk": ["int"],
        "chunks": ["int"],
        "level": ["text"],
        "content_hash": ["text"],
        "source_position": ["text"],
        "source_committed_at": ["date"],
        "written_at": ["date"],
        "mapping_version": ["text"],
    }
    assert all(one["description"] for one in made.values())


@pytest.mark.parametrize(
    ("model", "vectorizer"),
    [
        (LOCAL, {"text2vec-transformers": {"inferenceUrl": "http://127.0.0.1:8090", "poolingStrategy": "masked_mean"}}),
        (Model("embed-v4.0", 1024, "cohere", ""), {"text2vec-cohere": {"model": "embed-v4.0"}}),
        (
            Model("bge-m3", 1024, "openai", "http://gpu:8000"),
            {"text2vec-openai": {"model": "bge-m3", "baseURL": "http://gpu:8000"}},
        ),
    ],
)
def test_a_question_is_embedded_by_the_embedder_of_the_documents(model: Model, vectorizer: dict[str, Any]) -> None:
    vector = schema("Booking_g1", FILTERS, model)["vectorConfig"]["text"]
    ((module, settings),) = vectorizer.items()
    assert vector["vectorizer"] == {module: {**settings, "properties": ["content"], "vectorizeClassName": False}}
    assert vector["vectorIndexType"] == "hnsw"
    assert vector["vectorIndexConfig"]["distance"] == "cosine"


def test_absence_can_be_asked_for() -> None:
    assert schema("Booking_g1", [], LOCAL)["invertedIndexConfig"]["indexNullState"] is True


def test_a_generation_is_named_after_its_collection() -> None:
    assert generation_name("Booking", 3) == "Booking_g3"


def test_creating_twice_is_creating_once() -> None:
    fake: Any = FakeWeaviate()
    for _ in range(2):
        collections.create(fake, schema("Booking_g1", FILTERS, LOCAL))
    assert fake.calls == ["create"]


def test_a_collection_of_another_shape_is_not_accepted_and_each_difference_is_told() -> None:
    fake: Any = FakeWeaviate()
    other = schema("Booking_g1", [Filter("pnr", "int"), *FILTERS[1:-1], Filter("extra", "text")], LOCAL)
    next(one for one in other["properties"] if one["name"] == "legs")["tokenization"] = "word"
    other["invertedIndexConfig"]["indexNullState"] = False
    fake.schemas["Booking_g1"] = other
    model = Model("wordllama", 256, "local", "http://elsewhere")
    with pytest.raises(WeaviateRefused) as caught:
        collections.create(fake, schema("Booking_g1", FILTERS, model))
    told = str(caught.value)
    for phrase in (
        "property pnr: type is int, not text",
        "property legs: tokenization is word, not field",
        "property booked_at: type is missing (wanted date)",
        "property extra: type is text, not wanted at all",
        "inferenceUrl is http://127.0.0.1:8090, not http://elsewhere",
        "null state indexed is False, not True",
    ):
        assert phrase in told
    assert "next generation" in caught.value.advice


def test_descriptions_and_index_parameters_make_no_difference() -> None:
    fake: Any = FakeWeaviate()
    fake.schemas["Booking_g1"] = schema("Booking_g1", FILTERS, LOCAL, description="an older one")
    fake.schemas["Booking_g1"]["vectorConfig"]["text"]["vectorIndexConfig"]["efConstruction"] = 1
    assert collections.differences(fake, schema("Booking_g1", FILTERS, LOCAL)) == []
    assert collections.differences(fake, schema("Booking_g2", [], LOCAL)) == ["there is no collection Booking_g2"]


def test_an_alias_moves_in_one_step_and_only_when_it_must() -> None:
    fake: Any = FakeWeaviate()
    for target in ("Booking_g1", "Booking_g1", "Booking_g2"):
        collections.make_live(fake, "Booking", target)
        assert collections.live(fake, "Booking") == target
    assert fake.calls == ["set_alias", "set_alias"]


def test_an_alias_does_not_hide_behind_somebodys_collection() -> None:
    fake: Any = FakeWeaviate()
    fake.schemas["Booking"] = {}
    with pytest.raises(WeaviateRefused, match="a collection named Booking exists") as caught:
        collections.make_live(fake, "Booking", "Booking_g1")
    assert "collection:" in caught.value.advice
