"""Who should have been there and who was: the roster held against the journal.

    roster_entries ─► Shift ───────────────┐
    journal_events ─► presence ─► Span ────┼─► standing(…, now)      how one agent stands at a moment
                                           └─► adherence(…, window)  how a shift, an agent, a group kept to it

Rules are pure. Reading takes one statement for the journal of everybody, over the index of those lines alone,
and one for the roster. A planned absence is no shift that anybody is late for, and not part of any base.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.models import JournalEvent, RosterEntry
from reports.agent_day import LOOK_BACK, Line, Span, clipped, midnight_of, presence, seconds, union


class Standing(StrEnum):
    """How an agent stands against the roster."""

    ON_TIME = "on_time"
    CAME_LATE = "came_late"
    """There now, but first signed in after the grace."""
    DUE = "due"
    """The shift has begun, the grace is not over."""
    LATE = "late"
    """The grace is over and nobody has come."""
    ABSENT = "absent"
    """Not once signed in, and that for so long that nobody is waited for any more; or the shift is over."""
    OUT = "out"
    """Signed out just now: perhaps only to change the seat."""
    LEFT_EARLY = "left_early"
    UNPLANNED = "unplanned"
    """Signed in, and no shift says so."""
    EARLY = "early"
    """Signed in before the shift."""
    OVERTIME = "overtime"
    """Still signed in after the shift."""
    DONE = "done"
    """The shift is over and was kept."""
    PLANNED_ABSENCE = "planned_absence"
    COMING = "coming"
    """The shift begins within the next hours."""


@dataclass(frozen=True)
class Limits:
    """What counts as late; set by supervisors."""

    grace: timedelta = timedelta(minutes=5)
    absent_after: timedelta = timedelta(minutes=60)
    near: timedelta = timedelta(hours=2)
    """How long before and after a shift it is still spoken of."""


@dataclass(frozen=True)
class Shift:
    """One entry of the roster; `absence` is the code of a planned one."""

    login: str
    from_at: datetime
    to_at: datetime
    day: date
    kind: str = ""
    absence: str | None = None
    id: int = 0

    @property
    def span(self) -> Span:
        return (self.from_at, self.to_at)


@dataclass(frozen=True)
class Attendance:
    """One shift that was to be worked, as it was kept until now. Seconds are floats."""

    shift: Shift
    rostered_seconds: float
    """The part that lies before now."""
    present_seconds: float
    first_in: datetime | None = None
    last_out: datetime | None = None
    """Empty while signed in."""
    late_seconds: float = 0.0
    """From the beginning until the first sign-in; 0 within the grace."""
    early_seconds: float = 0.0
    """From the last sign-out until the end; 0 within the grace and while the shift goes on."""
    absent: bool = False
    """Nobody came, and nobody is waited for."""


@dataclass(frozen=True)
class Adherence:
    """The figures of several shifts; a figure without a base is None."""

    shifts: int = 0
    rostered_seconds: float = 0.0
    present_seconds: float = 0.0
    signed_in_seconds: float = 0.0
    late: int = 0
    late_seconds: float = 0.0
    left_early: int = 0
    early_seconds: float = 0.0
    absent: int = 0
    planned_absences: int = 0

    @property
    def adherence(self) -> float | None:
        return self.present_seconds / self.rostered_seconds if self.rostered_seconds else None

    @property
    def conformance(self) -> float | None:
        return self.signed_in_seconds / self.rostered_seconds if self.rostered_seconds else None


@dataclass(frozen=True)
class Place:
    """Where an agent stands now, with what belongs to it."""

    standing: Standing
    shift: Shift | None = None
    since: datetime | None = None
    """Of the standing: missing since, there since, gone since."""
    first_in: datetime | None = None
    late_seconds: float = 0.0
    changes_at: datetime | None = None
    """When it becomes something else by time alone."""


# --- rules -------------------------------------------------------------------------------------------


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What of `spans` lies outside of `taken`."""
    left, holes = union(spans), union(taken)
    result: list[Span] = []
    for began, ended in left:
        for hole_began, hole_ended in holes:
            if hole_ended <= began or hole_began >= ended:
                continue
            if hole_began > began:
                result.append((began, hole_began))
            began = max(began, hole_ended)
        if began < ended:
            result.append((began, ended))
    return result


