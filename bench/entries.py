"""The ledger, read as a measurement: which of its entries are the answer to which change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from bench.figures import NotMeasured
from bench.generator import Sent
from bench.rig import MAPPING, Rig
from sync.state.registry import LEDGER, TYPE


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one owed document. Times are µs since 1970."""

    key: str
    document: str
    outcome: str
    chunks: int
    embedded: int
    cause: str
    committed_at: int
    written_at: int


def since(rig: Rig, number: int) -> list[Entry]:
    """The ledger's entries after ``number``, in order."""
    with rig.state.read() as connection:
        rows = connection.execute(
            select(LEDGER, TYPE.c.name.label("document"))
            .join(TYPE, TYPE.c.id == LEDGER.c.type_id)
            .where(LEDGER.c.id > number, TYPE.c.mapping == MAPPING)
            .order_by(LEDGER.c.id)
        ).all()
    return [
        Entry(
            row.key,
            row.document,
            row.outcome,
            row.chunks,
            row.embedded,
            row.cause or "",
            row.committed_at or 0,
            row.written_at,
        )
        for row in rows
    ]


def latencies(entries: Iterable[Entry], sent: Iterable[Sent], *, by_any_write: bool = False) -> list[float]:
    """Milliseconds from each commit to the return of the write that made it searchable, in the order sent.

    Each key must have been sent once. An entry answers a change when what it answers to was committed between
    the change's beginning and its COMMIT's return; database and bench share a clock. ``by_any_write``: any write
    since counts, where a row that is read again may show the change before the log does, and nothing else is written.
    Raises NotMeasured for a change that no entry answers.
    """
    written: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.document == "booking" and entry.outcome == "written":
            written.setdefault(entry.key, []).append(entry)
    found = []
    for one in sent:
        later = [e for e in written.get(one.key, ()) if e.written_at >= one.began]
        answers = later if by_any_write else [e for e in later if e.committed_at >= one.began]
        if not answers:
            raise NotMeasured(f"the ledger has no entry for the change of booking {one.key}")
        found.append((min(e.written_at for e in answers) - one.committed) / 1000)
    return found
