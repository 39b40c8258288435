"""A backfill that begins while hundreds of rows a second are committed: its connector is not started anew, each row
comes under its own table's name, and none is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from connectors.change import Broken, Change, Record, SnapshotNotice
from connectors.connect import Connect
from connectors.names import names
from sync.demo.airline import Sizes
from tests.stack.conftest import airline
from tests.stack.test_backfill import backfill, last, noted, registered, settled
from tests.support.background import Background
from tests.support.pipeline import Pipeline, wait_until
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL
from tests.support.records import Log
from tests.support.session import session

if TYPE_CHECKING:
    from tests.support.stack import Stack

SIZES = Sizes(customers=300, flights=60, bookings=600, tickets=1200)
TIMES = 3
AT_ONCE, PAUSE = 3, 0.006  # some 300 commits a second: of many more it would be the lag behind them that is tested


@pytest.fixture(scope="module", params=[Pipeline, MariaDBPipeline, ON_MYSQL], ids=lambda each: each.kind)
def loaded(
    request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    yield from airline(request.param(stack, tmp_path_factory.mktemp("load")), sizes=SIZES)


class Load(Background):
    """One session that commits row by row, and leaves rows of odd numbers alone. ``share``: its own rows."""

    def __init__(self, pipeline: Pipeline, share: int) -> None:
        super().__init__(f"load {share}")
        self._pipeline, self._share = pipeline, share

    def _go_on(self) -> None:
        with session(self._pipeline.url) as connection:
            for number in range(1_000_000):
                for statement in self._statements(number):
                    if self._stopped.wait(PAUSE):
                        return
                    connection.execute(statement)

    def _statements(self, number: int) -> Iterator[str]:
        booking = 2 * (AT_ONCE * (number % 100) + self._share)
        yield f"update bookings set total_amt = {number} where booking_id = {booking}"
        yield f"update tickets set bag_wt = {number % 300} where booking_id = {booking}"
        yield f"update customers set tier_cd = '{'BSG'[number % 3]}' where customer_id = {booking // 2 // 2 * 2}"
        if number % 20 == 0:
            yield f"update flights set status_cd = '{('DL', 'CX')[number % 40 // 20]}' where flight_id = {booking % 60}"
        new = 2 * (100_000 * (self._share + 1) + number)
        columns = "booking_id, pnr, customer_id, booked_at, total_amt"
        yield (
            f"insert into bookings ({columns}) select {new}, 'NEW001', customer_id, booked_at, 1 from bookings"
            f" where booking_id = 1"
        )
        if number % 2:
            yield f"delete from bookings where booking_id = {new - 2}"


@contextmanager
def commits(pipeline: Pipeline) -> Iterator[None]:
    loads = [Load(pipeline, share).start() for share in range(AT_ONCE)]
    try:
        yield
    finally:
        for load in loads:
            load.stop()


Rows = dict[str, dict[str, dict[str, Any] | None]]  # table → key → row


def rows(records: list[Record], *, incremental: bool) -> Rows:
    found: Rows = defaultdict(dict)
    for record in records:
        if isinstance(record, Change) and record.operation == "r" and record.incremental is incremental:
            found[record.table.rpartition(".")[2]][str(record.key)] = record.after
    return found


def untouched(found: Rows) -> Rows:
    """Rows that no `Load` changes: their first key column is odd."""
    return {
        table: {key: row for key, row in shown.items() if row and int(next(iter(row.values()))) % 2}
        for table, shown in found.items()
    }


def columns(found: Rows) -> dict[str, set[tuple[str, ...]]]:
    return {table: {tuple(row or ()) for row in shown.values()} for table, shown in found.items()}


def listed(pipeline: Pipeline) -> list[Any]:
    """What PostgreSQL's publication lets out of the tables."""
    if pipeline.kind != "postgres":
        return []
    return pipeline.query("select tablename, attnames from pg_publication_tables order by tablename")


def ended(record: Record) -> bool:
    return isinstance(record, SnapshotNotice) and record.kind == "COMPLETED"


