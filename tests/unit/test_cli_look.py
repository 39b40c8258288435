"""`headrace show`, `search`, `init`, `doctor`: what they read, what they leave out, what they advise."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

import pytest
import requests
from pydantic import SecretStr

from sync.cli.init import samples
from sync.cli.source_rows import WHOLE_TABLE, SourceRows, TooMany
from sync.errors import KafkaUnreachable, SettingsError, SourceRefused
from sync.mapping.lock import Lock, LockColumn, LockTable, SourceLock
from sync.mapping.lockfile import read_lock
from sync.mapping.model import Mapping
from sync.mapping.plan import plan
from sync.settings import Settings
from tests.support.command import Command

MAPPING = Path(__file__).resolve().parents[2] / "mappings" / "airline.yml"
ROWS: dict[str, list[dict[str, Any]]] = {
    "public.bookings": [
        {"booking_id": 7, "pnr": "K3XQ2A", "customer_id": 1, "booked_at": "2026-03-01T09:00:00Z", "total_amt": 48950}
    ],
    "public.customers": [{"customer_id": 1, "full_name": "Maria Rossi", "passport_no": "YA1", "tier_cd": "G"}],
    "public.tickets": [{"booking_id": 7, "seq_no": 1, "flight_id": 40, "fare_cd": "J", "bag_wt": None}],
    "public.flights": [
        {
            "flight_id": 40,
            "flight_no": "AZ 602",
            "origin": "FCO",
            "dest": "JFK",
            "std": "2026-04-02T10:15:00Z",
            "dist_nm": 3720,
            "status_cd": "CX",
        }
    ],
}


class FakeDatabase:
    """Rows in memory, found as the database finds them: by the text of a value."""

    def __init__(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        self.rows, self.read = rows, list[tuple[str, tuple[str, ...]]]()
        self.asked_catalogue = 0

    def catalogue(self, tables: Collection[str] | None = None) -> SourceLock:
        self.asked_catalogue += 1
        lock, _ = read_lock(MAPPING.with_suffix(".lock"))
        assert lock is not None
        return lock.sources["airline"]

    def find(
        self, table: str, columns: Sequence[str], values: Collection[Sequence[Any]], wanted: Sequence[str]
    ) -> list[dict[str, Any]]:
        self.read.append((table, tuple(wanted)))
        keys = {tuple(map(str, value)) for value in values}
        return [
            {name: row[name] for name in wanted}
            for row in self.rows[table]
            if tuple(str(row[column]) for column in columns) in keys
        ]

    def sample(self, table: str, wanted: Sequence[str], limit: int) -> list[dict[str, Any]]:
        return [{name: row[name] for name in wanted} for row in self.rows[table][:limit]]


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    (tmp_path / "mappings").mkdir()
    for suffix in (".yml", ".lock"):
        shutil.copy(MAPPING.with_suffix(suffix), tmp_path / "mappings")
    monkeypatch.chdir(tmp_path)
    return Command(
        monkeypatch, capsys, HEADRACE_STATE_URL=f"sqlite:///{tmp_path}/state.db", HEADRACE_PRIVACY_SALT="pepper"
    )


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> FakeDatabase:
    fake = FakeDatabase(ROWS)
    monkeypatch.setattr("connectors.registration.source_database", lambda mapping, source: fake)
    return fake


def test_show_prints_text_chunks_properties_and_what_is_private(headrace: Command, database: FakeDatabase) -> None:
    ran = headrace("show", "booking", "7")
    assert ran.code == 0
    assert "by M.,\na Gold member, for 489.50 EUR." in ran.out
    assert "1 CHUNK" in ran.out
    assert " tokens\n" in ran.out
    for row in (("pnr", "K3XQ2A"), ("customers.email", "contact", "drop:"), ("customers.full_name", "name", "mask:")):
        assert any(line.split()[: len(row)] == list(row) for line in ran.out.splitlines()), row


def test_show_never_asks_the_database_for_a_dropped_column(headrace: Command, database: FakeDatabase) -> None:
    headrace("show", "booking", "7")
    assert database.read
    assert all("email" not in wanted for _, wanted in database.read)


def test_show_without_a_lock_reads_the_types_from_the_database(headrace: Command, database: FakeDatabase) -> None:
    with_lock = headrace("show", "booking", "7", "--json").json
    assert database.asked_catalogue == 0
    Path("mappings/airline.lock").unlink()
    assert headrace("show", "booking", "7", "--json").json == with_lock
    assert database.asked_catalogue == 1


def test_show_in_json_counts_the_tokens_of_each_chunk(headrace: Command, database: FakeDatabase) -> None:
    shown = headrace("show", "airline.booking", "7", "--json").json
    assert shown["title"] == "Booking K3XQ2A"
    assert shown["properties"]["customer_tier_cd"] == "Gold"
    assert [chunk["tokens"] > 20 for chunk in shown["chunks"]] == [True]
    assert {"column": "customers.passport_no", "class": "document", "treatment": "hash"} in shown["private"]
    assert "Rossi" not in str(shown)


def test_show_of_a_row_that_is_not_there_says_so(headrace: Command, database: FakeDatabase) -> None:
    ran = headrace("show", "booking", "8")
    assert ran.code == 1
    assert "there is no booking 8: bookings has no such row" in ran.err


def test_show_of_a_document_that_would_be_parked_says_why_without_the_value(
    headrace: Command, database: FakeDatabase
) -> None:
    database.rows = {**ROWS, "public.customers": [{**ROWS["public.customers"][0], "tier_cd": "Z"}]}
    ran = headrace("show", "booking", "7")
    assert ran.code == 1
    assert "booking 7 would be parked: " in ran.err
    assert "tier_cd" in ran.err


def test_show_of_an_unknown_document_names_the_nearest(headrace: Command) -> None:
    ran = headrace("show", "bokking", "7")
    assert ran.code == 2
    assert "no document bokking in mappings/airline.yml (nearest: booking)" in ran.err


def test_rows_are_treated_as_the_connector_treats_them() -> None:
    # The token is the one that Debezium 3.6.1 wrote into a topic for this value and salt.
    mapping = _mapping({"id": {}, "name": {"pii": "n"}, "pass": {"pii": "p"}})
    database = FakeDatabase({"public.people": [{"id": 1, "name": "Maria", "pass": "YA1"}]})
    rows = SourceRows(plan(mapping, None), {"people": database}, Settings(privacy_salt=SecretStr("pepper")))  # type: ignore[dict-item]
    (_, image), *_ = rows.find("people", ("id",), ["1"])["1"]
    assert image["name"] == "M"
    assert image["pass"] == "3b656e8419a2252d11e9df33900848bc37080d492b2e1f9b612fb98c5b3bb8ca"


def _mapping(columns: dict[str, Any]) -> Mapping:
    return Mapping.model_validate(
        {
            "version": 1,
            "name": "people",
            "source": {"connector": "postgres", "url": "${X}"},
            "privacy": {"n": "mask", "p": "hash"},
            "tables": {"people": {"key": "id", "columns": columns}},
            "documents": {"person": {"root": "people"}},
        }
    )


def test_hashing_without_the_salt_names_the_setting() -> None:
    mapping = _mapping({"id": {}, "pass": {"pii": "p"}})
    rows = SourceRows(plan(mapping, None), {}, Settings(privacy_salt=None))
    with pytest.raises(SettingsError, match="HEADRACE_PRIVACY_SALT"):
        rows.find("people", ("id",), ["1"])


def test_keys_that_compare_only_here_are_found_in_the_whole_table_or_refused() -> None:
    made = plan(_mapping({"id": {"normalise": ["trim", "upper"]}}), None)
    few = FakeDatabase({"public.people": [{"id": " ab "}, {"id": "cd"}]})
    rows = SourceRows(made, {"people": few}, Settings())  # type: ignore[dict-item]
    assert [key for key, _ in rows.find("people", ("id",), ["AB"])["AB"]] == [" ab "]
    many = FakeDatabase({"public.people": [{"id": str(number)} for number in range(WHOLE_TABLE + 1)]})
    rows = SourceRows(made, {"people": many}, Settings())  # type: ignore[dict-item]
    with pytest.raises(TooMany, match="people has more than 50,000 rows"):
        rows.find("people", ("id",), ["AB"])


# -- init ------------------------------------------------------------------------------------------


def _locked(**types: str) -> SourceLock:
    columns = {name: LockColumn(type=kind) for name, kind in types.items()}
    return SourceLock(connector="postgres", tables={"public.t": LockTable(key=("id",), columns=columns)})


def test_codes_are_taken_from_short_columns_that_repeat_and_from_no_others() -> None:
    rows = [{"id": f"{n:04}", "st": "AB"[n % 2], "c4": f"{n:04}", "name": "same", "one": None} for n in range(40)]
    known = _locked(
        id="character(4)", st="character varying(2)", c4="character(4)", name="text", one="character varying(3)"
    )
    found = samples(FakeDatabase({"public.t": rows}), known)  # type: ignore[arg-type]
    assert found["public.t"]["st"] == ["A", "B"]
    assert not {"id", "c4", "name"} & found["public.t"].keys()


def test_a_table_that_may_not_be_read_is_told_and_left(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> None:
        raise SourceRefused("permission denied for table t")

    found = samples(SimpleNamespace(sample=refuse), _locked(st="character(1)"))
    assert found == {}
    assert "permission denied" in capsys.readouterr().err


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    known = _locked(id="integer", name="text")
    fake = SimpleNamespace(catalogue=lambda: known, sample=lambda *_: [])
    monkeypatch.setattr("connectors.database.open_database", lambda *_: fake)


def test_init_writes_a_mapping_that_lints_and_says_what_comes_next(headrace: Command, catalogue: None) -> None:
    ran = headrace("init", "--database", "postgresql://me:hunter2@db/My-Shop")
    assert ran.code == 0
    assert "wrote mappings/my_shop.yml and its lock: 1 table" in ran.out
    assert "export MY_SHOP_URL=" in ran.out
    assert "hunter2" not in ran.out + Path("mappings/my_shop.yml").read_text()
    assert headrace("lint", "mappings/my_shop.yml").code == 0
    assert headrace("test", "mappings/my_shop.yml").code == 0


def test_init_overwrites_nothing_unless_told(headrace: Command, catalogue: None) -> None:
    before = Path("mappings/airline.yml").read_text()
    ran = headrace("init", "--database", "postgresql://db/airline")
    assert ran.code == 2
    assert "mappings/airline.yml and mappings/airline.lock exists already" in ran.err
    assert Path("mappings/airline.yml").read_text() == before
    assert headrace("init", "--database", "postgresql://db/airline", "--force").code == 0


def test_init_prints_the_mapping_where_a_dash_is_asked_and_the_lock_in_json(headrace: Command, catalogue: None) -> None:
    printed = headrace("init", "--database", "postgresql://db/shop", "-o", "-").out
    assert "\nname: shop\n" in printed
    lock = headrace("init", "--database", "postgresql://db/shop", "--json").json
    assert Lock.model_validate(lock).sources["shop"].tables.keys() == {"public.t"}
    assert not Path("mappings/shop.yml").exists()


def test_init_of_something_that_is_no_database_says_how_to_write_one(headrace: Command) -> None:
    ran = headrace("init", "--database", "oracle://db/shop")
    assert ran.code == 2
    assert "postgresql://user:password@host/name" in ran.err


# -- search ----------------------------------------------------------------------------------------


class FakeWeaviate:
    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        properties = {
            "pnr": "text",
            "seats": "int",
            "price": "number",
            "paid": "boolean",
            "at": "date",
            "tags": "text[]",
        }
        self.found = {"properties": [{"name": name, "dataType": [kind]} for name, kind in properties.items()]}

    def __call__(self, _: object) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def alias(self, name: str) -> str | None:
        return "Booking_g1" if name == "Booking" else None

    def schema(self, name: str) -> dict[str, Any] | None:
        return self.found if name == "Booking_g1" else None

    def collections(self) -> list[str]:
        return ["Booking_g1"]

    def search(self, collection: str, question: str, **how: Any) -> list[Any]:
        self.asked = {"collection": collection, "question": question, **how}
        properties = {"content": "Booking K3\nThe text.", "document_key": "7", "chunk": 0, "chunks": 1}
        return [SimpleNamespace(uuid=UUID(int=7), properties=properties, score=0.5, distance=None)]


@pytest.fixture
def weaviate(monkeypatch: pytest.MonkeyPatch) -> FakeWeaviate:
    fake = FakeWeaviate()
    monkeypatch.setattr("sync.write.weaviate.Weaviate", fake)
    return fake


def test_search_prints_title_key_snippet_and_nearness(headrace: Command, weaviate: FakeWeaviate) -> None:
    ran = headrace("search", "Booking", "late flights")
    assert ran.code == 0
    assert ran.out.startswith("Booking K3  key 7  score 0.500\n  The text.\n")
    assert weaviate.asked == {
        "collection": "Booking", "question": "late flights", "how": "hybrid", "limit": 5, "filters": {},
    }  # fmt: skip


@pytest.mark.parametrize(("mode", "how"), [("hybrid", "hybrid"), ("vector", "near_text"), ("keyword", "bm25")])
def test_each_mode_is_one_of_weaviates_searches(headrace: Command, weaviate: FakeWeaviate, mode: str, how: str) -> None:
    headrace("search", "Booking", "x", "--mode", mode)
    assert weaviate.asked["how"] == how


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("pnr=K3=4", "K3=4"),
        ("seats=12", 12),
        ("price=1.5", 1.5),
        ("paid=true", True),
        ("tags=a", ["a"]),
        ("pnr=", None),
        ("at=2026-03-01", "2026-03-01 00:00:00+00:00"),
    ],
)
def test_conditions_have_the_type_of_their_property(
    headrace: Command, weaviate: FakeWeaviate, condition: str, value: object
) -> None:
    assert headrace("search", "Booking", "x", "--where", condition).code == 0
    found = weaviate.asked["filters"][condition.split("=")[0]]
    assert (str(found) if condition.startswith("at") else found) == value


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("pnrr=1", "Booking has no property pnrr (nearest: pnr)"),
        ("seats=many", "--where seats: a value of type int is wanted, not many"),
        ("paid=maybe", "--where paid: true or false is wanted"),
        ("pnr", "write NAME=VALUE"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(
    headrace: Command, weaviate: FakeWeaviate, condition: str, said: str
) -> None:
    ran = headrace("search", "Booking", "x", "--where", condition)
    assert ran.code == 2
    assert said in ran.err


def test_a_collection_that_is_not_there_is_met_with_what_is(headrace: Command, weaviate: FakeWeaviate) -> None:
    ran = headrace("search", "Bookin", "x")
    assert ran.code == 2
    assert "Bookin is no collection in Weaviate (nearest: Booking_g1)" in ran.err


# -- doctor ----------------------------------------------------------------------------------------


def test_doctor_names_everything_that_does_not_answer_and_what_to_do(
    headrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_CONNECT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_WEAVIATE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HEADRACE_EMBEDDER_URL", "http://127.0.0.1:1")

    def away(*_: object) -> None:
        raise KafkaUnreachable("Kafka at 127.0.0.1:1 does not answer")

    monkeypatch.setattr("connectors.topics.Topics.describe", away)
    ran = headrace("doctor")
    assert ran.code == 1
    for what in ("Kafka", "Kafka Connect", "Weaviate", "embedder for queries"):
        assert any(line.startswith(f"FAILED  {what}: ") for line in ran.out.splitlines()), what
    assert "OK      state: " in ran.out
    assert "OK      embedder: " in ran.out
    assert "Check HEADRACE_KAFKA" in ran.out
    assert "Start `headrace embedder`" in ran.out
    assert "HEADRACE_PRIVACY_SALT        ***" in ran.out
    assert ran.out.splitlines()[-1] == "4 checks failed"


def test_doctor_that_finds_a_defect_of_its_own_goes_on(headrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("Maria Rossi")

    monkeypatch.setattr("connectors.topics.Topics.describe", broken)
    monkeypatch.setattr(requests, "get", broken)
    monkeypatch.setattr("connectors.connect.Connect.version", broken)
    monkeypatch.setattr("sync.write.weaviate.Weaviate.ready", broken)
    checks = {each["what"]: each for each in headrace("doctor", "--json").json["checks"]}
    assert checks["Kafka"]["result"] == "FAILED"
    assert "unexpected ValueError" in checks["Kafka"]["found"]
    assert "Rossi" not in str(checks)
    assert checks["embedder"]["result"] == "OK"
