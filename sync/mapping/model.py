"""The mapping file as a model: what rows mean, what becomes searchable, and the tests that hold both.

A field's description here is its only one: lint's messages, the JSON Schema and the starter
mapping of `headrace init` are made of it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

NAME = r"^[a-z][a-z0-9_]*$"  # of a mapping
Treatment = Literal["mask", "drop", "hash"]
Kind = Literal["text", "integer", "decimal", "boolean", "date", "time", "timestamp", "json", "list"]


def _several(value: Any) -> Any:
    """One name where a list of them is asked reads as a list of one."""
    return (value,) if isinstance(value, str) else value


def _labelled(value: Any) -> Any:
    """A column's entry may be its label alone, or nothing at all."""
    if value is None:
        return {}
    return {"label": value} if isinstance(value, str | int | float) else value


def _named(value: Any) -> Any:
    """`filters: {name: path}` reads as `filters: [{name: path}]`."""
    return ({name: path} for name, path in value.items()) if isinstance(value, dict) else _several(value)


# Unions are told apart by the value's shape, so that a slip gives one message and not one per branch.


def _values_shape(value: Any) -> str:
    if isinstance(value, CodeTable) or (isinstance(value, dict) and {"table", "code"} <= value.keys()):
        return "(code table)"
    return "(words)" if isinstance(value, dict) else "(named list)"


def _unit_shape(value: Any) -> str:
    return "(column)" if isinstance(value, dict | UnitColumn) else "(text)"


def _by_shape(value: Any) -> str:
    if isinstance(value, dict):
        return "(pairs)"
    return "(list)" if isinstance(value, list | tuple) else "(text)"


def _filter_shape(value: Any) -> str:
    return "(named)" if isinstance(value, dict) else "(text)"


Columns = Annotated[tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | list[str])]
Words = Columns
Whole = Annotated[int, Field(strict=True)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_said(cls, data: Any) -> Any:
        """A section that is named and left empty (`terms:`) reads as one that is not there."""
        if not isinstance(data, dict):
            return data
        if None not in data.values():
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls._sections()}

    @classmethod
    def _sections(cls) -> set[str]:
        """The fields that hold several things and need not be there."""
        optional = ((name, field) for name, field in cls.model_fields.items() if not field.is_required())
        holders = (dict, tuple, Part)
        return {
            field.alias or name
            for name, field in optional
            if isinstance(field.get_default(call_default_factory=True), holders)
        }


class Owner(Part):
    """Who answers for the mapping."""

    team: str | None = Field(None, description="The team that answers for this mapping.")
    contact: str | None = Field(None, description="How to reach them.", examples=["res-dba@example.com"])


class Source(Part):
    """A database, bucket or org that the rows come from."""

    connector: Literal["postgres", "mariadb", "mysql", "s3", "salesforce"] = Field(
        description="What kind of source it is."
    )
    url: str | None = Field(
        None,
        description="The source's address; ${NAME} stands for an environment variable, so that it holds no password.",
        examples=["${AIRLINE_URL}"],
    )
    schema_: str | None = Field(
        None, alias="schema", description="The schema of tables that name none; PostgreSQL's default is public."
    )
    bucket: str | None = Field(None, description="The bucket, for connector s3.")
    prefix: str | None = Field(None, description="Only objects whose name starts like this, for connector s3.")


class CodeTable(Part):
    """Words for codes that live in a table of the database; it is captured too."""

    table: str = Field(description="The table that holds the words, by its name under `tables:`.")
    code: str = Field(description="Its column with the code.")
    words: str = Field(description="Its column with the words.")
    where: dict[str, Any] = Field(
        default_factory=dict, description="Which of its rows are meant, as in a document's `where`."
    )


class UnitColumn(Part):
    """The row itself says it, in this column."""

    column: str = Field(description="The column of the same table that says it.")


Values = Annotated[
    Annotated[dict[str, str], Tag("(words)")]
    | Annotated[CodeTable, Tag("(code table)")]
    | Annotated[str, Tag("(named list)")],
    Discriminator(_values_shape),
]
TextOrColumn = Annotated[
    Annotated[str, Tag("(text)")] | Annotated[UnitColumn, Tag("(column)")], Discriminator(_unit_shape)
]


