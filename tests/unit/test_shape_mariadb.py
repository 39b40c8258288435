"""MariaDB's tables since the last look: one made at another time, and no statement that said so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.captured import CapturedTable
from connectors.mariadb import shape
from connectors.mariadb.address import Address
from connectors.shape import Shape
from sync.mapping.lock import SourceLock

TABLES = [CapturedTable("shop", "item", ("id",), {"id": None})]


class Server(Address):
    """Answers what information_schema would."""

    def __init__(self, made: str, clock: int, server: int = 1) -> None:
        self.row = {"name": "shop.item", "server": server, "made": made, "clock": clock}

    @contextmanager
    def connect(self) -> Iterator[Any]:
        yield self

    def execute(self, *_: object) -> None:
        pass

    def fetchall(self) -> list[dict[str, Any]]:
        return [self.row]


def look(server: Server, marks: str | None, applied_at: int = 0) -> Shape:
    return shape.look(server, TABLES, marks, applied_at, SourceLock(connector="mariadb"))


@pytest.fixture
def before() -> str:
    return str(look(Server("monday", 100), None).marks)


def test_a_table_that_is_as_it_was_has_nothing_unsaid(before: str) -> None:
    found = look(Server("monday", 200), before, 500)
    assert (found.unsaid, found.marks) == ({}, before)


def test_one_made_anew_is_told_when_the_log_is_applied_past_the_look_that_found_it(before: str) -> None:
    found = look(Server("tuesday", 200), before, 199)
    assert found.unsaid == {}
    found = look(Server("tuesday", 300), found.marks, 200)
    assert found.unsaid == {}
    found = look(Server("tuesday", 400), found.marks, 201)
    assert found.unsaid == {"shop.item": "table shop.item was made anew"}
    assert look(Server("tuesday", 500), found.marks, 500).unsaid == {}, "told once"


def test_one_that_a_statement_took_out_of_the_marks_and_one_of_another_server_are_not_told(before: str) -> None:
    assert look(Server("tuesday", 200), json.dumps({}), 500).unsaid == {}
    assert look(Server("tuesday", 200, server=2), before, 500).unsaid == {}
