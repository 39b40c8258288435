from __future__ import annotations

import json
import re

import pytest

from connectors import signals
from connectors.captured import CapturedTable
from connectors.mariadb.tables import is_ours
from connectors.names import Names, names
from sync.errors import SourceRefused
from tests.unit.test_connectors_configuration import java, mapping


def own() -> Names:
    return names(mapping(), "airline")


def table(name: str, schema: str = "public") -> CapturedTable:
    return CapturedTable(schema, name, ("id",), {"id": None})


def test_what_is_asked_for_names_each_table_exactly_and_its_condition() -> None:
    signal = signals.read_again("one", [table("odd-name"), table("Größe")], "n > 'x\"y'")
    asked = json.loads(signal.data)
    assert (signal.id, signal.type, asked["type"]) == ("one", "execute-snapshot", "INCREMENTAL")
    first, second = (java(each) for each in asked["data-collections"])
    assert first.fullmatch("public.odd-name")
    assert not first.fullmatch("public.oddxname")
    assert second.fullmatch("public.Größe")
    assert asked["additional-conditions"] == [{"data-collection": ".*", "filter": "n > 'x\"y'"}]
    assert "additional-conditions" not in json.loads(signals.read_again("one", [table("t")], None).data)


@pytest.mark.parametrize("name", ["a b", "a.b", 'a"b', "a`b"])
def test_a_name_that_would_keep_the_connector_from_starting_again_is_refused(name: str) -> None:
    for odd in (table(name), table("t", schema=name)):
        with pytest.raises(SourceRefused, match="cannot be read again"):
            signals.read_again("one", [table("t"), odd], None)


def test_rows_of_the_table_end_at_the_connector_and_no_others() -> None:
    config = signals.listening("headrace", own())
    topic = java(config["predicates.signal.pattern"])
    assert topic.fullmatch("airline.airline.headrace.headrace_airline_signal")
    for other in (
        "airline.airline.public.customers",
        "airline.airline",
        "airline2.airline.headrace.headrace_airline_signal",
    ):
        assert not topic.fullmatch(other)
    assert config[signals.TABLE_SETTING] == "headrace.headrace_airline_signal"
    assert config["transforms"].split(",")[-1] == "one"


def test_a_database_with_an_awkward_name_is_quoted() -> None:
    assert signals.listening('my-"db', own())[signals.TABLE_SETTING] == '"my-""db".headrace_airline_signal'


def test_the_table_is_known_as_ours_however_long_the_mapping_is_called() -> None:
    several = {name: {"connector": "postgres", "url": "x"} for name in ("crm", "x" * 300)}
    tables = {"t": {"source": "crm", "key": "i", "columns": {"i": {}}}}
    for source in several:
        made = names(mapping(tables, source=None, sources=several), source).signal_table
        assert is_ours(made)
        assert re.fullmatch(r"[a-z0-9_]{1,63}", made)
    assert not is_ours("bookings")
