"""② write: the connection to Weaviate: made when first used, for all threads of a process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import grpc

import sync.write.wire  # noqa: F401  first: it silences the client's import
from sync.errors import HeadraceError, SettingsError
from sync.settings import Settings
from sync.write.addresses import addresses

from weaviate import WeaviateClient, connect_to_custom  # isort: skip
from weaviate.classes.init import AdditionalConfig, Auth, Timeout  # isort: skip
from weaviate.config import GrpcConfig  # isort: skip

from sync.write.outcome import Calls, asking  # isort: skip

EMBEDDER_KEY = {"cohere": "X-Cohere-Api-Key", "openai": "X-OpenAI-Api-Key"}  # Weaviate embeds questions with it
CHANNEL = [
    # A Weaviate that comes back is found within a second; gRPC's own default goes up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),  # in spite of its name: how long one attempt may take
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Connection:
    """One connection to Weaviate. Connects when first used, and again when it comes back.

    ``left`` is asked before every write for the seconds that it may take, and may raise.
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
