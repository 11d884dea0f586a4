"""The rules of the missed-call worklist (漏话回拨). Pure.

Each missed call belongs to the first boundary at or after its end: the citizen got through, was reached, or
somebody closed the row. Calls of one number with the same boundary are one row; those without one are the
open row. So the order in which calls become known cannot matter.

    missed 10:00, missed 10:05 ─► row closed 10:20 ◄─ answered 10:20      missed 10:30 ─► open row
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

TAKE_LAPSES = timedelta(minutes=30)
"""A row that somebody took and did nothing with is free for others after this time."""


class Kind(StrEnum):
    """Outcomes of a call that open a row, the lightest first."""

    SHORT_ABANDON = "short_abandon"
    ABANDONED_IN_QUEUE = "abandoned_in_queue"
    OVERFLOWED = "overflowed"
    FAILED = "failed"
    VOICEMAIL_LEFT = "voicemail_left"
    CALLBACK_REQUESTED = "callback_requested"


WEIGHTS = {kind.value: weight for weight, kind in enumerate(Kind)}


class Result(StrEnum):
    """What came of one try."""

    DIALLED = "dialled"
    REACHED = "reached"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    WRONG_NUMBER = "wrong_number"
    SWITCHED_OFF = "switched_off"
    REFUSED = "refused"
    GIVEN_UP = "given_up"


SAID_BY_PEOPLE = (
    Result.REACHED,
    Result.NO_ANSWER,
    Result.BUSY,
    Result.SWITCHED_OFF,
    Result.WRONG_NUMBER,
    Result.REFUSED,
)
"""What an agent may enter, in the order of the keys 1 to 6."""


class Closed(StrEnum):
    """How a row was closed."""

    REACHED = "reached"
    GOT_THROUGH = "got_through"
    GIVEN_UP = "given_up"


CLOSES = {
    Result.REACHED: Closed.REACHED,
    Result.WRONG_NUMBER: Closed.GIVEN_UP,
    Result.REFUSED: Closed.GIVEN_UP,
    Result.GIVEN_UP: Closed.GIVEN_UP,
}
"""After these nobody calls again: spoken with, nobody there to be called, or the citizen does not want it."""

OF_THE_LINE = {
    "answered": Result.REACHED,
    "no_answer": Result.NO_ANSWER,
    "cancelled": Result.NO_ANSWER,
    "busy": Result.BUSY,
    "unreachable": Result.SWITCHED_OFF,
}
"""What the outcome of an outbound call says by itself. One that failed on our side says nothing."""


@dataclass(frozen=True)
class MissedOne:
    """One call in which nobody spoke with the citizen."""

    uid: str
    at: datetime
    kind: str
    queue: str | None = None


@dataclass(frozen=True)
class Gathered:
    """What the calls of one row add up to; the fields are those of db.models.MissedCaller."""

    kind: str
    queue: str | None
    times: int
    first_at: datetime
    last_at: datetime
    last_call_uid: str


def opens(outcome: str, short_abandons: bool = True) -> bool:
    """Does a call that ended so want a call back? Short abandons (速挂) do where the setting says so."""
    return outcome in WEIGHTS and (short_abandons or outcome != Kind.SHORT_ABANDON)


def heavier(one: str, other: str) -> str:
    """The weightier of two kinds."""
    return max(one, other, key=lambda kind: WEIGHTS[kind])


def gathered(call: MissedOne) -> Gathered:
    """The row of one call."""
    return Gathered(call.kind, call.queue, 1, call.at, call.at, call.uid)


def with_call(row: Gathered, call: MissedOne) -> Gathered:
    """The row with one more call; the order of calls makes no difference."""
    newest = (call.at, call.uid) > (row.last_at, row.last_call_uid)
    return replace(
        row,
        kind=heavier(row.kind, call.kind),
        queue=call.queue if newest else row.queue,
        times=row.times + 1,
        first_at=min(row.first_at, call.at),
        last_at=max(row.last_at, call.at),
        last_call_uid=call.uid if newest else row.last_call_uid,
    )


def gather(calls: Iterable[MissedOne]) -> Gathered:
    """The row of these calls, at least one. Raises ValueError where there is none."""
    row: Gathered | None = None
    for call in calls:
        row = with_call(row, call) if row else gathered(call)
    if row is None:
        raise ValueError("a row stands for one call at least")
    return row


def boundary(at: datetime, boundaries: Iterable[datetime]) -> datetime | None:
    """The first boundary at or after `at`: when somebody spoke with the citizen. None: nobody has yet."""
    return min((one for one in boundaries if one >= at), default=None)


def rows(calls: Iterable[MissedOne], boundaries: Iterable[datetime]) -> dict[datetime | None, Gathered]:
    """The rows of one number by their boundary; None is the open one."""
    known = sorted(boundaries)
    parted: dict[datetime | None, list[MissedOne]] = {}
    for call in calls:
        parted.setdefault(boundary(call.at, known), []).append(call)
    return {end: gather(of_row) for end, of_row in parted.items()}


def holder(taken_by: int | None, taken_at: datetime | None, at: datetime) -> int | None:
    """Who has the row at `at`: what was taken too long ago is free again."""
    if taken_by is None or taken_at is None or at - taken_at >= TAKE_LAPSES:
        return None
    return taken_by
