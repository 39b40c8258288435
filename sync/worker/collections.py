"""Beside the worker's stages: collections that somebody dropped, emptied or changed in Weaviate behind our back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, select, update

from sync.embed.base import Model
from sync.errors import WeaviateRefused
from sync.settings import Settings
from sync.state.database import State
from sync.state.mending import write_anew
from sync.state.owed import Raise
from sync.state.registry import TERMS, TYPE, DocumentKind, Registered, applied, load, next_sequence
from sync.worker.beside import Beside, each
from sync.worker.comparing import Comparing, Harm, Place
from sync.write import collections
from sync.write.targets import Target, targets
from sync.write.weaviate import Weaviate

log = logging.getLogger("headrace.worker")
RESTING = 9  # a look rests so many times as long as it works: it costs no more than a tenth of a processor


class Collections(Beside):
    """A thread that compares Weaviate with the state, and mends what it can: the texts are all there to be written.

    What is gone is made anew, what is missing or was edited is written again with the embeddings that are stored, and
    what nobody wrote is taken away; large collections are gone through in many looks, round after round. A collection
    whose schema was changed is not touched: its document type is *unknown* and `status` says why. Of several workers
    only the one looks that ``leads``.
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
        self._began = time.monotonic()
        super().__init__("collections", settings.check_every, leads, patience=30.0)
        self._state, self._store, self._model, self._say, self._wake = state, store, model, say, wake
        self._places: dict[int, Place] = {}  # by document type: how far it is compared

    def _pause(self) -> float:
        """What is left of the time between two looks: a look that compares much takes nearly all of it."""
        return max(self._every / 10, self._began + self._every - time.monotonic())

    def _look(self) -> None:
        self.look()

    def look(self) -> None:
        """Compare every collection of every applied mapping. Raises what the store raises, of the first, at the end."""
        self._began = time.monotonic()
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
        self._compare_objects(registered, kind)

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

    def _compare_objects(self, registered: Registered, kind: DocumentKind) -> None:
        """Page after page, with pauses between them, until this look's time is over or the round is."""
        place = self._places.setdefault(kind.id, Place())
        comparing = Comparing(self._state, self._store, self._model, registered, kind)
        harm = Harm()
        until = time.monotonic() + self._every / len(self._places)
        try:
            while True:
                began = time.monotonic()
                comparing.step(place, harm)
                # Where something was wrong more is likely to be: then half of the time goes into looking.
                pause = (time.monotonic() - began) * (1 if harm else RESTING)
                if place.done or time.monotonic() + pause >= until or self._stopped.wait(pause) or not self._leads():
                    break
        except WeaviateRefused as exc:  # of one page; the next one is another
            self._say(f"a part of collection {kind.collection} could not be compared: {exc}")
        finally:
            if harm:
                self._say(
                    f"collection {kind.collection} was altered: {harm.documents} documents are written again,"
                    f" {harm.objects} objects that nobody wrote are taken away"
                )
                self._wake()
        if place.done:
            self._places[kind.id] = Place()

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
