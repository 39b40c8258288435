"""The table in MariaDB or MySQL by whose rows a source's connector is asked for things, beside that of its markers.

A table for each source: every connector obeys what it reads there, and one database may have several.
"""

from __future__ import annotations

from collections.abc import Callable

from connectors.mariadb.address import Address, quoted
from connectors.mariadb.server import comment_of
from connectors.names import Names
from connectors.signals import COMMENT, Signal
from sync.errors import SourceRefused


def ensure(address: Address, names: Names) -> tuple[str, Callable[[], object]] | None:
    """Make it. Returns what was done and how to undo it, None if it was there.

    Raises SourceRefused where a table of that name is somebody else's.
    """
    comment = comment_of(address, names.signal_table)
    if comment == COMMENT:
        return None
    if comment is not None:
        raise SourceRefused(
            f"{address}: table {names.signal_table} exists and is not Headrace's",
            advice="Rename it, or rename the mapping: the table is called after it.",
        )
    with address.connect() as cursor:
        cursor.execute(
            f"create table {quoted(address.database, names.signal_table)}"
            " (id varchar(64) character set utf8mb4 collate utf8mb4_bin primary key, type varchar(32) not null,"
            f" data longtext character set utf8mb4 not null) engine = InnoDB comment = '{COMMENT}'"
        )
    return f"made table {address.database}.{names.signal_table}", lambda: drop(address, names)


def drop(address: Address, names: Names) -> bool:
    """False where it is not there, or is somebody else's."""
    if comment_of(address, names.signal_table) != COMMENT:
        return False
    with address.connect() as cursor:
        cursor.execute(f"drop table {quoted(address.database, names.signal_table)}")
    return True


def tell(address: Address, names: Names, signal: Signal, *, alone: bool) -> None:
    """As `Database.tell`."""
    if comment_of(address, names.signal_table) != COMMENT:
        raise SourceRefused(
            f"{address} has no table {names.signal_table} of Headrace's",
            advice="`headrace apply` the mapping's file again: it makes the table.",
        )
    table = quoted(address.database, names.signal_table)
    with address.connect() as cursor:
        if alone:
            cursor.execute(f"delete from {table} where id <> %s", [signal.id])
        cursor.execute(f"insert ignore into {table} (id, type, data) values (%s, %s, %s)", list(signal))
