"""The JSON Schema for editors: it is the model's, it explains every field, and it refuses nothing that lint accepts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped, unused-ignore]
from pydantic import BaseModel

from sync.mapping import model
from sync.mapping.schema import schema, schema_text
from sync.mapping.yaml_tree import parse, plain

MAPPINGS = Path(__file__).parents[2] / "mappings"
AIRLINE = MAPPINGS / "airline.yml"
VALIDATOR = Draft202012Validator(schema())


def read(text: str) -> Any:
    return plain(parse(text, "x").root)


def errors(data: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


def models() -> Iterator[type[BaseModel]]:
    for each in vars(model).values():
        if isinstance(each, type) and issubclass(each, model.Part) and each is not model.Part:
            yield each


def test_the_schema_in_the_repository_is_that_of_the_model() -> None:
    text = (MAPPINGS / ".schema.json").read_text()
    assert text == schema_text(), "run: python -m sync.mapping.schema > mappings/.schema.json"


def test_every_field_has_a_sentence_for_the_person_who_writes_it() -> None:
    bare = [f"{m.__name__}.{name}" for m in models() for name, f in m.model_fields.items() if not f.description]
    assert bare == []
    unfinished = [
        f"{m.__name__}.{name}"
        for m in models()
        for name, field in m.model_fields.items()
        if not (field.description or "")[0].isupper() or not (field.description or "").endswith((".", "}."))
    ]
    assert unfinished == []


def test_the_schema_is_one_and_accepts_the_mapping_that_ships() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))
    assert errors(read(AIRLINE.read_text())) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("order: seq_no", "order: [seq_no, -fare_cd]"),
        ("pnr:         {label: booking reference}", "pnr: booking reference"),
        ("pnr:         {label: booking reference}", "pnr:"),
        ("{B: Blue, S: Silver, G: Gold}", "{1: 1, 010: 2.50, true: false}"),
        ("{B: Blue, S: Silver, G: Gold}", "{table: codes, code: cd, words: txt}"),
        ("{B: Blue, S: Silver, G: Gold}", "tiers"),
        ("unit: EUR", "unit: {column: currency}"),
        ("{one: customers, by: customer_id}", "{one: customers, by: {customer_id: customer_id}}"),
        ("filters: [pnr, booked_at, customer.tier_cd]", "filters: {number: pnr}"),
        ("filters: [pnr, booked_at, customer.tier_cd]", "filters: [{number: pnr}, booked_at]"),
        ("terms: ", "glossary:\nterms: "),
    ],
)
def test_the_schema_accepts_what_the_language_accepts(old: str, new: str) -> None:
    text = AIRLINE.read_text()
    assert text.count(old) == 1
    assert errors(read(text.replace(old, new))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("label: from", "lable: from"),
        ("name: mask", "name: msk"),
        ("version: 1", "version: 2"),
        ("limit: 50", "limit: 0"),
    ],
)
def test_the_schema_refuses_what_the_language_refuses(old: str, new: str) -> None:
    assert errors(read(AIRLINE.read_text().replace(old, new, 1)))


def test_the_mappings_that_ship_name_the_schema_beside_them() -> None:
    for path in MAPPINGS.glob("*.yml"):
        first = path.read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=./.schema.json", path
