"""① apply, last step: which documents the changed rows touch, found by climbing from a row to its roots.

A path from a changed row up to a root runs over edges as they were before the batch or as they are after
it. Take the changed row of the path that stands nearest to the root: above it nothing changed, so climbing
from that row's old *and* new values over today's references finds both. Hence every changed row is climbed
from both its images, over the references as they stand after the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from sync.mapping.image import Image, join_value
from sync.mapping.plan import Node
from sync.state.owed import Priority, Raise
from sync.state.prepared import among
from sync.state.raises import Raises
from sync.state.registry import REFERENCE, DocumentKind, Registered

NARROW = 64  # a change that touches more documents than this is fan-out
BULK = 500  # so many changed roots in one batch let single changes of others pass


@dataclass(frozen=True, slots=True)
class Touched:
    """A row that a batch changed: its stored image before and after (None: no row), and why."""

    table: str
    key: str
    old: Image | None
    new: Image | None
    why: Raise


class Climb:
    """The way from one place in a document's tree to the roots, as one prepared statement."""

    def __init__(self, raises: Raises, registered: Registered, kind: DocumentKind, node: Node) -> None:
        self.kind, self.node, self._raises = kind, node, raises
        self.table = registered.plan.tables[node.table]
        self._roots = _climb(registered, node)
        if self._roots is not None:
            self._few = raises.state.prepare(self._roots.limit(NARROW + 1))
            self._wide = raises.prepare_raise(self._roots)

    def raise_from(self, connection: Connection, touched: Iterable[Touched], *, most_urgent: Priority) -> None:
        """Owe every document whose tree holds, or held, one of these rows at this place."""
        raises = self._values(touched)
        if not raises:
            return
        if self._roots is None:
            self._raise_known(connection, raises, most_urgent)
            return
        values = list(raises)
        why = min(raises.values(), key=lambda r: r.sequence)
        for start in range(0, len(values), 10_000):
            page = values[start : start + 10_000]
            found = self._few.run(connection, {"values": page}).scalars()
            if len(found) > NARROW:
                urgency = max(most_urgent, Priority.fan_out)
                self._raises.raise_found(connection, self._wide, self.kind.id, page, why, urgency)
            elif found:
                self._raises.raise_known(connection, self.kind.id, found, why, most_urgent)

    def _raise_known(self, connection: Connection, raises: dict[str, Raise], most_urgent: Priority) -> None:
        if len(raises) > NARROW:
            most_urgent = max(most_urgent, Priority.fan_out)
        by_reason: dict[Raise, list[str]] = {}
        for key, why in raises.items():
            by_reason.setdefault(why, []).append(key)
        if len(by_reason) > NARROW:  # one statement instead of thousands: the earliest reason speaks for all
            by_reason = {min(by_reason, key=lambda r: r.sequence): list(raises)}
        for why, keys in by_reason.items():
            for start in range(0, len(keys), 10_000):
                page = keys[start : start + 10_000]
                self._raises.raise_known(connection, self.kind.id, page, why, most_urgent)

    def _values(self, touched: Iterable[Touched]) -> dict[str, Raise]:
        raises: dict[str, Raise] = {}
        for row in touched:
            for image in (row.old, row.new):
                value = None if image is None else join_value(self.table, self.node.child_columns, image)
                if value is not None and value not in raises:
                    raises[value] = row.why
        return raises


def _climb(registered: Registered, node: Node) -> Select[Any] | None:
    """Root keys from join values of ``node`` (bound as ``values``); None where the values are the root keys."""
    current: Any = None
    conditions: list[Any] = []
    while node.parent is not None:
        inward = registered.lookups[node.parent.table, node.parent_columns]
        if inward.id is not None:
            edge = REFERENCE.alias()
            at = among(edge.c.value, "values") if current is None else edge.c.value == current
            conditions += [edge.c.lookup_id == inward.id, at]
            current = edge.c.row_key
        node = node.parent
        if node.parent is None:
            break
        outward = registered.lookups[node.table, node.child_columns]
        if outward.id is not None:
            edge = REFERENCE.alias()
            at = among(edge.c.row_key, "values") if current is None else edge.c.row_key == current
            conditions += [edge.c.lookup_id == outward.id, at]
            current = edge.c.value
    return None if current is None else select(current).where(*conditions).distinct()


class Raising:
    """Every way from every mapped table to every document type."""

    def __init__(self, registered: Registered, raises: Raises) -> None:
        self.raises = raises
        self.roots: dict[str, list[DocumentKind]] = {}
        self.climbs: dict[str, list[Climb]] = {}
        self.kinds = [kind for kind in registered.kinds.values() if kind.plan is not None]
        for kind in self.kinds:
            assert kind.plan is not None
            for node in kind.plan.nodes():
                if node.parent is None:
                    self.roots.setdefault(node.table, []).append(kind)
                else:
                    self.climbs.setdefault(node.table, []).append(Climb(raises, registered, kind, node))

    def raise_touched(
        self, connection: Connection, touched: dict[str, list[Touched]], *, urgent: Priority = Priority.direct
    ) -> None:
        """Owe what these rows (by table) touch; what a snapshot found lets changes pass."""
        for table, rows in touched.items():
            for kind in self.roots.get(table, ()):
                priority = max(urgent, Priority.fan_out) if len(rows) > BULK else urgent
                self.raises.raise_keys(connection, kind.id, {row.key: row.why for row in rows}, priority)
        for table, rows in touched.items():
            for climb in self.climbs.get(table, ()):
                climb.raise_from(connection, rows, most_urgent=urgent)

    def raise_all(self, connection: Connection, table: str, why: Raise, priority: Priority) -> None:
        """Owe every known document of the types that read this table (it was truncated or swept)."""
        kinds = {kind.id for kind in self.roots.get(table, ())}
        kinds |= {climb.kind.id for climb in self.climbs.get(table, ())}
        for kind in sorted(kinds):
            self.raises.raise_all(connection, kind, why, priority)

    def ensure(self, connection: Connection, touched: dict[str, list[Touched]]) -> None:
        """During a first load: know the documents, owe them when the snapshot is complete."""
        for table, rows in touched.items():
            for kind in self.roots.get(table, ()):
                self.raises.ensure(connection, kind.id, (row.key for row in rows))
