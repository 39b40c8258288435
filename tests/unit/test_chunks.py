"""Texts become chunks that an embedder can take, each opened by its title, with nothing lost."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.mapping.chunks import count_tokens, split, tokenizer

SENTENCE = "Leg 1: flight AZ 602 from FCO to JFK, 2 April 2026, 10:15 UTC, 3,720 nautical miles, business class.\n"
words = st.text(st.sampled_from("abcé漢🙂3,.\t\u00a0"), max_size=12)
pieces = st.one_of(words, st.sampled_from([" ", "  ", "\n", "\n\n", "flight", "Status:"]))
texts = st.lists(pieces, max_size=60).map("".join)


@given(texts)
def test_tokens_are_counted_as_the_embedders_tokenizer_counts_them(text: str) -> None:
    counted = len(tokenizer().encode(text, add_special_tokens=False).ids) if text else 1
    longest = max(map(len, text.replace("\n", " ").split(" ")), default=0)
    if longest < 190:
        assert count_tokens(text) == counted
    else:
        assert count_tokens(text) >= counted


def test_a_short_document_is_one_chunk_that_its_title_opens() -> None:
    assert split("Booking K3", "It was made.", 300, 30) == ("Booking K3\nIt was made.",)


def test_an_empty_text_is_one_chunk_of_the_title() -> None:
    assert split("Booking K3", "", 300, 30) == ("Booking K3",)
    assert split("Booking K3", " \n ", 300, 30) == ("Booking K3",)
    assert split("", "", 300, 30) == ("",)


@given(texts, st.integers(12, 60), st.integers(0, 10))
def test_no_chunk_is_too_large_and_each_begins_with_the_title(text: str, most: int, overlap: int) -> None:
    chunks = split("Item 7", text, most, overlap)
    assert chunks == split("Item 7", text, most, overlap)
    for chunk in chunks:
        assert chunk.startswith("Item 7")
        assert count_tokens(chunk) <= most


@given(texts.filter(str.strip), st.integers(12, 60))
def test_without_overlap_the_chunks_are_the_text(text: str, most: int) -> None:
    parts = [chunk.removeprefix("T\n") for chunk in split("T", text, most, 0)]
    kept = "".join("".join(parts).split())
    assert kept == "".join(text.split())


def test_neighbours_share_what_overlap_says() -> None:
    text = "".join(f"Sentence number {n} stands here. " for n in range(200))
    apart, shared = split("T", text, 60, 0), split("T", text, 60, 20)
    assert len(shared) > len(apart)
    assert shared[1].removeprefix("T\n")[:20] in shared[0]
    assert apart[1].removeprefix("T\n")[:20] not in apart[0]


def test_splits_follow_lines_where_they_can() -> None:
    for chunk in split("T", SENTENCE * 40, 200, 0):
        assert chunk.endswith("class.")
        assert chunk.removeprefix("T\n").startswith("Leg 1")


def test_a_title_as_long_as_a_chunk_leaves_room_for_text() -> None:
    chunks = split("very long title " * 100, "The text. " * 100, 60, 5)
    assert all(count_tokens(chunk) <= 60 for chunk in chunks)
    assert "The text." in chunks[0]
    assert chunks[0].startswith("very long title")


MEGABYTE = {
    "lines": SENTENCE * 10_000,
    "one letter": "x" * 1_000_000,
    "blanks": " " * 1_000_000,
    "line breaks": "a\n" * 500_000,
    "no blanks": base64.b64encode(bytes(range(250)) * 3000).decode(),
    "no words": "漢字" * 160_000,
    "combining": "a" + "\u0301" * 500_000,
    "emoji": "👩\u200d🚀" * 80_000,
}


@pytest.mark.parametrize("name", MEGABYTE)
def test_a_megabyte_of_anything_is_split_in_seconds(name: str) -> None:
    begun = time.process_time()
    chunks = split("Title", MEGABYTE[name], 300, 30)
    # Seconds of processor time; the splitter left alone takes many minutes for some of these.
    assert time.process_time() - begun < 30
    assert max(count_tokens(chunk) for chunk in chunks) <= 300
