"""What a source's topic, connector, slot and publication are called: computed from mapping and source, never stored."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from sync.errors import MappingError
from sync.mapping.model import Mapping
from sync.mapping.tables import sources_of

IDENTIFIER = 63  # PostgreSQL's longest name, in bytes
SIGNAL, HEARTBEAT = "_signal", "_heartbeat"
SCHEMA = "headrace"  # in PostgreSQL, of tables of our own
TOPIC = 249  # Kafka's longest
MESSAGE_PREFIX = "headrace"  # of our own logical messages
MARKER_PREFIX = MESSAGE_PREFIX
HEARTBEAT_PREFIX = "headrace-heartbeat"


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that one source of one mapping owns outside Headrace."""

    mapping: str
    source: str
    topic: str  # the one topic of the source
    signal_topic: str  # of versions that asked for snapshots through Kafka: it is only taken away
    history_topic: str  # MySQL's and MariaDB's DDL, for Debezium alone
    connector: str  # in Kafka Connect
    prefix: str  # Debezium's topic.prefix: no topic begins with it, the router renames them all
    slot: str
    publication: str
    signal_table: str  # in the database: a row of it asks the connector to read tables again
    heartbeat_table: str  # in PostgreSQL: its row is the last heartbeat


def names(mapping: Mapping, source: str) -> Names:
    """The names of ``source``, which is a key of `sources_of(mapping)`; raises MappingError if it is not."""
    known = sources_of(mapping)
    if source not in known:
        raise MappingError(f"mapping {mapping.name} has no source {source}; it has {', '.join(known) or 'none'}")
    topic = _fitted(f"headrace.{mapping.name}.{source}", r"[^A-Za-z0-9._-]", TOPIC - len("-history"))
    whole = f"headrace_{mapping.name}" if len(known) == 1 else f"headrace_{mapping.name}_{source}"
    identifier = _fitted(whole, r"[^a-z0-9_]", IDENTIFIER)
    return Names(
        mapping=mapping.name,
        source=source,
        topic=topic,
        signal_topic=f"{topic}-signal",
        history_topic=f"{topic}-history",
        connector=topic.replace(".", "-"),
        prefix=topic.removeprefix("headrace."),
        slot=identifier,
        publication=identifier,
        signal_table=_fitted(whole, r"[^a-z0-9_]", IDENTIFIER - len(SIGNAL)) + SIGNAL,
        heartbeat_table=_fitted(whole, r"[^a-z0-9_]", IDENTIFIER - len(HEARTBEAT)) + HEARTBEAT,
    )


def _fitted(name: str, forbidden: str, limit: int) -> str:
    """``name`` with what is forbidden as _, cut to ``limit``; a hash then keeps it apart from its neighbours."""
    plain = re.sub(forbidden, "_", name)
    if plain == name and len(name) <= limit:
        return name
    return f"{plain[: limit - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
