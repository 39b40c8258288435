"""Registers a mapping's sources with Kafka, the database and Kafka Connect, and takes them away again.

What Headrace owns outside itself is exactly what these three functions make and remove: a topic, a publication, tables
for signals and heartbeats, a connector with its offsets, and the slot that the connector makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from connectors import debezium, signals
from connectors.captured import CapturedTable, captured
from connectors.connect import Connect
from connectors.database import Database, open_database
from connectors.envelope import MARKER_TABLE
from connectors.names import Names, names
from connectors.problem import Problem, errors
from connectors.topics import Topics
from sync.errors import ConnectError, ConnectRefused, HeadraceError, MappingError, PreflightFailed
from sync.mapping.load import resolve_env
from sync.mapping.lock import Lock
from sync.mapping.model import Mapping
from sync.mapping.tables import sources_of
from sync.settings import Settings

Progress = Callable[[str], None]
RUNNING_WITHIN = 60.0  # seconds
SNAPSHOT_WITHIN = 30.0
UNDER_WAY = 3  # records: an attempt that fails leaves STARTED and ABORTED


@dataclass(frozen=True)
class Registration:
    """One registered source: its topic, Kafka's id of it, and what the preflight warned of."""

    source: str
    names: Names
    topic_id: str
    created: bool  # False: its connector was there already
    warnings: tuple[Problem, ...] = ()
    shape_marks: str | None = None  # of its tables before the snapshot began, to compare with later

    @property
    def topic(self) -> str:
        return self.names.topic


@dataclass
class Removal:
    """What `unregister` did and what it could not do. ``clean``: nothing of ours is left anywhere."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.failed


def source_database(mapping: Mapping, source: str) -> Database:
    """The database of a source, with ${NAME} in its url resolved.

    Raises MappingError for a source that has no url or whose kind is not supported, SettingsError for a NAME not set.
    """
    model = sources_of(mapping)[source]
    if model.url is None:
        raise MappingError(f"source {source} of mapping {mapping.name} has no url")
    return open_database(model.connector, resolve_env(model.url), model.schema_)


def preflight(mapping: Mapping, lock: Lock | None, settings: Settings) -> dict[str, list[Problem]]:
    """Per source, everything that its database lacks; Kafka Connect need not run.

    Raises SourceUnreachable and SourceRefused.
    """
    with Connect(settings.connect_url) as connect:
        found = {}
        for source in sources_of(mapping):
            own = names(mapping, source)
            try:
                registered = connect.config(own.connector) is not None
            except ConnectError:
                registered = True  # who knows: then a slot of this name is no reason to complain
            tables = captured(mapping, lock, source)
            found[source] = source_database(mapping, source).preflight(own, tables, registered=registered)
        return found


def configuration(
    mapping: Mapping, lock: Lock | None, source: str, settings: Settings, database: Database | None = None
) -> dict[str, str]:
    """A source's whole connector configuration, password and salt included: not for printing."""
    own, tables = names(mapping, source), captured(mapping, lock, source)
    database = database or source_database(mapping, source)
    return debezium.configuration(own, tables, settings) | database.configuration(own, tables, settings)


def register(
    mapping: Mapping, lock: Lock | None, settings: Settings, progress: Progress = lambda _: None
) -> dict[str, Registration]:
    """Register every source of a mapping, or change what is registered; by source's name.

    In order: preflight of all sources, topics, publication, connector, until its task runs. When one step fails,
    everything that this call made is taken back, last first; what was there before is as it was. Raises
    PreflightFailed with all problems, and whatever a step raises (SourceError, ConnectError, KafkaError).
    """
    with ExitStack() as undo, Connect(settings.connect_url) as connect:
        connect.version()
        found = {}
        pending = [_Source(mapping, lock, source, settings, connect, progress) for source in sources_of(mapping)]
        warnings = {each.own.source: each.preflight() for each in pending}
        _refuse(mapping, [(s, p) for s, problems in warnings.items() for p in errors(problems)])
        for each in pending:
            found[each.own.source] = each.register(undo, tuple(warnings[each.own.source]))
        undo.pop_all()
        return found


