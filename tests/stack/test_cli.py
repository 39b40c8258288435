"""The command line as its users run it, on the real components: from a database's catalogue to a question answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import requests

from sync.demo.airline import Sizes
from sync.state.database import State
from sync.state.registry import applied
from tests.support import embedder
from tests.support.pipeline import Pipeline, wait_until
from tests.support.weaviate_client import connected

if TYPE_CHECKING:
    from tests.support.stack import Stack

SIZES = Sizes(customers=30, flights=10, bookings=40, tickets=80)
TOKEN = "{{ customer.full_name }}, passport {{ customer.passport_no }},"


class Left:
    """What a pipeline's mapping has made, wherever it looks; everything empty where nothing is left."""

    def __init__(self, pipeline: Pipeline) -> None:
        env = pipeline.env
        self.connectors = [
            name for name in requests.get(f"{env['HEADRACE_CONNECT_URL']}/connectors").json() if pipeline.name in name
        ]
        with psycopg.connect(pipeline.admin_url) as database:
            self.slots = database.execute(
                "select slot_name from pg_replication_slots where slot_name ~ %s", [pipeline.name]
            ).fetchall()
        with psycopg.connect(pipeline.url) as database:
            self.publications = database.execute("select pubname from pg_publication").fetchall()
        self.topics = _topics(env["HEADRACE_KAFKA"], pipeline.name)
        with connected(env) as client:
            prefix = pipeline.name.capitalize()
            self.collections = sorted(name for name in client.collections.list_all() if name.startswith(prefix))
            self.aliases = sorted(name for name in client.alias.list_all() if name.startswith(prefix))
        state = State(env["HEADRACE_STATE_URL"])
        with state.read() as connection:
            self.mappings = applied(connection)
        state.close()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Left) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return repr({name: value for name, value in vars(self).items() if value})

    @property
    def nothing(self) -> bool:
        return not any(vars(self).values())


