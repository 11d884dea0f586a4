"""When a special desk (专席) is open: one rule for the telephone and the screens. Pure.

A queue with periods is open within any of them, closed otherwise; a queue without a period is always open.
Times here are naive and the city's (Asia/Shanghai).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta


@dataclass(frozen=True)
class Period:
    """Days in the city, the last one included, and hours "09:00" on each; without hours the whole day.

    Hours that end before they begin go on over midnight into the next day.
    """

    opens_on: date
    closes_on: date
    from_time: str | None = None
    to_time: str | None = None

    def span(self, day: date) -> tuple[datetime, datetime] | None:
        """From when until when it is open by what begins on `day`; None: nothing does."""
        if not self.opens_on <= day <= self.closes_on:
            return None
        midnight = datetime.combine(day, time())
        if not self.from_time or not self.to_time:
            return midnight, midnight + timedelta(days=1)
        began, ended = midnight + _clock(self.from_time), midnight + _clock(self.to_time)
        return began, ended if ended > began else ended + timedelta(days=1)


def is_open(periods: Iterable[Period], at: datetime) -> bool:
    """Whether a desk with these periods is open at `at`."""
    known = list(periods)
    return not known or any(_covers(period, at) for period in known)


def next_change(periods: Iterable[Period], at: datetime) -> datetime | None:
    """When the desk will open, or close, next; None: it stays as it is."""
    known = list(periods)
    today = at.date()
    days = {today + timedelta(days=shift) for shift in (-1, 0, 1)}
    days |= {day for one in known for day in (one.opens_on, one.closes_on, one.closes_on + timedelta(days=1))}
    spans = (period.span(day) for period in known for day in days)
    moments = sorted({moment for span in spans if span for moment in span if moment > at})
    now = is_open(known, at)
    return next((moment for moment in moments if is_open(known, moment) != now), None)


def _covers(period: Period, at: datetime) -> bool:
    # Yesterday's hours may go on over midnight.
    spans = (period.span(at.date() - timedelta(days=back)) for back in (0, 1))
    return any(span is not None and span[0] <= at < span[1] for span in spans)


def _clock(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))
