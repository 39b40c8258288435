"""② write: the edge to Weaviate: objects put, deleted, read back, and searched. Nothing else imports its client."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast
from uuid import UUID

import grpc
import numpy as np

from sync.errors import HeadraceError, SettingsError, WeaviateRefused
from sync.settings import Settings
from sync.write.addresses import addresses
from sync.write.wire import LARGEST_MESSAGE, VECTOR, StoredObject, Unsendable, encode, redacted, requests  # silences it

from weaviate import WeaviateClient, connect_to_custom  # isort: skip
from weaviate.classes.init import AdditionalConfig, Auth, Timeout  # isort: skip
from weaviate.classes.query import Filter, MetadataQuery  # isort: skip
from weaviate.config import GrpcConfig  # isort: skip
from weaviate.exceptions import UnexpectedStatusCodeError  # isort: skip

from sync.write.outcome import Calls, asking, of_object, unless_starting  # isort: skip

__all__ = ["Found", "StoredObject", "Weaviate"]

IDS_AT_ONCE = 2_000  # Weaviate handles at most QUERY_MAXIMUM_RESULTS (10,000) objects in one request
EMBEDDER_KEY = {"cohere": "X-Cohere-Api-Key", "openai": "X-OpenAI-Api-Key"}  # Weaviate embeds questions with it
CHANNEL = [
    # A Weaviate that comes back is found within a second; gRPC's own default goes up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),  # in spite of its name: how long one attempt may take
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass(frozen=True, slots=True)
class Found:
    """One hit of a search. ``score`` (hybrid, bm25): higher is better; ``distance`` (near_text): lower is."""

    uuid: UUID
    properties: dict[str, Any]
    score: float | None
    distance: float | None


class Weaviate:
    """One Weaviate, for all threads of a process. Connects when first used, and again when it comes back.

    Every method raises WeaviateUnreachable (no effect, try again) and WeaviateRefused (with advice);
    those that write also OutcomeUnknown. The message of an OutcomeUnknown holds the word "lost" where
    the connection broke, as against a deadline that passed. ``left`` is asked before every write for the seconds
    that it may take, and may raise.
    """

    def __init__(self, settings: Settings, left: Callable[[], float] | None = None) -> None:
        self._settings, self._left = settings, left
        self._lock = threading.Lock()
        self._client: WeaviateClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    @property
    def client(self) -> WeaviateClient:
        """The connected client. Its gRPC calls raise Headrace's errors; wrap its HTTP calls in ``asking``."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    def _connect(self) -> WeaviateClient:
        where = addresses(self._settings)
        key = self._settings.weaviate_api_key
        # A private certificate authority is named as for every other program on the machine.
        authority = os.environ.get("SSL_CERT_FILE") if where["grpc_secure"] or where["http_secure"] else None
        credentials = (
            grpc.ssl_channel_credentials(Path(authority).read_bytes()) if authority and where["grpc_secure"] else None
        )
        wait = self._settings.request_timeout
        embedder_key = self._settings.embedder_api_key
        header = EMBEDDER_KEY.get(self._settings.embedder)
        with asking("connect to Weaviate"):
            client = connect_to_custom(
                **where,
                headers={header: embedder_key.get_secret_value()} if header and embedder_key else None,
                auth_credentials=Auth.api_key(key.get_secret_value()) if key else None,
                additional_config=AdditionalConfig(
                    timeout=Timeout(init=min(wait, 5.0), query=wait, insert=wait),
                    trust_env=authority is not None,
                    grpc_config=GrpcConfig(channel_options=CHANNEL, credentials=credentials),
                ),
                skip_init_checks=True,  # they ask a package index for the client's newest version
            )
        connection = client._connection
        # The client offers no place for interceptors.
        connection._grpc_stub = cast(Any, Calls(connection._grpc_stub, self.ready, self._left))
        return client

    def ready(self) -> bool:
        """Whether it answers and takes requests, over HTTP and gRPC; never raises, unless settings make no sense."""
        try:
            with asking("ask Weaviate whether it is ready"):
                connection = self.client._connection  # the client's own is_ready prints every failure
                if cast(Any, connection.get("/.well-known/ready")).status_code != 200:
                    return False
                connection._ping_grpc("sync")
        except SettingsError:
            raise
        except HeadraceError:
            return False
        return True

    def put(self, collection: str, objects: Sequence[StoredObject]) -> dict[UUID, str]:
        """Insert or replace. Returns the refused objects with their reason; all others are written and searchable.

        More than 500 objects or 8 MB go in several requests, in order. An exception says that at least
        one of them failed: objects of earlier ones are written. Of two objects with one UUID the last counts.
        """
        connection = self.client._connection
        calls = cast(Any, connection.grpc_stub)
        largest = connection._grpc_max_msg_size or LARGEST_MESSAGE
        refused: dict[UUID, str] = {}
        messages = []
        for one in objects:
            try:
                messages.append(encode(collection, one, largest))
            except Unsendable as unsendable:
                refused[one.uuid] = str(unsendable)
        by_id = {str(one.uuid): one for one in objects}
        for request in requests(messages, largest):
            reply = calls.BatchObjects(
                request, metadata=connection.grpc_headers(), timeout=self._settings.request_timeout
            )
            for failed in reply.errors:
                if (error := of_object(failed.error)) is not None:
                    raise unless_starting(error, self.ready)
                one = by_id[request.objects[failed.index].uuid]
                refused[one.uuid] = redacted(failed.error, one)
        return refused

    def renew(self, collection: str, objects: Sequence[StoredObject]) -> dict[UUID, str]:
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
                    raise WeaviateRefused(f"Weaviate could not delete {done.failed} objects of {collection}")
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

    def read(self, collection: str, ids: Sequence[UUID], *, vectors: bool = False) -> dict[UUID, dict[str, Any]]:
        """The properties of those that exist; with ``vectors`` also ``vector``, a list of floats.

        No property can be called ``vector``: Weaviate refuses that name.
        """
        query = self.client.collections.use(collection).query
        found: dict[UUID, dict[str, Any]] = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            part = list(ids[start : start + IDS_AT_ONCE])
            with asking(f"read objects of {collection}"):
                answer = query.fetch_objects_by_ids(part, limit=len(part), include_vector=vectors)
            for one in answer.objects:
                found[one.uuid] = {name: value for name, value in one.properties.items() if value is not None}
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
                yield one.uuid, {name: value for name, value in one.properties.items() if value is not None}

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


def _condition(name: str, value: Any) -> Any:
    on = Filter.by_property(name)
    if value is None:
        return on.is_none(True)
    return on.contains_any(value) if isinstance(value, list) else on.equal(value)