def unregister(mapping: Mapping, settings: Settings, progress: Progress = lambda _: None) -> Removal:
    """Take away connectors, offsets, slots, publications and topics of a mapping; may be called again.

    Goes on past what is missing and past what fails: a database that is gone keeps nothing else. Raises nothing;
    `Removal.failed` says what may still be there.
    """
    removal = Removal()

    def say(text: str) -> None:
        removal.done.append(text)
        progress(text)

    with Connect(settings.connect_url) as connect:
        for source in sources_of(mapping):
            own = names(mapping, source)
            for what, step in _removal_steps(mapping, own, settings, connect, say):
                try:
                    step()
                except HeadraceError as exc:
                    removal.failed.append(f"{what}: {exc}")
                    progress(f"could not remove {what}: {exc}")
    return removal


def resnapshot(
    mapping: Mapping,
    source: str,
    settings: Settings,
    progress: Progress = lambda _: None,
    tables: Sequence[CapturedTable] | None = None,
) -> None:
    """Read a source again from the start: stop its connector, delete its offsets, drop its slot, start.

    With the slot kept, changes older than the snapshot would arrive after its end. ``tables``: those to capture from
    now on, where not the same ones as before: one that is not as mapped would fail the snapshot of all. Raises what
    the steps raise; may be called again. Raises ConnectRefused where the connector does not exist.
    """
    own, database = names(mapping, source), source_database(mapping, source)
    with Connect(settings.connect_url) as connect:
        if not connect.stop(own.connector):
            raise ConnectRefused(
                f"there is no connector {own.connector}", advice="`headrace apply` the mapping: it makes its connector."
            )
        connect.delete_offsets(own.connector)
        progress(f"stopped connector {own.connector} and deleted its offsets")
        if database.start_over(own):
            progress(f"dropped slot {own.slot}")
        if tables is not None:
            now = connect.config(own.connector) or {}
            connect.put(own.connector, now | _lists(database, own, tables, settings))
        connect.resume(own.connector)
        connect.wait_running(own.connector, RUNNING_WITHIN)
        progress(f"connector {own.connector} runs, from a new snapshot")


def _lists(database: Database, own: Names, tables: Sequence[CapturedTable], settings: Settings) -> dict[str, str]:
    """What a connector is told of tables, columns and statements, and nothing that needs a secret."""
    found = debezium.listed(tables)
    return found | {
        name: value
        for name, value in database.configuration(own, tables, settings).items()
        # A statement about a table that is left out may be one that the connector cannot read.
        if name in found or name == debezium.DDL_FILTER
    }


def _refuse(mapping: Mapping, problems: list[tuple[str, Problem]]) -> None:
    if problems:
        lines = "".join(f"\n  {source}: {problem}" for source, problem in problems)
        raise PreflightFailed(f"mapping {mapping.name} cannot be captured yet:{lines}")


def _removal_steps(
    mapping: Mapping, own: Names, settings: Settings, connect: Connect, say: Progress
) -> Iterator[tuple[str, Callable[[], None]]]:
    def connector() -> None:
        if take_away(connect, own.connector):
            say(f"deleted connector {own.connector} and its offsets")

    def database() -> None:
        for done in source_database(mapping, own.source).clean(own):
            say(done)

    def topics() -> None:
        for name in Topics(settings.kafka).delete([own.topic, own.signal_topic, own.history_topic]):
            say(f"deleted topic {name}")

    yield f"connector {own.connector}", connector
    postgres = sources_of(mapping)[own.source].connector == "postgres"
    inside = f"slot {own.slot}, publication {own.publication}" if postgres else f"row in table {MARKER_TABLE}"
    tables = f"tables {own.signal_table} and {own.heartbeat_table}" if postgres else f"table {own.signal_table}"
    yield f"{inside} and {tables}", database
    yield f"topic {own.topic}", topics


