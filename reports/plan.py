"""Seats and trunks for each hour of a day, and what the same day was like by the ledger.

    journal lines of agents ─► presence, breaks, after-call work, ring ─┐
    calls of the day ────────► asked, answered, waits, talk, retries ───┴─► Measured ─► Load ─► planned
    the same weekdays before ► forecast by quarter ─► volumes

Patience is estimated as total time waited ÷ calls that hung up: the maximum-likelihood estimate where it is
exponential and those who were answered (or asked for a call-back) had some left (Zeltyn, Mandelbaum 2005).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import Call, JournalEvent
from reports.agent_day import (
    CITY_TIME,
    LOOK_BACK,
    MEMBERSHIP,
    OVER_MIDNIGHT,
    Line,
    Span,
    clipped,
    midnight_of,
    presence,
)
from reports.erlang import HOUR, NORM, Load, Target, Waiting, queue, rostered, seats_for, trunks_for
from reports.forecast import forecast_of
from reports.interval import NORM_MS, Fate, fate

HOURS = 24
RETRY = timedelta(hours=2)
"""DOMAIN 4: a first attempt is one without another of the same caller in the two hours before."""


# --- planning ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Terms:
    """What a plan has to keep."""

    target: Target = NORM
    shrinkage: float = 0.3
    """Of paid time: breaks, meetings, training, leave, illness."""
    blocking: float = 0.001
    """At most this share finds all trunks taken."""
    menu_seconds: float = 0.0
    """On the trunk before a person is asked for."""


@dataclass(frozen=True)
class Planned:
    """One hour of a plan."""

    load: Load
    seats: int
    """At work: talking, in after-call work or free."""
    rostered: int
    waiting: Waiting
    trunks: int | None
    """None: the queue grows without end, and so would they."""


def planned(load: Load, terms: Terms, seats: int | None = None) -> Planned:
    """The plan for a load, with the seats given or, without, the fewest that meet the target."""
    at_work = seats_for(load, terms.target) if seats is None else seats
    met = queue(max(at_work, 1), load, terms.target.within_seconds)
    return Planned(load, at_work, rostered(at_work, terms.shrinkage), met, _trunks(load, met, terms))


def _trunks(load: Load, met: Waiting, terms: Terms) -> int | None:
    if math.isinf(met.mean_wait_seconds):
        return None
    # After-call work is done when the line is free again.
    held = terms.menu_seconds + met.mean_wait_seconds + (1 - met.abandoned) * load.talk_seconds
    return trunks_for(load.calls_per_hour * held / HOUR, terms.blocking)


# --- measuring -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """One inbound call that asked for a person, as the ledger has it."""

    at: datetime
    fate: Fate
    wait_ms: int | None = None
    talk_ms: int | None = None
    caller: str = ""
    queue: str = ""
    rings: int = 0
    """Seats rung in vain."""


@dataclass(frozen=True)
class Held:
    """One call on the trunk, inbound or outbound, from its arrival until its end."""

    began: datetime
    ended: datetime
    to_person_at: datetime | None = None
    outbound_talk_seconds: float | None = None
    """Of an outbound call that somebody answered."""


@dataclass(frozen=True)
class Crew:
    """Who was there, by the journal: a stretch for each agent."""

    signed_in: tuple[Span, ...] = ()
    not_ready: tuple[Span, ...] = ()
    """Paused for another reason than after-call work."""
    after_call: tuple[Span, ...] = ()
    ring_seconds: tuple[float, ...] = ()
    """Of each ring that was answered."""

    def __add__(self, other: Crew) -> Crew:
        return Crew(
            self.signed_in + other.signed_in,
            self.not_ready + other.not_ready,
            self.after_call + other.after_call,
            self.ring_seconds + other.ring_seconds,
        )


@dataclass(frozen=True)
class Hour:
    """What was, in one hour of the city's day; rates divide by the decided calls (DOMAIN 4)."""

    hour: int
    seconds: float
    """Less than 3600 where the hour goes on."""
    asked: int = 0
    decided: int = 0
    answered: int = 0
    in_time: int = 0
    hung_up: int = 0
    """Abandoned and short abandons: the formula knows no difference."""
    elsewhere: int = 0
    """Call-backs, overflow, voice messages: left the queue otherwise."""
    wait_seconds: float | None = None
    """Mean of all whose wait is known, answered or not."""
    signed_in: float = 0.0
    """Seats, on the mean of the hour."""
    at_work: float = 0.0
    """Of them, not in a break."""
    busiest_quarter: int = 0
    """Calls that asked in the fullest quarter of the hour."""
    trunks: int = 0
    """Most calls on the trunk at one time."""

    @property
    def calls_per_hour(self) -> float:
        return self.asked * HOUR / self.seconds if self.seconds else 0.0

    @property
    def in_time_rate(self) -> float | None:
        return self.in_time / self.decided if self.decided else None

    @property
    def hung_up_rate(self) -> float | None:
        return self.hung_up / self.decided if self.decided else None


