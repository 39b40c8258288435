"""The state database: made once however many open it, one writer at a time, one worker where it is SQLite."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sync.errors import Fenced, SettingsError, StateInUse, StateOutdated, StateUnreachable
from sync.mapping.plan import plan
from sync.mapping.terms import terms
from sync.state.database import State
from sync.state.registry import SOURCE, forget, register
from sync.worker.alone import claim
from sync.worker.continuity import gaps, note_gap
from tests.support.airline import BOOKING, first_rows, lock, mapping
from tests.support.world import World


def test_several_that_open_a_new_state_at_once_find_it_whole(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def open_it() -> None:
        try:
            State(f"sqlite:///{tmp_path}/new.db").close()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    "older", ["alter table source drop column log_marks", "alter table source add column later text"]
)
def test_a_state_of_another_version_is_refused_with_the_cure_and_stays_as_it_is(tmp_path: Path, older: str) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    State(url).close()
    State(url).close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
        raw.execute(older)
        raw.execute("drop table dead_letter")
    for _ in range(2):
        with pytest.raises(StateOutdated, match="another version") as refused:
            State(url)
        assert "headrace apply" in refused.value.advice
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        tables = {name for (name,) in raw.execute("select name from sqlite_master where type = 'table'")}
    assert "dead_letter" not in tables


def test_a_second_worker_on_sqlite_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    state = State(f"sqlite:///{tmp_path}/state.db")
    first = claim(state)
    assert first is not None
    with pytest.raises(StateInUse, match="in use by another worker") as refused:
        claim(state)
    assert "HEADRACE_STATE_URL" in refused.value.advice
    first.close()
    second = claim(state)
    assert second is not None
    second.close()
    state.close()


def test_headrace_run_is_such_a_second_worker_and_ends_at_once(tmp_path: Path) -> None:
    state = State(f"sqlite:///{tmp_path}/state.db")
    first = claim(state)
    program = [sys.executable, "-c", "from sync.cli.main import main; main()", "run"]
    environment = {
        **os.environ,
        "HEADRACE_STATE_URL": f"sqlite:///{tmp_path}/state.db",
        "HEADRACE_KAFKA": "127.0.0.1:1",
    }
    done = subprocess.run(program, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert f"in use by another worker (process {os.getpid()})" in done.stderr
    assert "HEADRACE_STATE_URL" in done.stderr
    assert first is not None
    first.close()
    state.close()


def test_a_url_that_is_none_is_a_settings_error() -> None:
    with pytest.raises(SettingsError):
        State("what is this")


def test_a_state_that_cannot_be_opened_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(StateUnreachable) as refused:
        State(f"sqlite:///{tmp_path}/no/such/folder/state.db")
    assert refused.value.retry


def test_a_worker_that_lost_its_source_applies_nothing(world: World) -> None:
    from sync.apply.apply import Applier

    world.log.snapshot(first_rows())
    other = Applier(world.state, world.registered, "airline", max_text_bytes=1000)
    world.apply(upto=3)
    with pytest.raises(Fenced):
        other.apply(world.log.records[:5])
    world.settle()
    assert world.texts == world.expected(first_rows())


def test_a_mapping_that_is_forgotten_leaves_nothing_behind(world: World) -> None:
    world.log.snapshot(first_rows())
    world.settle()
    with world.state.write() as connection:
        forget(connection, "airline")
        from sqlmodel import SQLModel

        left = {table.name: connection.execute(select(table)).first() for table in SQLModel.metadata.sorted_tables}
    assert {name: row for name, row in left.items() if row is not None} == {}
    with world.state.write() as connection:
        register(connection, mapping(), lock(), {"airline": ("headrace.airline.airline", "id")})
        assert connection.execute(select(SOURCE.c.offset_)).scalar_one() == -1


def test_a_mapping_that_the_state_gives_back_means_what_its_file_says(tmp_path: Path) -> None:
    """Seen: written out in full, a default looked as if somebody had said it, and the worker wrote another text than
    `headrace test` had shown."""
    made = mapping(text=None)
    world = World(tmp_path, made)
    before = plan(made, lock())
    assert terms(world.registered.plan) == terms(before)
    assert world.registered.plan.version == before.version
    assert "reads as" not in terms(before)[0].text
    world.log.snapshot({**first_rows(), "bookings": [{**BOOKING, "total_amt": None}]})
    world.settle()
    (text,) = world.texts.values()
    assert "pnr K3XQ2A" in text
    assert "total" not in text, "NULL is left out where nobody said how it reads"
    world.state.close()


def test_a_gap_found_in_a_log_that_was_begun_anew_meanwhile_is_over(world: World) -> None:
    """As a worker finds it that was frozen while another one mended it."""
    source = world.registered.sources["airline"]

    def epoch() -> int:
        with world.state.read() as connection:
            return int(connection.execute(select(SOURCE.c.epoch)).scalar_one())

    note_gap(world.state, source, "the topic is gone", 1)
    note_gap(world.state, source, "the topic is gone, says another", 1)
    assert epoch() == 2
    with world.state.write() as connection:
        connection.execute(update(SOURCE).values(snapshot_due=False))
    note_gap(world.state, source, "the topic is gone, says one that was frozen", 1)
    assert epoch() == 2
    assert gaps(world.state) == []


def test_a_state_is_closed_after_the_transaction_under_way_and_takes_no_other(tmp_path: Path) -> None:
    """A thread that waits for a source may come back from it while the worker ends."""
    state = State(f"sqlite:///{tmp_path}/state.db")
    begun, goes_on, closed = threading.Event(), threading.Event(), threading.Event()
    ended: list[bool] = []

    def long() -> None:
        with state.write() as connection:
            begun.set()
            goes_on.wait(10)
            connection.execute(select(SOURCE))
            ended.append(not closed.is_set())

    def close() -> None:
        state.close()
        closed.set()

    threads = [threading.Thread(target=run, daemon=True) for run in (long, close)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    assert not closed.wait(0.05)
    goes_on.set()
    for thread in threads:
        thread.join(10)
    assert ended == [True]
    with pytest.raises(StateUnreachable, match="was closed"), state.read():
        pass
