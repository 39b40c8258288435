"""What is put through the edge to Weaviate in tests of its faults, and how the edge is told where Weaviate is."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from sync.errors import ObjectRefused
from sync.settings import Settings
from sync.write.weaviate import StoredObject

NAMESPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


def one(number: int, **properties: object) -> StoredObject:
    vector = np.full(4, 0.5, dtype=np.float32)
    return StoredObject(uuid5(NAMESPACE, str(number)), {"content": f"text {number}", **properties}, vector)


def settings(http: int, rpc: int, **more: object) -> Settings:
    return Settings(weaviate_url=f"http://127.0.0.1:{http}", weaviate_grpc_port=rpc, **more)  # type: ignore[arg-type]


def said(refused: dict[UUID, ObjectRefused]) -> dict[UUID, str]:
    return {uuid: str(reason) for uuid, reason in refused.items()}