@dataclass(frozen=True)
class Measured:
    """A day by the ledger: its hours, and the means that a plan starts from; None without a base."""

    day: date
    hours: tuple[Hour, ...] = ()
    talk_seconds: float | None = None
    talk_variation: float | None = None
    """Standard deviation ÷ mean; the formulas take it for 1."""
    after_call_seconds: float = 0.0
    """Per answered call, inbound or outbound."""
    ring_seconds: float = 0.0
    """Of the seat that answered."""
    patience_seconds: float | None = None
    shrinkage: float | None = None
    """Breaks ÷ signed in. Leave and illness are not in the journal."""
    menu_seconds: float = 0.0
    """From arrival until a person is asked for."""
    in_vain: int = 0
    """Rings that nobody answered."""
    retries: int = 0
    """Calls of somebody who had hung up or was lost within two hours before."""
    by_queue: Mapping[str, int] = field(default_factory=dict)
    short_abandons: int = 0
    outbound_seconds: float = 0.0
    """Talk of outbound calls, together: the formulas take those seats for free."""

    def load(self, calls_per_hour: float) -> Load | None:
        """That many calls of this day's kind; None where nobody talked."""
        if not self.talk_seconds:
            return None
        return Load(
            calls_per_hour,
            self.talk_seconds,
            self.after_call_seconds,
            self.ring_seconds,
            self.patience_seconds,
        )

    def expected(self, hour: Hour, within_seconds: float) -> Waiting | None:
        """What the formula says of that hour with the seats that were at work; None where nobody was."""
        load, seats = self.load(hour.calls_per_hour), round(hour.at_work)
        return queue(seats, load, within_seconds) if load and seats else None


