"""The day in quarters of an hour, and how many calls the same weekday of other weeks lets us expect.

    earlier days, alike ──► offered by step of each ──► robust mean by step ──► forecast
    calls of the day ─────► offered, answered, abandoned, most waiting by step
    presence by the journal ──► seats signed in, on the mean of each step

A day is alike where it is the same weekday and as much a working day as the one asked for (legal holidays and
make-up days of the Chinese calendar); where too few are, any days that are as much a working day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import chinese_calendar
import numpy as np
from sqlalchemy import BigInteger, cast, extract, func, select
from sqlalchemy.orm import Session

from db.models import Call
from reports.agent_day import CITY_TIME, Span, midnight, union
from reports.interval import Fate

Moments = np.ndarray[Any, np.dtype[np.int64]]

STEP_SECONDS = 900
STEP_MS = STEP_SECONDS * 1000
STEPS = 96
"""Of a day: the city has no daylight-saving time."""
WEEKS = 6
"""So many days are taken at the most."""
LOOK_BACK_WEEKS = 9
"""How far back days alike are looked for: around a holiday week some weekdays do not count."""
ENOUGH = 2


def is_workday(day: date) -> bool:
    """A working day by the Chinese calendar; a year that it does not know yet goes by the weekday."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < 5


def days_alike(day: date, workday: Callable[[date], bool] = is_workday) -> list[date]:
    """The days before `day` from which it is forecast, the latest first; at most WEEKS."""
    kind = workday(day)
    same_weekday = [day - timedelta(weeks=back) for back in range(1, LOOK_BACK_WEEKS + 1)]
    alike = [one for one in same_weekday if workday(one) == kind]
    if len(alike) < ENOUGH:
        before = (day - timedelta(days=back) for back in range(1, LOOK_BACK_WEEKS * 7 + 1))
        alike = [one for one in before if workday(one) == kind]
    return alike[:WEEKS]


def forecast(days: Sequence[Sequence[int]]) -> list[float]:
    """Calls to expect in each step: the mean of the days without the highest and the lowest (from four days
    on: a single burst pipe is no forecast). No day: zeros."""
    return [_robust_mean([day[step] for day in days]) for step in range(STEPS)]


def _robust_mean(values: list[int]) -> float:
    kept = sorted(values)[1:-1] if len(values) >= 4 else values
    return round(sum(kept) / len(kept), 1) if kept else 0.0


def offered_by_step(session: Session, days: Sequence[date]) -> dict[date, list[int]]:
    """Inbound calls that asked for a person in each step of these days, counted by the database; days without
    a call are left out: the hotline was not there yet."""
    found: dict[date, list[int]] = {}
    seconds = extract("epoch", Call.to_person_at)
    # PostgreSQL's have fractions and its cast rounds: so the rest is taken away first.
    epoch = cast(seconds - seconds % STEP_SECONDS, BigInteger)
    for day in days:
        begins = _begins(day)
        rows = session.execute(
            select(epoch.label("step"), func.count())
            .where(
                Call.direction == "inbound",
                Call.to_person_at >= begins,
                Call.to_person_at < begins + timedelta(days=1),
            )
            .group_by("step")
        )
        first = round(begins.timestamp())
        steps = [0] * STEPS
        for step, count in rows:
            steps[(int(step) - first) // STEP_SECONDS] = count
        if any(steps):
            found[day] = steps
    return found


def forecast_of(session: Session, day: date) -> list[float]:
    """The forecast for a day of the city, by what the ledger has; zeros where it has nothing alike."""
    return forecast(list(offered_by_step(session, days_alike(day)).values()))


def _begins(day: date) -> datetime:
    return midnight(datetime(day.year, day.month, day.day, 12, tzinfo=CITY_TIME))


# --- the day as it is ----------------------------------------------------------------------------------


def labels() -> list[str]:
    """["00:00", "00:15", ...]: where each step begins."""
    return [f"{step // 4:02d}:{step % 4 * 15:02d}" for step in range(STEPS)]


def step_of(at: Moments, begins: int) -> Moments:
    """The steps of the day beginning at `begins` (epoch ms) in which `at` lie; outside 0..95: another day."""
    return (at - begins) // STEP_MS


def counted(asked: Moments, fates: Moments, begins: int) -> dict[str, list[int]]:
    """{"offered", "answered", "abandoned"} by the step in which a call asked for a person (`asked`, epoch ms;
    `fates` are those of the same calls)."""
    steps = step_of(asked, begins)
    today = (steps >= 0) & (steps < STEPS)
    steps, fates = steps[today], fates[today]

    def by_step(which: np.ndarray | slice) -> list[int]:
        found: list[int] = np.bincount(steps[which], minlength=STEPS).tolist()
        return found

    return {
        "offered": by_step(slice(None)),
        "answered": by_step(fates == Fate.ANSWERED),
        "abandoned": by_step(fates == Fate.ABANDONED),
    }


def most_waiting(asked: Moments, until: Moments, begins: int) -> list[int]:
    """The most calls that waited at one time in each step, from `asked` until `until` (epoch ms)."""
    moments = np.concatenate([asked, until])
    changes = np.concatenate([np.ones(len(asked), np.int64), -np.ones(len(until), np.int64)])
    order = np.lexsort((changes, moments))  # who goes makes room before who comes
    moments, waiting = moments[order], np.cumsum(changes[order])
    most = []
    for step in range(STEPS):
        starts = begins + step * STEP_MS
        first = int(np.searchsorted(moments, starts, side="right"))
        last = int(np.searchsorted(moments, starts + STEP_MS, side="left"))
        at_start = int(waiting[first - 1]) if first else 0
        most.append(max([at_start, *([int(waiting[first:last].max())] if last > first else [])]))
    return most


def until_now(values: Sequence[int], begins: int, now: int) -> list[int | None]:
    """The values of the steps that have begun; None for those to come."""
    return [value if begins + step * STEP_MS <= now else None for step, value in enumerate(values)]


def mean_signed_in(
    signed_in: Mapping[str, Iterable[Span]], begins: datetime, now: datetime
) -> list[float | None]:
    """How many agents were signed in, on the mean of each step; of the step that goes on, until now; None for
    steps to come. `signed_in` has each agent's stretches, by the journal."""
    seconds = [0.0] * STEPS
    for spans in signed_in.values():
        for began, ended in union(spans):
            _spread(seconds, (began - begins).total_seconds(), (min(ended, now) - begins).total_seconds())
    passed = (now - begins).total_seconds()
    means: list[float | None] = []
    for step in range(STEPS):
        length = min(STEP_SECONDS, passed - step * STEP_SECONDS)
        means.append(round(seconds[step] / length, 1) if length > 0 else None)
    return means


def _spread(seconds: list[float], began: float, ended: float) -> None:
    began = max(began, 0.0)
    while began < ended:
        step = int(began // STEP_SECONDS)
        if step >= STEPS:
            return
        until = min(ended, (step + 1) * STEP_SECONDS)
        seconds[step] += until - began
        began = until
