"""How one object travels: every kind of value as Weaviate takes it, or a reason that names the property."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.write.wire import OBJECTS_AT_ONCE, StoredObject, Unsendable, encode, redacted, requests

ID = UUID(int=7)
VECTOR = np.array([0.6, 0.8], dtype=np.float32)


def sent(**properties: Any) -> Any:
    return encode("Booking_g1", StoredObject(ID, properties, VECTOR)).properties


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("text", "text"),
        ("", ""),
        ("émoji 😀 עברית \x00 \x07", "émoji 😀 עברית \x00 \x07"),
        (7, 7.0),
        (2**53, float(2**53)),
        (True, True),
        (1.5, 1.5),
        (Decimal("489.50"), 489.5),
        (datetime(2026, 4, 2, 10, 15, tzinfo=UTC), "2026-04-02T10:15:00+00:00"),
        (datetime(2026, 4, 2, 10, 15, 0, 5, tzinfo=timezone(timedelta(hours=2))), "2026-04-02T10:15:00.000005+02:00"),
        (datetime(2026, 4, 2, 10, 15), "2026-04-02T10:15:00+00:00"),
        (date(2026, 4, 2), "2026-04-02T00:00:00Z"),
        (ID, str(ID)),
    ],
)
def test_a_single_value_is_sent_as_weaviate_takes_it(value: Any, stored: Any) -> None:
    assert MessageToDict(sent(x=value))["nonRefProperties"] == {"x": stored}


def test_none_is_left_out() -> None:
    assert MessageToDict(sent(x=None, y=1))["nonRefProperties"] == {"y": 1.0}


def test_lists_are_sent_by_the_type_of_their_items() -> None:
    made = sent(
        texts=["AZ 602", None, "BA 1"],
        whole=[1, 2],
        mixed=[1, 2.5],
        exact=[Decimal("1.10")],
        flags=[True, False],
        dates=(date(2026, 4, 2),),
        empty=[],
        nothing=[None],
    )
    assert {one.prop_name: list(one.values) for one in made.text_array_properties} == {
        "texts": ["AZ 602", "BA 1"],
        "dates": ["2026-04-02T00:00:00Z"],
    }
    assert {one.prop_name: list(one.values) for one in made.int_array_properties} == {"whole": [1, 2]}
    numbers = {one.prop_name: np.frombuffer(one.values_bytes, "<f8").tolist() for one in made.number_array_properties}
    assert numbers == {"mixed": [1.0, 2.5], "exact": [1.1]}
    assert {one.prop_name: list(one.values) for one in made.boolean_array_properties} == {"flags": [True, False]}
    assert list(made.empty_list_props) == ["empty", "nothing"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (Decimal("NaN"), "finite"),
        (2**53 + 1, "2\\^53"),
        (10**400, "2\\^53"),
        (Decimal("1e400"), "finite"),
        ("Rossi é \ud83d", "surrogate"),
        (b"bytes", "bytes"),
        ({"a": 1}, "dict"),
        (["a", 1], "several types"),
        ([[1]], "list"),
    ],
)
def test_what_weaviate_would_spoil_is_refused_by_property_and_without_its_value(value: Any, reason: str) -> None:
    with pytest.raises(Unsendable, match=f"property amount: .*{reason}") as caught:
        sent(amount=value)
    assert caught.value.__cause__ is None
    assert "Rossi" not in str(caught.value)


@pytest.mark.parametrize(
    ("vector", "reason"), [([], "no vector"), ([0.5, float("nan")], "finite"), ([[1.0, 2.0]], "no vector")]
)
def test_an_object_without_a_usable_vector_is_refused(vector: Any, reason: str) -> None:
    with pytest.raises(Unsendable, match=reason):
        encode("Booking_g1", StoredObject(ID, {}, vector))


def test_the_vector_is_sent_under_its_name_bit_for_bit() -> None:
    vectors: tuple[Any, ...] = (VECTOR, VECTOR.tolist(), VECTOR.astype(">f4"), VECTOR.astype(np.float64))
    for vector in vectors:
        message = encode("Booking_g1", StoredObject(ID, {}, vector))
        assert [one.name for one in message.vectors] == ["text"]
        assert message.vectors[0].vector_bytes == VECTOR.astype("<f4").tobytes()
    assert message.uuid == str(ID)
    assert message.collection == "Booking_g1"


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000), max_size=30), st.integers(50_000, 1_000_000))
def test_requests_keep_order_and_bounds_and_lose_nothing(sizes: list[int], largest: int) -> None:
    messages = []
    for number, size in enumerate(sizes):
        try:
            one = StoredObject(UUID(int=number), {"content": "x" * size}, VECTOR)
            messages.append(encode("Booking_g1", one, largest))
        except Unsendable:
            assert size > largest - 2000
    made = list(requests(messages, largest))
    assert [one.uuid for request in made for one in request.objects] == [one.uuid for one in messages]
    assert all(request.ByteSize() <= largest and len(request.objects) <= OBJECTS_AT_ONCE for request in made)


@pytest.mark.parametrize(
    "reason",
    [
        "invalid number property 'x' on class 'B': requires a float, the given value is 'Rossi'",
        "invalid date property 'x': requires a string with a RFC3339 formatted date, but the given value is 'Rossi'",
        "the JSON number 'Rossi' could not be converted to an int",
        "invalid text array property 'x': invalid text array value: [Rossi]",
        "something new about Rossi that quotes it",
    ],
)
def test_a_reason_keeps_its_words_and_loses_the_value(reason: str) -> None:
    told = redacted(reason, StoredObject(ID, {"x": ["Rossi"]}, VECTOR))
    assert "Rossi" not in told
    assert told.startswith(reason[:15])
