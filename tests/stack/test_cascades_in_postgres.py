"""What foreign keys do beside the log, with the state in PostgreSQL: its statements are not SQLite's."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

from tests.component.test_cascades import RULES, Played, stored
from tests.support.airline import lock, mapping
from tests.support.world import World

if TYPE_CHECKING:
    from tests.support.stack import Stack


def test_a_random_load_ends_in_the_rows_that_the_database_has(stack: Stack, tmp_path: Path) -> None:
    admin, name = stack.env["POSTGRES_URL"], f"state{uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = admin.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
    world = World(tmp_path, mapping("mariadb"), url, lock("mariadb", **RULES))
    try:
        world.applier.rows.page = 2
        played = Played(world, Random(3))
        world.log.snapshot(played.lists())
        for _ in range(12):
            played.transaction()
            played.transaction()
            world.apply()
            assert stored(world) == played.rows
    finally:
        world.state.close()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
