"""② write: the edge to Weaviate: objects put, deleted, read back, and searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

import numpy as np

from sync.errors import ObjectRefused, WeaviateRefused
from sync.write.connection import Connection
from sync.write.outcome import asking, of_object, unless_starting
from sync.write.wire import (
    LARGEST_MESSAGE,
    VECTOR,
    BatchObject,
    StoredObject,
    Unsendable,
    encode,
    redacted,
    requests,
    unquoted,
)

from weaviate.classes.query import Filter, MetadataQuery  # isort: skip
from weaviate.exceptions import UnexpectedStatusCodeError  # isort: skip

__all__ = ["Found", "StoredObject", "Weaviate"]

IDS_AT_ONCE = 2_000  # Weaviate handles at most QUERY_MAXIMUM_RESULTS (10,000) objects in one request


@dataclass(frozen=True, slots=True)
class Found:
    """One hit of a search. ``score`` (hybrid, bm25): higher is better; ``distance`` (near_text): lower is."""

    uuid: UUID
    properties: dict[str, Any]
    score: float | None
    distance: float | None


class Weaviate(Connection):
    """One Weaviate, for all threads of a process.

    Every method raises WeaviateUnreachable (no effect, try again) and WeaviateRefused (with advice);
    those that write also OutcomeUnknown. The message of an OutcomeUnknown holds the word "lost" where
    the connection broke, as against a deadline that passed.
    """

    def put(self, collection: str, objects: Sequence[StoredObject]) -> dict[UUID, ObjectRefused]:
        """Insert or replace. Returns the refused objects with their reason; all others are written and searchable.

        More than 500 objects or 8 MB go in several requests, in order. An exception says that at least
        one of them failed: objects of earlier ones are written. Of two objects with one UUID the last counts.
        Of a document that has a chunk which cannot be sent none is sent: it would show new text beside old.
        """
        connection = self.client._connection
        calls = cast(Any, connection.grpc_stub)
        largest = connection._grpc_max_msg_size or LARGEST_MESSAGE
        refused, messages = _sendable(collection, objects, largest)
        by_id = {str(one.uuid): one for one in objects}
        for request in requests(messages, largest):
            reply = calls.BatchObjects(
                request, metadata=connection.grpc_headers(), timeout=self._settings.request_timeout
            )
            for failed in reply.errors:
                one = by_id[request.objects[failed.index].uuid]
                error = of_object(unquoted(failed.error)) or ObjectRefused(redacted(failed.error, one))
                if not isinstance(error, ObjectRefused):
                    raise unless_starting(error, self.ready)
                refused[one.uuid] = error
        return refused

    def renew(self, collection: str, objects: Sequence[StoredObject]) -> dict[UUID, ObjectRefused]:
        """As ``put``, for objects of which a Weaviate that was killed may have kept a half. No reader misses them.

        Killed in the middle of a write it may keep an object without its entries in the indexes: each has a log of its
        own. Putting the same object again does not mend that, because Weaviate indexes only what changed (measured
        with 1.39). An object with another vector is indexed anew as a whole. So each is first put with its vector
        doubled: the same direction, and the collections compare by cosine.
        """
        doubled = [StoredObject(one.uuid, one.properties, np.asarray(one.vector, np.float32) * 2) for one in objects]
        return {**self.put(collection, doubled), **self.put(collection, objects)}

    def delete(self, collection: str, ids: Sequence[UUID]) -> None:
        """Delete objects, any number; those that do not exist count as deleted."""
        data = self.client.collections.use(collection).data
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = Filter.by_id().contains_any(list(ids[start : start + IDS_AT_ONCE]))
            while True:
                with asking(f"delete objects of {collection}", writes=True):
                    done = data.delete_many(where=part)
                if done.failed:
                    # Nothing that an object says keeps it from being deleted: its shard takes no writes just now.
                    raise WeaviateRefused(
                        f"Weaviate could not delete {done.failed} objects of {collection}", retry=True
                    )
                if done.matches <= done.successful:  # more where QUERY_MAXIMUM_RESULTS is set low
                    break

    def erase(self, collection: str, ids: Sequence[UUID]) -> None:
        """Delete objects one by one, by their UUID alone; those that do not exist count as deleted.

        No filter finds what a killed Weaviate kept half written (see ``renew``), so ``delete`` passes it by.
        """
        data = self.client.collections.use(collection).data
        for one in ids:
            if self._left is not None:
                self._left()
            with asking(f"erase an object of {collection}", writes=True):
                data.delete_by_id(one)

    def read(
        self,
        collection: str,
        ids: Sequence[UUID],
        *,
        vectors: bool = False,
        properties: Sequence[str] | None = None,
    ) -> dict[UUID, dict[str, Any]]:
        """The properties, or some of them, of those that exist; with ``vectors`` also ``vector``, a list of floats.

        No property can be called ``vector``: Weaviate refuses that name.
        """
        query = self.client.collections.use(collection).query
        found: dict[UUID, dict[str, Any]] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = list(ids[start : start + IDS_AT_ONCE])
            with asking(f"read objects of {collection}"):
                wanted = list(properties) if properties is not None else None
                answer = query.fetch_objects_by_ids(
                    part, limit=len(part), include_vector=vectors, return_properties=wanted
                )
            for one in answer.objects:
                found[one.uuid] = _present(one)
                if vectors:
                    found[one.uuid]["vector"] = one.vector.get(VECTOR)
        return found

    def ids(
        self, collection: str, properties: Sequence[str] = ("document_key", "chunk", "content_hash")
    ) -> Iterator[tuple[UUID, dict[str, Any]]]:
        """Every object of the collection in UUID order, with these properties.

        Objects written meanwhile may be missing.
        """
        with asking(f"list {collection}"):
            for one in self.client.collections.use(collection).iterator(
                return_properties=list(properties), cache_size=1000
            ):
                yield one.uuid, _present(one)

    def page(
        self, collection: str, after: UUID | None, limit: int, properties: Sequence[str]
    ) -> list[tuple[UUID, dict[str, Any]]]:
        """As ``ids``, some objects only: those that follow ``after``. None follow where the list is empty."""
        query = self.client.collections.use(collection).query
        with asking(f"list {collection}"):
            # Without a place to begin after, Weaviate promises no order.
            answer = query.fetch_objects(limit=limit, after=after or UUID(int=0), return_properties=list(properties))
        return [(one.uuid, _present(one)) for one in answer.objects]

    def search(
        self,
        collection: str,
        question: str,
        *,
        how: Literal["near_text", "hybrid", "bm25"] = "hybrid",
        limit: int = 10,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Found]:
        """What an app's ordinary client finds. ``filters``: a value is equal, a list any of, None absent."""
        query = self.client.collections.use(collection).query
        conditions = [_condition(name, value) for name, value in (filters or {}).items()]
        wanted: dict[str, Any] = {
            "query": question,
            "limit": limit,
            "filters": Filter.all_of(conditions) if conditions else None,
            "return_metadata": MetadataQuery(score=True, distance=True),
        }
        with asking(f"search {collection}"):
            answer = getattr(query, how)(**wanted)
        return [
            Found(one.uuid, dict(one.properties), one.metadata.score, one.metadata.distance) for one in answer.objects
        ]

    # -- collections and aliases: what sync/write/collections.py is made of ----------------------

    def create_collection(self, schema: dict[str, Any]) -> None:
        """Create a collection from its schema in the form of `POST /v1/schema`."""
        with asking(f"create the collection {schema['class']}", writes=True):
            self.client.collections.create_from_dict(schema)

    def schema(self, name: str) -> dict[str, Any] | None:
        """A collection's schema as Weaviate tells it, in the same form, or None. An alias has none of its own."""
        with asking(f"read the schema of {name}"):
            # Not export_config: what that gives names some settings otherwise than what was sent.
            answer = cast(Any, self.client._connection.get(f"/schema/{name}"))
            if answer.status_code not in (200, 404):
                raise UnexpectedStatusCodeError(f"read the schema of {name}", answer)
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found if found and found["class"] == name else None

    def collections(self) -> list[str]:
        """The names of all collections, other people's included."""
        with asking("list the collections"):
            return sorted(self.client.collections.list_all(simple=True))

    def drop_collection(self, name: str) -> None:
        with asking(f"drop the collection {name}", writes=True):
            self.client.collections.delete(name)

    def count(self, name: str) -> int:
        with asking(f"count the objects of {name}"):
            return self.client.collections.use(name).aggregate.over_all(total_count=True).total_count or 0

    def alias(self, alias: str) -> str | None:
        """The collection that an alias points to, or None."""
        with asking(f"read the alias {alias}"):
            found = self.client.alias.get(alias_name=alias)
            return found.collection if found else None

    def set_alias(self, alias: str, collection: str, *, new: bool) -> None:
        with asking(f"point the alias {alias} to {collection}", writes=True):
            if new:
                self.client.alias.create(alias_name=alias, target_collection=collection)
            else:
                self.client.alias.update(alias_name=alias, new_target_collection=collection)

    def drop_alias(self, alias: str) -> None:
        with asking(f"drop the alias {alias}", writes=True):
            self.client.alias.delete(alias_name=alias)


def _sendable(
    collection: str, objects: Sequence[StoredObject], largest: int
) -> tuple[dict[UUID, ObjectRefused], list[BatchObject]]:
    """Objects that cannot be sent, with the others of their documents; and the messages of all others."""
    messages: dict[UUID, BatchObject] = {}
    unsendable: dict[object, ObjectRefused] = {}  # by document, or by object where that is not told
    for one in objects:
        try:
            messages[one.uuid] = encode(collection, one, largest)
        except Unsendable as exc:
            unsendable.setdefault(_document(one), ObjectRefused(str(exc)))
    refused = {one.uuid: unsendable[_document(one)] for one in objects if _document(one) in unsendable}
    return refused, [message for uuid, message in messages.items() if uuid not in refused]


def _document(one: StoredObject) -> object:
    return one.properties.get("document_key", one.uuid)


def _present(one: Any) -> dict[str, Any]:
    return {name: value for name, value in one.properties.items() if value is not None}


def _condition(name: str, value: Any) -> Any:
    on = Filter.by_property(name)
    if value is None:
        return on.is_none(True)
    return on.contains_any(value) if isinstance(value, list) else on.equal(value)
