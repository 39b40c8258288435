"""Applied mappings as commands name them: the state opened, and `airline` or `airline.booking` found in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sync.cli.environment import settings
from sync.cli.mapping_files import nearest
from sync.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from sync.mapping.plan import DocumentPlan
    from sync.state.database import State
    from sync.state.registry import DocumentKind, Registered

TERMS_READ_AS = "terms"  # how the document type of a mapping's terminology is called by people


class NoSuch(SettingsError):
    """A mapping or document that is not applied."""

    advice = "`headrace status` lists what is applied."


class NoState(NoSuch):
    """There is nothing yet that could be looked into."""

    advice = "HEADRACE_STATE_URL must be that of `headrace run`. `headrace apply FILE` begins a state."


@contextmanager
def open_state(*, new: bool = True) -> Iterator[State]:
    """The state database, closed at the end; made where there is none, if it may be ``new``.

    Raises NoState, StateUnreachable, SettingsError.
    """
    from sync.state.database import State, is_there

    url = settings().state_url
    if not new and not is_there(url):
        raise NoState(
            f"there is no state at {url}: no mapping was applied with it",
        )
    state = State(url)
    try:
        yield state
    finally:
        state.close()


def find(connection: Connection, name: str) -> Registered:
    """The applied mapping ``name``. Raises NoSuch with the nearest one."""
    from sync.state.registry import applied, load

    known = applied(connection)
    if name not in known:
        raise NoSuch(f"no mapping {name} is applied{nearest(name, known)}")
    return load(connection, name)


def find_all(connection: Connection, name: str | None) -> list[Registered]:
    """The one that is named, or every applied mapping."""
    from sync.state.registry import applied, load

    if name is not None:
        return [find(connection, name)]
    return [load(connection, each) for each in sorted(applied(connection))]


def called(kind_name: str) -> str:
    """A document type's name as people read it."""
    from sync.state.registry import TERMS

    return TERMS_READ_AS if kind_name == TERMS else kind_name


def find_document(mappings: list[Registered], name: str) -> tuple[Registered, DocumentKind]:
    """The document type ``document`` or ``mapping.document``. Raises NoSuch, also where several are called so."""
    known = {f"{each.name}.{called(kind.name)}": (each, kind) for each in mappings for kind in each.kinds.values()}
    if name in known:
        return known[name]
    found = [full for full in known if full.split(".", 1)[1] == name]
    if len(found) == 1:
        return known[found[0]]
    if found:
        raise NoSuch(f"several documents are called {name}: {', '.join(found)}", advice="Name one of them in full.")
    short = {full.split(".", 1)[1] for full in known}
    raise NoSuch(f"no document {name} is applied{nearest(name, {*short, *known} if '.' in name else short)}")


def document_key(document: DocumentPlan | None, text: str) -> str:
    """A root row's key as a person writes it, ``7`` or ``[7, 2]``, as the state writes it. Raises SettingsError.

    ``document`` is None for the terminology, whose keys are as they are.
    """
    from sync.mapping.canonical import key_text

    if document is None:
        return text
    table = document.root.of
    parts: list[object] = [text]
    if len(table.key) > 1 or text.startswith("["):
        try:
            read = json.loads(text)
        except ValueError:
            read = text
        parts = read if isinstance(read, list) else [text]
    columns = [table.columns[name] for name in table.key]
    texts = [
        column.identity(column.read(part)) for column, part in zip(columns, parts, strict=False) if part is not None
    ]
    whole = [each for each in texts if each is not None]
    if len(parts) != len(columns) or len(whole) != len(columns):
        example = "7" if len(columns) == 1 else "[7,2]"
        raise SettingsError(
            f"{text} is no key of {table.name}: its key is {', '.join(table.key)}", advice=f"Write it like {example}."
        )
    return key_text(whole)
