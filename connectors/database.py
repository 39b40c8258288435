"""What every kind of database must be able to do for change capture; each does it in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

from connectors.captured import CapturedTable
from connectors.names import Names
from connectors.positions import Look
from connectors.problem import Problem
from connectors.shape import Shape
from connectors.signals import Signal
from sync.errors import MappingError
from sync.mapping.lock import SourceLock
from sync.settings import Settings

Undo = Callable[[], object]


class Database(Protocol):
    """One source database. Opening it connects to nothing; each method opens a connection of its own.

    Every method may raise SourceUnreachable and SourceRefused.
    """

    connector: str  # as `source.connector` in the mapping
    connector_class: str

    def catalogue(self, tables: Collection[str] | None = None) -> SourceLock:
        """Keys, types and foreign keys of ``tables`` ("schema.table"), or of the source's whole schema.

        A table that does not exist is missing from the answer.
        """

    def preflight(self, names: Names, tables: Sequence[CapturedTable], *, registered: bool) -> list[Problem]:
        """Everything that the database lacks. ``registered``: our connector exists, so its slot may be there."""

    def configuration(self, names: Names, tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
        """The database's own part of its connector's configuration."""

    def prepare(self, names: Names, tables: Sequence[CapturedTable]) -> tuple[str, Undo] | None:
        """Make what the connector needs inside the database; may be called again.

        Returns what was done in words and how to undo it, or None where nothing was to be done.
        """

    def start_over(self, names: Names) -> bool:
        """Forget how far the log was read (drop the slot), with the connector stopped; True if there was one."""

    def lost(self, names: Names) -> str | None:
        """Why the database no longer has the log that the connector would go on with, in words; None where it has."""

    def replaced(self, names: Names, applied: tuple[int, ...] | None, marks: str | None) -> Look:
        """Whether the log is another one than that which was ``applied`` up to this position and left these ``marks``.

        Asked every few seconds, while the connector runs. ``marks`` is what the last look answered, None at the first.
        """

    def shape(self, names: Names, tables: Sequence[CapturedTable], marks: str | None, applied_at: int = 0) -> Shape:
        """The captured tables as they are now, and which of them changed without a word in the log since ``marks``.

        Asked every few seconds. ``marks`` is what the last look answered, None at the first. ``applied_at``: up to
        when, in microseconds by the database's clock, what was committed is applied.
        """

    def clean(self, names: Names) -> list[str]:
        """Take away all that `prepare` and the connector made; says what there was. May be called again."""

    def emit(self, token: str) -> None:
        """Commit a marker into the database's own log; it comes out as a Message with content ``token``."""

    def tell(self, names: Names, signal: Signal, *, alone: bool = False, again: Sequence[CapturedTable] = ()) -> None:
        """Commit a row into the table that the connector listens to, where it is not there yet.

        ``alone``: the table's other rows go, which were read or never will be. ``again``: tables that it asks to read
        again, for which the database is made ready, until `prepare` is called next. Raises SourceRefused where there is
        no such table, or the connector would not see it.
        """

    def keep_reading(self, names: Names, tokens: Iterable[str | None]) -> None:
        """Have a connector that reads tables again go on with it, and give way to what others commit.

        It reads on when it sees a commit: each of the tokens is committed as `emit` does it, and with each None a
        moment passes.
        """

    def before_reading(self, marks: str | None) -> str | None:
        """The marks of `shape` without what `tell` changes itself when it makes tables ready."""

    def find(
        self, table: str, columns: Sequence[str], values: Collection[Sequence[Any]], wanted: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Rows of ``table`` ("schema.table") whose ``columns`` equal one of ``values``, as {column: value}."""

    def count(self, table: str, condition: str | None = None) -> int:
        """About how many rows ``table`` has; with ``condition``, in the database's own SQL, exactly how many meet it.

        0 where that takes too long to tell. Nothing is written, whatever the condition says. Raises SourceRefused where
        it is no condition.
        """

    def sample(self, table: str, wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
        """Up to ``limit`` rows of a table, in no particular order."""


def open_database(connector: str, url: str, schema: str | None = None) -> Database:
    """The database behind ``url``, whose ${NAME}s are resolved; raises MappingError for a kind that has no code yet."""
    if connector == "postgres":
        from connectors.postgres.database import Postgres

        return Postgres(url, schema or "public")
    if connector == "mariadb":
        from connectors.mariadb.database import MariaDB

        return MariaDB(url, schema)
    if connector == "mysql":
        from connectors.mysql.database import MySQL

        return MySQL(url, schema)
    raise MappingError(
        f"sources of kind {connector} are not supported yet",
        advice="Supported now: `connector: postgres`, `mariadb` or `mysql`.",
    )
