"""The local embedder: offline, deterministic whatever stands beside a text, safe in threads, small."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from sync.embed import local
from sync.embed.local import LocalEmbedder
from sync.errors import EmbedderRefused

TEXTS = [
    "Booking K3XQ2A was made on 1 March 2026, 09:00 UTC by M., a Gold member, for 489.50 EUR.",
    "Leg 1: flight AZ 602 from FCO to JFK, business class, checked baggage none. Status: cancelled.",
    "",
    " ",
    "émoji 😀, עברית, 中文 and \x00\x07 control characters",
    "a" * 5000,
]


@pytest.fixture(scope="module")
def embedder() -> LocalEmbedder:
    return LocalEmbedder(url="http://127.0.0.1:8090")


def test_vectors_are_float32_of_unit_length_as_many_as_texts(embedder: LocalEmbedder) -> None:
    model = embedder.describe()
    vectors = embedder.embed(TEXTS, purpose="document")
    assert vectors.shape == (len(TEXTS), model.dimensions) == (6, 256)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert embedder.embed([], purpose="query").shape == (0, 256)
    assert (model.kind, model.url) == ("local", "http://127.0.0.1:8090")


def test_its_vectors_are_those_of_wordllama_bit_for_bit(embedder: LocalEmbedder) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        from wordllama import WordLlamaInference  # configures the process's logging when imported
    finally:
        root.handlers[:], root.level = before, level
    file = local._package() / "tokenizers/l2_supercat_tokenizer_config.json"
    theirs = WordLlamaInference(embedder._matrix, Tokenizer.from_file(str(file)))
    texts = [text for text in TEXTS if text]
    assert np.array_equal(theirs.embed(texts, norm=True), embedder.embed(texts, purpose="document"))


@given(texts=st.lists(st.text(max_size=60), min_size=2, max_size=8))
@settings(deadline=None, max_examples=50)
def test_a_vector_does_not_depend_on_the_texts_beside_it(embedder: LocalEmbedder, texts: list[str]) -> None:
    together = embedder.embed(texts, purpose="document")
    alone = np.vstack([embedder.embed([text], purpose="query") for text in texts])
    assert np.array_equal(together, alone)


def test_many_and_long_texts_in_parts_give_the_same_vectors_in_order(
    embedder: LocalEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"text {number} {'word ' * (number % 9)}" for number in range(150)]
    whole = embedder.embed(texts, purpose="document")
    monkeypatch.setattr(local, "TOKENS_AT_ONCE", 3)
    assert np.allclose(embedder.embed(texts, purpose="document"), whole, atol=1e-6)


def test_several_threads_get_what_one_gets(embedder: LocalEmbedder) -> None:
    texts = [f"{text} {number}" for number in range(20) for text in TEXTS[:5]]
    alone = embedder.embed(texts, purpose="document")
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(lambda _: embedder.embed(texts, purpose="document"), range(16)):
            assert np.array_equal(vectors, alone)


def test_half_a_surrogate_pair_is_embedded_like_a_question_mark(embedder: LocalEmbedder) -> None:
    vectors = embedder.embed(["half \ud83d", "half ?"], purpose="document")
    assert np.array_equal(vectors[0], vectors[1])


def test_meaning_is_near_meaning(embedder: LocalEmbedder) -> None:
    question = embedder.embed(["which flight was cancelled?"], purpose="query")[0]
    near, far = embedder.embed(
        ["The flight to New York is cancelled.", "The passenger has two pieces of baggage."], purpose="document"
    )
    assert question @ near > question @ far + 0.1


def test_without_its_files_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local, "_package", lambda: tmp_path)
    with pytest.raises(EmbedderRefused, match="cannot be read") as caught:
        LocalEmbedder()
    assert "wordllama" in caught.value.advice


MEASURE = """
import socket, sys
def refuse(*_): raise OSError("no network here")
socket.socket.connect = refuse
from sync.embed.local import LocalEmbedder
embedder = LocalEmbedder()
embedder.embed(["a text of some words"] * 256, purpose="document")
assert "wordllama" not in sys.modules
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_it_loads_without_a_network_and_keeps_one_copy_of_its_weights() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150, "MB: numpy, tokenizer, 16 MB of file while loading and 33 MB of matrix take 104"
