"""The table by which a connector is asked for things, on the real PostgreSQL: whose it is, and what of it gets out."""

from __future__ import annotations

from dataclasses import replace

from connectors import incremental
from connectors.captured import captured
from connectors.change import Record, SnapshotNotice
from connectors.registration import unregister
from tests.stack.test_capture import INSIDE, NOTHING, Source, changes, completed, source

__all__ = ["source"]  # a fixture


def notices(records: list[Record]) -> list[str]:
    found = [record for record in records if isinstance(record, SnapshotNotice)]
    return [f"{each.kind} {each.identity}" for each in found if each.snapshot == "Incremental Snapshot"]


def ask(source: Source, identity: str) -> None:
    tables = captured(source.mapping, source.lock(), source.mapping.name)
    incremental.begin(source.database, source.names, identity, tables, None)


def test_each_connector_obeys_its_own_table_once_and_no_row_of_it_reaches_kafka(source: Source) -> None:
    other = replace(source, mapping=source.mapping.model_copy(update={"name": f"{source.mapping.name}_too"}))
    source.register()
    other.register()
    try:
        with source.log() as log:
            log.until(completed)
            ask(source, "mine")
            ask(source, "mine")
            incremental.stop(source.database, source.names, "mine-of-yesterday")  # of one that has ended
            log.until(lambda record: completed(record) and record.snapshot == "Incremental Snapshot")  # type: ignore[attr-defined]
            ask(source, "again")
            log.until(completed)
            source.committed(log)
            shown = [change for change in changes(log.records) if change.incremental]
            everything = b"".join((key or b"") + (value or b"") for key, value in log.raw)
        assert [each for each in notices(log.records) if "STARTED" in each] == ["STARTED mine", "STARTED again"]
        assert len(shown) == 2 * 4
        assert b"execute-snapshot" not in everything
        assert b"stop-snapshot" not in everything
        kept = source.connection.execute(f"select id from headrace.{source.names.signal_table}").fetchall()
        assert kept == [("again",)]
        with other.log() as log:
            other.committed(log)
            assert notices(log.records) == []
        assert unregister(other.mapping, other.settings).clean
        assert other.left() == NOTHING | {"schema": True}
        assert {name: there for name, there in source.left().items() if name in INSIDE} == INSIDE
    finally:
        unregister(other.mapping, other.settings)
    assert unregister(source.mapping, source.settings).clean
    assert source.left() == NOTHING
