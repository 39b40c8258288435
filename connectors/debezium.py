"""A connector's configuration as far as it is the same for every database: what is captured, how, and to where.

Meaning of the keys: Debezium's "connector properties", Kafka Connect's "source connector configurations".
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.captured import CapturedTable
from connectors.names import MESSAGE_PREFIX, Names
from sync.errors import SettingsError
from sync.settings import Settings

# What MariaDB's and MySQL's connectors need not try to understand.
DDL_FILTER = "internal.schema.history.internal.ddl.filter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
ROUTER = "org.apache.kafka.connect.transforms.RegexRouter"

# Debezium's queue hands over a batch when it is full or when this time is over, and spins through the last
# millisecond of it: at 2 ms an idle connector keeps 36 % of a core busy. With batches of one record nothing waits
# in the queue, whatever the interval: from commit to Kafka 1.6 instead of 4.0 ms at 200 changes/s, for 5 % less
# throughput. What remains is PostgreSQL's reader, which sleeps as long when its log is silent: at 8 ms a lone
# change waits 4 ms, and an idle connector costs 14 % of a core.
POLL_INTERVAL_MS = 8
BATCH = 1
QUEUE = 16384
QUEUE_BYTES = 64 * 1024 * 1024
# Rows of a backfill that are read and sent in one go, between two looks at the log: fresh changes wait so long. The
# queries around each chunk are all that slows a backfill down, so that who reads the topic keeps up with it.
CHUNK = 64
PRODUCER_BATCH = 128 * 1024
PRODUCER_BUFFER = 32 * 1024 * 1024


def configuration(
    names: Names, tables: Sequence[CapturedTable], settings: Settings, *, snapshot_mode: str = "initial"
) -> dict[str, str]:
    """What every relational connector is told. Raises SettingsError where a salt is needed and not set."""
    return {
        "tasks.max": "1",
        "topic.prefix": names.prefix,
        "snapshot.mode": snapshot_mode,
        **_captured(tables, settings),
        **_routed(names),
        **_written(),
        **_in_line(names),
        **_pace(settings),
    }


def _captured(tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
    """Only listed columns; what is private leaves the connector cut or hashed."""
    found = {
        **listed(tables),
        # The first part of our own messages' prefix: other applications' messages stay out.
        "message.prefix.include.list": f"{MESSAGE_PREFIX}.*",
    }
    if masked := _treated(tables, "mask"):
        found["column.truncate.to.1.chars"] = masked
    if hashed := _treated(tables, "hash"):
        found[f"column.mask.hash.v2.SHA-256.with.salt.{_salt(settings, tables)}"] = hashed
    if keyed := ";".join(_message_key(table) for table in tables if table.key and not table.key_is_primary):
        found["message.key.columns"] = keyed
    return found


def listed(tables: Sequence[CapturedTable], heard: Sequence[CapturedTable] = ()) -> dict[str, str]:
    """The tables and columns that leave the database at all. ``heard``: those that end at the connector."""
    return {
        # An empty list would mean all tables.
        "table.include.list": ",".join(exactly(table.schema, table.table) for table in tables) or "(?!)",
        "column.include.list": ",".join(
            exactly(table.schema, table.table, column) for table in (*tables, *heard) for column in table.columns
        ),
    }


def _treated(tables: Sequence[CapturedTable], treatment: str) -> str:
    return ",".join(
        exactly(table.schema, table.table, column)
        for table in tables
        for column, treated in table.columns.items()
        if treated == treatment
    )


def _message_key(table: CapturedTable) -> str:
    return f"{exactly(table.schema, table.table)}:{','.join(table.key)}"


def _salt(settings: Settings, tables: Sequence[CapturedTable]) -> str:
    salt = settings.privacy_salt.get_secret_value() if settings.privacy_salt else ""
    if not salt:
        column = next(f"{t.name}.{c}" for t in tables for c, treated in t.columns.items() if treated == "hash")
        raise SettingsError(
            f"HEADRACE_PRIVACY_SALT is not set, and column {column} is to be hashed",
            advice="Set it to a long random text, and keep it: tokens made with another one do not match.",
        )
    return salt


def _routed(names: Names) -> dict[str, str]:
    """Every topic that the connector would write to is renamed to the source's one topic."""
    return {
        "transforms": "one",
        "transforms.one.type": ROUTER,
        "transforms.one.regex": rf"(__debezium-heartbeat\.)?{literally(names.prefix)}(\..*)?",
        "transforms.one.replacement": names.topic,
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "-1",
    }


def _written() -> dict[str, str]:
    """JSON without schemas, and types that survive it.

    The converters must be named here for their own settings to count. With `replace.null.with.default` a NULL in a
    column that has a DEFAULT would arrive as that default.
    """
    converters: dict[str, str] = {}
    for each in ("key", "value", "header"):
        converters[f"{each}.converter"] = JSON
        converters[f"{each}.converter.schemas.enable"] = "false"
        converters[f"{each}.converter.replace.null.with.default"] = "false"
    return converters | {
        "decimal.handling.mode": "string",
        "time.precision.mode": "isostring",
        # JsonConverter writes bytes as base64 too. With "base64" an unchanged TOAST value of bytea, composite,
        # multirange and geometric columns arrives as NULL instead of a placeholder.
        "binary.handling.mode": "bytes",
        "tombstones.on.delete": "false",
        "skipped.operations": "none",
        # Otherwise a value that the connector cannot convert would arrive as NULL, with a line in its log.
        "event.converting.failure.handling.mode": "fail",
        "extended.headers.enabled": "false",
    }


def _in_line(names: Names) -> dict[str, str]:
    """What stands between the changes in the one topic: transaction ends, heartbeats, notifications."""
    return {
        "provide.transaction.metadata": "true",
        "heartbeat.interval.ms": "1000",
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": names.topic,
        "read.only": "true",
        "incremental.snapshot.chunk.size": str(CHUNK),
    }


def _pace(settings: Settings) -> dict[str, str]:
    """Soon rather than many: nothing lingers; queues are bounded in bytes; a database that went away is waited for."""
    return {
        "poll.interval.ms": str(POLL_INTERVAL_MS),
        "max.batch.size": str(BATCH),
        "max.queue.size": str(QUEUE),
        "max.queue.size.in.bytes": str(max(QUEUE_BYTES, 2 * settings.max_record_bytes)),
        "producer.override.linger.ms": "0",
        "producer.override.compression.type": "lz4",
        "producer.override.batch.size": str(PRODUCER_BATCH),
        "producer.override.max.request.size": str(settings.max_record_bytes),
        "producer.override.buffer.memory": str(max(PRODUCER_BUFFER, 2 * settings.max_record_bytes)),
        "errors.max.retries": "-1",
        "retriable.restart.connector.wait.ms": "1000",
    }


def exactly(*parts: str) -> str:
    """A regular expression (Java's) that matches the parts joined by dots and nothing else.

    Debezium compares without regard to case; `(?-i)` brings it back, for "Email" may stand beside "email".
    """
    return "(?-i)" + r"\.".join(literally(part) for part in parts)


def literally(text: str) -> str:
    """``text`` as a Java regular expression. All but letters, digits and _ go by number: a comma would end the list."""
    return "".join(c if c == "_" or (c.isascii() and c.isalnum()) else rf"\x{{{ord(c):x}}}" for c in text)
