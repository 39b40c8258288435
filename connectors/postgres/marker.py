"""Markers in PostgreSQL's own log: what is committed before one comes out of the topic before it."""

from __future__ import annotations

from connectors.names import MARKER_PREFIX
from connectors.postgres.address import Address, Connection


def emit(address: Address, token: str) -> None:
    """Write ``token`` into the log, in a transaction of its own; returns after its commit.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as connection:
        write(connection, token)


def write(connection: Connection, token: str) -> None:
    # Transactional: a message outside any transaction carries no commit time and may overtake open ones.
    connection.execute("select pg_logical_emit_message(true, %s, %s)", [MARKER_PREFIX, token])
