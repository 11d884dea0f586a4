"""Where the parts of a call lie in its recording.

A call is recorded while the citizen is bridged with somebody: the clock of the recording stands still while
the citizen waits for a transfer, for an agent whose telephone was gone, or while the agent consults.

    call       agent ├────────────┤ consult ├───────┤            wait          ├── agent ──┤
    recording        0 s ───── 12 s ────────────────────────────────────────── 12 s ──── 20 s
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import CallPart

TALK = frozenset({"agent", "outside", "party"})
CONSULT, PAUSED = "consult", "recording_paused"

Span = tuple[datetime, datetime]


def of_calls(session: Session, uids: Collection[str]) -> dict[str, list[CallPart]]:
    """The parts of each of these calls, in order; calls without any are left out."""
    found: dict[str, list[CallPart]] = {}
    if uids:
        rows = select(CallPart).where(CallPart.call_uid.in_(uids))
        for part in session.scalars(rows.order_by(CallPart.call_uid, CallPart.position)):
            found.setdefault(part.call_uid, []).append(part)
    return found


def recorded(parts: Iterable[CallPart]) -> list[Span]:
    """The stretches of time that are in the recording, in order and apart. Open parts are left out."""
    parts = list(parts)
    spans = _union((p.began_at, p.ended_at) for p in parts if p.kind in TALK and p.ended_at)
    for without in _union((p.began_at, p.ended_at) for p in parts if p.kind == CONSULT and p.ended_at):
        spans = [piece for span in spans for piece in _cut(span, without)]
    return spans


def position(spans: Sequence[Span], moment: datetime) -> float:
    """Seconds from the recording's beginning to a moment of the call."""
    return sum(max(0.0, (min(end, moment) - start).total_seconds()) for start, end in spans)


def recorded_seconds(parts: Iterable[CallPart]) -> float | None:
    """How long the recording should be; None where the ledger knows no talk in parts."""
    spans = recorded(parts)
    return position(spans, spans[-1][1]) if spans else None


def paused_seconds(parts: Iterable[CallPart]) -> float:
    """How much of the recording is silence because an agent paused it."""
    parts = list(parts)
    spans = recorded(parts)
    return sum(
        position(spans, part.ended_at) - position(spans, part.began_at)
        for part in parts
        if part.kind == PAUSED and part.ended_at
    )


def _union(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _cut(span: Span, hole: Span) -> list[Span]:
    """What is left of a span without the hole."""
    before = (span[0], min(span[1], hole[0]))
    after = (max(span[0], hole[1]), span[1])
    return [piece for piece in (before, after) if piece[0] < piece[1]]
