"""The figures of a queue, or of all queues, over an interval: what came of those who asked for a person.

    calls (inbound, asked for a person within [from, to)) ─► Fate each ─► Tally ─► Figures

A call belongs to the interval in which it left the menu for a person (`to_person_at`), whenever it ended, and
to the queue it went to last. The fold here and the SQL below count the same; `agent_desktop.ledger_view`
keeps the same tally in memory. So offered = waiting + answered + abandoned + ... always: each call has one
fate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.orm import Session

from db.models import Call, JournalEvent, JournalPosition

EPOCH = datetime.fromtimestamp(0, UTC)
NORM_MS = 15_000
"""GB/T 33358-2016: a person answers within 15 s. The setting `answer_norm_seconds` may say otherwise."""


class Fate(IntEnum):
    """What has come of a call that asked for a person."""

    WAITING = 0
    ANSWERED = 1
    ABANDONED = 2
    SHORT_ABANDON = 3
    CALLBACK = 4
    OVERFLOWED = 5
    """No seat took it: a voice message was left, or it was given on in vain."""
    FAILED = 6
    """Our fault; must be 0."""
    OTHER = 7
    """Closed desk, refused, or self-served after all."""


_FATES = {
    "abandoned_in_queue": Fate.ABANDONED,
    "short_abandon": Fate.SHORT_ABANDON,
    "callback_requested": Fate.CALLBACK,
    "voicemail_left": Fate.OVERFLOWED,
    "overflowed": Fate.OVERFLOWED,
    "failed": Fate.FAILED,
}


def fate(outcome: str | None, answered: bool) -> Fate:
    """The fate of a call by its outcome (None: it goes on) and whether a person has answered it."""
    if answered or outcome == "answered":
        return Fate.ANSWERED
    return Fate.WAITING if outcome is None else _FATES.get(outcome, Fate.OTHER)


@dataclass(frozen=True)
class Asked:
    """One inbound call that asked for a person."""

    at: int
    """When, epoch ms."""
    queue: str
    fate: Fate
    wait_ms: int | None = None
    """Queue and ring, until answered or given up."""
    talk_ms: int | None = None
    """Set when the call has ended."""


@dataclass(frozen=True)
class Tally:
    """Counts and sums, whole numbers all of them; tallies of disjoint sets of calls can be added."""

    waiting: int = 0
    answered: int = 0
    in_norm: int = 0
    abandoned: int = 0
    short_abandons: int = 0
    callbacks: int = 0
    overflowed: int = 0
    failed: int = 0
    other: int = 0
    waits: int = 0
    """Answered calls whose wait is known."""
    wait_ms: int = 0
    longest_wait_ms: int = 0
    talks: int = 0
    """Answered calls that have ended."""
    talk_ms: int = 0

    def __add__(self, other: Tally) -> Tally:
        mine, theirs = vars(self), vars(other)
        added = {name: mine[name] + theirs[name] for name in mine}
        added["longest_wait_ms"] = max(self.longest_wait_ms, other.longest_wait_ms)
        return Tally(**added)


@dataclass(frozen=True)
class Figures:
    """As pages and reports show them: seconds with one decimal, rates 0..1 with four; None without a base."""

    offered: int
    decided: int
    """Offered, and waiting no more: what the rates are divided by."""
    waiting: int
    answered: int
    answered_in_15: int
    abandoned: int
    short_abandons: int
    callbacks: int
    overflowed: int
    failed: int
    other: int
    answer_rate: float | None
    in_15_rate: float | None
    abandon_rate: float | None
    average_wait_seconds: float | None
    longest_wait_seconds: float | None
    average_talk_seconds: float | None

    def as_json(self) -> dict[str, int | float | None]:
        return dict(vars(self))


def tally(calls: Iterable[Asked], begins: int, ends: int, norm_ms: int = NORM_MS) -> Tally:
    """The tally of those calls that asked within [begins, ends), epoch ms."""
    total = Tally()
    for call in calls:
        if begins <= call.at < ends:
            total += _one(call, norm_ms)
    return total


COUNTED_AS = {
    Fate.WAITING: "waiting",
    Fate.ANSWERED: "answered",
    Fate.ABANDONED: "abandoned",
    Fate.SHORT_ABANDON: "short_abandons",
    Fate.CALLBACK: "callbacks",
    Fate.OVERFLOWED: "overflowed",
    Fate.FAILED: "failed",
    Fate.OTHER: "other",
}
"""The field of a Tally in which a fate is counted."""


def _one(call: Asked, norm_ms: int) -> Tally:
    counted = {COUNTED_AS[call.fate]: 1}
    if call.fate is Fate.ANSWERED and call.wait_ms is not None:
        counted |= {"waits": 1, "wait_ms": call.wait_ms, "longest_wait_ms": call.wait_ms}
        counted["in_norm"] = int(call.wait_ms <= norm_ms)
    if call.fate is Fate.ANSWERED and call.talk_ms is not None:
        counted |= {"talks": 1, "talk_ms": call.talk_ms}
    return Tally(**counted)


def figures(counted: Tally) -> Figures:
    """What the counts mean. Rates divide by the decided calls; means are per answered call (DOMAIN 4)."""
    given_up = counted.abandoned + counted.short_abandons + counted.callbacks
    decided = counted.answered + given_up + counted.overflowed + counted.failed + counted.other
    return Figures(
        offered=decided + counted.waiting,
        decided=decided,
        waiting=counted.waiting,
        answered=counted.answered,
        answered_in_15=counted.in_norm,
        abandoned=counted.abandoned,
        short_abandons=counted.short_abandons,
        callbacks=counted.callbacks,
        overflowed=counted.overflowed,
        failed=counted.failed,
        other=counted.other,
        answer_rate=_rate(counted.answered, decided),
        in_15_rate=_rate(counted.in_norm, decided),
        abandon_rate=_rate(counted.abandoned, decided),
        average_wait_seconds=_mean_seconds(counted.wait_ms, counted.waits),
        longest_wait_seconds=round(counted.longest_wait_ms / 1000, 1) if counted.waits else None,
        average_talk_seconds=_mean_seconds(counted.talk_ms, counted.talks),
    )


def _rate(part: int, base: int) -> float | None:
    return round(part / base, 4) if base else None


def _mean_seconds(total_ms: int, count: int) -> float | None:
    return round(total_ms / count / 1000, 1) if count else None


# --- straight from the ledger -------------------------------------------------------------------------


def epoch_ms(at: datetime) -> int:
    """Whole milliseconds, rounded down: a moment lies in [from, to) by ms exactly when it does by itself."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def by_queue(
    session: Session, begins: datetime, ends: datetime, *, queue: str | None = None, norm_ms: int = NORM_MS
) -> dict[str, Tally]:
    """The tally of each queue over [begins, ends), counted by the database in one statement; queues without
    a call are left out. Calls that name no queue stand under ""."""
    answered = Call.answered_at.is_not(None) | (Call.outcome == "answered").is_(True)
    where: list[ColumnElement[bool]] = [
        Call.direction == "inbound",
        Call.to_person_at >= begins,
        Call.to_person_at < ends,
    ]
    if queue is not None:
        where.append(Call.queue == queue)

    def ended_as(*outcomes: str) -> Any:
        return func.count().filter(~answered, Call.outcome.in_(outcomes))

    counted: dict[str, Any] = {
        "waiting": func.count().filter(~answered, Call.outcome.is_(None)),
        "answered": func.count().filter(answered),
        "in_norm": func.count().filter(answered, Call.wait_ms <= norm_ms),
        "abandoned": ended_as("abandoned_in_queue"),
        "short_abandons": ended_as("short_abandon"),
        "callbacks": ended_as("callback_requested"),
        "overflowed": ended_as("voicemail_left", "overflowed"),
        "failed": ended_as("failed"),
        "other": func.count().filter(~answered, Call.outcome.not_in([*_FATES, "answered"])),
        "waits": func.count(Call.wait_ms).filter(answered),
        "wait_ms": func.sum(Call.wait_ms).filter(answered),
        "longest_wait_ms": func.max(Call.wait_ms).filter(answered),
        "talks": func.count(Call.talk_ms).filter(answered),
        "talk_ms": func.sum(Call.talk_ms).filter(answered),
    }
    assert counted.keys() == {one.name for one in fields(Tally)}
    rows = session.execute(
        select(Call.queue, *(column.label(name) for name, column in counted.items()))
        .where(*where)
        .group_by(Call.queue)
    )
    found: dict[str, Tally] = {}
    for row in rows:
        one = Tally(**{name: int(getattr(row, name) or 0) for name in counted})
        found[row.queue or ""] = found.get(row.queue or "", Tally()) + one
    return found


