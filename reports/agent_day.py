"""An agent's own day, from the journal and the ledger only.

    journal lines of the agent ─► signed in, after-call work ─┐
    calls and their parts ──────► talk, wait, rating ─────────┼─► AgentDay
    own tickets ────────────────► direct, dispatched ─────────┘

Stretches of time are counted as a set: what overlaps counts once, what is open goes on until now, what began
before midnight (Asia/Shanghai) counts from midnight. What each figure means stands in `definitions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, literal_column, or_, select
from sqlalchemy.orm import Session

from db.models import Call, CallPart, JournalEvent, Ticket, User

CITY_TIME = ZoneInfo("Asia/Shanghai")
LOOK_BACK = timedelta(hours=24)
"""How long before midnight a sign-in is looked for. Nobody works longer without signing in again."""

Span = tuple[datetime, datetime]
"""From, until; never empty."""
Stretch = tuple[datetime, datetime | None]
"""From, until; None: it goes on."""


@dataclass(frozen=True)
class Line:
    """A journal line of one agent, or the start of a PBX (QUEUESTART)."""

    at: datetime
    event: str
    queue: str | None = None
    data: str = ""
    """The first datum: the reason of a PAUSE."""


@dataclass(frozen=True, slots=True)
class Talked:
    """One call as this agent had it."""

    direction: str = "inbound"
    spans: tuple[Span, ...] = ()
    """When the agent was with the citizen."""
    answered: bool = True
    """Not: dialled, and nobody answered."""
    ended: bool = True
    wait_ms: int | None = None
    """Only where this agent was the first to answer."""
    rating: int | None = None
    """Only where it is this agent's: 1 satisfied, 2 fairly, 3 not."""
    began: datetime | None = None
    """The first answer, or when it was dialled."""


@dataclass(frozen=True)
class AgentDay:
    """The figures; seconds are floats, a figure without a base is None."""

    answered: int = 0
    outbound: int = 0
    talk_seconds: float = 0.0
    average_talk_seconds: float | None = None
    average_wait_seconds: float | None = None
    after_call_seconds: float = 0.0
    average_after_call_seconds: float | None = None
    signed_in_seconds: float = 0.0
    utilisation: float | None = None
    direct_rate: float | None = None
    rated: int = 0
    satisfied: int = 0
    satisfaction: float | None = None
    sums: Sums = field(default_factory=lambda: Sums(), compare=False, repr=False)


@dataclass(frozen=True)
class Sums:
    """What averages and rates are made of, so that several days, or agents, make one (`together`)."""

    answered: int = 0
    outbound: int = 0
    talk_seconds: float = 0.0
    after_call_seconds: float = 0.0
    signed_in_seconds: float = 0.0
    rated: int = 0
    satisfied: int = 0
    talked: int = 0
    """Answered calls, inbound and outbound."""
    ended_talks: int = 0
    ended_talk_seconds: float = 0.0
    waits: int = 0
    wait_seconds: float = 0.0
    worked_seconds: float = 0.0
    direct: int = 0
    accepted: int = 0


# --- stretches of time -------------------------------------------------------------------------------


def union(spans: Iterable[Span]) -> list[Span]:
    """The same stretches, in order, without overlap and without empty ones."""
    merged: list[Span] = []
    for began, ended in sorted(span for span in spans if span[0] < span[1]):
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        else:
            merged.append((began, ended))
    return merged


def clipped(spans: Iterable[Span], window: Span) -> list[Span]:
    """What of `spans` lies in `window`."""
    inside = ((max(began, window[0]), min(ended, window[1])) for began, ended in spans)
    return union(span for span in inside if span[0] < span[1])


def seconds(spans: Iterable[Span]) -> float:
    """How long the stretches are together, overlaps counted once."""
    return sum((ended - began).total_seconds() for began, ended in union(spans))


# --- the journal: presence ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Presence:
    """When an agent was signed in and in after-call work, on one PBX."""

    signed_in: tuple[Span, ...] = ()
    after_call: tuple[Span, ...] = ()


