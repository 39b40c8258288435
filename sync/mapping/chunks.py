"""Stage ②'s third step: a text split into chunks that an embedder can take, each opened by the document's title.

Splitting follows meaning (semantic-text-splitter: paragraphs, lines, sentences, words); sizes are tokens of
the local embedder's tokenizer.
"""

from __future__ import annotations

import importlib.util
import os
import re
from array import array
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_text_splitter import TextSplitter

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_PIECES = re.compile(r"\n[^ \n]*| *[^ \n]+| +")
_REMEMBERED_WORDS, _LONGEST_REMEMBERED, _LONGEST_EXACT = 16_000, 40, 200
_REMEMBERED_BY_TOKENIZER = 2_000  # words, 1 kB each; its own choice would be 10,000
_REMEMBERED_TEXTS = 1_024  # more than all lanes have in their hands; a text's tokens take some 0.5 kB
_LONGEST_CHUNK = 8_192  # characters; a longer text is asked for once
_LONGEST_TOKEN = 16  # characters: "________________", "▁representations"


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """The local embedder's tokenizer, from its package, read once for both (0.1 s, 13 MB); it pads and cuts nothing."""
    # Texts come one by one here, and lanes of threads are the parallelism: its own would wake other threads for each.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from tokenizers import Tokenizer

    # Found without importing the package, which would bring the embedder along.
    package = importlib.util.find_spec("wordllama")
    assert package is not None
    assert package.origin is not None
    read = Tokenizer.from_file(str(Path(package.origin).parent / _TOKENIZER))
    read.no_padding()
    read.no_truncation()
    read.model._resize_cache(_REMEMBERED_BY_TOKENIZER)
    return read


def token_ids(text: str) -> array[int]:
    """The text's tokens for the local embedder: counted when it is split, and wanted again when it is embedded.

    Half a surrogate pair counts as a question mark. A tokenized character takes some 60 bytes while that lasts.
    """
    return _remembered(text) if len(text) <= _LONGEST_CHUNK else _tokens(text)


def _tokens(text: str) -> array[int]:
    whole = text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    (encoding,) = tokenizer().encode_batch_fast([whole], add_special_tokens=False)
    return array("H", encoding.ids)


_remembered = lru_cache(maxsize=_REMEMBERED_TEXTS)(_tokens)


class _Characters(dict[str, int]):
    """Tokens of a character by itself: one where the vocabulary has it, else one per byte."""

    def __missing__(self, character: str) -> int:
        known = tokenizer().token_to_id(character) is not None
        count = self[character] = 1 if known else len(character.encode())
        return count


class _Words(dict[str, int]):
    """Tokens by piece of text: a word with the blanks, or the one line break, before it."""

    def __missing__(self, piece: str) -> int:
        if len(piece) > _LONGEST_EXACT:
            # No word but a blob, or a script without blanks, whose characters the vocabulary never joins. At most
            # this many tokens; to encode it again for each place where it might be split takes minutes.
            return 1 + sum(map(_characters.__getitem__, piece))
        encode = tokenizer().encode
        # The tokenizer puts a blank before what it is given. A word after a line break has none.
        if piece[0] == "\n":
            count = len(encode(piece, add_special_tokens=False).ids) - 1
        else:
            count = len(encode(piece[1:], add_special_tokens=False).ids) if piece != " " else 1
        if len(piece) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED_WORDS:
                self.clear()
            self[piece] = count
        return count


_characters = _Characters()
_words = _Words()


def count_tokens(text: str) -> int:
    """How many tokens the text has for the local embedder; of a word beyond 200 characters, how many at most.

    The vocabulary has no token that reaches from one word into the next or over a line break, so the counts of
    the words add up; and a database repeats its words.
    """
    return sum(map(_words.__getitem__, _PIECES.findall(" " + text)))


@lru_cache(maxsize=512)
def _tokens_on_a_line(part: str) -> int:
    """The tokens of a part that stands on its own line, its line break included."""
    return sum(map(_words.__getitem__, _PIECES.findall("\n" + part)))


@lru_cache(maxsize=256)
def _splitter(capacity: int, overlap: int) -> TextSplitter:
    return TextSplitter.from_callback(_tokens_on_a_line, capacity, overlap)


def split(title: str, text: str, max_tokens: int, overlap: int) -> tuple[str, ...]:
    """The chunks of a document: each is the title, a line break and a part of the text, ``max_tokens`` at most.

    Neighbours share up to ``overlap`` tokens. A title that would fill more than half of a chunk is cut; an empty
    text is one chunk of the title alone.
    """
    title, text = title.strip(), text.strip()
    whole = f"{title}\n{text}" if title and text else title or text
    # A character is at most 4 bytes, a token at least one, and the tokenizer adds one blank.
    if len(whole) * 4 < max_tokens or (
        len(whole) <= max_tokens * _LONGEST_TOKEN and len(token_ids(whole)) <= max_tokens
    ):
        return (whole,)
    if count_tokens(title) > max_tokens // 2:
        title = next(iter(_splitter(max(max_tokens // 2, 2), 0).chunks(title)), "")
    capacity = max(max_tokens - count_tokens(title), 2)
    parts = [
        part
        for found in _parts(text, capacity, max(min(overlap, capacity // 2), 0))
        for part in _fitting(found, capacity, capacity)
    ]
    return tuple(f"{title}\n{part}" if title else part for part in parts) or (title,)


def _parts(text: str, capacity: int, overlap: int) -> list[str]:
    """The splitter's chunks, found window by window.

    For each chunk the splitter looks at all that is left of the text, so a long one would take minutes. A window
    holds a few chunks; the next begins where its last chunk does, which it may have cut short.
    """
    splitter = _splitter(capacity, overlap)
    parts: list[str] = []
    start = 0
    while start < len(text):
        window = _window(text, start, capacity)
        found = splitter.chunk_indices(text[start : start + window])
        if start + window >= len(text):
            return parts + [part for _, part in found]
        if len(found) > 1:
            parts += [part for _, part in found[:-1]]
            start += found[-1][0]
        elif found and found[0][0] > 0:  # nothing but blanks before it
            start += found[0][0]
        else:
            parts += [part for _, part in found]
            start += len(found[0][1]) if found else window
    return parts


def _window(text: str, start: int, capacity: int) -> int:
    """So many characters that they are certainly more than one chunk, and not many more than three."""
    window, most = capacity, (capacity + 1) * _LONGEST_TOKEN
    while window < most and count_tokens(text[start : start + window]) < 3 * capacity:
        window *= 2
    return window


def _fitting(part: str, capacity: int, wanted: int) -> list[str]:
    """The splitter searches as if longer texts had more tokens always; but a letter more may make a known word."""
    if _tokens_on_a_line(part) <= capacity or wanted < 2:
        return [part]
    smaller = _splitter(wanted, 0).chunks(part)
    return [fit for piece in smaller for fit in _fitting(piece, capacity, wanted - 1 - wanted // 8)]