class Column(Part):
    """What one column means. A column that is not listed is never captured."""

    column: str | None = Field(
        None, description="The column's name in the database, where it differs.", examples=["Größe (cm)"]
    )
    label: str | None = Field(
        None, description="The words for the column; without them its name, with blanks for underscores."
    )
    description: str | None = Field(
        None, description="What the column means, in a sentence; it goes into the terminology documents."
    )
    synonyms: Words = Field((), description="Other words that people use for it.")
    values: Values | None = Field(
        None,
        description="Words for its codes: code and words, a named list of a glossary, or a table that holds them.",
        examples=[{"ON": "on time", "CX": "cancelled"}, "status_codes"],
    )
    unknown: Literal["park", "keep"] = Field(
        "park", description="A code that has no words: park the document, or keep the code as it is."
    )
    type: Kind | None = Field(None, description="What the value is; without it, what the database says.")
    unit: TextOrColumn | None = Field(
        None, description="The unit that follows the number, or the column that says it.", examples=["EUR", "kg"]
    )
    scale: float | None = Field(
        None, description="The stored number times this is what is meant: 0.01 where the column holds cents.", gt=0
    )
    decimals: Whole | None = Field(
        None, description="Digits after the decimal point; without it they follow the scale.", ge=0, le=30
    )
    timezone: TextOrColumn | None = Field(
        None,
        description="The timezone a timestamp reads in, or the column that says it; without it UTC.",
        examples=["Europe/Rome"],
    )
    stored_in: str | None = Field(
        None, description="The timezone of a stored timestamp that carries none; without it UTC."
    )
    format: str | None = Field(
        None, description="How a date or time is written, as in strftime.", examples=["%d/%m/%Y"]
    )
    empty: str | None = Field(
        None, description='How NULL reads; without it "not recorded", and nothing in sentences made of labels.'
    )
    open: str = Field("no end", description="How an infinite date reads.")
    normalise: Annotated[
        tuple[Literal["trim", "upper", "digits"], ...],
        BeforeValidator(_several, json_schema_input_type=str | list[str]),
    ] = Field((), description="What is done to the value before keys are compared, so that two spellings join.")
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Of a json column: the paths that are stored, with their labels; nothing else of it is.",
        examples=[{"address.city": "city"}],
    )
    pii: str | None = Field(
        None,
        description="The privacy class of personal data; `privacy:` says what is done to it.",
        examples=["contact"],
    )
    say: bool = Field(True, description="Whether sentences made of labels say this column.")


Entry = Annotated[Column, BeforeValidator(_labelled, json_schema_input_type=str | Column | None)]


class Table(Part):
    """What the rows of one table mean."""

    table: str | None = Field(None, description="The table's name in the database, where it differs.")
    schema_: str | None = Field(None, alias="schema", description="The table's schema, where it is not the source's.")
    source: str | None = Field(None, description="Which of `sources:` the table is in, where there are several.")
    key: Columns | None = Field(
        None, description="The column or columns that name a row; without it the primary key that the lock knows."
    )
    description: str | None = Field(None, description="What one row is, in a sentence.")
    synonyms: Words = Field((), description="Other words that people use for such a row.")
    columns: dict[str, Entry] = Field(
        description="The columns that are captured and what they mean; a text alone is the label.", min_length=1
    )


By = Annotated[
    Annotated[str, Tag("(text)")]
    | Annotated[tuple[str, ...], Tag("(list)")]
    | Annotated[dict[str, str], Tag("(pairs)")],
    Discriminator(_by_shape),
]


class Relation(Part):
    """How rows of another table belong to this row: `one` parent, or `many` children."""

    one: str | None = Field(None, description="The table of which one row belongs to this row.")
    many: str | None = Field(None, description="The table of which many rows belong to this row.")
    by: By = Field(
        description="For `one`: the column(s) of this row that hold the other's key. For `many`: the column(s) of the"
        " other table that hold this row's key. Else {column here: column there}.",
        examples=["customer_id", ["booking_id", "seq_no"], {"fare_cd": "fare"}],
    )
    order: Columns = Field((), description="In which order the rows stand; -column is descending.", examples=["seq_no"])
    limit: Whole | None = Field(None, description="At most so many rows; needs an order.", ge=1)
    where: dict[str, Any] = Field(
        default_factory=dict,
        description="Which rows of the other table belong: {column: value, [values], null or {gt: value}}.",
    )
    when: dict[str, Any] = Field(
        default_factory=dict, description="Only where this row says so: a condition on this row's own columns."
    )
    with_: dict[str, Relation] = Field(
        default_factory=dict, alias="with", description="The relatives of those rows, to any depth."
    )


