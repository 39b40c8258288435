"""`headrace apply` and `remove`: all or nothing, nobody's things taken, nothing forgotten. The outside is a fake."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from sqlalchemy import func, select

from connectors.problem import Problem
from connectors.registration import Removal
from sync.errors import ConnectorFailed, HeadraceError, StateUnreachable, WeaviateUnreachable
from sync.mapping.lockfile import lock_path, read_lock
from sync.state.database import State
from sync.state.registry import DOCUMENT, MAPPING, TERMS, applications, applied, load
from tests.support.command import Command, Ran

MAPPING_FILE = Path(__file__).resolve().parents[2] / "mappings" / "airline.yml"
URL = "postgresql://me:hunter2@db/airline"


class FakeWeaviate:
    """Collections and aliases in memory. ``fails`` names the call, and the collection or alias, that fails."""

    def __init__(self) -> None:
        self.schemas: dict[str, dict[str, Any]] = {}
        self.aliases: dict[str, str] = {}
        self.fails: tuple[str, str] | None = None
        self.calls: list[tuple[str, str]] = []

    def __call__(self, _settings: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _called(self, what: str, name: str) -> None:
        self.calls.append((what, name))
        if self.fails == (what, name):
            raise WeaviateUnreachable("Weaviate went away")

    def schema(self, name: str) -> dict[str, Any] | None:
        return self.schemas.get(name)

    def collections(self) -> list[str]:
        return sorted(self.schemas)

    def create_collection(self, schema: dict[str, Any]) -> None:
        self._called("create", schema["class"])
        self.schemas[schema["class"]] = schema

    def drop_collection(self, name: str) -> None:
        self._called("drop", name)
        self.schemas.pop(name, None)

    def alias(self, alias: str) -> str | None:
        return self.aliases.get(alias)

    def set_alias(self, alias: str, collection: str, *, new: bool) -> None:
        self._called("alias", alias)
        self.aliases[alias] = collection

    def drop_alias(self, alias: str) -> None:
        self.aliases.pop(alias, None)


class Outside:
    """Everything that `apply` talks to, and what it holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lock: Any) -> None:
        self.weaviate = FakeWeaviate()
        self.connectors: list[str] = []
        self.problems: list[Problem] = []
        self.register_fails: HeadraceError | None = None
        self.removal_fails: list[str] = []
        self.events: list[str] = []
        database = SimpleNamespace(catalogue=lambda tables: lock.sources["airline"])
        monkeypatch.setattr("sync.write.weaviate.Weaviate", self.weaviate)
        monkeypatch.setattr("connectors.connect.Connect", self._connect)
        monkeypatch.setattr("connectors.topics.Topics.describe", lambda *_: None)
        monkeypatch.setattr("connectors.registration.source_database", lambda mapping, source: database)
        monkeypatch.setattr("connectors.registration.preflight", lambda *_: {"airline": self.problems})
        monkeypatch.setattr("connectors.registration.register", self.register)
        monkeypatch.setattr("connectors.registration.unregister", self.unregister)

    def _connect(self, *_: object, **__: object) -> AbstractContextManager[Any]:
        return nullcontext(SimpleNamespace(names=lambda: self.connectors))

    def register(self, mapping: Any, lock: Any, settings: Any, say: Any) -> dict[str, Any]:
        self.events.append("register")
        if self.register_fails is not None:
            raise self.register_fails
        self.connectors.append("headrace-airline-airline")
        return {"airline": SimpleNamespace(topic="headrace.airline.airline", topic_id="id", shape_marks=None)}

    def unregister(self, mapping: Any, settings: Any, say: Any) -> Removal:
        self.events.append("unregister")
        done = [f"deleted connector {each}" for each in self.connectors]
        self.connectors.clear()
        for each in done:
            say(each)
        return Removal(done, list(self.removal_fails))

    @property
    def is_empty(self) -> bool:
        return not (self.weaviate.schemas or self.weaviate.aliases or self.connectors)


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    (tmp_path / "mappings").mkdir()
    monkeypatch.chdir(tmp_path)
    for suffix in (".yml", ".lock"):
        shutil.copy(MAPPING_FILE.with_suffix(suffix), tmp_path / "mappings")
    url = f"sqlite:///{tmp_path}/state.db"
    return Command(monkeypatch, capsys, HEADRACE_STATE_URL=url, AIRLINE_URL=URL, HEADRACE_PRIVACY_SALT="pepper")


