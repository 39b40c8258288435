"""What several parts ask a MariaDB server: its time, and whose a table of ours is."""

from __future__ import annotations

from connectors.mariadb.address import Address

# Microseconds since 1970 by the server's clock: its log keeps whole seconds only. Counted in UTC, for a local hour
# comes twice in autumn.
NOW = "timestampdiff(microsecond, '1970-01-01', utc_timestamp(6))"


def comment_of(address: Address, table: str) -> str | None:
    """The comment of a table in the address's own database; None where there is no such table.

    Raises SourceUnreachable and SourceRefused.
    """
    with address.connect() as cursor:
        cursor.execute(
            "select table_comment as comment from information_schema.tables"
            " where table_schema = %s and table_name = %s",
            [address.database, table],
        )
        row = cursor.fetchone()
    return None if row is None else str(row["comment"])