def measured(
    day: date,
    begins: datetime,
    now: datetime,
    calls: Sequence[Seen],
    held: Sequence[Held],
    crew: Crew,
    norm_ms: int = NORM_MS,
) -> Measured:
    """Fold a day that begins at `begins`; of today, the hours until `now`."""
    windows = [
        (number, (begins + timedelta(hours=number), min(begins + timedelta(hours=number + 1), now)))
        for number in range(HOURS)
        if begins + timedelta(hours=number) < now
    ]
    by_hour: dict[int, list[Seen]] = {number: [] for number, _ in windows}
    for call in calls:
        by_hour.get(int((call.at - begins).total_seconds() // HOUR), []).append(call)
    talks = [call.talk_ms / 1000 for call in calls if call.talk_ms is not None and call.fate is Fate.ANSWERED]
    outbound = [call.outbound_talk_seconds for call in held if call.outbound_talk_seconds is not None]
    answered = sum(call.fate is Fate.ANSWERED for call in calls) + len(outbound)
    hung_up = [call for call in calls if call.fate in _HUNG_UP]
    waited = sum(call.wait_ms or 0 for call in calls) / 1000
    there, away, work = (
        sum((ended - began).total_seconds() for began, ended in spans)
        for spans in (crew.signed_in, crew.not_ready, crew.after_call)
    )
    to_person = [
        (call.to_person_at - call.began).total_seconds() for call in held if call.to_person_at is not None
    ]
    queues: dict[str, int] = {}
    for call in calls:
        queues[call.queue] = queues.get(call.queue, 0) + 1
    mean = _mean(talks)
    return Measured(
        day=day,
        hours=tuple(
            _hour(number, window, by_hour[number], held, crew, norm_ms) for number, window in windows
        ),
        talk_seconds=mean,
        talk_variation=_deviation(talks) / mean if mean and len(talks) > 1 else None,
        after_call_seconds=work / answered if answered else 0.0,
        ring_seconds=_mean(crew.ring_seconds) or 0.0,
        patience_seconds=waited / len(hung_up) if hung_up and waited else None,
        shrinkage=min(away / there, 0.99) if there else None,
        menu_seconds=_mean(to_person) or 0.0,
        in_vain=sum(call.rings for call in calls),
        retries=_retries(calls),
        by_queue=queues,
        short_abandons=sum(call.fate is Fate.SHORT_ABANDON for call in calls),
        outbound_seconds=sum(outbound),
    )


_HUNG_UP = (Fate.ABANDONED, Fate.SHORT_ABANDON)


def _hour(
    number: int, window: Span, calls: Sequence[Seen], held: Sequence[Held], crew: Crew, norm_ms: int
) -> Hour:
    length = (window[1] - window[0]).total_seconds()
    answered = [call for call in calls if call.fate is Fate.ANSWERED]
    waits = [call.wait_ms / 1000 for call in calls if call.wait_ms is not None]
    quarters = [0] * 4
    for call in calls:
        quarters[min(3, int((call.at - window[0]).total_seconds() // (HOUR / 4)))] += 1
    decided = [call for call in calls if call.fate is not Fate.WAITING]
    hung_up = sum(call.fate in _HUNG_UP for call in calls)
    signed_in, away = (_within(spans, window) for spans in (crew.signed_in, crew.not_ready))
    return Hour(
        hour=number,
        seconds=length,
        asked=len(calls),
        decided=len(decided),
        answered=len(answered),
        in_time=sum(call.wait_ms is not None and call.wait_ms <= norm_ms for call in answered),
        hung_up=hung_up,
        elsewhere=len(decided) - len(answered) - hung_up,
        wait_seconds=_mean(waits),
        signed_in=signed_in / length,
        at_work=max(0.0, signed_in - away) / length,
        busiest_quarter=max(quarters),
        trunks=_most_at_once(held, window),
    )


def _within(spans: Iterable[Span], window: Span) -> float:
    """Seconds of all stretches within the window; of two agents at once, both count."""
    return sum(
        max(0.0, (min(ended, window[1]) - max(began, window[0])).total_seconds()) for began, ended in spans
    )


def _most_at_once(held: Sequence[Held], window: Span) -> int:
    changes = sorted(
        change
        for call in held
        if call.began < window[1] and call.ended > window[0]
        for change in ((max(call.began, window[0]), 1), (call.ended, -1))
    )  # who goes makes room before who comes
    most = there = 0
    for _, change in changes:
        there += change
        most = max(most, there)
    return most


def _retries(calls: Iterable[Seen]) -> int:
    lost: dict[str, datetime] = {}
    count = 0
    for call in sorted(calls, key=lambda call: call.at):
        if not call.caller:
            continue
        before = lost.pop(call.caller, None)
        count += before is not None and call.at - before <= RETRY
        if call.fate not in (Fate.ANSWERED, Fate.WAITING):
            lost[call.caller] = call.at
    return count


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _deviation(values: Sequence[float]) -> float:
    middle = sum(values) / len(values)
    return math.sqrt(sum((value - middle) ** 2 for value in values) / len(values))


# --- the journal: who was there ------------------------------------------------------------------------


def crew(lines: Sequence[Line], begins: datetime, window: Span) -> Crew:
    """One agent of one PBX, from the journal's lines since `begins`, within `window`."""
    there = clipped(presence(lines, begins, window[1]).signed_in, window)
    worked = presence(lines, begins, window[1]).after_call
    # Read again with the reasons the other way round: breaks are then what is open until ready or gone.
    away = presence([_turned(line) for line in lines], begins, window[1]).after_call
    return Crew(
        tuple(there),
        tuple(part for span in there for part in clipped(away, span)),
        tuple(part for span in there for part in clipped(worked, span)),
    )


def _turned(line: Line) -> Line:
    if not line.event.startswith("PAUSE"):
        return line
    working = line.data.split(":", 1)[0] == "after_call"
    return replace(line, data="work" if working else "after_call")


# --- reading -------------------------------------------------------------------------------------------

_BREAKS = ("PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "RINGNOANSWER", "CONNECT")


def last_day(session: Session) -> date | None:
    """The city's day on which somebody last asked for a person; None: nobody ever did."""
    latest: datetime | None = session.scalar(
        select(func.max(Call.to_person_at)).where(Call.direction == "inbound")
    )
    return latest.astimezone(CITY_TIME).date() if latest else None


def measured_day(session: Session, day: date, now: datetime, norm_ms: int = NORM_MS) -> Measured:
    """A day of the city by the ledger and the journal; three statements."""
    begins = midnight_of(day)
    window = (begins, min(midnight_of(day + timedelta(days=1)), now))
    return measured(
        day,
        begins,
        window[1],
        _calls(session, window),
        _held(session, window, now),
        _crew(session, window),
        norm_ms,
    )


def volumes(session: Session, day: date) -> list[float]:
    """Calls to expect in each hour of a day; zeros where the ledger has no day alike."""
    quarters = forecast_of(session, day)
    return [sum(quarters[4 * hour : 4 * hour + 4]) for hour in range(HOURS)]


def _calls(session: Session, window: Span) -> list[Seen]:
    rows = session.execute(
        select(
            Call.to_person_at,
            Call.outcome,
            Call.answered_at,
            Call.wait_ms,
            Call.talk_ms,
            Call.caller,
            Call.queue,
            Call.rings,
        ).where(Call.direction == "inbound", Call.to_person_at >= window[0], Call.to_person_at < window[1])
    )
    return [
        Seen(
            row.to_person_at,
            fate(row.outcome, row.answered_at is not None),
            row.wait_ms,
            row.talk_ms,
            row.caller,
            row.queue or "",
            row.rings,
        )
        for row in rows
    ]


def _held(session: Session, window: Span, now: datetime) -> list[Held]:
    rows = session.execute(
        select(
            Call.arrived_at, Call.ended_at, Call.to_person_at, Call.direction, Call.answered_at, Call.talk_ms
        ).where(Call.arrived_at >= window[0] - OVER_MIDNIGHT, Call.arrived_at < window[1])
    )
    return [
        Held(
            row.arrived_at,
            row.ended_at or now,
            row.to_person_at,
            (row.talk_ms or 0) / 1000 if row.direction == "outbound" and row.answered_at else None,
        )
        for row in rows
    ]


def _crew(session: Session, window: Span) -> Crew:
    lines: dict[tuple[str, str], list[Line]] = {}
    found = Crew()
    rings: list[float] = []
    rows = session.execute(
        select(
            JournalEvent.pbx,
            JournalEvent.agent,
            JournalEvent.at,
            JournalEvent.event,
            JournalEvent.queue,
            JournalEvent.data,
        )
        .where(
            JournalEvent.at >= window[0] - LOOK_BACK,
            JournalEvent.at < window[1],
            or_(
                JournalEvent.event.in_((*MEMBERSHIP, "QUEUESTART")),
                (JournalEvent.at >= window[0] - OVER_MIDNIGHT) & JournalEvent.event.in_(_BREAKS),
            ),
        )
        .order_by(JournalEvent.id)
    )
    for row in rows:
        line = Line(row.at, row.event, row.queue, str(row.data[0]) if row.data else "")
        if row.event == "QUEUESTART":
            for (pbx, _), own in lines.items():
                if pbx == row.pbx:
                    own.append(line)
        elif row.agent:
            lines.setdefault((row.pbx, row.agent), []).append(line)
        if row.event == "CONNECT" and row.at >= window[0]:
            rings += _ring(row.data)
    for own in lines.values():
        found += crew(own, window[0] - LOOK_BACK, window)
    return replace(found, ring_seconds=tuple(rings))


def _ring(data: Sequence[Any]) -> list[float]:
    """Of CONNECT: seconds waited, the seat's channel, seconds rung; whole ones, cut off."""
    try:
        return [float(data[2]) + 0.5]
    except (IndexError, ValueError):
        return []