def _topics(kafka: str, name: str) -> list[str]:
    import asyncio

    from aiokafka.admin import AIOKafkaAdminClient

    async def listed() -> list[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            return [topic for topic in await admin.list_topics() if name in topic]
        finally:
            await admin.close()

    return asyncio.run(listed())


@contextmanager
def _database(stack: Stack, directory: Path, **changes: str) -> Iterator[Pipeline]:
    """A small airline, nothing applied."""
    made = Pipeline(stack, directory, **changes)
    made.create_database()
    try:
        made.load_airline(SIZES)
        yield made
    finally:
        made.close()


@pytest.fixture
def database(stack: Stack, tmp_path: Path) -> Iterator[Pipeline]:
    with _database(stack, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def served(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Applied while a worker runs already; the passport's token is part of the text."""
    directory = tmp_path_factory.mktemp("served")
    text = (Path(__file__).resolve().parents[2] / "mappings" / "airline.yml").read_text()
    mapping = text.replace("{{ customer.full_name }},", TOKEN, 1)
    assert mapping != text
    with embedder.running(stack.env), _database(stack, directory, mapping=mapping) as made:
        made.start_worker()
        made.sql("update customers set full_name = '日本 太郎', passport_no = 'ÅB1' where customer_id = 1")
        made.apply()
        made.wait_loaded()
        yield made


# -- before anything is applied --------------------------------------------------------------------


def test_a_starter_mapping_from_the_catalogue_lints_tests_and_shows_a_live_row(database: Pipeline) -> None:
    file = f"mappings/{database.name}.yml"
    said = database.command("init", "--database", database.url, "--name", database.name)
    assert f"wrote {file} and its lock: 4 tables" in said.stdout
    database.env[f"{database.name.upper()}_URL"] = database.url
    assert "0 errors" in database.command("lint", file).stdout
    assert "1 test passed" in database.command("test", file).stdout
    assert "0 errors" in database.command("lint", file, "--live").stdout
    shown = json.loads(database.command("show", "booking", "7", "--json").stdout)
    assert shown["title"] == "Booking 7"
    assert {"customers.full_name", "customers.email"} <= {each["column"] for each in shown["private"]}


def test_lint_live_writes_a_missing_lock_and_then_says_what_drifts(database: Pipeline) -> None:
    database.file.write_text(database.mapping_text)
    lock = database.file.with_suffix(".lock")
    assert f"wrote {database.file.name.replace('.yml', '.lock')}" in _live(database).stderr
    before = lock.read_text()
    database.sql("alter table flights alter column dist_nm type text using dist_nm::text")
    drifted = _live(database)
    assert drifted.returncode == 1
    assert " M204 error " in drifted.stdout
    assert lock.read_text() == before
    assert _live(database, "--accept").returncode == 1  # said once more, and accepted
    assert lock.read_text() != before
    assert " M204 " not in _live(database).stdout


def _live(pipeline: Pipeline, *more: str) -> Any:
    return pipeline.command("lint", pipeline.file.name, "--live", *more, check=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "127.0.0.1:1"}, "does not answer"),
        ({"user": "nobody:wrong"}, "refuses the connection"),
        ({"database": "nowhere"}, "refuses the connection"),
    ],
    ids=["unreachable", "wrong password", "no such database"],
)
def test_a_database_that_cannot_be_used_is_named_and_nothing_is_made(
    database: Pipeline, change: dict[str, str], said: str
) -> None:
    scheme, _, rest = database.url.partition("://")
    user, _, where = rest.partition("@")
    host, _, name = where.partition("/")
    url = f"{scheme}://{change.get('user', user)}@{change.get('host', host)}/{change.get('database', name)}"
    database.file.write_text(database.mapping_text)
    database.env["AIRLINE_URL"] = url
    done = database.command("apply", database.file.name, "--auto-approve", check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "wrong" not in done.stdout + done.stderr.replace("wrong password", "")
    assert Left(database).nothing


def test_what_the_database_lacks_is_found_before_anything_is_made(database: Pipeline) -> None:
    database.sql("create table tickets_copy as table tickets; drop table tickets")
    database.file.write_text(database.mapping_text)
    database.sql("create role poor login password 'poor'; grant select on all tables in schema public to poor")
    try:
        database.env["AIRLINE_URL"] = database.url.replace("://postgres:postgres@", "://poor:poor@")
        done = database.command("apply", database.file.name, "--auto-approve", check=False)
        assert done.returncode == 1
        for finding in ("M214 error user poor has no right to replicate", "alter role", "no table public.tickets"):
            assert finding in done.stdout
        assert Left(database).nothing
    finally:
        database.sql("drop owned by poor; drop role poor")


@pytest.mark.parametrize("service", ["weaviate", "connect", "kafka"])
def test_a_component_that_is_away_is_named_and_nothing_is_left(stack: Stack, database: Pipeline, service: str) -> None:
    """Without Kafka, Connect still answers, and takes half a minute to say that it cannot: Kafka must be named."""
    names = {"weaviate": "Weaviate", "connect": "Kafka Connect at", "kafka": "Kafka at"}
    stack.stop(service)
    try:
        with pytest.raises(AssertionError, match=r": 2\n[\s\S]*" + names[service]):
            database.apply()
    finally:
        stack.start(service)
    connectors = f"{stack.env['HEADRACE_CONNECT_URL']}/connectors"
    wait_until("Kafka Connect to answer again", lambda: _answers(connectors), 120, every=0.5)
    assert Left(database).nothing


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


# -- applied and served ----------------------------------------------------------------------------


def test_a_worker_that_ran_before_has_picked_up_what_was_applied(served: Pipeline) -> None:
    rows = served.status()
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(["booking", "flight", "terms"], "fresh")
    assert rows["booking"]["documents"] == SIZES.bookings
    assert rows["booking"]["owed"] == rows["booking"]["parked"] == 0
    assert rows["booking"]["lag_seconds"] < 5


def test_show_prints_what_weaviate_holds_tokens_and_masks_included(served: Pipeline) -> None:
    stored = served.objects()
    assert len(stored) >= SIZES.bookings
    with served.database() as connection:
        keys = [
            key
            for (key,) in connection.execute("select booking_id from bookings order by (customer_id <> 1), 1 limit 3")
        ]
    for key in keys:
        shown = json.loads(served.command("show", "booking", str(key), "--file", str(served.file), "--json").stdout)
        assert [chunk["text"] for chunk in shown["chunks"]] == [
            text for (of, _), text in sorted(stored.items()) if of == str(key)
        ]
        assert ", passport " in shown["text"]


def test_wait_returns_when_a_write_is_searchable_and_search_finds_it(served: Pipeline) -> None:
    served.sql("update bookings set pnr = 'ZZTOP1' where booking_id = 3")
    waited = served.command("wait", served.name)
    assert waited.stdout.startswith(f"{served.name}: searchable after ")
    alias = f"{served.name.capitalize()}Booking"
    for mode in ("hybrid", "vector", "keyword"):
        done = served.command("search", alias, "booking ZZTOP1", "--mode", mode, "--where", "pnr=ZZTOP1", "--json")
        found = json.loads(done.stdout)
        assert [each["properties"]["document_key"] for each in found] == ["3"], mode
    by_document = served.command("search", f"{served.name}.booking", "ZZTOP1", "--mode", "keyword", "--limit", "1")
    assert by_document.stdout.startswith("Booking ZZTOP1  key 3")


def test_a_parked_document_is_named_by_status_and_wait_and_goes_on_when_its_row_does(served: Pipeline) -> None:
    served.sql("update tickets set fare_cd = '?' where booking_id = 5 and seq_no = 1")
    waited = served.command("wait", served.name, "--timeout", "20s", check=False)
    assert waited.returncode == 1
    assert f"{served.name}.booking 5 is parked: " in waited.stderr
    assert served.command("wait", served.name, "--document", "booking", "6").returncode == 0
    status = served.command("status", served.name).stdout
    again = next(line for line in status.splitlines() if line.strip().startswith("again: headrace "))
    served.command(*again.split("headrace ", 1)[1].split())
    assert served.command("wait", served.name, "--document", "booking", "5", check=False).returncode == 1
    served.sql("update tickets set fare_cd = 'Y' where booking_id = 5 and seq_no = 1")
    assert served.command("wait", served.name).returncode == 0
    assert served.status()["booking"]["parked"] == 0


def test_doctor_finds_everything_well(served: Pipeline) -> None:
    done = served.command("doctor")
    assert done.stdout.splitlines()[-1] == "All checks passed!"
    for line in (
        f"{served.name}: connector",
        f"{served.name}: slot",
        f"{served.name}: database",
        "embedder for queries",
    ):
        assert f"OK      {line}: " in done.stdout
    assert served.env["HEADRACE_PRIVACY_SALT"] not in done.stdout.replace("HEADRACE_PRIVACY_SALT", "")


def test_applying_the_same_version_again_restarts_a_failed_connector(served: Pipeline) -> None:
    url = f"{served.env['HEADRACE_CONNECT_URL']}/connectors/headrace-{served.name}-{served.name}"
    assert requests.put(f"{url}/stop").ok
    wait_until("the connector to stop", lambda: requests.get(f"{url}/status").json()["connector"]["state"] == "STOPPED")
    assert served.command("doctor", check=False).returncode == 1
    again = served.command("apply", str(served.file))
    assert "is applied already" in again.stdout
    assert requests.get(f"{url}/status").json()["tasks"][0]["state"] == "RUNNING"
    assert served.command("wait", served.name).returncode == 0


def test_a_changed_mapping_is_refused_and_changes_nothing(served: Pipeline) -> None:
    changed = served.directory / "changed.yml"
    changed.write_text(served.file.read_text().replace('title: "Booking', 'title: "Reservation'))
    before = Left(served)
    done = served.command("apply", "changed.yml", "--auto-approve", check=False)
    assert done.returncode == 2
    assert f"headrace remove {served.name}" in done.stderr
    assert Left(served) == before


def test_removing_leaves_nothing_and_may_be_run_again(served: Pipeline) -> None:
    served.command("remove", served.name, "--yes")
    left = Left(served)
    assert left.collections
    assert [left.connectors, left.slots, left.publications, left.topics, left.mappings] == [[], [], [], [], {}]
    assert served.workers[0].process.poll() is None, served.workers[0].text()[-2000:]
    served.command("remove", str(served.file), "--collections", "--yes")
    assert Left(served).nothing
    assert "nothing was left" in served.command("remove", str(served.file), "--yes").stdout