@dataclass(frozen=True)
class _State:
    """What the lines so far say. `since` and `working` are beginnings of stretches that are still open."""

    since: datetime | None = None
    queues: frozenset[str] = frozenset()
    working: datetime | None = None
    restarted: datetime | None = None
    """The PBX was started anew and no line has shown yet that the agent is still signed in."""
    told: bool = False
    """A line of the agent was met."""
    signed_in: tuple[Span, ...] = ()
    after_call: tuple[Span, ...] = ()


_ONLY_SIGNED_IN = frozenset((
    "PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "REMOVEMEMBER", "SIGNOUT", "PENALTY",
    "CONNECT", "RINGNOANSWER", "COMPLETEAGENT", "COMPLETECALLER",
))  # fmt: skip
"""Lines that Asterisk and the cti write only of somebody who is signed in."""


SIGNING_IN = "signed_in"
"""The reason of the pause with which everybody signs in: written a moment before SIGNIN, it tells of no
earlier presence."""


def presence(lines: Sequence[Line], begins: datetime, until: datetime) -> Presence:
    """Presence from one PBX's lines in the order of its journal, of `begins` until `until`.

    Lines may be missing: whoever is paused, rung or taken out of a queue was signed in; who signs in twice
    after a restart of the PBX was forgotten by it; who leaves the last queue has gone, also without SIGNOUT.
    """
    state, clock = _State(), begins
    for line in lines:
        # Whole seconds and milliseconds stand side by side in a journal, and a clock may be set back.
        clock = max(clock, min(line.at, until))
        state = _step(state, replace(line, at=clock), begins)
    state = _out(state, until)
    return Presence(state.signed_in, state.after_call)


def _step(state: _State, line: Line, begins: datetime) -> _State:
    if line.event == "QUEUESTART":
        return replace(state, restarted=line.at) if state.since else state
    if line.event in _ONLY_SIGNED_IN:
        if not state.told and line.data != SIGNING_IN:
            state = replace(state, since=begins)
        state = replace(state, restarted=None)
    state = replace(state, told=state.told or line.data != SIGNING_IN)
    if line.event in ("SIGNIN", "ADDMEMBER"):
        return _joined(state, line)
    if line.event == "SIGNOUT":
        return _out(state, line.at)
    if line.event == "REMOVEMEMBER":
        left = state.queues - {line.queue or ""}
        return _out(state, line.at) if state.queues and not left else replace(state, queues=left)
    if line.event in ("PAUSE", "PAUSEALL", "UNPAUSE", "UNPAUSEALL"):
        return _paused(state, line)
    return state


def _joined(state: _State, line: Line) -> _State:
    queue = {line.queue} if line.event == "ADDMEMBER" and line.queue else set()
    # Asterisk brings members back from its own database after a restart. Whoever joins anew where he was a
    # member already was not brought back: he was gone since the restart.
    if state.restarted and (line.event == "SIGNIN" or queue <= state.queues):
        state = _out(state, state.restarted)
    return replace(state, since=state.since or line.at, queues=state.queues | queue)


def _paused(state: _State, line: Line) -> _State:
    # "after_call", "after_call:<next>" or "after_call:<next>:<until ms>"
    working = line.event.startswith("PAUSE") and line.data.split(":", 1)[0] == "after_call"
    if working:
        return replace(state, working=state.working or line.at)
    return _work_ended(state, line.at)


def _work_ended(state: _State, at: datetime) -> _State:
    if state.working is None:
        return state
    stretch = (state.working, max(at, state.working))
    return replace(state, working=None, after_call=(*state.after_call, stretch))


def _out(state: _State, at: datetime) -> _State:
    state = _work_ended(state, at)
    spans = (*state.signed_in, (state.since, max(at, state.since))) if state.since else state.signed_in
    return replace(state, since=None, queues=frozenset(), restarted=None, signed_in=spans)


# --- the figures -------------------------------------------------------------------------------------