class Chunking(Part):
    """How a document's text is cut into pieces that are embedded."""

    max_tokens: Whole = Field(
        300, description="The longest piece, in tokens of the embedder, title included.", ge=1, le=8192
    )
    overlap: Whole = Field(30, description="So many tokens of a piece are said again by the next.", ge=0)


class Freshness(Part):
    """How soon a committed change must be searchable."""

    warn_after: str = Field("5s", description="From this delay on the document is late.", examples=["500ms", "5s"])
    error_after: str = Field("1m", description="From this delay on it is stale.", examples=["1m"])
    objective: str = Field("99.9%", description="The share of changes that must be searchable within warn_after.")
    window: str = Field("30d", description="The time over which the share is counted.")


Filter = Annotated[
    Annotated[str, Tag("(text)")] | Annotated[dict[str, str], Tag("(named)")], Discriminator(_filter_shape)
]


class DocumentType(Part):
    """What becomes searchable: one document per row of the root table, with its relatives, as text."""

    root: str = Field(description="The table of which every row makes one document.")
    collection: str | None = Field(
        None, description="The collection's name in Weaviate; without it the document's name, as in Booking."
    )
    where: dict[str, Any] = Field(
        default_factory=dict,
        description="Which rows have a document: {column: value, [values], null or {gt: value}}.",
    )
    with_: dict[str, Relation] = Field(
        default_factory=dict, alias="with", description="The rows of other tables that the document shows."
    )
    title: str | None = Field(None, description="A template for one line; it opens every chunk.")
    text: str | None = Field(
        None, description="A Jinja template for the text; without it, a sentence per row is made of the labels."
    )
    filters: Annotated[
        tuple[Filter, ...],
        BeforeValidator(_named, json_schema_input_type=dict[str, str] | list[str | dict[str, str]] | str),
    ] = Field(
        (),
        description="Columns, by their path, that become properties to filter by; {name: path} gives one another name.",
        examples=[["pnr", "customer.tier_cd", {"flights": "tickets.flight.flight_no"}]],
    )
    chunk: Chunking = Field(Chunking(), description="How the text is cut into pieces.")
    freshness: Freshness = Field(Freshness(), description="How soon a change must be searchable.")


class Expectation(Part):
    """What a test asks of the document."""

    contains: Words = Field((), description="Each of these stands in the text.")
    absent: Words = Field((), description="None of these stands in the text, the title or the properties.")
    equals: str | None = Field(None, description="The text is exactly this.")
    filters: dict[str, Any] = Field(default_factory=dict, description="These properties have these values.")
    no_document: bool = Field(False, description="The rows make no document.")


class MappingTest(Part):
    """Rows, and what their document must say; `headrace test` runs it without any service."""

    name: str = Field(description="What the test shows, as a sentence.")
    document: str = Field(description="The document that is built.")
    key: Any = Field(None, description="The root row's key, where `given` has several root rows.")
    given: dict[str, list[dict[str, Any]]] = Field(description="The rows, by table.")
    expect: Expectation = Field(description="What the document must say.")


class Mapping(Part):
    """One subject: what its tables mean, what becomes searchable, and the tests that hold both."""

    version: Literal[1] = Field(description="The version of the mapping language.")
    name: str = Field(
        pattern=NAME,
        max_length=40,
        description="Names the topic, the replication slot and the documents' ids; never reused for something else.",
        examples=["airline"],
    )
    owner: Owner = Field(Owner(), description="Who answers for this mapping.")
    source: Source | None = Field(None, description="Where the rows come from, where it is one source.")
    sources: dict[str, Source] = Field(
        default_factory=dict, description="Where the rows come from, where there are several; tables say which."
    )
    terms: dict[str, str] = Field(
        default_factory=dict, description="The business's words and what they mean; each becomes a searchable document."
    )
    glossary: Words = Field(
        (), description="Files with shared `terms:` and named `values:` lists, relative to this one."
    )
    privacy: dict[str, Treatment] = Field(
        default_factory=dict,
        description="What is done to a column marked `pii: <class>`; a class that is not listed is dropped.",
    )
    tables: dict[str, Table] = Field(description="What the rows mean.", min_length=1)
    documents: dict[str, DocumentType] = Field(description="What becomes searchable.")
    tests: tuple[MappingTest, ...] = Field((), description="Tests of the documents, run by `headrace test`.")


class Glossary(Part):
    """A file of shared words that several mappings name under `glossary:`."""

    version: Literal[1] = Field(1, description="The version of the mapping language.")
    terms: dict[str, str] = Field(default_factory=dict, description="The business's words and what they mean.")
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="Named value lists: code and words, for a column's `values:`."
    )
