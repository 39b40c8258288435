"""What an embedding service's HTTP answer means to the write stage: come back, wait, or give up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np

from sync.embed.base import Vectors, unit
from sync.errors import EmbedderLimited, EmbedderRefused, EmbedderUnreachable, EmbedError

PAUSE = 5.0  # seconds, where a service asks for a pause and does not say how long
LONGEST_PAUSE = 600.0


def failure(service: str, status: int, headers: Mapping[str, str], body: Any = None) -> EmbedError:
    """The error that an answer other than 2xx stands for.

    Of the body only an error code such as ``context_length_exceeded`` is repeated: its message may
    quote the text that was to be embedded.
    """
    said = f"{service} answered {status}{_code(body)}"
    names = {name.lower(): value for name, value in headers.items()}
    if status == 429 or (status == 503 and "retry-after" in names):
        after = pause(names.get("retry-after"))
        return EmbedderLimited(f"{said}: it asks for a pause of {after:g} s", after=after)
    if status == 408 or status >= 500:
        return EmbedderUnreachable(f"{said}: it is in trouble itself")
    if status in (401, 403):
        return EmbedderRefused(f"{said}: it does not accept the key", advice="Check HEADRACE_EMBEDDER_API_KEY.")
    if status == 404:
        return EmbedderRefused(
            f"{said}: no such model or address", advice="Check HEADRACE_EMBEDDER_URL and HEADRACE_EMBEDDER_MODEL."
        )
    return EmbedderRefused(said, advice="A chunk longer than the model reads is refused: lower `chunk: max_tokens`.")


def pause(retry_after: str | None) -> float:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110 §10.2.3)."""
    if retry_after is None:
        return PAUSE
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return PAUSE
    return min(max(seconds, 0.0), LONGEST_PAUSE) if seconds == seconds else PAUSE


def checked(service: str, vectors: Sequence[Sequence[float]], texts: int) -> Vectors:
    """The vectors of an answer at unit length, shape ``(texts, dimensions)``, or EmbedderRefused."""
    try:
        array = np.asarray(vectors, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise EmbedderRefused(f"{service} answered with vectors of unequal lengths") from error
    if array.ndim != 2 or array.shape[0] != texts or not np.isfinite(array).all():
        raise EmbedderRefused(f"{service} answered with an array of shape {array.shape} for {texts} texts")
    return unit(array)


def _code(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else None
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    return f" ({code})" if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", code) else ""