def figures(
    presences: Iterable[Presence],
    calls: Iterable[Talked],
    window: Span,
    direct: int = 0,
    accepted: int = 0,
) -> AgentDay:
    """The day's figures: `window` is from midnight until now (or until the next midnight).

    `direct` and `accepted` count the agent's own tickets.
    """
    seen, all_calls = list(presences), list(calls)
    talk = clipped((span for call in all_calls for span in call.spans), window)
    counted = talks(all_calls, window)
    # An agent who talks is signed in, whatever line is missing.
    signed_in = clipped([*talk, *(span for each in seen for span in each.signed_in)], window)
    after_call = clipped((span for each in seen for span in each.after_call), window)
    worked = seconds(_within([*talk, *after_call], signed_in))
    mine = [call for call in all_calls if call.began and window[0] <= call.began < window[1]]
    talked = [call for call in mine if call.answered]
    waits = [
        call.wait_ms / 1000 for call in talked if call.direction == "inbound" and call.wait_ms is not None
    ]
    ratings = [call.rating for call in talked if call.rating is not None]
    sums = Sums(
        answered=counted.answered,
        outbound=counted.outbound,
        talk_seconds=counted.talk_seconds,
        after_call_seconds=seconds(after_call),
        signed_in_seconds=seconds(signed_in),
        rated=len(ratings),
        satisfied=sum(rating in (1, 2) for rating in ratings),
        talked=len(talked),
        ended_talks=counted.ended_talks,
        ended_talk_seconds=counted.ended_talk_seconds,
        waits=len(waits),
        wait_seconds=sum(waits),
        worked_seconds=worked,
        direct=direct,
        accepted=accepted,
    )
    return _day(sums)


@dataclass(frozen=True)
class Talks:
    """What of the day is counted from the calls alone: also shown beside the seat, of hundreds at a time."""

    answered: int
    outbound: int
    talk_seconds: float
    ended_talks: int
    ended_talk_seconds: float

    @property
    def average_talk_seconds(self) -> float | None:
        return _ratio(self.ended_talk_seconds, self.ended_talks)


def talks(calls: Sequence[Talked], window: Span) -> Talks:
    """The calls of one agent within the day."""
    mine = [call for call in calls if call.began and window[0] <= call.began < window[1]]
    answered = [call for call in mine if call.answered]
    ended = [seconds(call.spans) for call in answered if call.ended]
    return Talks(
        answered=sum(call.direction == "inbound" for call in answered),
        outbound=sum(call.direction == "outbound" for call in mine),
        talk_seconds=seconds(clipped((span for call in calls for span in call.spans), window)),
        ended_talks=len(ended),
        ended_talk_seconds=sum(ended),
    )


def together(days: Iterable[AgentDay]) -> AgentDay:
    """Several days of one agent, or one day of several, as one: sums divided by sums."""
    found = [day.sums for day in days]
    names = [one.name for one in fields(Sums)]
    return _day(Sums(**{name: sum(getattr(sums, name) for sums in found) for name in names}))


def _day(sums: Sums) -> AgentDay:
    """Averages and rates from the sums that they are made of."""
    return AgentDay(
        answered=sums.answered,
        outbound=sums.outbound,
        talk_seconds=sums.talk_seconds,
        average_talk_seconds=_ratio(sums.ended_talk_seconds, sums.ended_talks),
        average_wait_seconds=_ratio(sums.wait_seconds, sums.waits),
        after_call_seconds=sums.after_call_seconds,
        average_after_call_seconds=_ratio(sums.after_call_seconds, sums.talked),
        signed_in_seconds=sums.signed_in_seconds,
        utilisation=_ratio(sums.worked_seconds, sums.signed_in_seconds),
        direct_rate=_ratio(sums.direct, sums.accepted),
        rated=sums.rated,
        satisfied=sums.satisfied,
        satisfaction=_ratio(sums.satisfied, sums.rated),
        sums=sums,
    )


def _within(spans: Iterable[Span], allowed: Sequence[Span]) -> list[Span]:
    wanted = union(spans)
    return [part for window in allowed for part in clipped(wanted, window)]


def _ratio(part: float, base: float) -> float | None:
    return part / base if base else None


# --- reading -----------------------------------------------------------------------------------------

