"""Has a connector read tables again while it goes on with its log: Debezium's incremental snapshots.

They are asked for by a row in a table that the connector listens to. It comes out of the log, so that the thread which
reads the log also begins the reading. A signal through Kafka is obeyed by a second thread: in a busy database rows then
came out under another table's name, or were left out without a word (tried with Debezium 3.6.1; its pull request 6147).
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors import signals
from connectors.captured import CapturedTable
from connectors.connect import Connect
from connectors.database import Database
from connectors.names import Names
from sync.errors import ConnectRefused, ConnectUnreachable
from sync.settings import Settings


def require_listener(settings: Settings, names: Names) -> None:
    """Raise ConnectUnreachable where the connector does not run, ConnectRefused where it listens to no table.

    What is asked of one that is away waits for it in the log, and cannot be taken back.
    """
    with Connect(settings.connect_url, patience=5.0) as connect:
        config = connect.config(names.connector)
        if config is None:  # while Connect starts, it knows none of its connectors
            raise ConnectUnreachable(f"Kafka Connect knows no connector {names.connector}")
        if signals.TABLE_SETTING not in config:
            raise ConnectRefused(
                f"connector {names.connector} was registered by a version of Headrace that knew no table"
                f" {names.signal_table}: `headrace apply` its mapping's file again, which makes it"
            )
        status = connect.status(names.connector)
        if status is None or not status.running:
            raise ConnectUnreachable(f"connector {names.connector} does not run")


def begin(
    database: Database, names: Names, identity: str, tables: Sequence[CapturedTable], condition: str | None
) -> None:
    """Ask for all rows of ``tables`` that meet ``condition``; ``identity`` comes back with every notification.

    May be called again: what was asked for once is not asked for twice. Raises SourceError.
    """
    database.tell(names, signals.read_again(identity, tables, condition), alone=True, again=tables)


def stop(database: Database, names: Names, identity: str) -> None:
    """End one; a connector that is down finds this when it comes to it in the log. Raises SourceError."""
    database.tell(names, signals.stop_reading(identity))
