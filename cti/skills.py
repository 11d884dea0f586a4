"""Who should be rung for which queue, and what has to change so that it is so. Pure.

memberships (skills) × special desks open now ─► wanted ─┐
                                                         ├─► steps: join, rank, leave
members as Asterisk has them, callers waiting ───────────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


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
