"""What the process is told from outside: the environment, and a `.env` file in the working directory."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from sync.errors import SettingsError

if TYPE_CHECKING:
    from sync.settings import Settings

FILE = ".env"
PREFIX = "HEADRACE_"
_from_file: set[str] = set()


def read_file(path: Path = Path(FILE)) -> None:
    """Let the variables of `.env` count as environment, so that a mapping's ``${NAME}`` may stand there too.

    What the environment already says wins.
    """
    if not path.is_file():
        return
    from dotenv import dotenv_values

    for name, value in dotenv_values(path).items():
        if value is not None and name not in os.environ:
            os.environ[name] = value
            _from_file.add(name)


def settings() -> Settings:
    """The process's settings. Raises SettingsError naming the variables that make no sense, never their values."""
    from pydantic import ValidationError

    from sync.settings import settings as read

    try:
        return read()
    except ValidationError as exc:
        wrong = [
            f"{PREFIX}{str(error['loc'][0]).upper()}: {error['msg'][0].lower()}{error['msg'][1:]}"
            for error in exc.errors(include_url=False, include_input=False, include_context=False)
        ]
    raise SettingsError("; ".join(wrong))


def origin(field: str) -> str:
    """Where a setting's value came from: ``environment``, ``.env`` or ``default``."""
    name = PREFIX + field.upper()
    present = next((each for each in os.environ if each.upper() == name), None)
    if present is None:
        return "default"
    return FILE if present in _from_file else "environment"


def listed(read: Settings) -> list[dict[str, str]]:
    """Every setting with variable, value (secrets as ***), origin and meaning."""
    from sync.settings import Settings

    return [
        {
            "setting": PREFIX + name.upper(),
            "value": _shown(getattr(read, name)),
            "origin": origin(name),
            "description": field.description or "",
        }
        for name, field in Settings.model_fields.items()
    ]


def unknown() -> list[str]:
    """Variables HEADRACE_* that nothing reads, each with the nearest that something does."""
    from sync.settings import Settings

    known = {PREFIX + name.upper() for name in Settings.model_fields} | OTHERS
    found = []
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            nearest = get_close_matches(name.upper(), known, n=1)
            found.append(name + (f" (nearest: {nearest[0]})" if nearest else ""))
    return found


# Read by docker/native/stack, not by the service.
OTHERS = {"HEADRACE_CACHE", "HEADRACE_STACKS"}


def _shown(value: object) -> str:
    from pydantic import SecretStr

    from connectors.secrets import masked

    if isinstance(value, SecretStr):
        return "***" if value.get_secret_value() else ""
    return "" if value is None else masked(str(value))
