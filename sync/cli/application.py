"""A mapping on its way to being applied: collections, source, state, all of them or none.

Collections come first: nothing reads or fills them yet, so that taking them back hurts nobody. Then the source:
topics, publication, connector, until its task runs. The state comes last, in one transaction: the worker reads
only topics that the state names, so it meets a mapping when all of it stands, and never one that is taken back.
What the connector sends meanwhile waits in the topic, which is read from its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from sync.cli import terminal
from sync.errors import HeadraceError

if TYPE_CHECKING:
    from sync.mapping.lock import Lock
    from sync.mapping.model import Mapping
    from sync.mapping.plan import Plan
    from sync.settings import Settings
    from sync.state.database import State
    from sync.write.targets import Target
    from sync.write.weaviate import Weaviate

Say = Callable[[str], None]


ANSWERS_WITHIN = 5.0  # seconds


class Refused(HeadraceError):
    """The mapping cannot be applied as things stand; nothing was done."""


class Application:
    """A mapping on its way to being applied. Every method may raise the errors of what it talks to."""

    def __init__(self, mapping: Mapping, lock: Lock | None, wanted: Settings) -> None:
        from sync.embed.choose import embedder
        from sync.mapping.plan import plan
        from sync.write.targets import targets

        self.mapping, self.lock, self.settings = mapping, lock, wanted
        self.plan: Plan = plan(mapping, lock)
        self.targets: list[Target] = targets(self.plan, embedder(wanted).describe())

    @property
    def name(self) -> str:
        return self.mapping.name

    def check(self, state: State) -> bool:
        """Whether this very version is applied already. Raises Refused, WeaviateRefused and what does not answer."""
        from sync.state.registry import applied
        from sync.write.targets import claimed, refuse
        from sync.write.weaviate import Weaviate

        with state.read() as connection:
            version = applied(connection).get(self.name)
            others = claimed(connection, self.name)
        if version == self.plan.version:
            return True
        if version is not None:
            raise Refused(
                f"{self.name} is applied in version {version}, and this is {self.plan.version}",
                advice=f"`headrace remove {self.name}`, then apply: a mapping cannot be changed yet while it serves.",
            )
        self._ask_kafka()
        self._refuse_strangers_connector()
        with Weaviate(self.settings) as weaviate:
            refuse(weaviate, self.targets, others)
        return False

    def _ask_kafka(self) -> None:
        """Kafka Connect without its Kafka keeps one waiting for half a minute, and is blamed then."""
        from connectors.topics import Topics

        Topics(self.settings.kafka, timeout=ANSWERS_WITHIN).describe(f"headrace.{self.name}")

    def _refuse_strangers_connector(self) -> None:
        """A connector that this state does not know is another Headrace's, or what a killed `apply` left."""
        from connectors.connect import Connect
        from connectors.names import names
        from sync.mapping.tables import sources_of

        with Connect(self.settings.connect_url) as connect:
            known = connect.names()
        for source in sources_of(self.mapping):
            connector = names(self.mapping, source).connector
            if connector in known:
                raise Refused(
                    f"connector {connector} exists, and this state knows of no mapping {self.name}",
                    advice="Another Headrace may own it (is HEADRACE_STATE_URL the right one?). If it is left over:"
                    " `headrace remove FILE`, with the mapping's file, takes it away.",
                )

    def show(self) -> None:
        """What will be made, before anything is."""
        from connectors.captured import captured
        from connectors.names import SCHEMA, names
        from sync.mapping.tables import sources_of

        terminal.line(f"Mapping {self.name}, version {self.plan.version}, is new. This will be made:", "bold")
        rows = [[t.document, f"{t.alias} → {t.collection}", _filters(self.plan, t.document)] for t in self.targets]
        terminal.show(terminal.table(["DOCUMENT", "COLLECTION", "FILTERS"], rows))
        terminal.line()
        for source, model in sources_of(self.mapping).items():
            tables = [
                [
                    table.name,
                    ", ".join(c for c, treated in table.columns.items() if treated is None),
                    ", ".join(f"{c} ({treated})" for c, treated in table.columns.items() if treated),
                    ", ".join(table.dropped),
                ]
                for table in captured(self.mapping, self.lock, source)
            ]
            terminal.show(terminal.table(["TABLE", "CAPTURED", "MASKED", "LEFT OUT"], tables))
            own = names(self.mapping, source)
            terminal.line()
            inside = f"replication slot {own.slot}, publication {own.publication}"
            inside += f", tables {SCHEMA}.{own.signal_table} and {own.heartbeat_table}"
            if model.connector != "postgres":
                inside = f"a row in table headrace_marker, table {own.signal_table}"
            terminal.line(f"Kafka topic {own.topic}; connector {own.connector}; in the database: {inside}.")
        terminal.line()

    def carry_out(self, state: State, say: Say) -> dict[str, Any]:
        """Do it, or restart what failed where this version is applied already. Says each step that is done."""
        from connectors.registration import register, unregister
        from sync.state.registry import applied
        from sync.write.weaviate import Weaviate

        with state.read() as connection:
            again = self.name in applied(connection)
        if again:
            self._refuse_while_read(state)
            register(self.mapping, self.lock, self.settings, say)
            self._keep_goals(state)
            return self._made(again=True)
        with Weaviate(self.settings) as weaviate, ExitStack() as undo:
            left_over = self._make_collections(weaviate, undo, say)
            registered = register(self.mapping, self.lock, self.settings, say)
            undo.callback(unregister, self.mapping, self.settings, partial(_taken_back, say))
            self._empty(weaviate, left_over, say)
            topics: dict[str, tuple[str, str | None]] = {
                source: (each.topic, each.topic_id) for source, each in registered.items()
            }
            try:
                self._register_in_state(state, topics, {s: each.shape_marks for s, each in registered.items()})
            except Refused:
                undo.pop_all()  # what stands now is the other's
                raise
            undo.pop_all()
        say(f"mapping {self.name} {self.plan.version} in the state")
        return self._made(again=False)

    def _refuse_while_read(self, state: State) -> None:
        """A backfill has tables published in its own way, which `register` would undo in the middle of it."""
        from sync.state.backfills import under_way
        from sync.state.registry import load

        with state.read() as connection:
            told = [
                each for each in under_way(connection, load(connection, self.name).sources.values()) if each.claimed_at
            ]
        if told:
            raise Refused(
                f"mapping {self.name}: {', '.join(told[0].tables)} is being read again",
                advice=f"`headrace backfill {self.name} --watch` shows how far it is, `--stop` ends it.",
            )

    def _keep_goals(self, state: State) -> None:
        """Freshness goals, owner and tests change no document, and so no version: they are taken over as they are."""
        from sqlalchemy import update

        from sync.state.registry import MAPPING

        with state.write() as connection:
            model = self.mapping.model_dump_json(by_alias=True)
            connection.execute(update(MAPPING).where(MAPPING.c.name == self.name).values(model=model))

    def _made(self, *, again: bool) -> dict[str, Any]:
        from connectors.names import names
        from sync.mapping.tables import sources_of

        return {
            "mapping": self.name,
            "version": self.plan.version,
            "applied_already": again,
            "collections": {target.document: target.alias for target in self.targets},
            "topics": {source: names(self.mapping, source).topic for source in sources_of(self.mapping)},
        }

    def _make_collections(self, weaviate: Weaviate, undo: ExitStack, say: Say) -> list[Target]:
        """Make those that are not there, with their aliases. Returns those left by an earlier `remove`."""
        from sync.write import collections

        left_over = []
        for target in self.targets:
            if collections.exists(weaviate, target.collection):
                left_over.append(target)
            else:
                undo.callback(_carefully(partial(collections.drop, weaviate, target.collection), say))
                collections.create(weaviate, target.schema)
                say(f"collection {target.collection}")
            if collections.live(weaviate, target.alias) is None:
                undo.callback(_carefully(partial(collections.drop_alias, weaviate, target.alias), say))
            collections.make_live(weaviate, target.alias, target.collection)
        return left_over

    def _empty(self, weaviate: Weaviate, left_over: list[Target], say: Say) -> None:
        """Collections of an earlier `apply` are made anew: rows deleted since would stay in them for ever."""
        from sync.write import collections

        for target in left_over:
            collections.drop_alias(weaviate, target.alias)
            collections.drop(weaviate, target.collection)
            collections.create(weaviate, target.schema)
            collections.make_live(weaviate, target.alias, target.collection)
            say(f"collection {target.collection}, left from an earlier apply, made anew")

    def _register_in_state(
        self, state: State, topics: dict[str, tuple[str, str | None]], marks: dict[str, str | None]
    ) -> None:
        from sqlalchemy import update

        from sync.mapping.terms import terms
        from sync.state.owed import Priority, Raise
        from sync.state.raises import Raises
        from sync.state.registry import SOURCE, TERMS, applied, next_sequence, register

        with state.write() as connection:
            if self.name in applied(connection):
                raise Refused(
                    f"{self.name} was applied by another `headrace apply` at the same time", advice="Apply again."
                )
            registered = register(connection, self.mapping, self.lock, topics)
            for source, number in registered.sources.items():
                known = update(SOURCE).where(SOURCE.c.id == number).values(shape_marks=marks.get(source))
                connection.execute(known)
            why = Raise(next_sequence(state, connection, self.name, 1), time.time_ns() // 1000, "apply")
            raises = {term.key: why for term in terms(self.plan)}
            Raises(state).raise_keys(connection, registered.kinds[TERMS].id, raises, Priority.direct)


def _taken_back(say: Say, step: str) -> None:
    say(step if step.startswith("could not") else f"taken back: {step}")


def _carefully(step: Callable[[], object], say: Say) -> Callable[[], None]:
    """An undo that must not hide why there is something to undo."""

    def undo() -> None:
        try:
            step()
        except HeadraceError as exc:
            say(f"could not take back: {exc}")

    return undo


def _filters(plan: Plan, document: str) -> str:
    found = plan.documents.get(document)
    return ", ".join(one.name for one in found.properties) if found else ""