def attendance(shift: Shift, signed_in: Sequence[Span], now: datetime, limits: Limits) -> Attendance | None:
    """How a shift was kept until `now`; None for a planned absence and for what has not begun."""
    if shift.absence or shift.from_at >= now:
        return None
    until = min(shift.to_at, now)
    there = clipped(signed_in, (shift.from_at, until))
    rostered = (until - shift.from_at).total_seconds()
    over = shift.to_at <= now
    if not there:
        absent = over or now - shift.from_at > limits.absent_after
        return Attendance(shift, rostered, 0.0, absent=absent)
    late = there[0][0] - shift.from_at
    early = until - there[-1][1]
    return Attendance(
        shift,
        rostered,
        seconds(there),
        first_in=there[0][0],
        last_out=there[-1][1] if there[-1][1] < until else None,
        late_seconds=late.total_seconds() if late > limits.grace else 0.0,
        early_seconds=early.total_seconds() if over and early > limits.grace else 0.0,
    )


def adherence(
    shifts: Iterable[Shift],
    signed_in: Sequence[Span],
    window: Span,
    days: tuple[date, date],
    now: datetime,
    limits: Limits,
) -> Adherence:
    """One agent's figures of the shifts that begin on `days` (both included).

    `window` is from the first midnight until the last, `shifts` may hold those of the days around. A shift
    over midnight belongs wholly to the day on which it begins: time signed in outside of any shift counts for
    conformance on its own day, time within a shift of another day does not.
    """
    all_shifts = list(shifts)
    mine = [shift for shift in all_shifts if days[0] <= shift.day <= days[1]]
    others = [shift.span for shift in all_shifts if not days[0] <= shift.day <= days[1]]
    kept = [one for one in (attendance(shift, signed_in, now, limits) for shift in mine) if one]
    worked = [shift.span for shift in mine if not shift.absence]
    # Twice rostered is rostered once: entries do not overlap, but a past that was edited might.
    rostered = clipped(worked, (window[0], max(now, window[0]))) if worked else []
    there = [part for span in rostered for part in clipped(signed_in, span)]
    counted = union([*without(clipped(signed_in, window), others), *there])
    return Adherence(
        shifts=len(kept),
        rostered_seconds=seconds(rostered),
        present_seconds=seconds(there),
        signed_in_seconds=seconds(clipped(counted, (window[0], max(now, window[0])))),
        late=sum(one.late_seconds > 0 for one in kept),
        late_seconds=sum(one.late_seconds for one in kept),
        left_early=sum(one.early_seconds > 0 for one in kept),
        early_seconds=sum(one.early_seconds for one in kept),
        absent=sum(one.absent for one in kept),
        planned_absences=sum(shift.absence is not None for shift in mine),
    )


def together(parts: Iterable[Adherence]) -> Adherence:
    """Several agents, or several days, as one: sums divided by sums, never a mean of rates."""
    found = list(parts)
    return Adherence(
        shifts=sum(one.shifts for one in found),
        rostered_seconds=sum(one.rostered_seconds for one in found),
        present_seconds=sum(one.present_seconds for one in found),
        signed_in_seconds=sum(one.signed_in_seconds for one in found),
        late=sum(one.late for one in found),
        late_seconds=sum(one.late_seconds for one in found),
        left_early=sum(one.left_early for one in found),
        early_seconds=sum(one.early_seconds for one in found),
        absent=sum(one.absent for one in found),
        planned_absences=sum(one.planned_absences for one in found),
    )


def shift_of_now(shifts: Iterable[Shift], now: datetime, near: timedelta) -> Shift | None:
    """The shift to speak of: one that goes on, else the one that ended last, else the next, both if near."""
    mine = sorted(shifts, key=lambda shift: (shift.from_at, shift.absence is not None))
    going = [shift for shift in mine if shift.from_at <= now < shift.to_at]
    if going:
        return next((shift for shift in going if not shift.absence), going[0])
    coming = next((shift for shift in mine if now < shift.from_at <= now + near), None)
    over = [shift for shift in mine if now - near <= shift.to_at <= now]
    # Between two shifts the one that comes is what people look for, once it is nearer.
    if over and (coming is None or now - over[-1].to_at <= coming.from_at - now):
        return over[-1]
    return coming


def standing(
    shifts: Iterable[Shift],
    signed_in: Sequence[Span],
    here: datetime | None,
    now: datetime,
    limits: Limits,
) -> Place | None:
    """How an agent stands now; None: neither rostered about now nor signed in.

    `signed_in` is the journal's; `here` is since when the floor has the agent at a seat (None: at none). The
    floor knows a sign-in a moment before the journal, so for now it is the floor that counts.
    """
    shift = shift_of_now(shifts, now, limits.near)
    spans = union([*signed_in, *([(here, now)] if here else [])])
    if shift is None or shift.absence:
        if here:
            return Place(Standing.UNPLANNED, shift, since=_since(spans, here, now))
        if shift is None:
            return None
        return Place(Standing.PLANNED_ABSENCE, shift, changes_at=_next(now, shift, limits))
    if now < shift.from_at:
        return _before(shift, spans, here, now)
    if now >= shift.to_at:
        return _after(shift, spans, here, now, limits)
    return _during(shift, spans, here, now, limits)


