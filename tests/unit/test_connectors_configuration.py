from __future__ import annotations

import re
from typing import Any

import pytest

from connectors import debezium
from connectors.captured import captured
from connectors.database import open_database
from connectors.names import Names, names
from connectors.secrets import masked, secrets_of
from sync.errors import MappingError, SettingsError, SourceRefused
from sync.mapping.lock import Lock, LockColumn, LockTable, SourceLock
from sync.mapping.model import Mapping
from sync.settings import Settings

TABLES: dict[str, Any] = {
    "customers": {
        "key": "customer_id",
        "columns": {
            "full_name": {"pii": "name"},
            "email": {"pii": "contact"},
            "passport_no": {"pii": "document"},
            "phone": {"pii": "not listed in privacy"},
            "customer_id": {},
        },
    },
    "stock": {"table": "Größe, (x)", "schema": "s.t", "key": "id", "columns": {"id": {"column": "I.d"}, "n": {}}},
}


def mapping(tables: dict[str, Any] | None = None, **fields: Any) -> Mapping:
    body: dict[str, Any] = {
        "version": 1,
        "name": "airline",
        "source": {"connector": "postgres", "url": "${URL}", "schema": "public"},
        "privacy": {"name": "mask", "contact": "drop", "document": "hash"},
        "tables": tables or TABLES,
        "documents": {"d": {"root": next(iter(tables or TABLES))}},
    }
    return Mapping.model_validate(body | fields)


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **{"kafka": "broker:9", "privacy_salt": "pepper"} | values)


def configuration(made: Mapping, lock: Lock | None = None, **values: Any) -> dict[str, str]:
    tables = captured(made, lock, made.name)
    return debezium.configuration(names(made, made.name), tables, settings(**values))


def java(pattern: str) -> re.Pattern[str]:
    """A pattern of ours as Python reads it: the same but for how a code point is written."""
    return re.compile(re.sub(r"\\x\{([0-9a-f]+)\}", lambda m: rf"\U{int(m[1], 16):08x}", pattern).removeprefix("(?-i)"))


def test_names_follow_from_mapping_and_source() -> None:
    assert names(mapping(), "airline") == Names(
        mapping="airline",
        source="airline",
        topic="headrace.airline.airline",
        signal_topic="headrace.airline.airline-signal",
        history_topic="headrace.airline.airline-history",
        connector="headrace-airline-airline",
        prefix="airline.airline",
        slot="headrace_airline",
        publication="headrace_airline",
        signal_table="headrace_airline_signal",
        heartbeat_table="headrace_airline_heartbeat",
    )


def test_several_sources_have_names_of_their_own_that_kafka_and_postgresql_accept() -> None:
    awkward = ["crm", "CRM", "c-r.m", "c_r_m", "ü" * 90, "x" * 300 + "y", "x" * 300 + "z"]
    several = {name: {"connector": "postgres", "url": "x"} for name in awkward}
    made = mapping(source=None, sources=several, tables={"t": {"source": "crm", "key": "i", "columns": {"i": {}}}})
    found = [names(made, source) for source in several]
    assert found[0].slot == "headrace_airline_crm"
    for each in found:
        assert re.fullmatch(r"[a-z0-9_]{1,63}", each.slot)
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", each.history_topic)
    assert len({each.slot for each in found}) == len({each.topic for each in found}) == len(awkward)


def test_a_source_that_does_not_exist_is_named_beside_those_that_do() -> None:
    with pytest.raises(MappingError, match="no source crm; it has airline"):
        names(mapping(), "crm")


def test_only_listed_columns_are_captured_and_a_class_without_treatment_is_dropped() -> None:
    customers, stock = captured(mapping(), None, "airline")
    assert customers.columns == {"customer_id": None, "full_name": "mask", "passport_no": "hash"}
    assert set(customers.dropped) == {"email", "phone"}
    assert next(iter(customers.columns)) == "customer_id"
    assert (stock.schema, stock.table, stock.key) == ("s.t", "Größe, (x)", ("I.d",))


def test_the_connector_is_told_exactly_those_columns() -> None:
    config = configuration(mapping())
    patterns = [java(each) for each in config["column.include.list"].split(",")]
    every = ["customer_id", "full_name", "passport_no", "email", "phone", "Customer_id", "customer_idx"]
    found = [column for column in every if any(p.fullmatch(f"public.customers.{column}") for p in patterns)]
    assert found == ["customer_id", "full_name", "passport_no"]
    assert any(p.fullmatch("s.t.Größe, (x).I.d") for p in patterns)
    assert not any(p.fullmatch("public!customers.customer_id") for p in patterns)
    assert [java(p).fullmatch("s.t.Größe, (x)") is not None for p in config["table.include.list"].split(",")] == [
        False,
        True,
    ]


def test_masking_and_hashing_name_their_columns_only() -> None:
    config = configuration(mapping(), privacy_salt="a.b,c")
    assert java(config["column.truncate.to.1.chars"]).fullmatch("public.customers.full_name")
    assert java(config["column.mask.hash.v2.SHA-256.with.salt.a.b,c"]).fullmatch("public.customers.passport_no")


@pytest.mark.parametrize("salt", [None, ""])
def test_hashing_without_a_salt_names_the_setting_and_the_column(salt: str | None) -> None:
    with pytest.raises(SettingsError, match=r"HEADRACE_PRIVACY_SALT.*public\.customers\.passport_no"):
        configuration(mapping(), privacy_salt=salt)


