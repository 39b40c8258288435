"""What became of documents, counted from the state's ledger."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from sync.state.database import State
from sync.state.registry import LEDGER, TYPE


@dataclass(frozen=True)
class Outcomes:
    written: int
    removed: int
    unchanged: int
    parked: int
    embedded: int


def outcomes(state: State, document: str) -> Outcomes:
    with state.read() as connection:
        rows = connection.execute(
            select(LEDGER.c.outcome, func.count(), func.sum(LEDGER.c.embedded))
            .join(TYPE, TYPE.c.id == LEDGER.c.type_id)
            .where(TYPE.c.name == document)
            .group_by(LEDGER.c.outcome)
        ).all()
    counted = {outcome: count for outcome, count, _ in rows}
    return Outcomes(
        written=counted.get("written", 0),
        removed=counted.get("removed", 0),
        unchanged=counted.get("unchanged", 0),
        parked=counted.get("parked", 0),
        embedded=sum(row[2] or 0 for row in rows),
    )