MEMBERSHIP = ("SIGNIN", "SIGNOUT", "ADDMEMBER", "REMOVEMEMBER")
_PAUSES = ("PAUSE", "UNPAUSE", "PAUSEALL", "UNPAUSEALL", "RINGNOANSWER")
WITH_A_CALL = ("CONNECT", "DIALLED", "AGENTANSWERED", "TAKENOVER")
"""Lines that name who has a call: from a queue, by dialling, handed over to the seat directly, taken over."""
OVER_MIDNIGHT = timedelta(hours=3)
"""How long before midnight a call, or after-call work, is looked for that goes on after it."""
WITH_THE_CITIZEN = ("agent", "hold", "consult")
"""Kinds of a call's parts in which its agent works on it; a three-way call is part of the agent's talk."""
_NOT_COUNTED = ("draft", "not_accepted", "merged")
"""States of a ticket that is no accepted request of its own."""


def midnight(at: datetime) -> datetime:
    """The beginning of the city's day that `at` lies in, in UTC."""
    return midnight_of(at.astimezone(CITY_TIME).date())


def midnight_of(day: date) -> datetime:
    """The beginning of the city's `day`, in UTC."""
    return datetime.combine(day, time(), CITY_TIME).astimezone(UTC)


def agent_day(session: Session, login: str, now: datetime) -> AgentDay:
    """The figures of the agent `login` for the city's day of `now`, until `now`.

    Six look-ups by index, whatever the size of the ledger. An unknown agent has a day of zeros.
    """
    return agent_days(session, [login], (midnight(now), now))[login]


def agent_days(session: Session, logins: Collection[str], window: Span) -> dict[str, AgentDay]:
    """The figures of many agents, by login; `window` is from a midnight until now, or the next midnight.

    The look-ups of `agent_day`, with some more where there are thousands of calls.
    """
    begins, now = window
    lines: dict[str, dict[str, list[Line]]] = {login: {} for login in logins}
    uids: dict[str, set[str]] = {login: set() for login in logins}
    for row in session.execute(
        select(
            JournalEvent.agent,
            JournalEvent.pbx,
            JournalEvent.at,
            JournalEvent.event,
            JournalEvent.queue,
            JournalEvent.data,
            JournalEvent.call_uid,
        )
        .where(
            JournalEvent.agent.in_(sorted(lines)),
            JournalEvent.at >= begins - LOOK_BACK,
            JournalEvent.at <= now,
            or_(
                JournalEvent.event.in_(MEMBERSHIP),
                (JournalEvent.at >= begins - OVER_MIDNIGHT)
                & JournalEvent.event.in_((*_PAUSES, *WITH_A_CALL)),
            ),
        )
        .order_by(JournalEvent.id)
    ):
        if row.call_uid and row.event in WITH_A_CALL:
            uids[row.agent].add(row.call_uid)
        first = str(row.data[0]) if row.data else ""
        lines[row.agent].setdefault(row.pbx, []).append(Line(row.at, row.event, row.queue, first))
    restarts = _restarts(session, begins - LOOK_BACK, now)
    calls = _calls(session, uids, window)
    tickets = _tickets(session, sorted(lines), window)
    return {
        login: figures(
            [
                presence(_with_restarts(own, restarts.get(pbx, [])), begins - LOOK_BACK, now)
                for pbx, own in lines[login].items()
            ],
            calls.get(login, ()),
            window,
            *tickets.get(login, (0, 0)),
        )
        for login in lines
    }


def _restarts(session: Session, since: datetime, until: datetime) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for pbx, at in session.execute(
        select(JournalEvent.pbx, JournalEvent.at).where(
            # In so many words: a partial index is used only where SQLite sees its condition.
            JournalEvent.event == literal_column("'QUEUESTART'"),
            JournalEvent.at >= since,
            JournalEvent.at <= until,
        )
    ):
        found.setdefault(pbx, []).append(Line(at, "QUEUESTART"))
    return found


def _with_restarts(own: list[Line], restarts: list[Line]) -> list[Line]:
    """The agent's lines with the PBX's starts among them; the order of the agent's own lines is kept."""
    merged, waiting = [], sorted(restarts, key=lambda line: line.at)
    for line in own:
        while waiting and waiting[0].at <= line.at:
            merged.append(waiting.pop(0))
        merged.append(line)
    return [*merged, *waiting]


