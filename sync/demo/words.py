"""What the demo shows, in words: one change, one asking of the question, how it stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sync.demo.airline import FEATURED_NUMBER
from sync.demo.feed import Change, Standing
from sync.demo.question import Asked
from sync.evidence.freshness import Status

WORST_FIRST = ("unknown", "stale", "late", "catching up", "fresh")


def clock(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6).strftime("%H:%M:%S")


def place(change: Change) -> tuple[str, str]:
    """Table and key of the change's first row, with how many more there are."""
    table, key = change.rows[0]
    more = f" +{len(change.rows) - 1}" if len(change.rows) > 1 else ""
    return table, key + more


def effect(change: Change, *, short: bool = False) -> str:
    """What the change did to which document: `booking 7 written, 1 chunk embedded`; ``short``: without the latter."""
    if not change.outcomes:
        return "no document reads it" if change.settled else "…"
    parts = [_outcome(change, document, outcome, n) for (document, outcome), n in change.outcomes.items()]
    return ", ".join(parts if short else [*parts, *_embedding(change)])


def _outcome(change: Change, document: str, outcome: str, count: int) -> str:
    if count == 1 and sum(change.outcomes.values()) == len(change.documents):
        key = next((key for name, key in change.documents if name == document), "")
        return f"{document} {key} {outcome}"
    return f"{count:,} {document}s {outcome}" if count > 1 else f"1 {document} {outcome}"


def _embedding(change: Change) -> list[str]:
    if change.embedded:
        return [f"{change.embedded:,} chunk{'s' if change.embedded > 1 else ''} embedded"]
    written = any(outcome == "written" for _, outcome in change.outcomes)
    return ["nothing embedded"] if written else []


def milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def verdict(asked: Asked) -> str:
    """The answer as a sentence."""
    if not asked.answers:
        return "no booking found"
    whole = len(asked.answers)
    if asked.cancelled:
        return f"{asked.cancelled} of the {whole} nearest say: {FEATURED_NUMBER} is cancelled"
    on_it = sum(answer.status is not None for answer in asked.answers)
    return f"none of the {whole} nearest says cancelled" + (f"; {on_it} on {FEATURED_NUMBER}" if on_it else "")


def worst(statuses: Sequence[Status]) -> str:
    """One word for all document types: the worst of theirs."""
    found = {status.state for status in statuses}
    return next((word for word in WORST_FIRST if word in found), "unknown")


def standing(now: Standing) -> list[str]:
    """The status line, in parts that can be left out from the end on a narrow screen."""
    lags = [status.lag_seconds for status in now.statuses if status.lag_seconds is not None]
    parked = sum(status.parked for status in now.statuses)
    parts = [
        f"p50 {milliseconds(now.p50)} ms",
        f"p99 {milliseconds(now.p99)} ms",
        f"owed {sum(status.owed for status in now.statuses):,}",
        f"objects {sum(status.objects for status in now.statuses):,}",
        f"lag {max(lags):.1f} s" if lags else "lag unknown",
    ]
    return [f"parked {parked}", *parts] if parked else parts


# -- for programs ------------------------------------------------------------------------------------


def change_json(change: Change) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    for (_, outcome), count in change.outcomes.items():
        outcomes[outcome] += count
    took = change.milliseconds
    return {
        "type": "change",
        "what": change.what,
        "rows": [{"table": table, "key": key} for table, key in change.rows],
        "committed_at_us": change.committed_at,
        "searchable_at_us": change.written_at,
        "milliseconds": None if took is None else round(took, 3),
        "documents": dict(outcomes),
        "chunks": change.chunks,
        "embedded": change.embedded,
    }


def asked_json(asked: Asked) -> dict[str, Any]:
    return {
        "type": "answer",
        "verdict": verdict(asked),
        "cancelled": asked.cancelled,
        "answers": [
            {"pnr": one.pnr, "distance": round(one.distance, 4), "featured_flight": one.status} for one in asked.answers
        ],
        "milliseconds": round(asked.took, 2),
    }


def standing_json(now: Standing) -> dict[str, Any]:
    return {
        "type": "status",
        "state": worst(now.statuses),
        "p50_ms": now.p50,
        "p99_ms": now.p99,
        "documents": [status.to_json() for status in now.statuses],
    }
