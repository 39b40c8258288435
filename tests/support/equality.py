"""Whether a collection is what SQL says, object for object: texts, chunk numbers, filters and vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from sync.embed.local import LocalEmbedder
from tests.support.weaviate_client import Found, by_place


@dataclass(frozen=True)
class Wanted:
    """A document of one chunk: its text, and its filters as text, None where there is none."""

    content: str
    filters: dict[str, str | None] = field(default_factory=dict)
    level: str = "root"


def rendered(rows: Iterable[Sequence[Any]], filters: Sequence[str]) -> dict[str, Wanted]:
    """By document key, of rows as tests/support/airline_in_sql.py has them."""
    return {key: Wanted(content, dict(zip(filters, values, strict=True))) for key, content, *values in rows}


def differences(objects: Sequence[Found], wanted: Mapping[str, Wanted]) -> list[str]:
    """A sentence for each kind of difference; none: the collection is exactly what is wanted."""
    found = by_place(objects)
    places = {(key, 0) for key in wanted}
    both = sorted(places & found.keys())
    kinds: dict[str, Sequence[Any]] = {
        "missing": sorted(places - found.keys()),
        "surplus": sorted(found.keys() - places),
        "differ": [(found[at].content, wanted[at[0]].content) for at in both if not _same_text(found, wanted, at)],
        "with other filters": list(_other_filters([(found[at], wanted[at[0]]) for at in both])),
        "with another level": [at for at in both if found[at].properties["level"] != wanted[at[0]].level],
        "with chunks that do not add up": list(miscounted(objects)),
        "with another vector than their text's": list(_other_vectors(objects)),
    }
    return [f"{len(which)} {kind}: {which[:3]}" for kind, which in kinds.items() if which]


def miscounted(objects: Iterable[Found]) -> Iterator[tuple[str, list[int], list[int]]]:
    """Documents whose chunks are not 0 to `chunks` - 1: key, their numbers, and what they say of how many they are."""
    by_key: dict[str, list[Found]] = {}
    for one in objects:
        by_key.setdefault(one.place[0], []).append(one)
    for key, chunks in by_key.items():
        numbers = sorted(one.place[1] for one in chunks)
        counts = sorted({one.properties["chunks"] for one in chunks})
        if numbers != list(range(len(chunks))) or counts != [len(chunks)]:
            yield key, numbers, counts


def _same_text(found: Mapping[tuple[str, int], Found], wanted: Mapping[str, Wanted], at: tuple[str, int]) -> bool:
    return found[at].content == wanted[at[0]].content


def _other_filters(pairs: Iterable[tuple[Found, Wanted]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for one, wanted in pairs:
        has = {name: _as_text(one.properties.get(name)) for name in wanted.filters}
        if has != wanted.filters:
            yield one.place[0], has, wanted.filters


def _as_text(value: Any) -> Any:
    """A moment as the SQL writes it; anything else as it is: a number where text belongs must show."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value


def _other_vectors(objects: Sequence[Found]) -> Iterator[tuple[str, int]]:
    """Vectors are compared with a fresh embedding of the text that stands beside them, whatever that is."""
    if not objects:
        return
    fresh = _embedder().embed([one.content for one in objects], purpose="document")
    for one, vector in zip(objects, fresh, strict=True):
        if not np.array_equal(np.asarray(one.vector, dtype=np.float32), vector):
            yield one.place


@lru_cache(maxsize=1)
def _embedder() -> LocalEmbedder:
    """Read once, 0.1 s."""
    return LocalEmbedder()
