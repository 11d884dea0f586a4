"""Keeps who is rung for which queue as the skills and the special desks want it, during the shift too.

    skills, periods ◄── database, read every 20 s, at the full minute, and after each log-in
         │
         ├─► skills.steps ─► QueueAdd | QueuePenalty | QueueRemove
         └─► DESK_<queue>=open|closed, ANNOUNCE_<scope>=<sound>: globals for the dialplan

Database away: what was read last holds; before the first reading nothing is touched.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cti.ami import ActionRefused, Ami, AmiError, Message
from cti.skills import Join, Leave, Member, Skill, Step, steps, wanted
from db.models import Queue, QueueMembership, SpecialDeskPeriod, User
from db.special_desks import Period, is_open
from ivr import announce

log = structlog.get_logger()

CITY_TIME = ZoneInfo("Asia/Shanghai")
EVERY = 20.0
"""Seconds between two looks at the database: so long a change takes at the most."""
GATHER = 0.2
"""Seconds from a nudge to the look: one log-in makes several."""
_RINGING = "6"
"""Asterisk's device state of a telephone that rings."""


@dataclass(frozen=True)
class Roster:
    """What the database says: queues, who serves them, and when the special ones are open."""

    queues: tuple[str, ...] = ()
    skills: tuple[Skill, ...] = ()
    periods: Mapping[str, tuple[Period, ...]] = field(default_factory=dict)
    announced: Mapping[str, str] = field(default_factory=dict)
    """The dialplan's globals of the announcements on air."""

    def closed(self, at: datetime) -> frozenset[str]:
        """The special desks that are closed at `at` (naive city time)."""
        return frozenset(queue for queue, periods in self.periods.items() if not is_open(periods, at))


def read(session: Session) -> Roster:
    """The roster as the database has it; people whose account is closed have no skills."""
    skills = session.execute(
        select(User.login, QueueMembership.queue, QueueMembership.penalty)
        .join(User, User.id == QueueMembership.user_id)
        .where(User.active)
    )
    periods: dict[str, tuple[Period, ...]] = {}
    for row in session.scalars(select(SpecialDeskPeriod)):
        period = Period(row.opens_on, row.closes_on, row.from_time or None, row.to_time or None)
        periods[row.queue] = (*periods.get(row.queue, ()), period)
    return Roster(
        tuple(session.scalars(select(Queue.name).order_by(Queue.name))),
        tuple(Skill(login, queue, max(0, penalty)) for login, queue, penalty in skills),
        periods,
        announce.on_air(session, datetime.now(UTC)),
    )


