"""`headrace init`: a commented starter mapping, written from the live catalogue."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from sync.cli import mapping_files, terminal
from sync.errors import SettingsError, SourceRefused

if TYPE_CHECKING:
    from connectors.database import Database
    from sync.mapping.lock import SourceLock

SAMPLE = 1000  # rows looked at, a table
LONGEST_CODE = 4  # letters
REPEATED = 3  # times that a code stands in the sample, on average, at least
_SHORT = re.compile(r"(?:character|character varying|char|varchar|bpchar)(?:\((\d+)\))?")
_CONNECTORS = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mariadb"}


def init(
    database: Annotated[
        str,
        typer.Option(
            metavar="URL", help="The database: postgresql://user:password@host:5432/name.", show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="The mapping's name; without it the database's.", show_default=False)
    ] = None,
    schema: Annotated[
        str | None,
        typer.Option(
            help="The schema whose tables are taken: without it public, in MariaDB and MySQL the URL's database.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Without it mappings/NAME.yml; - prints it.", show_default=False
        ),
    ] = None,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Look at some rows of columns of up to 4 letters, for their codes.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json: terminal.Json = False,
) -> None:
    """Write a starter mapping from a database's catalogue, and the lock beside it.

    Keys, foreign keys, enums and likely personal data are taken over, the latter marked `# review`. The URL is not
    written down: the mapping reads it from an environment variable. With --json nothing is written, the lock is
    printed.

    Examples:

        headrace init --database postgresql://me:secret@db.example.com/airline
        headrace init --database "$AIRLINE_URL" --name airline -o mappings/airline.yml
    """
    from sync.mapping.load import resolve_env
    from sync.mapping.starter import starter

    url = resolve_env(database)
    chosen = name or _name(url)
    _check_name(chosen)
    source = _open(url, schema)
    known = source.catalogue()
    if not known.tables:
        raise SettingsError(
            f"{f'schema {schema}' if schema else source} has no tables that this user can see",
            advice="--schema names another; or grant usage on it.",
        )
    if json:
        from sync.mapping.lock import Lock

        terminal.print_json(Lock(sources={chosen: known}).model_dump(mode="json", exclude_defaults=True))
        return
    text = starter(known, chosen, variable(chosen), samples(source, known) if look else None)
    if output == "-":
        sys.stdout.write(text)
        return
    path = Path(output) if output else mapping_files.FOLDER / f"{chosen}.yml"
    _write(path, text, chosen, known, force)
    _next(path, chosen, known)


def variable(name: str) -> str:
    """The environment variable in which the starter mapping looks for the database's url."""
    return f"{name.upper()}_URL"


def _name(url: str) -> str:
    """A mapping's name made of the database's."""
    database = urlsplit(url).path.strip("/") or (re.findall(r"dbname\s*=\s*'?([^'\s]+)", url) or [""])[0]
    made = re.sub(r"[^a-z0-9_]+", "_", database.lower()).strip("_")
    return made if made[:1].isalpha() else f"db_{made}".rstrip("_")


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise SettingsError(
            f"{name} is no mapping's name",
            advice="--name: a letter a-z, then at most 39 of a-z, 0-9 and _, as in airline.",
        )


def _open(url: str, schema: str | None) -> Database:
    from connectors.database import open_database

    scheme = urlsplit(url).scheme.partition("+")[0] or "postgres"  # libpq's `host=… dbname=…` has none
    if scheme not in _CONNECTORS:
        raise SettingsError(
            f"{scheme}:// is no database that Headrace reads",
            advice="Write it as postgresql://user:password@host/name.",
        )
    return open_database(_CONNECTORS[scheme], url, schema)


def samples(source: Database, known: SourceLock) -> dict[str, dict[str, list[str]]]:
    """Table → column → the codes that some of its rows hold, for columns too short to hold anything but codes."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, table in known.tables.items():
        related = {*table.key, *(column for key in table.foreign_keys for column in key.columns)}
        short = [column for column, locked in table.columns.items() if _is_short(locked.type) and column not in related]
        if not short:
            continue
        try:
            rows = source.sample(name, short, SAMPLE)
        except SourceRefused as exc:
            terminal.warn(f"{name}: its codes could not be looked at: {exc}")
            continue
        for column in short:
            seen = {str(row[column]).rstrip() for row in rows if row[column] is not None}
            # Values that hardly repeat are no codes.
            if len(seen) * REPEATED <= len(rows):
                found.setdefault(name, {})[column] = sorted(seen)
    return found


def _is_short(database_type: str) -> bool:
    found = _SHORT.fullmatch(database_type)
    return found is not None and int(found[1] or 1) <= LONGEST_CODE


def _write(path: Path, text: str, name: str, known: SourceLock, force: bool) -> None:
    from sync.mapping.lock import Lock
    from sync.mapping.lockfile import dump_lock, lock_path

    lock = lock_path(path)
    there = [str(each) for each in (path, lock) if each.exists()]
    if there and not force:
        raise SettingsError(f"{' and '.join(there)} exists already", advice="--force overwrites, -o writes elsewhere.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        dump_lock(Lock(sources={name: known}), lock)
    except OSError as exc:
        raise SettingsError(f"{path} cannot be written: {exc.strerror}") from exc


def _next(path: Path, name: str, known: SourceLock) -> None:
    terminal.done(f"wrote {path} and its lock: {mapping_files.counted(len(known.tables), 'table')}")
    terminal.line("Next:")
    for step in (
        f"export {variable(name)}=…        the url that you gave; the mapping reads it from there",
        f"edit {path}        what the codes mean, which rows make a document; look for `# review`",
        f"headrace lint {path}",
        f"headrace test {path}",
        f"headrace show DOCUMENT KEY --file {path}",
        f"headrace apply {path}",
    ):
        terminal.line(step, indent=2)
