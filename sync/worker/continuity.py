"""Whether a source's log continues where it was applied to; where it does not, everything is read again, by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select, update

from connectors.captured import CapturedTable, captured
from connectors.names import names
from connectors.registration import resnapshot, source_database
from connectors.shape import Shape, wrong
from connectors.topics import Described, Topics
from sync.apply.progress import Progress, read_progress
from sync.errors import Fenced
from sync.settings import Settings
from sync.state.database import State
from sync.state.drift import note, of_mapping, tables_called
from sync.state.registry import SOURCE, Registered
from sync.state.trouble import note_hindrance, why

LOOKS = 5


def ensure(
    state: State,
    registered: Registered,
    source: str,
    settings: Settings,
    say: Callable[[str], None],
    leads: Callable[[], bool] = lambda: True,
) -> bool:
    """Compare the topic with what was applied of it, and begin anew where it is another one, or has a hole.

    Until the new snapshot is complete the source is *catching up* and nothing of its mapping is written. Safe to be
    called again after a failure or a crash. Returns whether the log continues now: of several workers only the one
    begins anew that ``leads``. Raises KafkaError, ConnectError, SourceError, SettingsError, Fenced.
    """
    number, topic = registered.sources[source], registered.topics[source]
    topics = Topics(settings.kafka)
    with state.read() as connection:
        progress = read_progress(connection, number)
    if reason := broken(topics, progress, topic):
        note_gap(state, number, reason, progress.epoch)
    with state.read() as connection:
        due, trouble, epoch = connection.execute(
            select(SOURCE.c.snapshot_due, SOURCE.c.trouble, SOURCE.c.epoch).where(SOURCE.c.id == number)
        ).one()
    if due and not leads():
        return False
    if due:
        say(f"{registered.name}.{source}: {why(trouble) or 'a snapshot is due'}; everything is read again")
        _begin_anew(state, registered, source, epoch, settings, say)
    with state.write() as connection:
        note_hindrance(connection, registered.name, source, None)
    return True


def _begin_anew(
    state: State, registered: Registered, source: str, epoch: int, settings: Settings, say: Callable[[str], None]
) -> None:
    number, topic, topics = registered.sources[source], registered.topics[source], Topics(settings.kafka)
    topics.ensure(topic, {"max.message.bytes": str(settings.max_record_bytes)})
    _move_to_the_end(state, number, epoch, topics, topic)
    mapping = registered.plan.mapping
    tables = captured(mapping, registered.lock, source)
    # Whatever the tables have been through up to here, the snapshot shows.
    shape = source_database(mapping, source).shape(names(mapping, source), tables, None)
    without = _drifted(state, registered, source, tables, shape)
    resnapshot(mapping, source, settings, say, [table for table in tables if table.name not in without])
    _still_due(state, number, epoch, snapshot_due=False, shape_marks=shape.marks)


def _drifted(
    state: State, registered: Registered, source: str, tables: Sequence[CapturedTable], shape: Shape
) -> set[str]:
    """The tables (by their database names) that cannot be read as mapped, those included that only show it now.

    Were these found by the next look alone, documents of what the snapshot shows would be written before it.
    """
    lock = registered.lock.sources.get(source) if registered.lock else None
    found = tables_called(registered, source, wrong(tables, lock, shape))
    with state.write() as connection:
        note(connection, registered.sources[source], found)
        noted = of_mapping(connection, registered.name)
    return {table.database_name for table in registered.tables_of(source) if table.name in noted}


def broken(topics: Topics, progress: Progress, topic: str) -> str | None:
    """Why the topic does not continue at ``progress``, in words; None where it does, as far as offsets tell."""
    found = _found(topics, topic)
    if found is None:
        return f"topic {topic} is gone"
    if progress.topic_id and found.id != progress.topic_id:
        return f"topic {topic} was made anew"
    end, beginning = topics.end(topic), topics.beginning(topic)
    if end <= progress.offset:
        return f"topic {topic} ends at {end}, and {progress.offset} was applied"
    if beginning > progress.offset + 1:
        return f"topic {topic} begins at {beginning}, and {progress.offset + 1} comes next: its retention was too short"
    return None


def _found(topics: Topics, topic: str) -> Described | None:
    """The topic, or None where several looks in a row do not find it: a broker that starts may not know it yet."""
    for _ in range(LOOKS):
        if (found := topics.describe(topic)) is not None:
            return found
        time.sleep(1.0)
    return None


def gaps(state: State) -> list[tuple[str, str]]:
    """Mapping and source of every log whose gap is noted and not mended yet."""
    with state.read() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(SOURCE.c.mapping, SOURCE.c.name).where(SOURCE.c.snapshot_due))
        ]


def note_gap(state: State, source_id: int, reason: str, epoch: int) -> None:
    """From here on positions count in a new epoch, and a snapshot is due. Noted once, however often it is found.

    ``epoch``: of the log that has the gap; what somebody finds of an earlier one is over.
    """
    with state.write() as connection:
        connection.execute(
            update(SOURCE)
            .where(SOURCE.c.id == source_id, SOURCE.c.epoch == epoch, SOURCE.c.snapshot_due.is_(False))
            .values(
                epoch=SOURCE.c.epoch + 1,
                database_position=None,
                open_transaction=None,
                last_hash=None,
                heartbeat=None,
                log_marks=None,
                loaded=False,
                snapshot_due=True,
                trouble=reason,
            )
        )


def _move_to_the_end(state: State, source_id: int, epoch: int, topics: Topics, topic: str) -> None:
    """What the topic holds by now is older than the snapshot that follows."""
    found = topics.describe(topic)
    _still_due(state, source_id, epoch, offset_=topics.end(topic) - 1, topic_id=found.id if found else None)


def _still_due(state: State, source_id: int, epoch: int, **values: Any) -> None:
    """Write this of the source. Raises Fenced where another worker has begun it anew meanwhile."""
    mine = update(SOURCE).where(SOURCE.c.id == source_id, SOURCE.c.epoch == epoch, SOURCE.c.snapshot_due)
    with state.write() as connection:
        if connection.execute(mine.values(**values)).rowcount != 1:
            raise Fenced("another worker has begun this source anew")
