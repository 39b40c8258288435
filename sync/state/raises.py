"""Documents raised in the state: what ① apply, and whoever mends, owes from now on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, literal, or_, update

from sync.state.database import State
from sync.state.owed import Priority, Raise, bucket_of
from sync.state.prepared import Prepared, among
from sync.state.registry import DOCUMENT


def _why(why: Raise, priority: Priority) -> dict[str, Any]:
    return {
        "n_owed_from": why.sequence,
        "n_owed_at": why.committed_at,
        "n_priority": int(priority),
        "n_cause": why.cause,
    }


_RAISED: dict[str, Callable[[Any], Any]] = {
    # What was owed already stays owed from where it was; a parked or settled one is owed from here.
    "owed_from": lambda new: case((DOCUMENT.c.priority.is_(None), new), else_=DOCUMENT.c.owed_from),
    "owed_at": lambda new: case((DOCUMENT.c.priority.is_(None), new), else_=DOCUMENT.c.owed_at),
    "priority": lambda new: case(
        (or_(DOCUMENT.c.priority.is_(None), DOCUMENT.c.priority > new), new), else_=DOCUMENT.c.priority
    ),
}


def _raised(new: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: make(new[name]) for name, make in _RAISED.items()},
        "wanted": DOCUMENT.c.wanted + 1,
        "cause": new["cause"],
        "parked": None,
        # It was set aside for what its rows were.
        "discarded": None,
        "discarded_by": None,
        "discarded_at": None,
        "attempts": 0,
        # What may still land must land first, however often the document is raised meanwhile.
        "not_before": case((DOCUMENT.c.doubtful, DOCUMENT.c.not_before), else_=0.0),
    }


def as_it_is(why: Raise, priority: Priority) -> dict[str, Any]:
    """Values by which a document is owed though its rows are as they were: one that was discarded stays so."""
    plain = {"owed_from": why.sequence, "owed_at": why.committed_at, "priority": int(priority), "cause": why.cause}
    new = {name: literal(value, DOCUMENT.c[name].type) for name, value in plain.items()}
    kept = ("parked", "discarded", "discarded_by", "discarded_at")
    values = {name: value for name, value in _raised(new).items() if name not in kept}
    return {**values, "parked": case((DOCUMENT.c.discarded.is_(None), None), else_=DOCUMENT.c.parked)}


_RAISE = (
    update(DOCUMENT)
    .where(DOCUMENT.c.type_id == bindparam("b_type"))
    .values(**_raised({name: bindparam(f"n_{name}") for name in ("owed_from", "owed_at", "priority", "cause")}))
)


class Raises:
    """The statements that owe documents, prepared once for one state."""

    def __init__(self, state: State) -> None:
        self.state = state
        upsert = state.insert(DOCUMENT)
        new = {name: getattr(upsert.excluded, name) for name in ("owed_from", "owed_at", "priority", "cause")}
        given = [*_fresh(0, ""), *new]
        upsert = upsert.values({name: bindparam(name) for name in given})
        self._upsert = state.prepare(upsert.on_conflict_do_update(index_elements=["type_id", "key"], set_=_raised(new)))
        ensure = state.insert(DOCUMENT).values({name: bindparam(name) for name in _fresh(0, "")})
        self._ensure = state.prepare(ensure.on_conflict_do_nothing(index_elements=["type_id", "key"]))
        self._raise_keys = state.prepare(_RAISE.where(among(DOCUMENT.c.key, "values")))
        self._raise_type = state.prepare(_RAISE)

    def raise_keys(self, connection: Connection, type_id: int, raises: dict[str, Raise], priority: Priority) -> None:
        """Owe these documents, new ones included."""
        if raises:
            self._upsert.run_many(
                connection,
                [
                    {
                        **_fresh(type_id, key),
                        "wanted": 1,
                        "owed_from": why.sequence,
                        "owed_at": why.committed_at,
                        "priority": int(priority),
                        "cause": why.cause,
                    }
                    for key, why in raises.items()
                ],
            )

    def prepare_raise(self, keys: Select[Any]) -> Prepared:
        """The statement that owes the known documents whose key is among those of ``keys``, a query of its own."""
        return self.state.prepare(_RAISE.where(DOCUMENT.c.key.in_(keys)))

    def raise_found(
        self,
        connection: Connection,
        prepared: Prepared,
        type_id: int,
        values: list[str],
        why: Raise,
        priority: Priority,
    ) -> int:
        """Owe what ``prepared`` finds from these values; returns how many. One statement, however wide."""
        return prepared.run(connection, {**_why(why, priority), "b_type": type_id, "values": values}).rowcount

    def raise_known(self, connection: Connection, type_id: int, keys: list[str], why: Raise, priority: Priority) -> int:
        """Owe those of these documents that are known."""
        return self._raise_keys.run(connection, {**_why(why, priority), "b_type": type_id, "values": keys}).rowcount

    def raise_all(self, connection: Connection, type_id: int, why: Raise, priority: Priority) -> int:
        """Owe every known document of a type."""
        return self._raise_type.run(connection, {**_why(why, priority), "b_type": type_id}).rowcount

    def ensure(self, connection: Connection, type_id: int, keys: Iterable[str]) -> None:
        """Know these documents without owing them: a first load owes them when its snapshot is complete."""
        rows = [_fresh(type_id, key) for key in keys]
        if rows:
            self._ensure.run_many(connection, rows)


def _fresh(type_id: int, key: str) -> dict[str, Any]:
    return {
        "type_id": type_id,
        "key": key,
        "bucket": bucket_of(type_id, key),
        "wanted": 0,
        "written": 0,
        "sent_chunks": 0,
        "chunks": 0,
        "attempts": 0,
        "not_before": 0.0,
        "doubtful": False,
    }
