"""One line of `headrace doctor`: what was looked at, how it is, what to do if it is not well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sync.errors import HeadraceError

PATIENCE = 5.0  # seconds that one dependency may take to answer
OK, WARNING, FAILED = "OK", "WARNING", "FAILED"


@dataclass(frozen=True)
class Checked:
    """One line of the doctor: what was looked at, how it is, and what to do if it is not well."""

    what: str
    result: str  # OK, WARNING, FAILED
    found: str
    advice: str = ""


class Unwell(HeadraceError):
    """A check that failed without an exception of its own."""


def check(what: str, look: Callable[[], str], where: str) -> Checked:
    """What ``look`` returns is good news, what it raises is bad; ``where`` is shown where its message cannot be."""
    from connectors.secrets import masked

    try:
        return Checked(what, OK, look())
    except HeadraceError as exc:
        return Checked(what, FAILED, masked(str(exc)), exc.advice)
    except Exception as exc:  # a defect of one check must not hide the others
        return Checked(what, FAILED, f"{masked(where)}: unexpected {type(exc).__name__}", "Please report this.")
