"""The lines of `headrace doctor` about applied mappings: connector, topic, database, replication slot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sync.cli.check import OK, PATIENCE, WARNING, Checked, Unwell, check
from sync.errors import ConnectError, ConnectorFailed, HeadraceError, KafkaError, SourceError

if TYPE_CHECKING:
    from connectors.connect import Connect
    from connectors.problem import Problem
    from sync.mapping.lock import Lock
    from sync.settings import Settings
    from sync.state.registry import Registered

HELD = 1 << 30  # bytes of log that a slot may keep from being discarded before it is worth a word
AGAIN = "`headrace apply` the mapping's file again."


def examine_source(mapping: Registered, source: str, wanted: Settings) -> Iterator[Checked]:
    """Every check of one source of an applied mapping."""
    from sync.mapping.tables import sources_of

    name = mapping.name if len(mapping.sources) == 1 else f"{mapping.name}.{source}"
    yield check(f"{name}: connector", lambda: _connector(mapping, source, wanted), name)
    yield check(f"{name}: topic", lambda: _topic(mapping, source, wanted), name)
    warnings: list[Problem] = []
    database = check(f"{name}: database", lambda: _database(mapping, source, wanted, warnings), name)
    yield database
    yield from (Checked(f"{name}: database", WARNING, each.message, each.sql) for each in warnings)
    # MariaDB and MySQL keep nothing for a connector.
    if database.result == OK and sources_of(mapping.plan.mapping)[source].connector == "postgres":
        yield check(f"{name}: slot", lambda: _slot(mapping, source), name)


def left_over(registered: list[Registered], wanted: Settings) -> Iterator[Checked]:
    """Connectors of Headrace's that no applied mapping owns: their slots keep log for nobody."""
    from connectors.names import names

    known = {names(each.plan.mapping, source).connector for each in registered for source in each.sources}
    try:
        with _open(wanted) as connect:
            found = [name for name in connect.names() if name.startswith("headrace-") and name not in known]
    except ConnectError:
        return  # said already
    for name in found:
        yield Checked(
            "Kafka Connect",
            WARNING,
            f"connector {name} belongs to no mapping of this state",
            "If no other Headrace owns it: `headrace remove FILE`, with its mapping's file, takes it away.",
        )


def _open(wanted: Settings) -> Connect:
    from connectors.connect import Connect

    return Connect(wanted.connect_url, timeout=PATIENCE, patience=PATIENCE)


def _connector(mapping: Registered, source: str, wanted: Settings) -> str:
    from connectors.names import names
    from connectors.secrets import masked, secrets_of

    connector = names(mapping.plan.mapping, source).connector
    with _open(wanted) as connect:
        found = connect.status(connector)
        if found is None:
            raise ConnectorFailed(f"there is no connector {connector}", advice=f"It was deleted: {AGAIN}")
        if found.failed:
            reason = masked(found.reason, secrets_of(connect.config(connector) or {}))
            raise ConnectorFailed(f"{connector} is FAILED: {reason}", advice=f"Mend the cause, then {AGAIN}")
    if not found.running:
        raise ConnectorFailed(f"{connector} is {found.state}", advice=AGAIN)
    return f"{connector} is RUNNING, and so is its task"


def _topic(mapping: Registered, source: str, wanted: Settings) -> str:
    from connectors.topics import Topics

    topic = mapping.topics[source]
    topics = Topics(wanted.kafka, timeout=PATIENCE)
    if topics.topic_id(topic) is None:
        raise KafkaError(f"there is no topic {topic}", advice=f"It was deleted: {AGAIN}")
    return f"{topic} holds offsets {topics.beginning(topic):,} to {topics.end(topic):,}"


def _database(mapping: Registered, source: str, wanted: Settings, warnings: list[Problem]) -> str:
    from connectors.captured import captured
    from connectors.names import names
    from connectors.problem import errors
    from connectors.registration import source_database

    model = mapping.plan.mapping
    database = source_database(model, source)
    tables = captured(model, _lock(mapping, wanted), source)
    problems = database.preflight(names(model, source), tables, registered=True)
    wrong = errors(problems)
    warnings += [each for each in problems if each not in wrong]
    if wrong:
        raise Unwell("; ".join(str(each) for each in wrong))
    return f"{database}: nothing is missing"


def _slot(mapping: Registered, source: str) -> str:
    from connectors.names import names
    from connectors.postgres import slot
    from connectors.postgres.database import Postgres
    from connectors.registration import source_database

    database = source_database(mapping.plan.mapping, source)
    if not isinstance(database, Postgres):
        raise HeadraceError(f"{database} keeps no slot")
    name = names(mapping.plan.mapping, source).slot
    found = slot.read(database.address, name)
    if found is None:
        raise SourceError(f"there is no replication slot {name}", advice=f"It was dropped: {AGAIN}")
    if found.lost:
        raise SourceError(f"slot {name} has lost log that it had not sent", advice="The source is read again.")
    held = found.held_bytes or 0
    if not found.active:
        raise SourceError(f"nobody reads slot {name}; it keeps {_size(held)} of log", advice=AGAIN)
    if held > HELD:
        raise SourceError(f"slot {name} keeps {_size(held)} of log from being discarded", advice="See its connector.")
    return f"{name} is read, and keeps {_size(held)} of log"


def _size(count: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 10_000:
            return f"{count:,} {unit}"
        count //= 1024
    return f"{count:,} GB"


def _lock(mapping: Registered, wanted: Settings) -> Lock | None:
    """The lock that the mapping was applied with."""
    from sqlalchemy import select

    from sync.mapping.lock import Lock
    from sync.state.database import State
    from sync.state.registry import MAPPING

    state = State(wanted.state_url)
    try:
        with state.read() as connection:
            text = connection.execute(select(MAPPING.c.lock).where(MAPPING.c.name == mapping.name)).scalar_one()
            return Lock.model_validate_json(text) if text else None
    finally:
        state.close()
