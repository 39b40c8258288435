"""Before a source is registered: everything that MariaDB lacks for it, each with the SQL that mends it."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.captured import CapturedTable
from connectors.mariadb.address import Address
from connectors.problem import Problem


def preflight(
    address: Address, connector: str, server_id: int, tables: Sequence[CapturedTable], *, registered: bool
) -> list[Problem]:
    return []
