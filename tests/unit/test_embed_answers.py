"""What an embedding service's answer means: come back, wait, or give up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from sync.embed.answers import PAUSE, checked, failure, pause
from sync.errors import EmbedderLimited, EmbedderRefused, EmbedderUnreachable, EmbedError


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {}, EmbedderLimited),
        (503, {"retry-after": "7"}, EmbedderLimited),
        (503, {}, EmbedderUnreachable),
        (500, {}, EmbedderUnreachable),
        (408, {}, EmbedderUnreachable),
        (400, {}, EmbedderRefused),
        (401, {}, EmbedderRefused),
        (404, {}, EmbedderRefused),
        (413, {}, EmbedderRefused),
        (0, {}, EmbedderRefused),
    ],
)
def test_each_status_has_its_consequence(status: int, headers: dict[str, str], expected: type[EmbedError]) -> None:
    error = failure("Cohere", status, headers)
    assert type(error) is expected
    assert error.retry is (expected is not EmbedderRefused)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("999999", 600.0), (None, PAUSE), ("soon", PAUSE), ("nan", PAUSE)],
)
def test_the_pause_asked_for_is_kept_within_reason(header: str | None, seconds: float) -> None:
    assert pause(header) == seconds


def test_a_pause_may_be_a_date() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < pause(when) <= 60
    assert pause("Sun, 06 Nov 1994 08:49:37 GMT") == 0


def test_header_names_have_no_case() -> None:
    error = failure("Cohere", 429, {"Retry-After": "9"})
    assert isinstance(error, EmbedderLimited)
    assert error.after == 9


@pytest.mark.parametrize(
    ("body", "told", "kept_quiet"),
    [
        (
            {"error": {"message": "text 'Rossi' is too long", "code": "context_length_exceeded"}},
            "context_length",
            "Rossi",
        ),
        ({"error": {"message": "Rossi", "type": "invalid_request_error", "code": None}}, "invalid_request", "Rossi"),
        ({"message": "Rossi"}, "400", "Rossi"),
        ({"error": {"code": "it was Rossi"}}, "400", "Rossi"),
        ("<html>Rossi", "400", "Rossi"),
        (None, "400", "None"),
    ],
)
def test_an_error_code_is_told_and_a_text_is_not(body: Any, told: str, kept_quiet: str) -> None:
    message = str(failure("Cohere", 400, {}, body))
    assert told in message
    assert kept_quiet not in message


def test_a_wrong_key_says_which_setting() -> None:
    assert "HEADRACE_EMBEDDER_API_KEY" in failure("Cohere", 401, {}).advice


@pytest.mark.parametrize(
    "vectors", [[], [[1.0]], [[1.0, 2.0], [1.0]], [[1.0], [float("nan")]], [1.0, 2.0], [["a"]] * 2]
)
def test_vectors_that_do_not_fit_the_texts_are_refused(vectors: Any) -> None:
    with pytest.raises(EmbedderRefused):
        checked("Cohere", vectors, 2)


def test_vectors_come_back_at_unit_length() -> None:
    assert np.allclose(checked("Cohere", [[3.0, 4.0], [0.0, 2.0]], 2), [[0.6, 0.8], [0.0, 1.0]])