def _before(shift: Shift, spans: Sequence[Span], here: datetime | None, now: datetime) -> Place:
    if here:
        return Place(Standing.EARLY, shift, since=_since(spans, here, now), changes_at=shift.from_at)
    return Place(Standing.COMING, shift, changes_at=shift.from_at)


def _during(
    shift: Shift, spans: Sequence[Span], here: datetime | None, now: datetime, limits: Limits
) -> Place:
    kept = attendance(shift, spans, now, limits)
    late_at, absent_at = shift.from_at + limits.grace, shift.from_at + limits.absent_after
    if here:
        first = kept.first_in if kept and kept.first_in else max(here, shift.from_at)
        late = (first - shift.from_at).total_seconds()
        if first - shift.from_at > limits.grace:
            return Place(
                Standing.CAME_LATE,
                shift,
                since=first,
                first_in=first,
                late_seconds=late,
                changes_at=shift.to_at,
            )
        return Place(Standing.ON_TIME, shift, since=first, first_in=first, changes_at=shift.to_at)
    if kept is None or kept.first_in is None:
        if now <= late_at:
            return Place(Standing.DUE, shift, since=shift.from_at, changes_at=_tick(late_at))
        missing = (now - shift.from_at).total_seconds()
        if now <= absent_at:
            return Place(
                Standing.LATE, shift, since=shift.from_at, late_seconds=missing, changes_at=_tick(absent_at)
            )
        return Place(
            Standing.ABSENT, shift, since=shift.from_at, late_seconds=missing, changes_at=shift.to_at
        )
    gone = kept.last_out or now
    facts = {"shift": shift, "since": gone, "first_in": kept.first_in, "late_seconds": kept.late_seconds}
    # Whoever goes within the last minutes of a shift has kept it.
    if shift.to_at - gone <= limits.grace:
        return Place(Standing.DONE, changes_at=shift.to_at, **facts)  # type: ignore[arg-type]
    if now - gone <= limits.grace:
        return Place(Standing.OUT, changes_at=_tick(gone + limits.grace), **facts)  # type: ignore[arg-type]
    return Place(Standing.LEFT_EARLY, changes_at=shift.to_at, **facts)  # type: ignore[arg-type]


def _after(
    shift: Shift, spans: Sequence[Span], here: datetime | None, now: datetime, limits: Limits
) -> Place:
    gone_at = _next(now, shift, limits)
    if here:
        return Place(Standing.OVERTIME, shift, since=shift.to_at, changes_at=gone_at)
    kept = attendance(shift, spans, now, limits)
    if kept is None or kept.first_in is None:
        return Place(Standing.ABSENT, shift, since=shift.from_at, changes_at=gone_at)
    facts = {"shift": shift, "first_in": kept.first_in, "late_seconds": kept.late_seconds}
    word = Standing.LEFT_EARLY if kept.early_seconds else Standing.DONE
    return Place(word, since=kept.last_out or shift.to_at, changes_at=gone_at, **facts)  # type: ignore[arg-type]


def _since(spans: Sequence[Span], here: datetime, now: datetime) -> datetime:
    """When the stretch began that goes on now."""
    return next((began for began, ended in spans if began <= now <= ended), here)


def _next(now: datetime, shift: Shift, limits: Limits) -> datetime:
    """When a shift that is over, or an absence, is spoken of no more."""
    return max(shift.to_at + limits.near, now + timedelta(seconds=1))


def _tick(at: datetime) -> datetime:
    """A moment after a limit: at the limit itself it still holds."""
    return at + timedelta(seconds=1)


# --- the plan itself ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Clash:
    """Two shifts of one person that cannot both be worked."""

    earlier: Shift
    later: Shift
    rest: timedelta
    """Between them; negative: they overlap."""

    @property
    def overlap(self) -> bool:
        return self.rest < timedelta(0)


def clashes(shifts: Iterable[Shift], rest: timedelta, changed: Iterable[int] | None = None) -> list[Clash]:
    """Neighbours among one person's shifts that overlap, or leave less than `rest` between them.

    `changed`: only pairs with one of these ids are told, so that what was wrong before keeps nobody from
    mending something else. A planned absence needs no rest, but it cannot overlap either.
    """
    told = None if changed is None else set(changed)
    found: list[Clash] = []
    mine = sorted(shifts, key=lambda shift: (shift.from_at, shift.to_at))
    for place, earlier in enumerate(mine):
        for later in mine[place + 1 :]:
            if later.from_at < earlier.to_at:
                found.append(Clash(earlier, later, later.from_at - earlier.to_at))
    worked = [shift for shift in mine if not shift.absence]
    for earlier, later in pairwise(worked):
        gap = later.from_at - earlier.to_at
        if timedelta(0) <= gap < rest:
            found.append(Clash(earlier, later, gap))
    return [one for one in found if told is None or {one.earlier.id, one.later.id} & told]


