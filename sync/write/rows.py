"""② write, gather: rows and relatives as the state has them at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import orjson
from sqlalchemy import Connection, bindparam, select

from sync.mapping.image import Image
from sync.state.database import State
from sync.state.prepared import among
from sync.state.registry import REFERENCE, ROW, Registered

PAGE = 10_000

_BY_KEY = select(ROW.c.key, ROW.c.image).where(ROW.c.table_id == bindparam("t"), among(ROW.c.key, "values"))
_BY_REFERENCE = (
    select(REFERENCE.c.value, ROW.c.key, ROW.c.image)
    .join(ROW, (ROW.c.key == REFERENCE.c.row_key) & (ROW.c.table_id == bindparam("t")))
    .where(REFERENCE.c.lookup_id == bindparam("l"), among(REFERENCE.c.value, "values"))
)


class StateRows:
    """``sync.mapping.assemble.Rows`` over one read transaction of the state."""

    def __init__(self, state: State, connection: Connection, registered: Registered) -> None:
        self._connection, self._registered = connection, registered
        self._by_key, self._by_reference = state.prepare(_BY_KEY), state.prepare(_BY_REFERENCE)

    def find(
        self, table: str, columns: tuple[str, ...], values: Collection[str]
    ) -> Mapping[str, Sequence[tuple[str, Image]]]:
        """Join value → the rows of ``table`` that have it in ``columns``."""
        found: dict[str, list[tuple[str, Image]]] = {}
        lookup = self._registered.lookups.get((table, columns))
        number = self._registered.tables[table]
        wanted = list(values)
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            if lookup is None or lookup.id is None:
                for key, image in self._by_key.run(self._connection, {"t": number, "values": page}):
                    found[key] = [(key, orjson.loads(image))]
            else:
                parameters = {"t": number, "l": lookup.id, "values": page}
                for value, key, image in self._by_reference.run(self._connection, parameters):
                    found.setdefault(value, []).append((key, orjson.loads(image)))
        return found
