"""② write: how one object travels to Weaviate: its properties and vector as the bytes of a gRPC request.

The client's own ``insert_many`` is not used for objects: where Weaviate refuses one it logs the whole
object, private values included; where all are refused it no longer says which for what; and it sends
again by itself after a pause of seconds when a connection breaks, which would hide that the first
request may still land.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from google.protobuf.struct_pb2 import Struct, Value

with warnings.catch_warnings(record=True):
    # The client's authentication library insists on telling every user that it will move to another HTTP library.
    import weaviate  # noqa: F401
    from weaviate.proto.v1 import base_pb2, batch_pb2

BatchObject = batch_pb2.BatchObject

VECTOR = "text"  # the name of the one named vector
EXACT = 2**53  # Weaviate keeps numbers as doubles
OBJECTS_AT_ONCE = 500
BYTES_AT_ONCE = 8_000_000
LARGEST_MESSAGE = 104_858_000  # what Weaviate takes unless GRPC_MAX_MESSAGE_SIZE says otherwise


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One chunk as Weaviate stores it. ``vector``: float32 of shape ``(dimensions,)``; None properties are left out."""

    uuid: UUID
    properties: dict[str, Any]
    vector: Sequence[float] | npt.NDArray[np.float32]


class Unsendable(ValueError):
    """The object cannot be put into a request; says which property and why, never its value."""


def encode(collection: str, one: StoredObject, largest: int = LARGEST_MESSAGE) -> batch_pb2.BatchObject:
    """The object as a message of `BatchObjects`; ``largest`` is in bytes. Raises Unsendable."""
    vector = np.asarray(one.vector, dtype="<f4")
    if vector.ndim != 1 or not vector.size:
        raise Unsendable("it has no vector")  # Weaviate would ask the embedder for one, of all the text
    if not np.isfinite(vector).all():
        raise Unsendable("its vector has a component that is no finite number")
    message = batch_pb2.BatchObject(
        collection=collection,
        uuid=str(one.uuid),
        properties=_properties(one.properties),
        vectors=[
            base_pb2.Vectors(name=VECTOR, vector_bytes=vector.tobytes(), type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32)
        ],
    )
    if message.ByteSize() > largest - 1000:
        raise Unsendable(f"it has more than {largest:,} bytes, the most that Weaviate takes (GRPC_MAX_MESSAGE_SIZE)")
    return message


def requests(
    messages: Sequence[batch_pb2.BatchObject], largest: int = LARGEST_MESSAGE
) -> Iterator[batch_pb2.BatchObjectsRequest]:
    """The messages in their order, in requests of bounded count and bytes."""
    most = min(BYTES_AT_ONCE, largest - 1000)
    part: list[batch_pb2.BatchObject] = []
    size = 0
    for message in messages:
        more = message.ByteSize() + 5  # tag and length within the request
        if part and (len(part) == OBJECTS_AT_ONCE or size + more > most):
            yield batch_pb2.BatchObjectsRequest(objects=part)
            part, size = [], 0
        part.append(message)
        size += more
    if part:
        yield batch_pb2.BatchObjectsRequest(objects=part)


def _properties(properties: Mapping[str, Any]) -> batch_pb2.BatchObject.Properties:
    fields: dict[str, Value] = {}
    message = batch_pb2.BatchObject.Properties()
    for name, value in properties.items():
        try:
            if value is None:
                continue
            if isinstance(value, (list, tuple)):
                _add_list(message, name, [_plain(item) for item in value if item is not None])
            else:
                fields[name] = _value(_plain(value))
        except (TypeError, ValueError, OverflowError) as error:
            reason = str(error) if isinstance(error, Unsendable) else "it cannot be sent"
            raise Unsendable(f"property {name}: {reason}") from None  # the cause may quote the value
    message.non_ref_properties.CopyFrom(Struct(fields=fields))
    return message


def _plain(value: Any) -> str | bool | int | float:
    """The value as JSON knows it: dates in RFC 3339, a time without a zone is in UTC."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise Unsendable("it holds half of a surrogate pair, which is no text")
        return value
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise Unsendable("an integer beyond 2^53 is stored inexactly; map it as text")
        return value
    if isinstance(value, (float, Decimal)):
        number = float(value)
        if not math.isfinite(number):
            raise Unsendable("it is no finite number")
        return number
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    if isinstance(value, UUID):
        return str(value)
    raise Unsendable(f"a {type(value).__name__} is neither text, number, date, true nor false")


def _value(plain: str | bool | int | float) -> Value:
    if isinstance(plain, str):
        return Value(string_value=plain)
    if isinstance(plain, bool):
        return Value(bool_value=plain)
    return Value(number_value=plain)


def _add_list(message: batch_pb2.BatchObject.Properties, name: str, items: list[Any]) -> None:
    kinds = {type(item) for item in items}
    if not items:
        message.empty_list_props.append(name)
    elif kinds == {str}:
        message.text_array_properties.append(base_pb2.TextArrayProperties(prop_name=name, values=items))
    elif kinds == {bool}:
        message.boolean_array_properties.append(base_pb2.BooleanArrayProperties(prop_name=name, values=items))
    elif kinds == {int}:
        message.int_array_properties.append(base_pb2.IntArrayProperties(prop_name=name, values=items))
    elif kinds <= {int, float}:
        packed = np.asarray(items, dtype="<f8").tobytes()
        message.number_array_properties.append(base_pb2.NumberArrayProperties(prop_name=name, values_bytes=packed))
    else:
        raise Unsendable("its items are of several types")


def unquoted(reason: str) -> str:
    """Weaviate's reason for refusing an object, up to the value that it quotes."""
    return re.sub(
        r"(given value is|the JSON number|array value:|could not recognize object's properties:) .*",
        r"\1 …",
        reason,
        flags=re.S,
    )


def redacted(reason: str, one: StoredObject) -> str:
    """Weaviate's reason for refusing an object without any value of it."""
    reason = unquoted(reason)
    for value in one.properties.values():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, str) and len(item) > 3:
                reason = reason.replace(item, "…")
    return reason[:500]
