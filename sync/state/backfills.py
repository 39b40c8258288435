"""Backfills in the state: asked for by a person, begun and ended by what comes out of the source's topic."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from sync.errors import BackfillRefused
from sync.state.registry import BACKFILL, SOURCE, Registered

COMPLETE = "complete"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Backfill:
    """One backfill as the state knows it. ``outcome`` is None while it is under way."""

    id: str
    source_id: int
    tables: tuple[str, ...]
    condition: str | None
    total: int
    rows: int
    changed: int
    removed: int
    swept: bool
    stopping: bool
    asked_at: float
    claimed_at: float | None
    started_at: float | None
    ended_at: float | None
    outcome: str | None

    @classmethod
    def of(cls, row: Any) -> Backfill:
        return cls(**{**row._mapping, "tables": tuple(json.loads(row.tables))})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tables": list(self.tables)}


def ask(
    connection: Connection,
    registered: Registered,
    source: str,
    identity: str,
    tables: Collection[str],
    condition: str | None,
    total: int,
) -> None:
    """Note a backfill: a worker tells the connector. Raises BackfillRefused while the source is being read already."""
    number = registered.sources[source]
    if current := under_way(connection, [number]):
        raise BackfillRefused(
            f"{registered.name}.{source}: {', '.join(current[0].tables)} is being read again already",
            advice=f"`headrace backfill {registered.name} --watch` shows how far it is, `--stop` ends it.",
        )
    loaded, due = connection.execute(select(SOURCE.c.loaded, SOURCE.c.snapshot_due).where(SOURCE.c.id == number)).one()
    if due or not loaded:
        raise BackfillRefused(
            f"{registered.name}.{source}: a snapshot of the whole source is under way",
            advice="It reads every table anyway; `headrace status` shows how far it is.",
        )
    connection.execute(
        insert(BACKFILL).values(
            id=identity,
            source_id=number,
            tables=json.dumps(list(tables)),
            condition=condition,
            total=total,
            asked_at=time.time(),
            rows=0,
            changed=0,
            removed=0,
            swept=False,
            stopping=False,
        )
    )


def under_way(connection: Connection, sources: Iterable[int] | None = None) -> list[Backfill]:
    """Those that have not ended, of all sources or of these, the latest first."""
    statement = select(BACKFILL).where(BACKFILL.c.outcome.is_(None)).order_by(BACKFILL.c.asked_at.desc())
    if sources is not None:
        statement = statement.where(BACKFILL.c.source_id.in_(list(sources)))
    return [Backfill.of(row) for row in connection.execute(statement)]


def find(connection: Connection, identity: str) -> Backfill | None:
    row = connection.execute(select(BACKFILL).where(BACKFILL.c.id == identity)).one_or_none()
    return Backfill.of(row) if row else None


def latest(connection: Connection, sources: Iterable[int]) -> list[Backfill]:
    """The last one asked for of each source, whether it has ended or not."""
    newest: dict[int, Backfill] = {}
    statement = select(BACKFILL).where(BACKFILL.c.source_id.in_(list(sources))).order_by(BACKFILL.c.asked_at)
    for row in connection.execute(statement):
        newest[row.source_id] = Backfill.of(row)
    return list(newest.values())


def began(connection: Connection, identity: str) -> None:
    """Its first notice came."""
    connection.execute(
        update(BACKFILL).where(BACKFILL.c.id == identity, BACKFILL.c.outcome.is_(None)).values(started_at=time.time())
    )


def claim(connection: Connection, identity: str, lease: float) -> bool:
    """Take it on to tell the connector; False where another worker did so within ``lease`` seconds, or it has begun."""
    free = or_(BACKFILL.c.claimed_at.is_(None), BACKFILL.c.claimed_at < time.time() - lease)
    waits = (BACKFILL.c.outcome.is_(None), BACKFILL.c.started_at.is_(None))
    claimed = update(BACKFILL).where(BACKFILL.c.id == identity, free, *waits).values(claimed_at=time.time())
    return connection.execute(claimed).rowcount > 0


def withdraw(connection: Connection, identity: str) -> bool:
    """End it where no worker has begun to tell the connector of it; False where one has."""
    untold = (BACKFILL.c.outcome.is_(None), BACKFILL.c.claimed_at.is_(None))
    ending = update(BACKFILL).where(BACKFILL.c.id == identity, *untold).values(outcome=STOPPED, ended_at=time.time())
    return connection.execute(ending).rowcount > 0


def stopping(connection: Connection, identity: str) -> None:
    """Before it is told to stop: Debezium ends such a snapshot like any other, without the tables it left out."""
    connection.execute(update(BACKFILL).where(BACKFILL.c.id == identity).values(stopping=True))


def ended(connection: Connection, identities: Collection[str], outcome: str, **values: Any) -> None:
    """Enter how it ended; what has ended before stays as it is."""
    connection.execute(
        update(BACKFILL)
        .where(BACKFILL.c.id.in_(list(identities)), BACKFILL.c.outcome.is_(None))
        .values(outcome=outcome, ended_at=time.time(), **values)
    )
