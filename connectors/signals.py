"""What a connector is told through a table of its own: a row there comes out of the log, and is obeyed in its place.

Debezium's "source" channel: https://debezium.io/documentation/reference/stable/configuration/signalling.html. Through
its Kafka channel a thread beside the one that reads the log would obey, and both would read rows of the same tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from connectors import debezium
from connectors.captured import CapturedTable
from connectors.names import Names
from sync.errors import SourceRefused

TABLE_SETTING = "signal.data.collection"
COMMENT = "headrace: what the connector of this source is asked to do"
# Debezium takes the first three columns, whatever they are called; a table of another number is not listened to.
COLUMNS = ("id", "type", "data")
FILTER = "org.apache.kafka.connect.transforms.Filter"
OF_TOPIC = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"
# Only the Kafka channel needs to be asked; the thread that does so also looks for what the log's thread left undone.
NEVER_MS = 24 * 3600 * 1000
_STRANGE = re.compile(r"[\s.\"'`]")  # what ends or opens a name for its TableIdParser


class Signal(NamedTuple):
    """One row of the table."""

    id: str
    type: str
    data: str


def read_again(identity: str, tables: Sequence[CapturedTable], condition: str | None) -> Signal:
    """Show all rows of ``tables`` that meet ``condition``; ``identity`` comes back with every notification.

    Raises SourceRefused for a name that the connector could not read back from its own offsets: it would not start.
    """
    for table in tables:
        if strange := _STRANGE.search(table.schema) or _STRANGE.search(table.table):
            raise SourceRefused(
                f"table {table.name} cannot be read again: Debezium loses a name with {strange[0]!r}",
                advice="Read the others again, each by its name; this one is read again with the whole source.",
            )
    wanted: dict[str, object] = {
        "type": "INCREMENTAL",
        "data-collections": [debezium.exactly(table.schema, table.table) for table in tables],
    }
    if condition is not None:
        wanted["additional-conditions"] = [{"data-collection": ".*", "filter": condition}]
    return Signal(identity, "execute-snapshot", json.dumps(wanted))


def stop_reading(identity: str) -> Signal:
    """End what `read_again` began under ``identity``; nothing where it has ended."""
    return Signal(f"{identity}-stop", "stop-snapshot", json.dumps({"type": "INCREMENTAL"}))


def captured(schema: str, names: Names) -> CapturedTable:
    """The table as the connector must know it."""
    return CapturedTable(schema, names.signal_table, ("id",), dict.fromkeys(COLUMNS))


def listening(schema: str, names: Names) -> dict[str, str]:
    """What a connector is told of the table. Its rows end there: none of them reaches Kafka."""
    topic = rf"{debezium.literally(names.prefix)}\..*\.{debezium.literally(names.signal_table)}"
    return {
        "signal.enabled.channels": "source",
        "signal.poll.interval.ms": str(NEVER_MS),
        TABLE_SETTING: f"{_quoted(schema)}.{names.signal_table}",
        "transforms": "signals,one",
        "transforms.signals.type": FILTER,
        "transforms.signals.predicate": "signal",
        "predicates": "signal",
        "predicates.signal.type": OF_TOPIC,
        "predicates.signal.pattern": topic,
    }


def _quoted(name: str) -> str:
    return name if name.replace("_", "").isalnum() else '"' + name.replace('"', '""') + '"'
