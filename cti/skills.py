"""Who should be rung for which queue, and what has to change so that it is so. Pure.

    memberships (skills) × special desks open now ─► wanted ─┐
                                                             ├─► steps: join, rank, leave
    members as Asterisk has them, callers waiting ───────────┘

A special desk (专席) is a queue with periods: open within any of them, closed otherwise. A queue without a
period is always open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

    def spans(self, day: date) -> tuple[datetime, datetime] | None:
        """From when until when it is open by what begins on `day` (naive city time); None: not that day."""
        if not self.opens_on <= day <= self.closes_on:
            return None
        midnight = datetime.combine(day, time())
        if not self.from_time or not self.to_time:
            return midnight, midnight + timedelta(days=1)
        began, ended = midnight + _clock(self.from_time), midnight + _clock(self.to_time)
        return began, ended if ended > began else ended + timedelta(days=1)


@dataclass(frozen=True)
class Skill:
    """One queue that an agent serves; a lower penalty is rung first."""

    agent: str
    queue: str
    penalty: int = 0


@dataclass(frozen=True)
class Member:
    """One membership as Asterisk has it. `interface` is the telephone, `pause` None or the reason."""

    queue: str
    interface: str
    agent: str
    penalty: int
    pause: str | None = None


@dataclass(frozen=True)
class Join:
    """Make the agent's telephone a member, paused as it is in its other queues."""

    interface: str
    agent: str
    queue: str
    penalty: int


@dataclass(frozen=True)
class Rank:
    interface: str
    queue: str
    penalty: int


@dataclass(frozen=True)
class Leave:
    interface: str
    queue: str


Step = Join | Rank | Leave


def is_open(periods: Iterable[Period], at: datetime) -> bool:
    """Whether a desk with these periods is open at `at` (naive city time)."""
    known = list(periods)
    return not known or any(_covers(period, at) for period in known)


def _covers(period: Period, at: datetime) -> bool:
    # Yesterday's hours may go on over midnight.
    spans = (period.spans(at.date() - timedelta(days=back)) for back in (0, 1))
    return any(span is not None and span[0] <= at < span[1] for span in spans)


def _clock(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))


def wanted(skills: Iterable[Skill], closed: Iterable[str]) -> dict[str, dict[str, int]]:
    """agent → queue → penalty; without the queues that are closed."""
    shut, found = frozenset(closed), dict[str, dict[str, int]]()
    for skill in skills:
        queues = found.setdefault(skill.agent, {})
        if skill.queue not in shut:
            queues[skill.queue] = skill.penalty
    return found


def steps(
    members: Iterable[Member],
    wants: Mapping[str, Mapping[str, int]],
    waiting: Mapping[str, int],
    closed: Iterable[str] = (),
    talking: Iterable[tuple[str, str]] = (),
) -> list[Step]:
    """What brings `members` to `wants` (agent → queue → penalty).

    `waiting` has the callers of each queue that exists; `talking` the (interface, queue) that ring or talk
    now. Left alone are: agents that `wants` does not know, or for whom it has nothing; a membership whose
    call is going on; the last queue of a telephone, because leaving it would sign the agent out; and the
    members of a queue whose callers would otherwise wait for nobody: all of a closing desk's, the last of
    another's.
    """
    shut, busy = frozenset(closed), frozenset(talking)
    places: dict[str, dict[str, Member]] = {}
    for member in members:
        places.setdefault(member.interface, {})[member.queue] = member
    staff = dict[str, int]()
    for mine in places.values():
        for queue in mine:
            staff[queue] = staff.get(queue, 0) + 1
    found: list[Step] = []
    for interface, mine in places.items():
        agent = next(iter(mine.values())).agent
        wish = {queue: rank for queue, rank in wants.get(agent, {}).items() if queue in waiting}
        if not wish:
            continue
        for queue, penalty in wish.items():
            if queue not in mine:
                found.append(Join(interface, agent, queue, penalty))
            elif mine[queue].penalty != penalty:
                found.append(Rank(interface, queue, penalty))
        for queue in sorted(mine.keys() - wish.keys()):
            needed = waiting.get(queue, 0) > 0 and (queue in shut or staff[queue] == 1)
            # Asterisk works the steps off in order: whoever joins a wanted queue above has one to stay in.
            if needed or (interface, queue) in busy:
                continue
            staff[queue] -= 1
            found.append(Leave(interface, queue))
    return found