def interval(
    session: Session, begins: datetime, ends: datetime, *, queue: str | None = None, norm_ms: int = NORM_MS
) -> Figures:
    """The figures of one queue, or of all, over [begins, ends)."""
    counted = by_queue(session, begins, ends, queue=queue, norm_ms=norm_ms)
    return figures(sum(counted.values(), Tally()))


_place, _line = JournalPosition.__table__.c, JournalEvent.__table__.c
_PLACES = select(_place.pbx, _place.file, _place.offset)
# By the unique index; the last id of a PBX that is long gone would else be looked for among millions.
_LAST = (
    select(_line.id)
    .where(
        _line.pbx == bindparam("pbx"),
        _line.file == bindparam("file"),
        _line.offset < bindparam("offset"),
    )
    .order_by(_line.offset.desc())
    .limit(1)
)
"""Asked several times a second: made once, and without the mapper."""


def version(session: Session) -> dict[str, int]:
    """How far the ledger is: the id of the last journal line copied, by PBX.

    Figures of equal versions are equal: nothing of the ledger changes without a journal line. Ask it in the
    same moment as the figures (`db.engine.at_one_moment`).
    """
    connection = session.connection()
    return {
        pbx: connection.scalar(_LAST, {"pbx": pbx, "file": file, "offset": offset}) or 0
        for pbx, file, offset in connection.execute(_PLACES).all()
    }
