"""The mapping file as a model: what rows mean, what becomes searchable, and the tests that hold both.

A field's description here is its only one: lint's messages, the JSON Schema and the starter
mapping of `headrace init` are made of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Treatment = Literal["mask", "drop", "hash"]
Kind = Literal["text", "integer", "decimal", "boolean", "date", "time", "timestamp", "json", "list"]
Columns = Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(Part):
    team: str | None = Field(None, description="who answers for this mapping")
    contact: str | None = Field(None, description="how to reach them")


class Source(Part):
    connector: Literal["postgres", "mariadb", "mysql", "s3", "salesforce"]
    url: str | None = Field(None, description="address with ${NAME} for what must not be written down")
    schema_: str | None = Field(None, alias="schema", description="schema of tables that name none")
    bucket: str | None = None
    prefix: str | None = None


class CodeTable(Part):
    """Words for codes that live in a table of the database."""

    table: str
    code: str
    words: str
    where: dict[str, Any] = Field(default_factory=dict)


class UnitColumn(Part):
    column: str


class Column(Part):
    column: str | None = Field(None, description="the column's name in the database, where it differs")
    label: str | None = None
    description: str | None = None
    synonyms: tuple[str, ...] = ()
    values: dict[str, str] | CodeTable | str | None = None  # a str names a list of the glossary
    unknown: Literal["park", "keep"] = "park"
    type: Kind | None = None
    unit: str | UnitColumn | None = None
    scale: float | None = None
    decimals: int | None = None
    timezone: str | UnitColumn | None = None
    stored_in: str | None = None
    format: str | None = None
    empty: str = "not recorded"
    open: str = "no end"
    normalise: tuple[Literal["trim", "upper", "digits"], ...] = ()
    fields: dict[str, str] = Field(default_factory=dict)
    pii: str | None = None
    say: bool = True


class Table(Part):
    table: str | None = Field(None, description="the table's name in the database, where it differs")
    schema_: str | None = Field(None, alias="schema")
    source: str | None = None
    key: Columns | None = None
    description: str | None = None
    synonyms: tuple[str, ...] = ()
    columns: dict[str, Column]


class Relation(Part):
    one: str | None = None
    many: str | None = None
    by: str | tuple[str, ...] | dict[str, str]
    order: Columns = ()
    limit: int | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    when: dict[str, Any] = Field(default_factory=dict)
    with_: dict[str, Relation] = Field(default_factory=dict, alias="with")


class Chunking(Part):
    max_tokens: int = 300
    overlap: int = 30


class Freshness(Part):
    warn_after: str = "5s"
    error_after: str = "1m"
    objective: str = "99.9%"
    window: str = "30d"


class DocumentType(Part):
    root: str
    collection: str | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    with_: dict[str, Relation] = Field(default_factory=dict, alias="with")
    title: str | None = None
    text: str | None = None
    filters: tuple[str | dict[str, str], ...] = ()
    chunk: Chunking = Chunking()
    freshness: Freshness = Freshness()


class Expectation(Part):
    contains: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    equals: str | None = None
    filters: dict[str, Any] = Field(default_factory=dict)
    no_document: bool = False


class MappingTest(Part):
    name: str
    document: str
    key: Any = None
    given: dict[str, list[dict[str, Any]]]
    expect: Expectation


class Mapping(Part):
    version: Literal[1]
    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    owner: Owner = Owner()
    source: Source | None = None
    sources: dict[str, Source] = Field(default_factory=dict)
    terms: dict[str, str] = Field(default_factory=dict)
    glossary: tuple[str, ...] = ()
    privacy: dict[str, Treatment] = Field(default_factory=dict)
    tables: dict[str, Table]
    documents: dict[str, DocumentType]
    tests: tuple[MappingTest, ...] = ()
