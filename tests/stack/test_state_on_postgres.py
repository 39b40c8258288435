"""The same statements on PostgreSQL as the state: apply and write through a real server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psycopg

from tests.support.airline import BOOKING, FLIGHT, first_rows
from tests.support.world import World

if TYPE_CHECKING:
    from tests.support.stack import Stack


def test_apply_and_write_work_on_a_state_in_postgresql(stack: Stack, tmp_path: Path) -> None:
    admin, name = stack.env["POSTGRES_URL"], f"state{uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = admin.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
    world = World(tmp_path, state_url=url)
    try:
        rows = first_rows()
        world.log.snapshot(rows)
        world.settle()
        rows["flights"] = [{**FLIGHT, "status_cd": "CX"}]
        world.log.commit(("flights", "u", rows["flights"][0]))
        world.settle()
        assert world.texts == world.expected(rows)
        assert "cancelled" in world.texts["7", 0]
        world.log.commit(("bookings", "d", BOOKING))
        world.settle()
        assert world.texts == {}
    finally:
        world.state.close()
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