_AT_ONCE = 1_000
"""Names in one statement: databases have a limit to them."""


def _some(names: Iterable[str]) -> list[list[str]]:
    found = sorted(names)
    return [found[at : at + _AT_ONCE] for at in range(0, len(found), _AT_ONCE)]


def _calls(session: Session, uids: Mapping[str, set[str]], window: Span) -> dict[str, list[Talked]]:
    """The agents' calls, by login: those of their journal lines, and those that the ledger names them for."""
    # Plain rows: as objects they would cost more than all the rest.
    asked = select(
        Call.uid,
        Call.direction,
        Call.agent,
        Call.arrived_at,
        Call.answered_at,
        Call.talk_ms,
        Call.ended_at,
        Call.wait_ms,
        Call.rating,
        Call.rated_agent,
    ).where(or_(Call.ended_at.is_(None), Call.ended_at >= window[0]))
    since = window[0] - OVER_MIDNIGHT
    own = asked.where(Call.agent.in_(sorted(uids)), Call.arrived_at >= since, Call.arrived_at <= window[1])
    known = {call.uid: call for call in session.execute(own)}
    had: dict[str, set[str]] = {login: set() for login in uids}
    for call in known.values():
        had[call.agent].add(call.uid)
    for some in _some(set().union(*uids.values()) - known.keys()):
        known |= {call.uid: call for call in session.execute(asked.where(Call.uid.in_(some)))}
    for login, mine in uids.items():
        had[login] |= mine & known.keys()
    parts: dict[tuple[str, str], list[Stretch]] = {}
    for some in _some(known):
        for uid, agent, began, ended in session.execute(
            select(CallPart.call_uid, CallPart.agent, CallPart.began_at, CallPart.ended_at)
            .where(
                CallPart.call_uid.in_(some),
                CallPart.agent.in_(sorted(uids)),
                CallPart.kind.in_(WITH_THE_CITIZEN),
            )
            .order_by(CallPart.call_uid, CallPart.position)
        ):
            parts.setdefault((uid, agent or ""), []).append((began, ended))
    return {
        login: [talked(known[uid], parts.get((uid, login), []), login, window[1]) for uid in sorted(mine)]
        for login, mine in had.items()
    }


def talked(call: Any, parts: Sequence[Stretch], login: str, now: datetime) -> Talked:
    """A call as the agent `login` had it at `now`; `parts` are the agent's own stretches of it, in order."""
    last, own = call.ended_at or now, call.agent == login
    spans = [(began, min(ended or last, last)) for began, ended in parts]
    if not spans and own and call.answered_at:
        talk = None if call.talk_ms is None else timedelta(milliseconds=call.talk_ms)
        spans = [(call.answered_at, last if talk is None else call.answered_at + talk)]
    first = min((began for began, _ in parts), default=call.answered_at if own else None)
    return Talked(
        direction=call.direction,
        spans=tuple(union(spans)),
        answered=first is not None,
        # Over for the agent as soon as the talk is: the citizen may still be asked for a rating.
        ended=call.ended_at is not None or (bool(parts) and all(ended for _, ended in parts)),
        wait_ms=call.wait_ms if own else None,
        rating=call.rating if call.rated_agent == login else None,
        began=first or (call.arrived_at if call.direction == "outbound" else None),
    )


def _tickets(session: Session, logins: Sequence[str], window: Span) -> dict[str, tuple[int, int]]:
    """The agents' own tickets of the day, by login: (answered directly, accepted)."""
    rows = session.execute(
        select(User.login, Ticket.disposition, func.count())
        .join(User, User.id == Ticket.created_by)
        .where(
            User.login.in_(logins),
            Ticket.created_at >= window[0],
            Ticket.created_at <= window[1],
            Ticket.disposition.in_(("direct", "dispatch")),
            Ticket.state.not_in(_NOT_COUNTED),
        )
        .group_by(User.login, Ticket.disposition)
    )
    counted: dict[str, dict[str, int]] = {}
    for login, disposition, count in rows:
        counted.setdefault(login, {})[str(disposition)] = count
    return {login: (own.get("direct", 0), sum(own.values())) for login, own in counted.items()}
