"""② write, gather: rows and relatives as the state has them at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import orjson
from sqlalchemy import Connection, bindparam, select

from sync.mapping.image import Image
from sync.state.registry import REFERENCE, ROW, Registered

PAGE = 10_000

_BY_KEY = select(ROW.c.key, ROW.c.image).where(
    ROW.c.table_id == bindparam("t"), ROW.c.key.in_(bindparam("values", expanding=True))
)
_BY_REFERENCE = (
    select(REFERENCE.c.value, ROW.c.key, ROW.c.image)
    .join(ROW, (ROW.c.key == REFERENCE.c.row_key) & (ROW.c.table_id == bindparam("t")))
    .where(REFERENCE.c.lookup_id == bindparam("l"), REFERENCE.c.value.in_(bindparam("values", expanding=True)))
)


class StateRows:
    """``sync.mapping.assemble.Rows`` over one read transaction of the state."""

    def __init__(self, connection: Connection, registered: Registered) -> None:
        self._connection, self._registered = connection, registered

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
                for key, image in self._connection.execute(_BY_KEY, {"t": number, "values": page}):
                    found[key] = [(key, orjson.loads(image))]
            else:
                parameters = {"t": number, "l": lookup.id, "values": page}
                for value, key, image in self._connection.execute(_BY_REFERENCE, parameters):
                    found.setdefault(value, []).append((key, orjson.loads(image)))
        return found
