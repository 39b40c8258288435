"""Stage ②: one document from its gathered rows: text, chunks and properties, byte for byte the same each time.

`Builder.build` is the whole journey: title, text, chunks, properties, digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from sync.errors import BuildError
from sync.mapping import sentences
from sync.mapping.assemble import Gathered
from sync.mapping.chunks import split
from sync.mapping.plan import DocumentPlan, Plan
from sync.mapping.properties import PropertyReader
from sync.mapping.template import Template
from sync.mapping.views import Row, Shape


@dataclass(frozen=True)
class Built:
    """A document as it is written: ``properties`` are JSON values by name, NULL absent.

    ``digest`` is 32 hex digits over chunks and properties, and over nothing else: neither positions nor times.
    """

    title: str
    text: str
    chunks: tuple[str, ...]
    properties: dict[str, Any]
    digest: str


class Builder:
    """What one document type needs to be built, prepared once. Safe to use from several threads.

    Raises MappingError where a template is no template.
    """

    def __init__(self, plan: Plan, document: DocumentPlan) -> None:
        model = document.model
        self.document = document
        self._shape = Shape.of(document)
        self._title = self._template("title", model.title)
        self._text = self._template("text", model.text)
        self._properties = [PropertyReader(document, p, self._shape) for p in document.properties]
        self._chunk = model.chunk

    def _template(self, part: str, source: str | None) -> Template | None:
        return Template(source, f'{part} of document "{self.document.name}"', self._shape.names) if source else None

    def build(self, gathered: Gathered) -> Built:
        """Raises BuildError: the document is parked with its reason, which never holds a value of a row."""
        if gathered.problem is not None:
            raise gathered.problem
        root = Row(self._shape, gathered)
        if self._title is not None:
            title = " ".join(self._title.render(root).split())
        else:
            title = sentences.title(self.document.name, gathered)
        text = (self._text.render(root) if self._text is not None else sentences.text(self._shape, gathered)).strip()
        chunks = split(title, text, self._chunk.max_tokens, self._chunk.overlap)
        properties: dict[str, Any] = {}
        for reader in self._properties:
            value = reader.read(gathered)
            if value is not None:
                properties[reader.name] = value
        return Built(title, text, chunks, properties, _digest(chunks, properties))


def _digest(chunks: tuple[str, ...], properties: dict[str, Any]) -> str:
    try:
        content = orjson.dumps([chunks, properties], option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise BuildError("the text holds what is no Unicode character") from error
    return blake2b(content, digest_size=16).hexdigest()


def build(plan: Plan, document: DocumentPlan, gathered: Gathered) -> Built:
    """One document, once; the service keeps Builders. Raises BuildError, MappingError."""
    return Builder(plan, document).build(gathered)
