"""The state database: one engine, readers that see one moment, writers one at a time where it is SQLite."""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from sync.errors import SettingsError, StateConflict, StateUnreachable
from sync.state.prepared import Prepared
from sync.state.version import create

LOCKED = 30.0  # seconds for which another process may hold the file
LISTEN_AT_ONCE = 1.0  # seconds after which a listener looks whether it shall stop
_CREATING = 0x68656164  # "head": an advisory lock of our own
_OWED = "headrace_owed"  # the channel on which workers tell each other that something may be owed
# Deadlock, serialization failure, lock not available.
_CONFLICTS = frozenset({"40P01", "40001", "55P03"})
# A server that is gone without a word must be noticed before the worker's lease has expired.
_SERVER = {"connect_timeout": 5, "keepalives_idle": 4, "keepalives_interval": 2, "keepalives_count": 2}


def is_there(url: str) -> bool:
    """Whether there is a state to open, or opening it would fail: a server's is taken to be. Raises SettingsError."""
    made = _url(url)
    if made.get_backend_name() != "sqlite" or made.database in (None, "", ":memory:"):
        return True
    file = Path(str(made.database))
    return file.exists() or not file.parent.is_dir()


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except ArgumentError as exc:
        raise SettingsError("HEADRACE_STATE_URL is not a database url") from exc


class State:
    """The state database at ``url`` (SQLAlchemy's form). Raises SettingsError, StateUnreachable, StateOutdated."""

    def __init__(self, url: str) -> None:
        self.url = _url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.session = f"headrace-{uuid.uuid4().hex[:12]}"  # how a server calls this process's connections
        self.ahead = 0.0  # seconds by which the server's clock is ahead of ours, as far as known
        self._writing = threading.RLock()
        self._one: Connection | None = None
        self._closed = False
        self._prepared: dict[int, tuple[Executable, Prepared]] = {}
        self.engine = _sqlite_engine(url) if self.is_sqlite else _server_engine(url, self.session)
        self._name = self.url.render_as_string(hide_password=True)
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        # In one write transaction: a worker and a command that open a new state at once must not both create it.
        with self.write() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CREATING})")
            create(connection, self._name)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the state."""
        with self._ours(), self._turn(), self._connected(write=False) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that changes the state; with SQLite one at a time, waiting in turn.

        SQLite's own waiting polls with growing pauses of up to 100 ms; a lock of the process hands over at once.
        """
        with self._ours(), self._turn(), self._connected(write=True) as connection, connection.begin():
            yield connection

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[Connection]:
        """A connection: of a server one of several, of SQLite always the same.

        SQLite throws a connection's cache away when another one has written, which here would be every time.
        """
        if self._closed:
            raise StateUnreachable(f"the state database {self._name} was closed")
        if not self.is_sqlite:
            with self.engine.connect().execution_options(headrace_write=write) as connection:
                yield connection
            return
        if self._one is None:
            self._one = self.engine.connect()
        yield self._one.execution_options(headrace_write=write)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self.is_sqlite:
            with self._writing:
                yield
        else:
            yield

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """Turns what SQLAlchemy raises, and what the driver raises of prepared statements, into Headrace's error."""
        driver = self.engine.dialect.loaded_dbapi
        try:
            yield
        except (DBAPIError, driver.Error) as exc:
            raised = exc.orig if isinstance(exc, DBAPIError) else exc
            if getattr(raised, "sqlstate", None) in _CONFLICTS:
                raise StateConflict(f"another transaction on {self._name} was in the way: {raised}") from exc
            if getattr(exc, "connection_invalidated", False) or isinstance(raised, driver.OperationalError):
                raise StateUnreachable(f"the state database {self._name} does not answer: {raised}") from exc
            raise

    def now(self) -> float:
        """Seconds since 1970 by a clock that all workers on this state share."""
        return time.time() + self.ahead

    def announce(self, connection: Connection) -> None:
        """Tell the workers of other processes, once this transaction is committed, that something may be owed."""
        if not self.is_sqlite:
            connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (_OWED, self.session))

    def listen(self, heard: Callable[[], None], stopped: Callable[[], bool]) -> None:
        """Call ``heard`` whenever another process announces, until ``stopped``. Raises StateUnreachable."""
        with self._ours():
            pooled = self.engine.raw_connection()
            raw: Any = pooled.driver_connection
            pooled.detach()  # it listens: not one for others to use
            with closing(raw):
                raw.autocommit = True
                raw.execute(f"LISTEN {_OWED}")
                while not stopped():
                    for note in raw.notifies(timeout=LISTEN_AT_ONCE):
                        if note.payload != self.session:
                            heard()

    def checkpoint(self) -> None:
        """Move SQLite's write-ahead log into the database file, without making a writer wait."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                raw = connection.connection.dbapi_connection
                assert raw is not None
                raw.execute("PRAGMA wal_checkpoint(PASSIVE)").close()

    def prepare(self, statement: Executable) -> Prepared:
        """The statement compiled for this database; the same object compiles once."""
        found = self._prepared.get(id(statement))
        if found is None:
            # The statement is kept beside it, so that its id is not given to another.
            found = self._prepared[id(statement)] = (statement, Prepared(statement, self.engine.dialect))
        return found[1]

    def insert(self, table: Table) -> Any:
        """An INSERT of this database's dialect: both have ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    def close(self) -> None:
        """After the transactions under way with SQLite, whose library would crash; later ones are refused."""
        with self._turn():
            self._closed = True
            if self._one is not None:
                self._one.close()
                self._one = None
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    arguments = {"check_same_thread": False, "timeout": LOCKED}
    engine = create_engine(url, connect_args=arguments, pool_size=8, max_overflow=8)

    @event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # the driver's implicit BEGIN would come too late for a reader
        _write_ahead(raw)
        for pragma in (
            # A power cut may take the tail of the log, and the position with it: applied again, exactly once.
            "synchronous=NORMAL",
            "wal_autocheckpoint=0",  # checkpoint() does it beside the writers: inside a commit it costs 10 to 50 ms
            "cache_size=-8000",  # 8 MB; the system caches the file as well
            "temp_store=MEMORY",
            "foreign_keys=ON",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("headrace_write")
        raw: Any = connection.connection.dbapi_connection
        # Through SQLAlchemy it was 3 % of a worker's work at 200 changes a second.
        raw.execute("BEGIN IMMEDIATE" if write else "BEGIN").close()

    return engine


def _write_ahead(raw: Any) -> None:
    """Have a log beside the file. Of several that do so to a new file one may hear at once that it is locked.

    SQLite's timeout does not cover the change of the mode: so heard in 8 of 150 times that eight threads did it.
    """
    until = time.monotonic() + LOCKED
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _server_engine(url: str, session: str) -> Engine:
    from psycopg import IsolationLevel  # half a second that a state in a file needs not

    arguments = {**_SERVER, "application_name": session}
    # More than lanes and appliers can be: to wait for a connection is nobody's business here.
    engine = create_engine(url, connect_args=arguments, pool_size=8, max_overflow=40, pool_pre_ping=False)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = not connection.get_execution_options().get("headrace_write")
        raw: Any = connection.connection.driver_connection
        # The driver says it with its BEGIN; a statement of our own would be one more journey to the server.
        raw.isolation_level = IsolationLevel.REPEATABLE_READ if reads else None
        raw.read_only = reads

    return engine
