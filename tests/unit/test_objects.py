"""What an object is called and what it carries: an app, and an auditor, may rely on each of it."""

from __future__ import annotations

from datetime import UTC, datetime

from sync.mapping.build import Built
from sync.write.objects import Reflects, object_id, properties

NOW = datetime(2026, 4, 2, 10, 15, tzinfo=UTC)
BUILT = Built("Note 7", "one two", ("Note 7\none", "Note 7\ntwo"), {"pnr": "K3XQ2A", "legs": [1, 2]}, "digest")


def test_an_objects_uuid_is_the_one_that_it_has_always_been() -> None:
    """Another formula would leave every object that stands there behind, as a second one of its document."""
    assert str(object_id("airline", "booking", "7", 0)) == "7e846071-a679-5cf5-9cd1-c4642481e941"
    assert str(object_id("airline", "ticket", "[7,2]", 3)) == "66191162-ff0b-52e5-b04b-a795778dc40b"
    assert str(object_id("airline", "note", "é 日本", 0)) == "1ed8326e-5687-5a13-915b-338c0c7e7103"


def test_the_parts_of_an_objects_name_do_not_run_into_one_another() -> None:
    names = [("a", "bc", "1", 0), ("ab", "c", "1", 0), ("a", "b", "c1", 0), ("a", "bc", "", 10), ("a", "bc", "1", 1)]
    assert len({object_id(*name) for name in names}) == len(names)


def test_an_object_carries_its_chunk_its_filters_and_where_it_comes_from() -> None:
    made = properties(
        BUILT,
        1,
        key="7",
        level="root",
        version="0123456789ab",
        reflects=Reflects("2:4711", 1_775_124_899_123_457),
        now=NOW,
    )
    assert made == {
        "content": "Note 7\ntwo",
        "pnr": "K3XQ2A",
        "legs": [1, 2],
        "document_key": "7",
        "chunk": 1,
        "chunks": 2,
        "level": "root",
        "content_hash": "54bfa7db5fa9b786962107b6b642af92",
        "source_position": "2:4711",
        "source_committed_at": datetime(2026, 4, 2, 10, 14, 59, 123457, UTC),
        "written_at": NOW,
        "mapping_version": "0123456789ab",
    }
