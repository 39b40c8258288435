"""Beside the worker's stages: collections that somebody dropped, emptied or changed in Weaviate behind our back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, func, select, update

from sync.embed.base import Model
from sync.settings import Settings
from sync.state.database import State
from sync.state.mending import expect_chunks, write_anew
from sync.state.owed import Raise
from sync.state.registry import DOCUMENT, TERMS, TYPE, DocumentKind, Registered, applied, load, next_sequence
from sync.worker.beside import Beside, each
from sync.write import collections
from sync.write.targets import Target, targets
from sync.write.weaviate import Weaviate

log = logging.getLogger("headrace.worker")
KEYS_AT_ONCE = 5_000


class Collections(Beside):
    """A thread that compares Weaviate with the state, and mends what it can: the texts are all there to be written.

    What is gone is made anew, what is missing is written again with the embeddings that are stored, and what nobody
    wrote is taken away. A collection whose schema was changed is not touched: its document type is *unknown* and
    `status` says why. Of several workers only the one looks that ``leads``.
    """

    def __init__(
        self,
        state: State,
        store: Weaviate,
        model: Model,
        settings: Settings,
        say: Callable[[str], None],
        wake: Callable[[], None],
        leads: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__("collections", settings.check_every, leads, patience=30.0)
        self._state, self._store, self._model, self._say, self._wake = state, store, model, say, wake

    def _look(self) -> None:
        self.look()

    def look(self) -> None:
        """Compare every collection of every applied mapping. Raises what the store raises, of the first, at the end."""
        with self._state.read() as connection:
            found = [load(connection, name) for name in applied(connection)]
        each(found, lambda registered: each(targets(registered.plan, self._model), partial(self._look_at, registered)))

    def _look_at(self, registered: Registered, target: Target) -> None:
        kind = registered.kinds[TERMS if target.document == "terms" else target.document]
        if kind.collection == target.collection and not self._stopped.is_set():
            self._compare(registered, kind, target)

    def _compare(self, registered: Registered, kind: DocumentKind, target: Target) -> None:
        if not collections.exists(self._store, target.collection):
            self._make_anew(registered, kind, target)
            return
        told = collections.differences(self._store, target.schema)
        live = collections.live(self._store, target.alias)
        if not told and live not in (None, target.collection):
            told = [f"alias {target.alias} points to {live}"]
        self._note(kind, f"collection {target.collection} was changed: {'; '.join(told)}" if told else None)
        if told:
            return
        if live is None:
            collections.make_live(self._store, target.alias, target.collection)
            self._say(f"alias {target.alias} was gone: made anew")
        if self._counts_differ(kind):
            self._mend(registered, kind)

    def _make_anew(self, registered: Registered, kind: DocumentKind, target: Target) -> None:
        with self._state.read() as connection:
            if registered.name not in applied(connection):
                return  # it is being removed
        self._say(f"collection {target.collection} was gone: made anew, its documents are written again")
        collections.create(self._store, target.schema)
        collections.make_live(self._store, target.alias, target.collection)
        with self._state.write() as connection:
            why = self._why(connection, registered, "collection made anew")
            write_anew(connection, kind.id, None, why)
            self._state.announce(connection)
        self._note(kind, None)
        self._wake()

    def _counts_differ(self, kind: DocumentKind) -> bool:
        """Whether Weaviate has another number of objects than was written; only told while nothing is owed."""
        before = self._expected(kind)
        found = collections.count(self._store, kind.collection)
        return before is not None and before == self._expected(kind) and found != before

    def _expected(self, kind: DocumentKind) -> int | None:
        with self._state.read() as connection:
            owed, chunks = connection.execute(
                select(
                    func.count().filter(DOCUMENT.c.priority.is_not(None) | DOCUMENT.c.sent.is_not(None)),
                    func.coalesce(func.sum(DOCUMENT.c.chunks), 0),
                ).where(DOCUMENT.c.type_id == kind.id)
            ).one()
        return None if owed else int(chunks)

    def _mend(self, registered: Registered, kind: DocumentKind) -> None:
        """Compare object by object, by document key and chunk number."""
        standing: dict[str, dict[int, UUID]] = {}
        for uuid, values in self._store.ids(kind.collection, ("document_key", "chunk")):
            standing.setdefault(str(values["document_key"]), {})[int(values["chunk"])] = uuid
        # After the listing: a document that it did not show, because it was written meanwhile, is written once more;
        # an object without a document had one that is gone by now.
        with self._state.read() as connection:
            rows = connection.execute(
                select(DOCUMENT.c.key, DOCUMENT.c.chunks).where(DOCUMENT.c.type_id == kind.id)
            ).all()
        known = {row.key: row.chunks for row in rows}
        strange = [uuid for key, objects in standing.items() if key not in known for uuid in objects.values()]
        wrong = [key for key, chunks in known.items() if standing.get(key, {}).keys() != set(range(chunks))]
        self._say(
            f"collection {kind.collection} was altered: {len(wrong)} documents are written again,"
            f" {len(strange)} objects that nobody wrote are taken away"
        )
        self._store.erase(kind.collection, strange)
        for start in range(0, len(wrong), KEYS_AT_ONCE):
            part = wrong[start : start + KEYS_AT_ONCE]
            with self._state.write() as connection:
                why = self._why(connection, registered, "collection mended")
                highest = {key: max(standing[key]) + 1 for key in part if standing.get(key)}
                expect_chunks(connection, kind.id, highest)
                write_anew(connection, kind.id, part, why)
                self._state.announce(connection)
        self._wake()

    def _why(self, connection: Connection, registered: Registered, cause: str) -> Raise:
        sequence = next_sequence(self._state, connection, registered.name, 1)
        return Raise(sequence, time.time_ns() // 1000, cause)

    def _note(self, kind: DocumentKind, trouble: str | None) -> None:
        with self._state.read() as connection:
            noted = connection.execute(select(TYPE.c.trouble).where(TYPE.c.id == kind.id)).scalar()
        if noted != trouble:
            if trouble:
                self._say(trouble)
            with self._state.write() as connection:
                connection.execute(update(TYPE).where(TYPE.c.id == kind.id).values(trouble=trouble))
