"""② write: where Weaviate listens, by HTTP and by gRPC, as its client wants to be told."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from sync.errors import SettingsError
from sync.settings import Settings

_PORTS = {"http": 80, "https": 443}


def addresses(settings: Settings) -> dict[str, Any]:
    """``connect_to_custom``'s hosts, ports and whether each is encrypted. Raises SettingsError.

    Both are on one host where nothing else is said; a hosted Weaviate, or one behind an ingress, has gRPC elsewhere.
    """
    http = _read("HEADRACE_WEAVIATE_URL", settings.weaviate_url)
    host, port, secure = http.hostname, settings.weaviate_grpc_port, http.scheme == "https"
    if settings.weaviate_grpc_url:
        rpc = _read("HEADRACE_WEAVIATE_GRPC_URL", settings.weaviate_grpc_url)
        host, port, secure = rpc.hostname, rpc.port or _PORTS[rpc.scheme], rpc.scheme == "https"
    return {
        "http_host": http.hostname,
        "http_port": http.port or _PORTS[http.scheme],
        "http_secure": http.scheme == "https",
        "grpc_host": host,
        "grpc_port": port,
        "grpc_secure": secure,
    }


def _read(name: str, text: str) -> SplitResult:
    problem = SettingsError(f"{name} is no http:// or https:// address", advice="Write it like https://host:443.")
    try:
        address = urlsplit(text)
        _ = address.port  # raises where it is no number
    except ValueError:
        raise problem from None
    if address.scheme not in _PORTS or not address.hostname:
        raise problem
    return address