class _Source:
    """One source on its way to being registered."""

    def __init__(
        self, mapping: Mapping, lock: Lock | None, source: str, settings: Settings, connect: Connect, progress: Progress
    ) -> None:
        self.own, self.settings, self.connect, self.progress = names(mapping, source), settings, connect, progress
        self.tables: tuple[CapturedTable, ...] = captured(mapping, lock, source)
        self.database = source_database(mapping, source)
        self.config = configuration(mapping, lock, source, settings, self.database)
        self.before = connect.config(self.own.connector)

    def preflight(self) -> list[Problem]:
        self.connect.require_plugin(self.database.connector_class)
        return self.database.preflight(self.own, self.tables, registered=self.before is not None)

    def register(self, undo: ExitStack, warnings: tuple[Problem, ...]) -> Registration:
        topics = Topics(self.settings.kafka)
        self._topics(topics, undo)
        self._stop_one_that_listens_to_nothing(undo)
        if done := self.database.prepare(self.own, self.tables):
            self._undo(undo, done[0], done[1])
            self.progress(done[0])
        marks = self.database.shape(self.own, self.tables, None).marks
        self._validate()
        end = topics.end(self.own.topic)
        if self.before is None:
            self._create(undo)
        else:
            self._change(undo, self.before)
        self.connect.wait_running(self.own.connector, RUNNING_WITHIN)
        if self.before is None:
            self._wait_for_snapshot(topics, end)
        self.progress(f"connector {self.own.connector} runs")
        topic_id = topics.topic_id(self.own.topic) or ""
        return Registration(self.own.source, self.own, topic_id, self.before is None, warnings, marks)

    def _stop_one_that_listens_to_nothing(self, undo: ExitStack) -> None:
        """A connector of MariaDB's knows a table only if it reads in the log how it was made, told that it matters."""
        if self.before is not None and signals.TABLE_SETTING not in self.before:
            self._undo(undo, f"stop of {self.own.connector}", partial(self.connect.resume, self.own.connector))
            self.connect.stop(self.own.connector)

    def _topics(self, topics: Topics, undo: ExitStack) -> None:
        size = {"max.message.bytes": str(self.settings.max_record_bytes)}
        if topics.ensure(self.own.topic, size):
            self._undo(undo, f"topic {self.own.topic}", partial(topics.delete, [self.own.topic]))
            self.progress(f"made topic {self.own.topic}")

    def _validate(self) -> None:
        complaints = self.connect.validate(self.database.connector_class, self.config | {"name": self.own.connector})
        if complaints:
            raise ConnectRefused(f"connector {self.own.connector}: " + "; ".join(complaints))

    def _create(self, undo: ExitStack) -> None:
        # A slot or offsets left by an earlier connector of this name would make this one begin in the middle.
        if self.database.start_over(self.own):
            self.progress(f"dropped slot {self.own.slot}, which nobody used")
        self._undo(undo, f"slot {self.own.slot}", lambda: self.database.start_over(self.own))
        self._undo(undo, f"connector {self.own.connector}", lambda: take_away(self.connect, self.own.connector))
        self.connect.create_stopped(self.own.connector, self.config)
        self.connect.delete_offsets(self.own.connector)
        self.connect.resume(self.own.connector)

    def _wait_for_snapshot(self, topics: Topics, before: int) -> None:
        """RUNNING says little: a table that Debezium cannot take fails the task a moment later.

        Where a snapshot takes long to get under way, the connector is believed.
        """
        deadline = time.monotonic() + SNAPSHOT_WITHIN
        while topics.end(self.own.topic) < before + UNDER_WAY and time.monotonic() < deadline:
            self.connect.wait_running(self.own.connector, RUNNING_WITHIN)
            time.sleep(0.1)

    def _change(self, undo: ExitStack, before: dict[str, str]) -> None:
        status = self.connect.status(self.own.connector)
        if before == self.config | {"name": self.own.connector} and status and status.running:
            return
        self._undo(undo, f"change of connector {self.own.connector}", lambda: self._replace(before))
        self._replace(self.config)
        self.progress(f"changed connector {self.own.connector}")

    def _replace(self, config: dict[str, str]) -> None:
        """Stopped in between: a state RUNNING or FAILED that is seen afterwards is of the new configuration."""
        self.connect.stop(self.own.connector)
        self.connect.put(self.own.connector, config)
        self.connect.resume(self.own.connector)

    def _undo(self, undo: ExitStack, what: str, step: Callable[[], object]) -> None:
        def carefully() -> None:
            try:
                step()
            except HeadraceError as exc:
                # Must not hide why there is something to undo. `remove` finds what is left.
                self.progress(f"could not undo {what}: {exc}")

        undo.callback(carefully)


def take_away(connect: Connect, connector: str) -> bool:
    """Delete a connector with its offsets; False if there was none."""
    # Offsets can be deleted only while the connector still exists, and is stopped.
    if not connect.stop(connector):
        return False
    connect.delete_offsets(connector)
    return connect.delete(connector)