def test_no_salt_is_needed_where_nothing_is_hashed() -> None:
    config = configuration(mapping(privacy={"name": "mask"}), privacy_salt=None)
    assert not [key for key in config if "hash" in key]


@pytest.mark.parametrize("treatment", ["mask", "hash", "drop"])
def test_a_private_key_column_is_refused(treatment: str) -> None:
    private = {"t": {"key": "id", "columns": {"id": {"pii": "class"}}}}
    with pytest.raises(MappingError, match=r"public\.t: column id is private and part of the key"):
        captured(mapping(private, privacy={"class": treatment}), None, "airline")


def lock(key: tuple[str, ...], *columns: str) -> Lock:
    table = LockTable(key=key, columns={each: LockColumn(type="integer") for each in columns})
    return Lock(sources={"airline": SourceLock(connector="postgres", tables={"public.t": table})})


def test_a_key_that_is_not_the_primary_key_is_what_records_are_told_to_carry() -> None:
    tables = {"t": {"key": ["code", "lang"], "columns": {"code": {}, "lang": {}, "words": {}}}}
    assert "message.key.columns" not in configuration(mapping(tables), lock(("lang", "code"), "lang", "code", "words"))
    config = configuration(mapping(tables), lock(("id",), "id", "code", "lang", "words"))
    assert config["message.key.columns"].endswith(":code,lang")


def test_a_table_that_holds_only_code_words_is_captured_with_its_key() -> None:
    codes = {"table": "codes", "code": "cd", "words": "txt", "where": {"domain": "STATUS"}}
    tables = {"t": {"key": "id", "columns": {"id": {}, "status": {"values": codes}}}}
    _, found = captured(mapping(tables), None, "airline")
    assert (found.name, set(found.columns)) == ("public.codes", {"cd", "txt", "domain"})


def test_every_topic_that_debezium_would_use_is_renamed_to_the_one_topic() -> None:
    config = configuration(mapping())
    router = java(config["transforms.one.regex"])
    for topic in ("airline.airline.public.customers", "airline.airline", "__debezium-heartbeat.airline.airline",
                  "airline.airline.transaction", "airline.airline.message"):  # fmt: skip
        assert router.fullmatch(topic)
    for topic in ("airlinexairline.public.t", "airline.airline2.public.t", "headrace.airline.airline"):
        assert not router.fullmatch(topic)
    assert config["transforms.one.replacement"] == config["notification.sink.topic.name"] == "headrace.airline.airline"


def test_what_would_lose_or_change_values_is_switched_off() -> None:
    config = configuration(mapping())
    expected = {
        "value.converter.schemas.enable": "false",
        "value.converter.replace.null.with.default": "false",
        "key.converter.replace.null.with.default": "false",
        "decimal.handling.mode": "string",
        "binary.handling.mode": "bytes",
        "event.converting.failure.handling.mode": "fail",
        "skipped.operations": "none",
        "tombstones.on.delete": "false",
        "provide.transaction.metadata": "true",
        "message.prefix.include.list": "headrace.*",
        "errors.max.retries": "-1",
        "producer.override.linger.ms": "0",
        "tasks.max": "1",
    }
    assert expected.items() <= config.items()


def test_large_rows_fit_through_producer_and_queue() -> None:
    config = configuration(mapping(), max_record_bytes=50_000_000)
    assert config["producer.override.max.request.size"] == "50000000"
    assert int(config["producer.override.buffer.memory"]) >= 50_000_000
    assert int(config["max.queue.size.in.bytes"]) >= 50_000_000


def test_postgresql_is_told_where_it_is_and_to_keep_off_publications() -> None:
    url = "postgresql://us%40er:p%2Fw@db.example:6000/air?sslmode=require"
    made = mapping()
    config = open_database("postgres", url).configuration(names(made, "airline"), [], settings())
    expected = {
        "database.hostname": "db.example",
        "database.port": "6000",
        "database.user": "us@er",
        "database.password": "p/w",
        "database.dbname": "air",
        "database.sslmode": "require",
        "plugin.name": "pgoutput",
        "slot.name": "headrace_airline",
        "publication.name": "headrace_airline",
        "publication.autocreate.mode": "disabled",
    }
    assert expected.items() <= config.items()


def test_a_url_that_cannot_be_read_is_not_quoted() -> None:
    with pytest.raises(SourceRefused) as caught:
        open_database("postgres", "postgres:hunter2@db/x")
    assert "hunter2" not in str(caught.value) + str(caught.value.__cause__)
    assert "%-encoded" in caught.value.advice


def test_a_kind_of_source_without_code_says_what_there_is() -> None:
    with pytest.raises(MappingError, match="salesforce are not supported") as caught:
        open_database("salesforce", "https://x")
    assert "postgres" in caught.value.advice


def test_secrets_are_found_in_values_and_names_and_masked_as_urls_write_them() -> None:
    config = {"database.password": "a/b", "column.mask.hash.v2.SHA-256.with.salt.pep,per": "x", "database.user": "bob"}
    assert masked("a/b a%2Fb pep,per bob", secrets_of(config)) == "*** *** *** bob"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://bob:pass@db/x failed", "at postgresql://bob:***@db/x failed"),
        ("password=one; PWD: two, secret=three", "password=***; PWD: ***, secret=***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_passwords_are_masked_without_being_known(text: str, shown: str) -> None:
    assert masked(text) == shown
