"""② write: what a failed request to Weaviate means: never sent, refused, or nobody knows.

The distinction decides what happens to documents: after WeaviateUnreachable they are simply sent again;
after OutcomeUnknown the old request may still land and overwrite newer text, so they are doubtful.
What is not positively known to be without effect is therefore OutcomeUnknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
from weaviate.exceptions import (
    UnexpectedStatusCodeError,
    WeaviateBaseError,
    WeaviateConnectionError,
    WeaviateStartUpError,
    WeaviateTimeoutError,
)

from sync.errors import ObjectRefused, OutcomeUnknown, WeaviateError, WeaviateRefused, WeaviateUnreachable

WRITES = frozenset({"BatchObjects", "BatchDelete"})
KEY = "Check HEADRACE_WEAVIATE_API_KEY, and that its owner may read and write the collection."
LIMIT = "Weaviate's usage limits refuse it, or what stands before it: raise them, or ask less of it."
READ_ONLY = "Weaviate takes no writes: free disk space or memory there, then set the shard's status to READY."
COLLECTION = "`headrace doctor` compares collections with the mappings; `headrace apply` creates what is missing."
MODEL = "The embedder's model is not the one the collection was built with: set it back, or `headrace apply` anew."
EMBEDDER = (
    "Weaviate could not embed the question: check that `headrace embedder` runs at HEADRACE_EMBEDDER_URL; "
    "Cohere and OpenAI need HEADRACE_EMBEDDER_API_KEY, in apps the client's header for it."
)

# gRPC's own words for "no connection was ever made"; any other UNAVAILABLE may have been sent.
_NEVER_SENT = re.compile(r"failed to connect to all addresses|DNS resolution failed|empty address list", re.I)
_MODE = re.compile(r"mode is enabled temporally|maintenance mode", re.I)
_LIMITED = re.compile(r"http2 header with status: 429")  # by a proxy: it did not hand the request on
# A message that is too large will be too large again; every other limit is one that passes.
_TOO_LARGE = re.compile(r"larger than max|too large", re.I)
_ANSWERED = {
    grpc.StatusCode.INVALID_ARGUMENT: "",
    grpc.StatusCode.NOT_FOUND: COLLECTION,
    grpc.StatusCode.UNAUTHENTICATED: KEY,
    grpc.StatusCode.PERMISSION_DENIED: KEY,
    grpc.StatusCode.FAILED_PRECONDITION: "",
    grpc.StatusCode.UNIMPLEMENTED: "HEADRACE_WEAVIATE_URL must be a Weaviate of version 1.32 or later.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "It is more than Weaviate takes at once: see GRPC_MAX_MESSAGE_SIZE.",
    grpc.StatusCode.UNKNOWN: "",  # what Weaviate's handlers return for an error of their own
}

# Reasons that are Weaviate's own and pass: those of one shard do not concern objects in another.
_PASSING: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"store is read-only|\bREADONLY\b|not enough memory"), READ_ONLY),
    (re.compile(r"usage limit exceeded|USAGE_LIMIT_EXCEEDED|rate limit|too many requests", re.I), LIMIT),
)
# Reasons that Weaviate gives per object and that concern the whole collection.
_WHOLE: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (
        re.compile(r"not present in schema|could not find index|points to collection|could not find class", re.I),
        COLLECTION,
        True,
    ),
    (re.compile(r"no such prop with name"), COLLECTION, False),
    (re.compile(r"dimensions do not match|vector lengths don't match"), MODEL, False),
    (re.compile(r"forbidden|insufficient permission|unauthorized|unauthenticated|anonymous", re.I), KEY, False),
)
# What a Weaviate says that is stopping, or that cannot reach its other nodes.
_UNSETTLED = re.compile(
    r"context (deadline exceeded|canceled)|shut(ting)? ?down|already (closed|stopped)|replica found|resolve node name"
    r"|cannot achieve consistency|cannot reach enough replicas|broadcast|leader not found"
    r"|connection re(fused|set)|i/o timeout|unexpected EOF|broken pipe",
    re.I,
)


class Calls:
    """Weaviate's gRPC stub, whose failures are Headrace's errors.

    Put in the place of the client's own stub, it also ends the client's retries: those look for
    gRPC's exceptions, wait 1, 2, 4 … seconds and send the same request again. ``left`` bounds how long a write
    may take: Weaviate is told, and drops what reaches it later.
    """

    def __init__(self, stub: Any, ready: Callable[[], bool], left: Callable[[], float] | None = None) -> None:
        self._stub, self._ready, self._left = stub, ready, left

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._stub, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._left is not None and name in WRITES:
                left = self._left()
                kwargs["timeout"] = min(kwargs.get("timeout") or left, left)
            try:
                return method(*args, **kwargs)
            except grpc.RpcError as error:
                raise unless_starting(from_grpc(error, writes=name in WRITES), self._ready) from error

        setattr(self, name, call)
        return call


def unless_starting(error: WeaviateError, ready: Callable[[], bool]) -> WeaviateError:
    """The error, or WeaviateUnreachable where a collection seems missing because Weaviate is not ready.

    While it starts, and while it stops, Weaviate answers over gRPC that it knows none of its collections.
    """
    if isinstance(error, WeaviateRefused) and error.advice == COLLECTION and not ready():
        return WeaviateUnreachable("Weaviate is starting or stopping: it does not know its collections")
    return error


def from_grpc(error: grpc.RpcError, *, writes: bool) -> WeaviateError:
    """The error that a failed gRPC call stands for. Messages never repeat what a request carried."""
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE and _NEVER_SENT.search(details):
        return WeaviateUnreachable("Weaviate's gRPC port refuses the connection")
    if code is grpc.StatusCode.UNAVAILABLE and _MODE.search(details):
        return _refused(f"Weaviate refuses: {details}", READ_ONLY, retry=True)
    if code is grpc.StatusCode.UNAVAILABLE and _LIMITED.search(details):
        return _refused("Weaviate refuses: too many requests (429)", LIMIT, retry=True)
    broken = "RST_STREAM" in details or "Stream removed" in details
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and not broken and details and not _TOO_LARGE.search(details):
        return _refused(f"Weaviate refuses: {details[:500]}", LIMIT, retry=True)
    if code in _ANSWERED and not broken and details:
        return refusal(details, _ANSWERED[code], writes=writes)
    if not writes:
        return WeaviateUnreachable(f"Weaviate did not answer a query ({code.name})")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return OutcomeUnknown("Weaviate did not answer a write in time: it may still take effect")
    return OutcomeUnknown(f"the connection was lost during a write to Weaviate ({code.name})")


def refusal(details: str, advice: str = "", *, writes: bool) -> WeaviateError:
    """Why Weaviate refused a whole request, with what mends it."""
    said = f"Weaviate refuses: {details[:500]}"
    if "vectorize" in details:  # first, because a question is often not embedded for want of a connection
        return _refused(said, EMBEDDER, retry=True)
    if _UNSETTLED.search(details):
        if writes:
            return OutcomeUnknown(f"a write was lost inside Weaviate: {details[:200]}")
        return WeaviateUnreachable(f"Weaviate could not answer a query: {details[:200]}")
    for passing, cure in _PASSING:
        if passing.search(details):
            return _refused(said, cure, retry=True)
    for pattern, cure, retry in _WHOLE:
        if pattern.search(details):
            return _refused(said, cure, retry=retry)
    return _refused(said, advice or COLLECTION)


def of_object(reason: str) -> WeaviateError | None:
    """The error behind a reason given for one object, or None where it is about what that object says.

    An ObjectRefused concerns this object alone, for its shard takes nothing just now; any other the whole request.
    ``reason`` quotes no value: a text that says "read-only" must not be taken for Weaviate's own words.
    """
    if not _UNSETTLED.search(reason):
        for passing, cure in _PASSING:
            if passing.search(reason):
                return ObjectRefused(f"Weaviate refuses: {reason[:500]}", advice=cure, retry=True)
    if _UNSETTLED.search(reason) or any(pattern.search(reason) for pattern, _, _ in _WHOLE):
        return refusal(reason, writes=True)
    return None


@contextmanager
def asking(what: str, *, writes: bool = False) -> Iterator[None]:
    """Turns what the client raises over HTTP into Headrace's errors; ``what`` completes "could not …"."""
    try:
        yield
    except (WeaviateConnectionError, httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise WeaviateUnreachable(f"could not {what}: nothing answers at HEADRACE_WEAVIATE_URL") from error
    except WeaviateStartUpError as error:
        if error.__cause__ is None:  # it answered, with a version that the client does not speak
            raise _refused(f"could not {what}: {error.message}", "Headrace needs Weaviate 1.32 or later.") from error
        raise WeaviateUnreachable(f"could not {what}: nothing answers at HEADRACE_WEAVIATE_URL") from error
    except (WeaviateTimeoutError, httpx.TransportError) as error:
        if writes:
            raise OutcomeUnknown(f"could not {what}: the connection was lost before the answer") from error
        raise WeaviateUnreachable(f"could not {what}: the connection was lost") from error
    except UnexpectedStatusCodeError as error:
        raise _from_status(what, error, writes) from error
    except WeaviateBaseError as error:
        raise _refused(f"could not {what}: {error.message[:500]}") from error


def _from_status(what: str, error: UnexpectedStatusCodeError, writes: bool) -> WeaviateError:
    status, body = error.status_code, error.error
    said = f"could not {what}: Weaviate answered {status}"
    if isinstance(body, dict):
        causes = body.get("error", body.get("message"))
        texts = [cause.get("message", "") for cause in causes] if isinstance(causes, list) else [str(causes or "")]
        said += f": {'; '.join(texts)[:500]}"
    if status >= 500:  # no leader yet, starting, shutting down
        return OutcomeUnknown(said) if writes else WeaviateUnreachable(said)
    if status == 429:
        return _refused(said, LIMIT, retry=True)
    return _refused(said, KEY if status in (401, 403) else "")


def _refused(message: str, advice: str = "", *, retry: bool = False) -> WeaviateRefused:
    return WeaviateRefused(message, advice=advice, retry=retry)
