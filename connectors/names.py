"""What a source's topic, connector, slot and publication are called: computed from mapping and source, never stored."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from sync.errors import MappingError
from sync.mapping.model import Mapping
from sync.mapping.tables import sources_of

IDENTIFIER = 63  # PostgreSQL's longest name, in bytes
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
    signal_topic: str  # by which snapshots are asked for
    history_topic: str  # MySQL's and MariaDB's DDL, for Debezium alone
    connector: str  # in Kafka Connect
    prefix: str  # Debezium's topic.prefix: no topic begins with it, the router renames them all
    slot: str
    publication: str


def names(mapping: Mapping, source: str) -> Names:
    """The names of ``source``, which is a key of `sources_of(mapping)`; raises MappingError if it is not."""
    known = sources_of(mapping)
    if source not in known:
        raise MappingError(f"mapping {mapping.name} has no source {source}; it has {', '.join(known) or 'none'}")
    alone = len(known) == 1
    topic = _shortened(f"headrace.{mapping.name}.{_plain(source)}", TOPIC - len("-history"), source)
    identifier = f"headrace_{mapping.name}" if alone else f"headrace_{mapping.name}_{_plain(source).lower()}"
    identifier = _shortened(re.sub(r"[^a-z0-9_]", "_", identifier), IDENTIFIER, f"{mapping.name}/{source}")
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
    )


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _shortened(name: str, limit: int, whole: str) -> str:
    """A name that is too long keeps its beginning; a hash of the whole keeps it apart from its neighbours."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9]}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
