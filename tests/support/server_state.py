"""A database for the state on the stack's PostgreSQL, dropped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg


@contextmanager
def state_database(stack: Any) -> Iterator[str]:
    """The url of a new, empty one, as HEADRACE_STATE_URL has it."""
    admin, name = stack.env["POSTGRES_URL"], f"state{uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    try:
        yield admin.rsplit("/", 1)[0].replace("postgresql://", "postgresql+psycopg://") + f"/{name}"
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