@pytest.fixture
def outside(headrace: Command, monkeypatch: pytest.MonkeyPatch) -> Outside:
    lock, _ = read_lock(lock_path(MAPPING_FILE))
    return Outside(monkeypatch, lock)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    opened = State(f"sqlite:///{tmp_path}/state.db")
    yield opened
    opened.close()


def names(state: State) -> set[str]:
    with state.read() as connection:
        return set(applied(connection))


def apply(headrace: Command, *more: str) -> Ran:
    return headrace("apply", "mappings/airline.yml", "--auto-approve", *more)


def test_applying_makes_collections_connector_and_state_in_this_order(
    headrace: Command, outside: Outside, state: State
) -> None:
    ran = apply(headrace)
    assert ran.code == 0, ran.err
    steps = [line for line in ran.out.splitlines() if line.startswith("✓")]
    assert steps[0] == "✓ collection Booking_g1"
    assert steps[-1].startswith("✓ mapping airline ")
    assert outside.weaviate.aliases["Booking"] == "Booking_g1"
    assert outside.weaviate.aliases["AirlineTerms"] == "AirlineTerms_g1"
    assert names(state) == {"airline"}


def test_the_state_keeps_references_and_never_the_secrets_behind_them(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    with state.read() as connection:
        stored = connection.execute(select(MAPPING.c.model)).scalar_one()
        registered = load(connection, "airline")
    assert "${AIRLINE_URL}" in stored
    assert "hunter2" not in stored
    assert registered.topics == {"airline": "headrace.airline.airline"}


def test_the_terminology_is_owed_from_the_start(headrace: Command, outside: Outside, state: State) -> None:
    apply(headrace)
    with state.read() as connection:
        kind = load(connection, "airline").kinds[TERMS]
        owed = select(func.count()).where(DOCUMENT.c.type_id == kind.id, DOCUMENT.c.priority.is_not(None))
        assert connection.execute(owed).scalar_one() > 5


def test_what_will_be_made_is_shown_before_it_is(headrace: Command, outside: Outside) -> None:
    ran = headrace("apply", "mappings/airline.yml")
    assert ran.code == 2
    for word in ("Booking → Booking_g1", "public.customers", "full_name (mask)", "passport_no (hash)", "email"):
        assert word in ran.out
    assert "headrace.airline.airline" in ran.out
    assert "--auto-approve" in ran.err
    assert outside.is_empty


@pytest.mark.parametrize(("answer", "code", "made"), [("y", 0, True), ("n", 1, False), ("", 1, False)])
def test_somebody_at_the_terminal_is_asked_and_no_is_the_default(
    headrace: Command, outside: Outside, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, made: bool
) -> None:
    monkeypatch.setattr("sync.cli.terminal.interactive", lambda: True)
    ran = headrace("apply", "mappings/airline.yml", stdin=f"{answer}\n")
    assert ran.code == code
    assert outside.is_empty is not made
    if made:
        assert headrace("remove", "airline", stdin="n\n").code == 1
        assert outside.connectors
        assert headrace("remove", "airline", stdin="y\n").code == 0
        assert not outside.connectors


@pytest.mark.parametrize(
    "fails",
    [("create", "Booking_g1"), ("alias", "Booking"), ("create", "AirlineTerms_g1"), ("alias", "AirlineTerms")],
    ids=str,
)
def test_weaviate_failing_at_any_step_leaves_nothing_behind(
    headrace: Command, outside: Outside, state: State, fails: tuple[str, str]
) -> None:
    outside.weaviate.fails = fails
    ran = apply(headrace)
    assert ran.code == 2
    assert "Weaviate went away" in ran.err
    assert outside.is_empty
    assert names(state) == set()


def test_a_connector_that_fails_leaves_nothing_behind(headrace: Command, outside: Outside, state: State) -> None:
    outside.register_fails = ConnectorFailed("connector headrace-airline-airline is FAILED: no")
    ran = apply(headrace)
    assert ran.code == 2
    assert "is FAILED" in ran.err
    assert outside.is_empty
    assert names(state) == set()


def test_an_apply_that_is_interrupted_leaves_nothing_behind(
    headrace: Command, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("connectors.registration.register", interrupted)
    assert apply(headrace).code == 130
    assert outside.is_empty


def test_a_state_that_fails_at_the_end_takes_everything_back(
    headrace: Command, outside: Outside, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StateUnreachable("the disk is full")

    monkeypatch.setattr("sync.state.registry.register", fails)
    ran = apply(headrace)
    assert ran.code == 2
    assert "the disk is full" in ran.err
    assert outside.events == ["register", "unregister"]
    assert outside.is_empty


def test_a_second_apply_that_was_quicker_keeps_what_stands(
    headrace: Command, outside: Outside, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    register = outside.register

    def slowly(*arguments: Any) -> Any:
        with monkeypatch.context() as own:
            own.setattr("connectors.registration.register", register)
            made = register(*arguments)
            with state.write() as connection:
                from sync.state import registry

                registry.register(connection, arguments[0], arguments[1], {"airline": ("t", "id")})
        return made

    monkeypatch.setattr("connectors.registration.register", slowly)
    ran = apply(headrace)
    assert ran.code == 2
    assert "at the same time" in ran.err
    assert "Booking_g1" in outside.weaviate.schemas
    assert names(state) == {"airline"}


def test_findings_forbid_it_and_nothing_is_done(headrace: Command, outside: Outside) -> None:
    file = Path("mappings/airline.yml")
    file.write_text(file.read_text().replace("root: bookings", "root: bokings"))
    ran = apply(headrace)
    assert ran.code == 1
    assert " M101 error " in ran.out
    assert "nothing was done" in ran.err
    assert outside.is_empty
    assert outside.events == []


def test_what_the_database_lacks_is_a_finding_in_its_place_with_its_cure(headrace: Command, outside: Outside) -> None:
    outside.problems = [
        Problem("M210", "error", "wal_level is replica", "alter system set wal_level = 'logical';"),
        Problem("M216", "error", "user me may not read flights", "grant …;", "public.flights", "std"),
    ]
    ran = apply(headrace)
    text = Path("mappings/airline.yml").read_text().splitlines()
    source = 1 + next(number for number, line in enumerate(text) if line.startswith("source:"))
    std = 1 + next(number for number, line in enumerate(text) if line.strip().startswith("std:"))
    assert ran.code == 1
    assert f"mappings/airline.yml:{source}:" in ran.out
    assert "M210 error wal_level is replica. Run: alter system set wal_level = 'logical';" in ran.out
    assert f"mappings/airline.yml:{std}:" in ran.out
    assert outside.events == []


def test_applying_the_same_version_again_says_so_mends_its_connector_and_is_seen_by_the_worker(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    with state.read() as connection:
        before = applications(connection)["airline"]
    ran = headrace("apply", "mappings/airline.yml")
    assert ran.code == 0
    assert "is applied already" in ran.out
    assert outside.events == ["register", "register"]
    with state.read() as connection:
        now = applications(connection)["airline"]
    assert now.version == before.version
    assert now.at > before.at


def test_freshness_goals_change_no_version_and_are_taken_over(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    file = Path("mappings/airline.yml")
    file.write_text(file.read_text().replace("warn_after: 5s", "warn_after: 7s"))
    assert "is applied already" in apply(headrace).out
    with state.read() as connection:
        assert load(connection, "airline").plan.documents["booking"].model.freshness.warn_after == "7s"


def test_a_changed_mapping_is_refused_with_the_way_to_go(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    file = Path("mappings/airline.yml")
    file.write_text(file.read_text().replace('title: "Booking {{ pnr }}"', 'title: "Reservation {{ pnr }}"'))
    ran = apply(headrace)
    assert ran.code == 2
    assert "headrace remove airline" in ran.err
    assert outside.events == ["register"]


def test_a_connector_that_this_state_does_not_know_is_left_alone(headrace: Command, outside: Outside) -> None:
    outside.connectors = ["headrace-airline-airline"]
    ran = apply(headrace)
    assert ran.code == 2
    assert "this state knows of no mapping airline" in ran.err
    assert outside.connectors == ["headrace-airline-airline"]
    assert not outside.weaviate.schemas


@pytest.mark.parametrize(
    ("name", "description", "whose"),
    [
        ("Booking", "", "a collection named Booking exists and is not Headrace's"),
        ("Booking_g1", "somebody's bookings", "collection Booking_g1 exists and is not Headrace's"),
        ("Booking_g1", "x (headrace: hotel.booking)", "collection Booking_g1 exists and is the mapping hotel's"),
    ],
)
def test_collections_of_others_are_refused(
    headrace: Command, outside: Outside, name: str, description: str, whose: str
) -> None:
    outside.weaviate.schemas[name] = {"class": name, "description": description}
    ran = apply(headrace)
    assert ran.code == 2
    assert whose in ran.err
    assert "collection:" in ran.err
    assert outside.events == []
    assert set(outside.weaviate.schemas) == {name}


def test_a_collection_that_another_applied_mapping_fills_is_refused(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    other = Path("mappings/airline.yml").read_text().replace("name: airline", "name: hotel", 1)
    Path("mappings/hotel.yml").write_text(other)
    lock = Path("mappings/airline.lock").read_text()
    Path("mappings/hotel.lock").write_text(lock.replace("  airline:", "  hotel:"))
    ran = headrace("apply", "mappings/hotel.yml", "--auto-approve")
    assert ran.code == 2
    assert "collection Booking belongs to the applied mapping airline" in ran.err


def test_collections_left_by_an_earlier_remove_are_made_anew(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    headrace("remove", "airline", "--yes")
    assert "Booking_g1" in outside.weaviate.schemas
    outside.weaviate.calls.clear()
    assert apply(headrace).code == 0
    calls = outside.weaviate.calls
    assert calls.index(("drop", "Booking_g1")) < calls.index(("create", "Booking_g1"))
    assert outside.weaviate.aliases["Booking"] == "Booking_g1"


def test_removing_takes_connector_and_state_and_leaves_collections(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    ran = headrace("remove", "airline", "--yes")
    assert ran.code == 0
    assert "deleted connector headrace-airline-airline" in ran.out
    assert names(state) == set()
    assert "Booking_g1" in outside.weaviate.schemas


def test_removing_collections_takes_them_with_their_aliases_and_no_others(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    outside.weaviate.schemas["Booking_g9"] = {"class": "Booking_g9", "description": "somebody's"}
    assert headrace("remove", "airline", "--collections", "--yes").code == 0
    assert set(outside.weaviate.schemas) == {"Booking_g9"}
    assert outside.weaviate.aliases == {}


def test_removing_asks_first(headrace: Command, outside: Outside, state: State) -> None:
    apply(headrace)
    ran = headrace("remove", "airline")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert names(state) == {"airline"}


def test_removing_twice_does_no_harm(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    headrace("remove", "airline", "--yes")
    assert headrace("remove", "airline", "--yes").code == 0


def test_what_could_not_be_removed_is_named_with_the_way_by_hand(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    outside.removal_fails = ["slot headrace_airline and publication headrace_airline: the database does not answer"]
    ran = headrace("remove", "airline", "--yes")
    assert ran.code == 1
    assert "slot headrace_airline and publication headrace_airline: the database does not answer" in ran.err
    assert "pg_drop_replication_slot('headrace_airline')" in ran.err
    assert names(state) == set()


def test_weaviate_being_away_does_not_keep_the_rest_from_being_removed(
    headrace: Command, outside: Outside, state: State
) -> None:
    apply(headrace)
    outside.weaviate.fails = ("drop", "Booking_g1")
    ran = headrace("remove", "airline", "--collections", "--yes")
    assert ran.code == 1
    assert "collections in Weaviate: Weaviate went away" in ran.err
    assert outside.events[-1] == "unregister"
    assert names(state) == set()


def test_removing_what_was_never_applied_is_met_with_the_nearest_name(headrace: Command, outside: Outside) -> None:
    apply(headrace)
    ran = headrace("remove", "airlines", "--yes")
    assert ran.code == 2
    assert "nearest: airline" in ran.err


def test_applying_in_json_says_what_was_made_and_nothing_else(headrace: Command, outside: Outside) -> None:
    made = apply(headrace, "--json").json
    assert made["mapping"] == "airline"
    assert made["applied_already"] is False
    assert made["collections"]["booking"] == "Booking"
    assert made["topics"] == {"airline": "headrace.airline.airline"}


def test_a_lock_that_is_not_there_is_read_from_the_database(headrace: Command, outside: Outside, state: State) -> None:
    Path("mappings/airline.lock").unlink()
    assert apply(headrace).code == 0
    with state.read() as connection:
        assert load(connection, "airline").plan.tables["bookings"].columns["booking_id"].kind == "integer"
