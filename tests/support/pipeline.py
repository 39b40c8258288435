"""The whole of Headrace on a stack, as its users run it: its own command, its own processes, a database of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import psycopg
import requests
from sqlalchemy import select

from connectors.postgres.database import Postgres
from connectors.topics import Topics
from sync.demo import airline
from sync.evidence import visible
from sync.evidence.freshness import Status, statuses
from sync.state.database import State
from sync.state.registry import SOURCE, load
from tests.support.launch import Launched

ROOT = Path(__file__).resolve().parents[2]
MAPPING = ROOT / "mappings" / "airline.yml"


class Stack(Protocol):
    env: dict[str, str]

    def start(self, service: str) -> None: ...
    def stop(self, service: str) -> None: ...
    def kill(self, service: str) -> None: ...
    def pause(self, service: str) -> None: ...
    def resume(self, service: str) -> None: ...
    def run(self, verb: str, *arguments: str) -> str: ...


def wait_until(what: str, check: Callable[[], Any], timeout: float = 60.0, every: float = 0.05) -> Any:
    """What ``check`` returns once it is true; AssertionError that says what it waited for, and the last answer."""
    end = time.monotonic() + timeout
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s for {what}; last: {answer!r}")
        time.sleep(every)


def dying_with_us() -> list[str]:
    """A test session that is killed with -9 stops nothing itself: Linux does."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


