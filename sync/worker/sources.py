"""Between the consumer and ① apply: a source's app: where it begins, what it does with a fetch, when it is stuck."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from connectors.topics import Topics
from sync.errors import Fenced, Gap, HeadraceError
from sync.state.database import State
from sync.worker.app import SourceApp
from sync.worker.continuity import broken, note_gap
from sync.worker.intake import Intake
from sync.worker.lanes import Lanes

log = logging.getLogger("headrace.worker")
AT_ONCE = 100  # records, 10 ms: Kafka's heartbeats wait no longer
STOP_PATIENCE = 10.0  # seconds for a consumer that has crashed
APPLY_PATIENCE = 20.0  # seconds for one that may still be applying


class Sources:
    """Makes apps, which share a few threads."""

    def __init__(self, state: State, kafka: str, lanes: Lanes) -> None:
        self._state, self._kafka, self._lanes = state, kafka, lanes
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="apply")

    def app(self, topic: str, source: str, intake: Intake) -> SourceApp:
        loop = asyncio.get_running_loop()

        async def start_offset() -> int:
            return await loop.run_in_executor(self._pool, intake.begin)

        async def behind(ours: bool) -> bool:
            return await loop.run_in_executor(None, self._behind, intake, topic, ours)

        async def handle(records: Sequence[Any]) -> None:
            await self._take(made, intake, records)

        made = SourceApp(
            topic,
            source=source,
            kafka=self._kafka,
            topic=topic,
            start_offset=start_offset,
            handle=handle,
            lanes=self._lanes,
            behind=behind,
            alone=self._state.is_sqlite,
            datadir=tempfile.gettempdir(),
        )
        return made

    async def _take(self, app: SourceApp, intake: Intake, records: Sequence[Any]) -> None:
        """Apply a fetch, however long the state is away. Raises Gap, which is noted, and Fenced."""
        loop = asyncio.get_running_loop()
        pause, turn = 0.1, app.turn
        while app.turn == turn:  # else they come again, under another assignment
            try:
                if self._state.is_sqlite and len(records) <= AT_ONCE:
                    intake.take(records)  # to change threads would take longer
                else:
                    await loop.run_in_executor(self._pool, intake.take, records)
                return
            except Gap as exc:
                epoch = intake.applier.progress.epoch
                note = partial(note_gap, self._state, intake.applier.source_id, str(exc), epoch)
                await loop.run_in_executor(self._pool, note)
                raise
            except Fenced:
                raise  # another worker applies this source: ours joins the group anew
            except HeadraceError as exc:
                if not exc.retry or app.should_stop:
                    raise
                log.warning("%s: %s; again in %.1f s", app.conf.id, exc, pause)
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)

    def _behind(self, intake: Intake, topic: str, ours: bool) -> bool:
        """Whether the topic has what was not fetched, or is no longer the one that was.

        Where the partition is not ours: what no worker has fetched since this was last asked.
        """
        topics, before = Topics(self._kafka), intake.applier.progress.offset
        try:
            if not ours and intake.applier.reload().offset != before:
                return False
            reached = intake.reached if ours else before
            return topics.end(topic) > reached + 1 or bool(broken(topics, intake.applier.progress, topic))
        except HeadraceError:
            return False  # Kafka is away: nothing could be fetched


async def end(app: SourceApp, patience: float = STOP_PATIENCE) -> None:
    """Stop an app, however it takes that: what it still applies is fenced by the position."""
    stopping = asyncio.ensure_future(app.stop())
    # Not wait_for: that waits on until a cancelled task has ended, and one that swallows it never does.
    await asyncio.wait({stopping}, timeout=patience)
    if not stopping.done():
        stopping.cancel()
        log.warning("%s: the consumer does not stop; it is left behind", app.conf.id)
    elif stopping.cancelled() or (failure := stopping.exception()) is None:
        return
    else:  # of a broken consumer, which is why it is being stopped
        log.warning("%s: the consumer stopped with %s", app.conf.id, type(failure).__name__)
