"""One flight shared by 2,000 bookings: how long until all of them are searchable, and what single changes notice."""

from __future__ import annotations

from bench import generator
from bench.course import Course
from bench.entries import latencies, since
from bench.figures import Figure, Goal, NotMeasured, percentile, spread
from connectors.postgres.address import Address

FLIGHT = 2
WIDTH = 2_000
TIMES = 3
SINGLES = 20.0  # per second
SETTLED = 4_000.0  # ms


def measure(course: Course) -> list[Figure]:
    """The flight changes several times, once the fan-out before is through; single changes go on all the while."""
    rig = course.rig
    width = min(WIDTH, rig.sizes.bookings // 2)
    course.say(f"one flight shared by {width:,} bookings")
    with Address(rig.url).connect() as connection:
        connection.execute("update tickets set flight_id = %s where seq_no = 1 and booking_id <= %s", [FLIGHT, width])
    rig.settle()
    before = rig.last_entry()
    wanted = generator.keys(
        min(4_000, rig.sizes.bookings - width),
        rig.sizes.bookings,
        seed=course.next_seed(),
        apart_from=frozenset(range(1, width + 1)) | _on_flight(course),
    )
    took: list[float] = []
    with generator.beside(rig.url, SINGLES, wanted) as sent:
        for turn in range(TIMES):
            took.append(_turn(course, turn, width))
    rig.settle()
    waited = latencies(since(rig, before), sent)
    floor = course.latency_floor
    return [
        Figure(f"one flight shared by {width:,} bookings: all searchable", max(took) / 1000, "s",
               Goal("at most", SETTLED / 1000), details={"times_ms": [round(t) for t in took]}, samples=took),
        Figure(f"single changes meanwhile ({SINGLES:.0f}/s), p99", percentile(waited, 99), "ms", Goal("at most", 40),
               floor, spread(waited), waited),
    ]  # fmt: skip


def _on_flight(course: Course) -> frozenset[int]:
    with Address(course.rig.url).connect() as connection:
        rows = connection.execute("select booking_id from tickets where flight_id = %s", [FLIGHT]).fetchall()
    return frozenset(number for (number,) in rows)


def _turn(course: Course, turn: int, width: int) -> float:
    """Change the flight's status; returns the ms from its commit to the last booking's write."""
    rig = course.rig
    before = rig.last_entry()
    with Address(rig.url).connect() as connection:
        connection.execute(
            "update flights set status_cd = %s where flight_id = %s", [("DL", "CX", "OFF")[turn % 3], FLIGHT]
        )
        row = connection.execute("select (extract(epoch from clock_timestamp()) * 1000000)::bigint").fetchone()
    committed = int(row[0]) if row else 0
    mine = {str(number) for number in _on_flight(course)}

    def written() -> list[int] | None:
        times = {
            one.key: one.written_at
            for one in since(rig, before)
            if one.document == "booking" and one.key in mine and one.outcome == "written"
        }
        return list(times.values()) if len(times) >= len(mine) else None

    times = rig.await_(written, f"{len(mine)} bookings of one flight to be searchable", every=0.25)
    if len(times) < width:
        raise NotMeasured(f"the flight has only {len(times)} bookings")
    return (max(times) - committed) / 1000
