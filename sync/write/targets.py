"""② write: the collections that a mapping needs in Weaviate, and whose those are that stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sync.errors import WeaviateRefused

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sync.embed.base import Model
    from sync.mapping.plan import Plan
    from sync.write.weaviate import Weaviate

GENERATION = 1
# The end of a collection's description says whose it is. A state that was lost must not make strangers of them.
_MARK = re.compile(r"\(headrace: ([a-z][a-z0-9_]*)\.(\S+)\)$")


@dataclass(frozen=True)
class Target:
    """One collection that a mapping needs, behind its alias."""

    mapping: str
    document: str  # "terms" for the terminology
    alias: str
    schema: dict[str, Any]

    @property
    def collection(self) -> str:
        return str(self.schema["class"])


def targets(plan: Plan, model: Model) -> list[Target]:
    """What the mapping needs, its terminology last."""
    from sync.write.collections import generation_name, schema

    name = plan.mapping.name
    wanted = [(d.name, d.collection, d.properties, f"Documents {d.name} of {name}.") for d in plan.documents.values()]
    wanted.append(("terms", plan.terms_collection, (), f"What the words and codes of {name} mean."))
    return [
        Target(
            name,
            document,
            alias,
            schema(
                generation_name(alias, GENERATION),
                properties,
                model,
                description=f"{description} (headrace: {name}.{document})",
            ),
        )
        for document, alias, properties, description in wanted
    ]


def owner(schema: dict[str, Any]) -> str | None:
    """The mapping that made a collection, or None: it is not Headrace's."""
    found = _MARK.search(schema.get("description") or "")
    return found[1] if found else None


def claimed(connection: Connection, mapping: str) -> dict[str, str]:
    """Alias → mapping, of every other applied mapping."""
    from sqlalchemy import select

    from sync.state.registry import TYPE

    rows = connection.execute(select(TYPE.c.alias, TYPE.c.mapping).where(TYPE.c.mapping != mapping))
    return {row.alias: row.mapping for row in rows}


def refusals(weaviate: Weaviate, wanted: list[Target], others: dict[str, str]) -> Iterator[str]:
    """Every reason why these collections cannot be the mapping's."""
    from sync.write.collections import live

    for target in wanted:
        if target.alias in others:
            yield f"collection {target.alias} belongs to the applied mapping {others[target.alias]}"
            continue
        plain = weaviate.schema(target.alias)
        if plain is not None:
            yield f"a collection named {target.alias} exists and is not Headrace's"
        for name in dict.fromkeys((target.collection, live(weaviate, target.alias))):
            found = weaviate.schema(name) if name else None
            if found is not None and owner(found) != target.mapping:
                whose = f"the mapping {owner(found)}'s" if owner(found) else "not Headrace's"
                yield f"collection {name} exists and is {whose}"


def refuse(weaviate: Weaviate, wanted: list[Target], others: dict[str, str]) -> None:
    """Raises WeaviateRefused with all of `refusals`."""
    found = list(refusals(weaviate, wanted, others))
    if found:
        raise WeaviateRefused(
            "; ".join(found),
            advice="Give the document another name with `collection:`, or drop what nobody reads any more.",
        )


def left(weaviate: Weaviate, mapping: str) -> list[str]:
    """Every collection in Weaviate that carries the mapping's mark, in any generation."""
    return [name for name in weaviate.collections() if (found := weaviate.schema(name)) and owner(found) == mapping]