class Process:
    """A process of ours, in a group of its own, its output in a file."""

    process: subprocess.Popen[bytes] | Launched

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*dying_with_us(), *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def send(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.send(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout: float = 40.0) -> int:
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as exc:
            self.kill()
            raise AssertionError(f"it did not stop in {timeout} s; its log: {self.text()[-3000:]}") from exc

    def text(self) -> str:
        return self.log.read_text(errors="replace")


class Headrace(Process):
    """`headrace …` in the background."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        self.log = log
        log.touch()
        self.process = Launched(arguments, env, log.parent, log, log)


BOOKING_TEXT = """
with leg as (
  select t.booking_id, string_agg(
    'Leg ' || t.seq_no || ': flight ' || coalesce(f.flight_no, 'not recorded')
    || ' from ' || coalesce(f.origin, 'not recorded') || ' to ' || coalesce(f.dest, 'not recorded') || E',\n'
    || coalesce(to_char(f.std at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI') || ' UTC', 'not recorded') || ', '
    || coalesce(to_char(f.dist_nm, 'FM999,999') || ' nautical miles', 'not recorded') || ', '
    || case t.fare_cd when 'Y' then 'economy' when 'J' then 'business' when 'F' then 'first' end || E' class,\n'
    || 'checked baggage ' || coalesce(trim(trailing '.' from to_char(t.bag_wt, 'FM999,990.0')) || ' kg', 'none')
    || '. Status: ' || coalesce(case f.status_cd when 'ON' then 'on time' when 'OFF' then 'off block'
         when 'DL' then 'delayed' when 'CX' then 'cancelled' end, 'not recorded') || '.',
    E'\n' order by t.seq_no) as legs
  from tickets t left join flights f using (flight_id) group by t.booking_id)
select b.booking_id::text, 'Booking ' || b.pnr || E'\n'
  || 'Booking ' || b.pnr || ' was made on '
  || to_char(b.booked_at at time zone 'UTC', 'FMDD FMMonth YYYY, HH24:MI') || ' UTC by '
  || coalesce(left(c.full_name, 1) || '.', 'not recorded') || E',\na '
  || coalesce(case c.tier_cd when 'B' then 'Blue' when 'S' then 'Silver' when 'G' then 'Gold' end, 'not recorded')
  || ' member, for ' || to_char(b.total_amt / 100.0, 'FM999,999,990.00') || ' EUR.'
  || coalesce(E'\n' || leg.legs, '')
from bookings b left join customers c using (customer_id) left join leg using (booking_id)
"""


class Pipeline:
    """One database with one applied mapping, one state, and workers to start, kill and start again.

    The database is PostgreSQL's; `tests.support.pipeline_mariadb` has MariaDB's.
    """

    kind = "postgres"
    booking_text = BOOKING_TEXT

    def __init__(self, stack: Stack, directory: Path, *, state_url: str | None = None, mapping: str = "") -> None:
        self.stack, self.directory = stack, directory
        self.name = f"t{uuid4().hex[:8]}"
        self.mapping_text = (mapping or MAPPING.read_text()).replace("name: airline", f"name: {self.name}", 1)
        self.is_airline = "customers:" in self.mapping_text
        self.admin_url = self.server()
        self.url = self.admin_url.rsplit("/", 1)[0] + "/" + self.name
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")},
            **stack.env,
            "AIRLINE_URL": self.url,
            "HEADRACE_STATE_URL": state_url or f"sqlite:///{directory}/state.db",
            "HEADRACE_PRIVACY_SALT": "salt",
            "PYTHONUNBUFFERED": "1",
        }
        self.workers: list[Process] = []
        self.file = directory / f"{self.name}.yml"

    # -- the source database ---------------------------------------------------------------------

    def server(self) -> str:
        return self.stack.env["POSTGRES_URL"]

    def create_database(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'create database "{self.name}"')

    def drop_database(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'drop database if exists "{self.name}" with (force)')

    def load_airline(self, sizes: airline.Sizes) -> None:
        airline.ensure(self.url, sizes)

    def lock(self) -> str:
        """The airline's lock, as `headrace init` would write it for this database."""
        return MAPPING.with_suffix(".lock").read_text().replace("  airline:", f"  {self.name}:")

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in which every statement commits, unless a transaction is opened."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            yield connection

    def sql(self, text: str) -> None:
        with self.database() as connection:
            connection.execute(text)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with self.database() as connection:
            return connection.execute(text).fetchall()

    def emit(self, token: str) -> None:
        """A marker into the database's log."""
        Postgres(self.url, "public").emit(token)

    # -- setting up ------------------------------------------------------------------------------

    def apply(self) -> None:
        # Each pipeline has collections of its own, so that those of one session do not meet.
        prefix = self.name.capitalize()
        text = self.mapping_text.replace("root: bookings", f"collection: {prefix}Booking\n    root: bookings", 1)
        text = text.replace("root: flights", f"collection: {prefix}Flight\n    root: flights", 1)
        # SQL knows no tokens: one chunk a document makes the texts comparable, object for object.
        self.file.write_text(text.replace("max_tokens: 300", "max_tokens: 5000"))
        if self.is_airline:
            self.file.with_suffix(".lock").write_text(self.lock())
        self.command("apply", str(self.file), "--auto-approve")

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`headrace …` as a user runs it."""
        with tempfile.TemporaryDirectory(dir=self.directory) as said:
            out, err = Path(said, "out"), Path(said, "err")
            launched = Launched(list(arguments), self.env, self.directory, out, err)
            try:
                code = launched.wait(180)
            finally:
                if launched.poll() is None:
                    os.killpg(launched.pid, signal.SIGKILL)
                    launched.wait()
            done = subprocess.CompletedProcess(launched.args, code, out.read_text(), err.read_text())
        if check and done.returncode != 0:
            raise AssertionError(f"headrace {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start_worker(self, **env: str) -> Process:
        log = self.directory / f"worker-{len(self.workers)}.log"
        worker = Headrace(["run"], {**self.env, **env}, log)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """Stop what runs and take away what was made."""
        for worker in self.workers:
            worker.send(signal.SIGCONT)
            worker.kill()
        self.state.close()
        if self.file.exists():
            self.command("remove", self.name, "--collections", "--yes", check=False)
        self.drop_database()

    # -- using it --------------------------------------------------------------------------------

    @cached_property
    def state(self) -> State:
        return State(self.env["HEADRACE_STATE_URL"])

    def wait(self, timeout: float = 60) -> None:
        """As `headrace wait`, without starting a process for it: everything committed so far is searchable."""
        with self.state.read() as connection:
            registered = load(connection, self.name)
        markers = visible.Markers(self.state, registered, lambda _, token: self.emit(token))
        found = visible.wait(self.state, registered, markers, timeout)
        if not found.yes:
            raise AssertionError(f"not visible within {timeout:.0f} s: {found}; {self.whereabouts()}; {self._worker()}")

    def whereabouts(self) -> str:
        """How far the topic goes, how far it is applied, and what Connect says: where to look when it stands still."""
        with self.state.read() as connection:
            registered = load(connection, self.name)
            applied = [(row.name, row.offset_) for row in connection.execute(select(SOURCE))]
        ends = {topic: Topics(self.env["HEADRACE_KAFKA"]).end(topic) for topic in registered.topics.values()}
        connectors = requests.get(f"{self.env['HEADRACE_CONNECT_URL']}/connectors?expand=status", timeout=30).json()
        states = {
            name: [(t["state"], t["worker_id"], t.get("trace", "")[:2000]) for t in c["status"]["tasks"]]
            for name, c in connectors.items()
        }
        return f"topics end at {ends}, applied {applied}, tasks {states}"

    def _worker(self) -> str:
        """What became of the worker: its exit code, or where each of its threads stands; and the end of its log."""
        if not self.workers:
            return "no worker was started"
        worker = self.workers[-1]
        before = worker.text()
        if (code := worker.process.poll()) is not None:
            return f"the worker ended with {code}; its log ends: {before[-3000:]}"
        worker.send(signal.SIGUSR1)
        with contextlib.suppress(AssertionError):  # frozen it says nothing
            wait_until("the worker to say where it stands", lambda: worker.text()[len(before) :].count("\n") > 20, 5)
        return f"the worker's log ends: {before[-2000:]}\nit stands at: {worker.text()[len(before) :]}"

    def statuses(self) -> dict[str, Status]:
        """As `headrace status`, by document type."""
        with self.state.read() as connection:
            return {one.document: one for one in statuses(connection, self.name)}

    def status(self) -> dict[str, dict[str, Any]]:
        """`headrace status --json`, by document type."""
        rows = json.loads(self.command("status", self.name, "--json").stdout)
        return {row["document"]: row for row in rows}

    def wait_loaded(self, timeout: float = 120) -> None:
        """The first load is done and fresh."""

        def loaded() -> bool:
            for worker in self.workers[-1:]:
                if worker.process.poll() is not None:
                    raise AssertionError(f"the worker ended: {worker.text()[-3000:]}")
            return all(one.state == "fresh" and not one.owed for one in self.statuses().values())

        wait_until("the first load", loaded, timeout, every=0.3)

    # -- comparing -------------------------------------------------------------------------------

    def objects(self, document: str = "Booking") -> dict[tuple[str, int], str]:
        """(document key, chunk) → content of a whole collection, read through Weaviate's own client."""
        from tests.support.weaviate_client import whole_collection

        return whole_collection(self.stack.env, self.name.capitalize() + document)

    def rendered_by_sql(self) -> dict[tuple[str, int], str]:
        """The same, rendered by the database from its rows: nothing of Headrace's own code takes part."""
        return {(key, 0): text for key, text in self.query(self.booking_text)}

    def assert_equal(self) -> None:
        found, wanted = self.objects(), self.rendered_by_sql()
        missing, surplus = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        different = [at for at in wanted.keys() & found.keys() if wanted[at] != found[at]]
        assert not missing, f"{len(missing)} missing: {sorted(missing)[:5]}"
        assert not surplus, f"{len(surplus)} surplus: {sorted(surplus)[:5]}"
        assert not different, f"{len(different)} differ: {[(found[at], wanted[at]) for at in different[:1]]}"

    def equals(self) -> bool:
        return self.objects() == self.rendered_by_sql()
