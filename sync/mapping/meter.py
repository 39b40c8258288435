"""Beside a document's template: what one rendering may spend, so that no template takes all memory or hours.

Everything a template does is paid for in units, before it is done where it multiplies: a character is one, an element
of a list `ELEMENT`, a step of the template `STEP`. No clock: what is too much is too much on every machine.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from sync.errors import BuildError

MAX_CHARACTERS = 8_000_000  # of one text, whether it comes out or not
MAX_WORK = 4 * MAX_CHARACTERS
MAX_DEPTH = 50  # of lists within lists
MOST_DIGITS = 4_000  # of a number; Python prints a whole number of up to 4,300
STEP = 8
CALL = 8 * STEP
ELEMENT = 32  # what an element takes in memory and time, compared with a character


class Weighty:
    """What says by itself how much it takes to read it whole."""

    __slots__ = ()

    def weight(self) -> int:
        raise NotImplementedError


class _Meter(threading.local):
    left = MAX_WORK


_meter = _Meter()


def reset() -> None:
    _meter.left = MAX_WORK


def spend(units: int) -> None:
    """Raises BuildError where the rendering has spent all it may."""
    _meter.left -= units
    if _meter.left < 0:
        raise _too_much()


def _too_much() -> BuildError:
    return BuildError(
        f"the template does too much: more than {MAX_WORK:,} characters, list elements and steps for one document",
        advice="Repeat, pad, and loop over less; a relation's `limit` shortens what a loop sees.",
    )


def spend_text(characters: int, already: int = 0) -> None:
    """For a text that is going to be made, or for more of one that has ``already`` some."""
    if already + characters > MAX_CHARACTERS:
        raise BuildError(f"a text grows beyond {MAX_CHARACTERS:,} characters")
    spend(characters)


def room() -> int:
    """How many more elements a list may have that is going to be made."""
    return _meter.left // ELEMENT


def weigh(value: Any) -> Any:
    """The value, once reading all of it is paid for: comparing, hashing or printing reads lists in lists, each time."""
    if type(value) is str:
        spend(len(value))
    elif not isinstance(value, int):
        spend(weight(value))
    return value


def weight(value: Any, depth: int = MAX_DEPTH) -> int:
    """What reading all of the value takes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Weighty):
        return value.weight()
    if isinstance(value, int):
        return STEP + value.bit_length() // 3
    if not isinstance(value, list | tuple | dict | set | frozenset):
        return STEP
    if depth == 0:
        raise BuildError(f"the template puts lists into lists, more than {MAX_DEPTH} deep")
    parts: Iterable[Any] = value
    if isinstance(value, dict):
        parts = (part for pair in value.items() for part in pair)
    total = 0
    for part in parts:
        # A list that holds a list twice that holds a list twice … is endless to read: counting is paid for at once.
        spend(ELEMENT // 2)
        total += ELEMENT // 2 + weight(part, depth - 1)
    return total


def counted(value: Any, each: int = ELEMENT) -> Any:
    """What a loop or a filter goes over: paid for at once where its length is known, else as it goes."""
    try:
        length = len(value)
    except TypeError:
        return _counted(value, each) if isinstance(value, Iterator) else value
    spend(length * each + STEP)
    return value


def _counted(values: Iterator[Any], each: int) -> Iterator[Any]:
    for value in values:
        spend(each)
        yield value


def digits(number: int) -> int:
    """Raises BuildError where a whole number has more digits than a template may count with."""
    if number.bit_length() > MOST_DIGITS * 10 // 3:
        raise too_long()
    return number


def too_long() -> BuildError:
    return BuildError(f"the template counts with numbers of more than {MOST_DIGITS:,} digits")
