"""② write: the journey of owed documents, from their rows to what a reader finds in Weaviate.

gather → build → embed → note → put → prune → confirm. Whatever fails leaves the documents owed; where nobody knows
what became of a request they are *doubtful*: written again later, by ways that mend what a crash left, and read back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from sync.embed.base import Embedder
from sync.errors import (
    BuildError,
    Fenced,
    HeadraceError,
    OutcomeUnknown,
    StateConflict,
    StateError,
    StateUnreachable,
    WeaviateUnreachable,
)
from sync.state.database import State
from sync.state.documents import Documents
from sync.state.owed import Owed, Priority, Settled
from sync.state.registry import Registered
from sync.write.book import Book
from sync.write.delivery import Delivered, Sending
from sync.write.draft import Draft, as_written, by_type, digest
from sync.write.embedding import Embedding
from sync.write.gather import Gathering, Kind, gather
from sync.write.holding import All, Holding
from sync.write.queue import Queue
from sync.write.rests import Rests
from sync.write.store import Store
from sync.write.turns import Turns

log = logging.getLogger("headrace.write")

DOUBT_AFTER_TIMEOUT = 20.0  # seconds until a request whose outcome is unknown is taken for dead
DOUBT_AFTER_LOSS = 2.0  # the same where the connection was closed on us, or our own process was killed
BATCH_BYTES = 8_000_000
STATE_AGAIN = 0.5  # seconds after which a state that is away is told again what is in doubt
LOOK_AGAIN = 0.25  # seconds between two looks whether a component is back: what a killed Weaviate left half waits
LOOK_ANYWAY = 0.5  # seconds after which a lane looks though nobody called it


class Stage:
    """Lanes of threads that write what is owed. ``on_settled`` hears of every document that was settled.

    ``on_free`` hears, in a lane's thread, that direct changes would be built at once. ``holding`` knows which documents
    are this worker's.
    """

    def __init__(
        self,
        state: State,
        store: Store,
        embedder: Embedder,
        *,
        lanes: int = 2,
        batch: int = 256,
        on_settled: Callable[[Sequence[Settled]], None] | None = None,
        on_free: Callable[[], None] | None = None,
        holding: Holding | None = None,
    ) -> None:
        self.holding = holding or All()
        self.state, self.store, self.embedder = state, store, embedder
        self.model = embedder.describe()
        self.documents = Documents(state)
        self.book = Book(state, self.documents, self.holding)
        self.rests = Rests()
        self.embedding = Embedding(state, self.documents, embedder, self.rests)
        self.sending = Sending(store, self.rests)
        self.queue = Queue(lanes, on_free)
        self.lanes, self.batch = lanes, batch
        self.on_settled = on_settled
        self.trouble: str | None = None  # what keeps documents waiting just now, in words
        self.failure: BaseException | None = None
        self._kinds: dict[int, Kind] = {}
        self._threads: list[threading.Thread] = []
        self._turns = Turns()

    def serve(self, mappings: Sequence[Registered]) -> None:
        """From now on write the documents of these mappings."""
        self._kinds = {kind.id: Kind.of(mapping, kind) for mapping in mappings for kind in mapping.kinds.values()}
        self.queue.wake()

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=self._lane, name=f"write-{number}", daemon=True) for number in range(self.lanes)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 30.0) -> None:
        """Finish what is in flight, take nothing new."""
        self.queue.stop()
        for thread in self._threads:
            thread.join(timeout)

    def _lane(self) -> None:
        try:
            while not self.queue.stopped:
                if self.step() < self.batch:
                    self.queue.wait(LOOK_ANYWAY)
        except BaseException as exc:  # the worker sees it and ends: a dead lane must not go unnoticed
            self.failure = exc
            self.queue.stop()

    def step(self) -> int:
        """Write one batch; returns how many documents were taken."""
        try:
            with self.state.read() as connection:
                kinds = {number: kind for number, kind in self._kinds.items() if not self.rests.left(number)}
                gathering = gather(connection, self.documents, self.queue, kinds, self.batch, self.holding.buckets)
        except HeadraceError as exc:
            if not exc.retry:
                raise
            self._wait_for(exc)
            return 1
        away: HeadraceError | None = None
        try:
            if gathering.owed:
                away = self._write(gathering)
        finally:
            self.queue.release(gathering.owed)
        if away is not None:  # with nothing in its hands: its buckets may go to others meanwhile
            self._wait_for(away, until=self.store.ready if isinstance(away, WeaviateUnreachable) else None)
        return len(gathering.owed)

    def _write(self, gathering: Gathering) -> HeadraceError | None:
        """Returns what must be waited for before anything is tried again."""
        try:
            self._build_and_send(gathering)
        except Fenced as exc:
            log.warning("%s", exc)  # whoever has them now writes them
        except (WeaviateUnreachable, StateError) as exc:
            if not exc.retry:
                raise
            return exc
        return None

    def _build_and_send(self, gathering: Gathering) -> None:
        """What fails is put off by itself: no document waits for another's collection, nor for texts it has not."""
        drafts = self._build(gathering)
        ready = self._embed(gathering, drafts)
        if self._send(gathering, ready) and not self.rests.any():
            self.trouble = None

    # -- build -----------------------------------------------------------------------------------

    def _build(self, gathering: Gathering) -> list[Draft]:
        drafts: list[Draft] = []
        parked: list[tuple[Owed, str]] = []
        unchanged: list[Settled] = []
        size = 0
        for owed in gathering.owed:
            kind = gathering.kind_of(owed)
            try:
                draft = Draft(owed, kind, gathering.build(owed))
            except BuildError as exc:
                parked.append((owed, f"{exc} {exc.advice}".strip()))
                continue
            draft.digest = digest(draft)
            if draft.built is not None and as_written(draft):
                unchanged.append(Settled(owed, "unchanged", draft.chunks, draft.digest))
                continue
            drafts.append(draft)
            size += sum(map(len, draft.built.chunks)) if draft.built else 0
            if size > BATCH_BYTES:
                self.queue.wake()  # the rest stays owed: memory is bounded by bytes, not by how long texts may be
                break
        self._settle(gathering, unchanged, parked)
        return drafts

    # -- embed -----------------------------------------------------------------------------------

    def _embed(self, gathering: Gathering, drafts: Sequence[Draft]) -> list[Draft]:
        """Those that have their vectors; the others wait for the embedder, or are parked for what it says of them."""
        found = self.embedding.fill(drafts)
        if found.refused:
            self._settle(gathering, (), [(draft.owed, reason) for draft, reason in found.refused])
        if found.waiting:
            self._postpone(found.waiting, found.pause, found.failure)
            if not found.ready:  # then the next batch hardly fares better
                self.queue.pause(min(found.pause, LOOK_ANYWAY))
        return found.ready

    # -- note, put, prune, confirm ---------------------------------------------------------------

    def _send(self, gathering: Gathering, drafts: Sequence[Draft]) -> bool:
        """Whether every collection took its documents. Raises WeaviateUnreachable."""
        if not drafts:
            return True
        self.book.sent([(draft.owed, draft.chunks) for draft in drafts])
        self.queue.built(gathering.owed)
        done = Delivered()
        well = True
        try:
            for type_id, group in by_type(drafts).items():
                try:
                    well = self.sending.send(gathering.reflects, type_id, group, done, self._turn(group)) and well
                except OutcomeUnknown as exc:
                    known = done.documents()
                    self._doubt(type_id, [draft for draft in group if draft.owed.id not in known], exc)
                    well = False
        finally:
            if done.wrong:
                self._postpone(done.wrong, DOUBT_AFTER_LOSS, None, doubtful=True)
            self._settle(gathering, done.settled, done.parked)
            for pause, waiting in done.pauses().items():
                self._postpone([draft for draft, _ in waiting], pause, waiting[0][1])
        return well

    def _turn(self, group: Sequence[Draft]) -> AbstractContextManager[None]:
        """While direct changes come, one request at a time, and theirs before others."""
        direct = group[0].owed.priority == Priority.direct
        return self._turns.taken(direct=direct) if self.queue.brisk else nullcontext()

    def _settle(
        self, gathering: Gathering, settled: Sequence[Settled], parked: Sequence[tuple[Owed, str]] = ()
    ) -> None:
        if not settled and not parked:
            return
        at = {name: reflects.position for name, reflects in gathering.reflects.items()}
        names = [gathering.kind_of(owed).registered.name for owed, _ in parked]
        self.book.settle(gathering, settled, [(*one, at[name]) for one, name in zip(parked, names, strict=True)])
        if self.on_settled:
            self.on_settled([*settled, *(Settled(owed, "parked") for owed, _ in parked)])

    # -- failures --------------------------------------------------------------------------------

    def _doubt(self, type_id: int, drafts: Sequence[Draft], why: OutcomeUnknown) -> None:
        """One lost answer may be an accident; after several the collection rests, and no lane takes its documents."""
        self.rests.failed(type_id, forgiven=1)
        self._postpone(drafts, DOUBT_AFTER_LOSS if "lost" in str(why) else DOUBT_AFTER_TIMEOUT, why, doubtful=True)

    def _postpone(
        self, drafts: Sequence[Draft], seconds: float, why: HeadraceError | None, *, doubtful: bool = False
    ) -> None:
        if why is not None:
            self.trouble = str(why)
        while True:
            try:
                self.book.postpone([draft.owed for draft in drafts], seconds, doubtful=doubtful)
                return
            except (StateConflict, StateUnreachable) as exc:
                if not doubtful:
                    raise
                log.warning("%s", exc)  # in our hands until the state knows: taken again they would not be in doubt
                time.sleep(STATE_AGAIN)

    def _wait_for(self, why: HeadraceError, until: Callable[[], bool] | None = None) -> None:
        """Hold this lane back while a component is away; what it took stays owed."""
        self.trouble = str(why)
        pause = 0.1
        while not self.queue.stopped:
            self.queue.pause(pause)
            if until is None or until():
                self.queue.wake()
                return
            pause = min(LOOK_AGAIN, pause * 2)
