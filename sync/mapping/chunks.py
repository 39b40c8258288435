"""Stage ②'s third step: a text split into chunks that an embedder can take, each opened by the document's title.

Splitting follows meaning (semantic-text-splitter: paragraphs, lines, sentences, words); sizes are tokens of
the local embedder's tokenizer.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_text_splitter import TextSplitter

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_PIECES = re.compile(r"\n[^ \n]*| *[^ \n]+| +")
_REMEMBERED_WORDS, _LONGEST_REMEMBERED = 50_000, 40


@lru_cache(maxsize=1)
def tokenizer() -> Tokenizer:
    """The local embedder's tokenizer, from its package, read once (0.1 s, 13 MB)."""
    from tokenizers import Tokenizer

    # Found without importing the package, which would bring the embedder along.
    package = importlib.util.find_spec("wordllama")
    assert package is not None
    assert package.origin is not None
    return Tokenizer.from_file(str(Path(package.origin).parent / _TOKENIZER))


class _Words(dict[str, int]):
    """Tokens by piece of text: a word with the blanks, or the one line break, before it."""

    def __missing__(self, piece: str) -> int:
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


_words = _Words()


def count_tokens(text: str) -> int:
    """How many tokens the text has for the local embedder.

    The vocabulary has no token that reaches from one word into the next or over a line break, so the counts of
    the words add up; and a database repeats its words.
    """
    return sum(map(_words.__getitem__, _PIECES.findall(" " + text)))


@lru_cache(maxsize=256)
def _splitter(capacity: int, overlap: int) -> TextSplitter:
    return TextSplitter.from_callback(count_tokens, capacity, overlap)


def split(title: str, text: str, max_tokens: int, overlap: int) -> tuple[str, ...]:
    """The chunks of a document: each is the title, a line break and a part of the text, at most ``max_tokens`` together.

    Neighbours share up to ``overlap`` tokens. A title that would fill more than half of a chunk is cut; an empty
    text is one chunk of the title alone.
    """
    title, text = title.strip(), text.strip()
    whole = f"{title}\n{text}" if title and text else title or text
    # A token is at least one byte, and the tokenizer adds one blank.
    if len(whole) * 4 < max_tokens or count_tokens(whole) <= max_tokens:
        return (whole,)
    taken = count_tokens(title) + 1 if title else 0
    if taken > max_tokens // 2:
        title = next(iter(_splitter(max(max_tokens // 2 - 1, 1), 0).chunks(title)))
        taken = count_tokens(title) + 1
    capacity = max(max_tokens - taken, 1)
    parts = _splitter(capacity, max(min(overlap, capacity // 2), 0)).chunks(text)
    return tuple(f"{title}\n{part}" if title else part for part in parts) or (title,)