# --- reading -----------------------------------------------------------------------------------------

# In so many words, as the partial index has them: only then both databases use it.
_MEMBERSHIP = text("event IN ('SIGNIN', 'SIGNOUT', 'ADDMEMBER', 'REMOVEMEMBER', 'QUEUESTART')")


@dataclass
class _Heard:
    """One agent's lines on each PBX."""

    lines: dict[str, list[Line]] = field(default_factory=dict)


def signed_in(session: Session, since: datetime, until: datetime) -> dict[str, list[Span]]:
    """When each agent was signed in from `since` until `until`, by login. One statement.

    Told by sign-ins, sign-outs and members of queues alone: the lines of calls, a hundred times as many,
    would only heal a journal that has lines missing. A sign-in is looked for up to 24 hours before.
    """
    begins = since - LOOK_BACK
    rows = session.execute(
        select(JournalEvent.pbx, JournalEvent.agent, JournalEvent.at, JournalEvent.event, JournalEvent.queue)
        .where(_MEMBERSHIP, JournalEvent.at >= begins, JournalEvent.at <= until)
        .order_by(JournalEvent.id)
    )
    heard: dict[str, _Heard] = {}
    restarts: dict[str, list[Line]] = {}
    for pbx, agent, at, event, queue in rows:
        line = Line(at, event, queue)
        if event == "QUEUESTART":
            restarts.setdefault(pbx, []).append(line)
            for known in heard.values():
                if pbx in known.lines:
                    known.lines[pbx].append(line)
        elif agent:
            heard.setdefault(agent, _Heard()).lines.setdefault(pbx, list(restarts.get(pbx, ()))).append(line)
    return {
        agent: clipped(
            (span for lines in known.lines.values() for span in presence(lines, begins, until).signed_in),
            (since, until),
        )
        for agent, known in heard.items()
    }


def shifts(session: Session, logins: Mapping[int, str], first: date, last: date) -> dict[str, list[Shift]]:
    """The roster of the agents given as {user id: login}, of the days `first` to `last`, by login."""
    found: dict[str, list[Shift]] = {}
    rows = session.execute(
        select(
            RosterEntry.id,
            RosterEntry.user_id,
            RosterEntry.day,
            RosterEntry.kind,
            RosterEntry.from_at,
            RosterEntry.to_at,
            RosterEntry.absence,
        )
        .where(RosterEntry.day >= first, RosterEntry.day <= last)
        .order_by(RosterEntry.from_at)
    )
    for row in rows:
        login = logins.get(row.user_id)
        if login:
            found.setdefault(login, []).append(
                Shift(login, row.from_at, row.to_at, row.day, row.kind, row.absence, row.id)
            )
    return found


def kept(
    session: Session,
    logins: Mapping[int, str],
    first: date,
    last: date,
    now: datetime,
    limits: Limits,
) -> dict[date, dict[str, Adherence]]:
    """How the roster was kept on each day, by login; two statements for any number of them."""
    midnights = [midnight_of(first + timedelta(days=n)) for n in range((last - first).days + 2)]
    # A shift that began the day before reaches into the first; one of the last day reaches beyond it.
    planned = shifts(session, logins, first - timedelta(days=1), last + timedelta(days=1))
    was_in = signed_in(session, midnights[0], min(now, midnights[-1] + LOOK_BACK))
    found: dict[date, dict[str, Adherence]] = {
        first + timedelta(days=n): {} for n in range(len(midnights) - 1)
    }
    for login in sorted({*logins.values()} & (planned.keys() | was_in.keys())):
        by_day: dict[date, list[Shift]] = {}
        for shift in planned.get(login, ()):
            by_day.setdefault(shift.day, []).append(shift)
        spans = was_in.get(login, [])
        for window, day in zip(pairwise(midnights), found, strict=True):
            mine = [one for n in (-1, 0, 1) for one in by_day.get(day + timedelta(days=n), ())]
            # Of the weeks only what lies about this day: stretches stand in order and do not overlap.
            begins = bisect(spans, window[0] - LOOK_BACK, key=_ends)
            ends = bisect(spans, window[1] + LOOK_BACK, key=_begins)
            if mine or begins < ends:
                found[day][login] = adherence(mine, spans[begins:ends], window, (day, day), now, limits)
    return found


def _begins(span: Span) -> datetime:
    return span[0]


def _ends(span: Span) -> datetime:
    return span[1]
