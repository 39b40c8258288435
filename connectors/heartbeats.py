"""What a heartbeat says: whose it is, which one it is, and which one came before it in the same database."""

from __future__ import annotations

import json
from typing import NamedTuple


class Beat(NamedTuple):
    """``before`` is None for the first in its database."""

    before: str | None
    token: str

    def follows(self, last: str | None) -> bool:
        """Whether nothing is missing between the last one applied and this one, which may be the same, sent again.

        ``last`` is None where none was applied since the last snapshot.
        """
        return last is None or last in (self.before, self.token)


def read(content: str, own: str) -> Beat | None:
    """The heartbeat of the source that calls itself ``own``: what one connector writes into a log, all of them read.

    None for one that names no other: the row that MariaDB's table begins with, or of a connector that an older
    version registered.
    """
    try:
        found = json.loads(content)
    except ValueError:
        return None
    if not isinstance(found, list) or len(found) != 3 or found[0] != own or not isinstance(found[2], str):
        return None
    return Beat(found[1], found[2])
