"""What is large or long: 20,000 rows gone or come in one statement, and Weaviate away for a minute under load."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bench import generator
from bench.figures import Figure, Goal, NotMeasured
from bench.first_load import MB
from bench.machine import peak_memory
from bench.recording import completed, record
from bench.rig import Rig, Say, rig
from connectors.postgres.address import Address
from sync.demo.airline import Sizes

ROWS = 20_000
SIZES = Sizes(customers=5_000, flights=1_000, bookings=ROWS, tickets=ROWS)
AWAY = 60.0  # seconds
RATE = 200.0  # changes/s meanwhile
BOOKINGS = "Booking_g1"


def measure(say: Say, *, quick: bool) -> list[Figure]:
    """On a stack of its own: what is measured here empties it."""
    with rig(SIZES, say) as made:
        record(made, completed, keep=False)
        made.start_worker()
        say(f"first load of {ROWS:,} bookings")
        made.settle(600.0)
        away = AWAY / 4 if quick else AWAY
        say(f"Weaviate away for {away:.0f} s, {RATE:.0f} changes/s meanwhile")
        figures = _weaviate_away(made, away)
        say(f"{ROWS:,} tickets in one transaction")
        figures.append(_children(made))
        say(f"truncate of {ROWS:,} bookings")
        figures.append(_truncate(made))
    return figures


def _weaviate_away(made: Rig, seconds: float) -> list[Figure]:
    assert made.worker is not None
    before = peak_memory(made.worker.process.pid)
    until = threading.Event()
    wanted = generator.keys(min(ROWS, int(RATE * seconds * 2)), ROWS, seed=77)
    made.stack.kill("weaviate")
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(generator.run, made.url, RATE, wanted, until=until)
        until.wait(seconds)
        made.stack.start("weaviate")
        began = time.monotonic()
        until.set()
        sent = len(load.result().sent)
    made.settle(300.0)
    took = time.monotonic() - began
    grown = peak_memory(made.worker.process.pid)
    return [
        Figure(
            f"Weaviate away for {seconds:.0f} s: caught up after its return",
            took,
            "s",
            Goal("at most", 20),
            details={"changes": sent, "rate": RATE},
        ),
        Figure("worker memory meanwhile, peak", grown / MB, "MB", Goal("at most", 1.2), before / MB),
    ]


def _children(made: Rig) -> Figure:
    """Every booking gets one more ticket; afterwards every text shows it."""
    with Address(made.url).connect() as connection:
        connection.execute("insert into tickets select booking_id, 90, 2, 'J', null from bookings")
    began = time.monotonic()
    made.settle(600.0)
    took = time.monotonic() - began
    wrong = sum("Leg 90: " not in text for text in _texts(made).values())
    return Figure(
        f"{ROWS:,} children in one transaction: parents that do not show theirs",
        wrong,
        "documents",
        Goal("at most", 0),
        details={"all_searchable_after_s": round(took, 1)},
    )


def _truncate(made: Rig) -> Figure:
    with Address(made.url).connect() as connection:
        connection.execute("truncate bookings, tickets")
    began = time.monotonic()
    made.await_(lambda: made.weaviate.count(BOOKINGS) == 0, "all objects to be gone", every=0.1)
    took = time.monotonic() - began
    made.settle()
    if left := len(_texts(made)):
        raise NotMeasured(f"{left} bookings are there again")
    return Figure(f"truncate of {ROWS:,} bookings: all objects gone", took, "s", Goal("at most", 15))


def _texts(made: Rig) -> dict[str, str]:
    """Document key → what its chunks say, one after the other."""
    found: dict[str, str] = {}
    for _, values in made.weaviate.ids(BOOKINGS, ("document_key", "content")):
        key = str(values["document_key"])
        found[key] = found.get(key, "") + str(values["content"])
    return found
