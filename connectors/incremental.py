"""Has a connector read tables again while it goes on with its log: Debezium's incremental snapshots.

They are asked for in the connector's offsets, where it keeps one that is under way over a restart. A signal would spare
the restart, and races: the thread that reads signals also reads the first rows, while the one that reads the log may do
the same. In a busy database rows came out under another table's name then, or were left out without a word (tried with
Debezium 3.6.1; its pull request 6147). What stands in its offsets a connector takes up before it reads its log.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from connectors import signals
from connectors.connect import Connect
from connectors.names import Names
from sync.errors import ConnectUnreachable
from sync.settings import Settings

# Debezium's keys in a connector's offset.
_WHICH, _ID = "incremental_snapshot_collections", "incremental_snapshot_correlation_id"
_LAST, _END = "incremental_snapshot_primary_key", "incremental_snapshot_maximum_key"


def begin(settings: Settings, names: Names, identity: str, tables: Sequence[str], condition: str | None) -> None:
    """Start the connector anew, so that it shows all rows of ``tables`` ("schema.table") that meet ``condition`` again.

    ``identity`` comes back with every notification. May be called again: what is under way goes on. Until the connector
    runs again, after a second or two, changes wait. Raises ConnectError, KafkaError.
    """
    signals.forget(settings.kafka, names)
    with Connect(settings.connect_url, patience=5.0) as connect:
        if connect.config(names.connector) is None:  # while it starts, it knows none of its connectors
            raise ConnectUnreachable(f"Kafka Connect knows no connector {names.connector}")
        try:
            connect.stop(names.connector)
            noted = connect.offsets(names.connector)
            if not noted:
                raise ConnectUnreachable(f"Kafka Connect knows no offsets of connector {names.connector}")
            if any(each["offset"].get(_ID) != identity for each in noted):
                connect.alter_offsets(names.connector, [_asking(each, identity, tables, condition) for each in noted])
        finally:
            connect.resume(names.connector)


def go_on(settings: Settings, names: Names) -> None:
    """Let a connector run that `begin` stopped and, killed in the middle, did not start again. Raises ConnectError."""
    with Connect(settings.connect_url, patience=5.0) as connect:
        if connect.config(names.connector) is not None:
            connect.resume(names.connector)


def _asking(noted: dict[str, Any], identity: str, tables: Sequence[str], condition: str | None) -> dict[str, Any]:
    offset = {name: value for name, value in noted["offset"].items() if name not in (_LAST, _END)}
    collections = [
        {f"{_WHICH}_id": table, f"{_WHICH}_additional_condition": condition or "", f"{_WHICH}_surrogate_key": ""}
        for table in tables
    ]
    return {**noted, "offset": {**offset, _ID: identity, _WHICH: json.dumps(collections)}}