class Fitting:
    """Brings Asterisk's members to the roster. `quiet` is held while it does; whoever logs somebody in or
    out holds it too, so that neither undoes half of the other's work."""

    def __init__(self, ami: Ami, sessions: sessionmaker[Session]) -> None:
        self._ami, self._sessions = ami, sessions
        self._roster: Roster | None = None
        self._away = False
        self._nudged = asyncio.Event()
        self.quiet = asyncio.Lock()

    def nudge(self) -> None:
        """Look soon: somebody has logged in, or Asterisk is back."""
        self._nudged.set()

    async def run(self) -> None:
        """Fit for ever; a PBX that is away is tried again with the next look."""
        while True:
            try:
                await self.fit()
            except AmiError as error:
                log.debug("skills_wait", error=str(error))
            await self._rest()

    async def _rest(self) -> None:
        # Desks open and close at full minutes.
        until_minute = 60 - time.time() % 60 + 0.1
        try:
            async with asyncio.timeout(min(EVERY, until_minute)):
                await self._nudged.wait()
            await asyncio.sleep(GATHER)
        except TimeoutError:
            pass
        self._nudged.clear()

    async def fit(self) -> int:
        """One look; gives the number of steps taken. Raises AmiError."""
        roster = await self._read()
        if roster is None:
            return 0
        closed = roster.closed(datetime.now(CITY_TIME).replace(tzinfo=None))
        for queue in roster.queues:
            word = "closed" if queue in closed else "open"
            await self._ami.action("Setvar", Variable=f"DESK_{queue}", Value=word)
        for name, value in roster.announced.items():
            await self._ami.action("Setvar", Variable=name, Value=value)
        async with self.quiet:
            return await self._fit_members(roster, closed)

    async def _read(self) -> Roster | None:
        try:
            self._roster = await asyncio.to_thread(self._read_now)
            self._away = False
        except SQLAlchemyError as error:
            if not self._away:
                log.warning("skills_not_read", error=str(error).split("\n", 1)[0])
            self._away = True
        return self._roster

    def _read_now(self) -> Roster:
        with self._sessions() as session:
            return read(session)

    async def _fit_members(self, roster: Roster, closed: frozenset[str]) -> int:
        status = await self._ami.listing("QueueStatus")
        members, found = members_of(status), 0
        pauses = {member.interface: member.pause for member in members}
        todo = steps(members, wanted(roster.skills, closed), waiting_of(status), closed, talking_of(status))
        for step in todo:
            try:
                await self._take(step, pauses)
                found += 1
            except ActionRefused as refusal:
                # Gone in the meantime, or there already: the next look sees.
                log.info("skill_step_refused", step=str(step), error=str(refusal))
        if found:
            log.info("skills_fitted", steps=[str(step) for step in todo])
        return found

    async def _take(self, step: Step, pauses: Mapping[str, str | None]) -> None:
        if isinstance(step, Leave):
            await self._ami.action("QueueRemove", Queue=step.queue, Interface=step.interface)
        elif isinstance(step, Join):
            await self._join(step, pauses.get(step.interface))
        else:
            await self._ami.action(
                "QueuePenalty", Queue=step.queue, Interface=step.interface, Penalty=str(step.penalty)
            )

    async def _join(self, step: Join, pause: str | None) -> None:
        await self._ami.action(
            "QueueAdd",
            Queue=step.queue,
            Interface=step.interface,
            StateInterface=step.interface,
            MemberName=step.agent,
            Penalty=str(step.penalty),
            Paused="true" if pause is not None else "false",
            Reason=pause or "",
        )
        # The agent may have become ready, or not, between the look and the step: as in the other queues.
        mine = members_of(await self._ami.listing("QueueStatus", Member=step.interface))
        others = [member.pause for member in mine if member.queue != step.queue]
        joined = [member.pause for member in mine if member.queue == step.queue]
        if others and joined and (others[0] is None) != (joined[0] is None):
            await self._ami.action(
                "QueuePause",
                Queue=step.queue,
                Interface=step.interface,
                Paused="false" if others[0] is None else "true",
                Reason=others[0] or "",
            )


# --- Asterisk's words --------------------------------------------------------------------------------


def members_of(status: list[Message]) -> list[Member]:
    """The seats' memberships in the reply to QueueStatus; the reason of a pause is kept as it was given."""
    return [
        Member(
            message["Queue"],
            message["Location"],
            message["Name"],
            int(message.get("Penalty", "0")),
            message.get("PausedReason", "") if message.get("Paused") == "1" else None,
        )
        for message in status
        if message["Event"] == "QueueMember" and message["Location"].startswith("PJSIP/")
    ]


def waiting_of(status: list[Message]) -> dict[str, int]:
    """Each queue that exists, with the number of its callers."""
    return {m["Queue"]: int(m.get("Calls", "0")) for m in status if m["Event"] == "QueueParams"}


def talking_of(status: list[Message]) -> list[tuple[str, str]]:
    """(interface, queue) of memberships whose call is going on, or whose telephone rings."""
    return [
        (m["Location"], m["Queue"])
        for m in status
        if m["Event"] == "QueueMember" and (m.get("InCall") == "1" or m.get("Status") == _RINGING)
    ]
