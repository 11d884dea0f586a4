"""Which queues take calls now: what was switched by hand over the periods of the special desks.

    queue_switches (until a moment, or until undone)  ─┐
    special_desk_periods (`db.special_desks`)          ─┴─► Opening.is_open(now)

One rule for the telephone and the screens. The main queue takes the callers of every closed one: it is always
open, whatever a row says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Queue, QueueSwitch, SpecialDeskPeriod
from db.special_desks import Period, is_open, next_change

CITY_TIME = ZoneInfo("Asia/Shanghai")
MAIN_QUEUE = "consultation"


@dataclass(frozen=True)
class Switched:
    """Opened or closed by hand. `until` in UTC; None: until undone."""

    is_open: bool
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True)
class Opening:
    """What says whether one queue takes calls."""

    queue: str
    periods: tuple[Period, ...] = ()
    switched: Switched | None = None

    def is_open(self, now: datetime) -> bool:
        """`now` in UTC."""
        if self.queue == MAIN_QUEUE:
            return True
        if self.switched and self.switched.holds(now):
            return self.switched.is_open
        return is_open(self.periods, _city(now))

    def changes_at(self, now: datetime) -> datetime | None:
        """When this may become different by itself, in UTC; None: never."""
        if self.queue == MAIN_QUEUE:
            return None
        if self.switched and self.switched.holds(now):
            return self.switched.until
        change = next_change(self.periods, _city(now))
        return change and change.replace(tzinfo=CITY_TIME).astimezone(now.tzinfo)


def read(session: Session) -> dict[str, Opening]:
    """Every queue by its name, in the order of their names."""
    periods: dict[str, tuple[Period, ...]] = {}
    for row in session.scalars(select(SpecialDeskPeriod).order_by(SpecialDeskPeriod.id)):
        period = Period(row.opens_on, row.closes_on, row.from_time or None, row.to_time or None)
        periods[row.queue] = (*periods.get(row.queue, ()), period)
    switched = {
        row.queue: Switched(row.state == "open", row.until) for row in session.scalars(select(QueueSwitch))
    }
    return {
        name: Opening(name, periods.get(name, ()), switched.get(name))
        for name in session.scalars(select(Queue.name).order_by(Queue.name))
    }


def _city(now: datetime) -> datetime:
    return now.astimezone(CITY_TIME).replace(tzinfo=None)