def test_rows_come_whole_and_in_their_place_without_a_restart(loaded: Pipeline) -> None:
    own = names(registered(loaded).plan.mapping, loaded.name)
    published = listed(loaded)
    with Log(loaded.env["HEADRACE_KAFKA"], own.topic) as log:
        at_first = rows(log.until(ended), incremental=False)
        at_first.pop("headrace_marker", None)
        assert at_first.keys() == {"customers", "flights", "bookings", "tickets"}
        with commits(loaded):
            for _ in range(TIMES):
                backfill(loaded, "--detach")
                wait_until("the backfill to end", lambda: not noted(loaded))
                done = last(loaded)
                assert done
                assert (done.outcome, done.swept) == ("complete", True), loaded.whereabouts()
                records = log.until(ended)
                assert [r for r in records if isinstance(r, Broken)] == []
                kinds = {r.snapshot for r in records if isinstance(r, SnapshotNotice)}
                assert kinds == {"Incremental Snapshot"}, (
                    "a connector's first word after a start is of its first snapshot"
                )
                shown = rows(records, incremental=True)
                assert untouched(shown) == untouched(at_first)
                assert columns(shown) == columns(at_first)
            everything = b"".join(value or b"" for _, value in log.raw)
    settled(loaded)
    private = loaded.query("select email, passport_no from customers")
    assert not [each for row in private for each in row if each and each.encode() in everything]
    wait_until("columns that are not mapped to stay inside again", lambda: listed(loaded) == published)


def test_a_transaction_that_wrote_before_does_not_come_in_the_midst_with_other_columns(loaded: Pipeline) -> None:
    """PostgreSQL sends it as its table was published then, so it is waited for. MariaDB's log holds whole rows."""
    own, published = names(registered(loaded).plan.mapping, loaded.name), listed(loaded)
    with session(loaded.url) as connection:
        connection.execute("begin")
        connection.execute("update customers set tier_cd = 'G' where customer_id = 2")
        backfill(loaded, "--detach")
        identity = wait_until("a worker to take it on", lambda: (one := last(loaded)) and one.claimed_at and one.id)
        if loaded.kind == "postgres":
            wait_until("the table to be published whole", lambda: listed(loaded) != published)
            assert (identity,) not in loaded.query(f"select id from headrace.{own.signal_table}")
        connection.execute("commit")
    wait_until("the backfill to end", lambda: not noted(loaded))
    settled(loaded)


def as_earlier_versions_left_it(pipeline: Pipeline) -> None:
    """A connector that listens to no table, and has none."""
    own = names(registered(pipeline).plan.mapping, pipeline.name)
    if pipeline.kind == "postgres":
        # The worker's own watch may make it again meanwhile: that alone must not be enough.
        pipeline.sql(f"drop table headrace.{own.signal_table}")
    else:
        pipeline.sql(f"drop table {own.signal_table}")
    pipeline.wait()  # the connector has heard of it
    with Connect(pipeline.env["HEADRACE_CONNECT_URL"]) as connect:
        config = connect.config(own.connector) or {}
        for name in ("table.include.list", "column.include.list"):
            config[name] = ",".join(each for each in config[name].split(",") if own.signal_table not in each)
        gone = ("signal.", "predicates", "transforms.signals")
        config = {name: value for name, value in config.items() if not name.startswith(gone)}
        connect.put(own.connector, config | {"transforms": "one", "signal.enabled.channels": "jmx"})
        connect.wait_running(own.connector)


def test_a_source_of_an_earlier_version_says_so_and_applying_it_again_is_the_cure(loaded: Pipeline) -> None:
    as_earlier_versions_left_it(loaded)
    (failed,) = backfill(loaded, check=False)
    assert "`headrace apply` its mapping's file again" in failed["outcome"]
    loaded.command("apply", str(loaded.file), "--auto-approve")
    (done,) = backfill(loaded)
    assert (done["outcome"], done["swept"]) == ("complete", True)
    settled(loaded)
