"""Two lanes with direct changes: one builds while the other one's request is under way, and requests never overlap."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sync.write.stage import Stage
from tests.support.airline import BOOKING, first_rows
from tests.support.pipeline import wait_until
from tests.support.world import World

PATIENCE = 20.0


class Gate:
    """Holds the first request at Weaviate until it is opened, and counts those that are there at the same time."""

    def __init__(self) -> None:
        self.arrived, self.opened = threading.Event(), threading.Event()
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, _: str) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.arrived.set()
        assert self.opened.wait(PATIENCE), "nobody opened the gate"
        with self._lock:
            self.inside -= 1


def test_the_next_documents_are_built_during_a_request_and_sent_after_it(world: World) -> None:
    rows = first_rows()
    rows["bookings"].append({**BOOKING, "booking_id": 8, "pnr": "OTHER1"})
    world.log.snapshot(rows)
    world.settle()
    stage = Stage(world.state, world.store, world.embedder, lanes=3)
    stage.serve([world.registered])
    gate = Gate()
    world.store.fault = gate
    before = world.embedder.texts
    with ThreadPoolExecutor(2) as lanes:
        world.log.commit(("bookings", "u", {**rows["bookings"][0], "pnr": "FIRST1"}))
        world.apply()
        first = lanes.submit(stage.step)
        assert gate.arrived.wait(PATIENCE), "the first request did not leave"
        world.log.commit(("bookings", "u", {**rows["bookings"][1], "pnr": "SECND2"}))
        world.apply()
        second = lanes.submit(stage.step)
        wait_until("the second document to be built meanwhile", lambda: world.embedder.texts == before + 2, every=0.005)
        assert not second.done()
        gate.opened.set()
        assert first.result(PATIENCE) == second.result(PATIENCE) == 1
    assert gate.most == 1
    rows["bookings"][0]["pnr"], rows["bookings"][1]["pnr"] = "FIRST1", "SECND2"
    assert world.texts == world.expected(rows)
