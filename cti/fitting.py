"""Keeps who is rung for which queue as the skills and the special desks want it, during the shift too.

    skills, overrides, periods, switches ◄── database, read every 20 s, at the full minute, when one of
         │                them ends, after each log-in, and when a desktop says so (skills_changed)
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
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cti.ami import ActionRefused, Ami, AmiError, Message
from cti.commands import Refused
from cti.skills import Join, Leave, Member, Skill, Step, steps, wanted
from cti.switches import Rule, globals_of, rules
from db import open_queues
from db.models import QueueMembership, SkillOverride, User
from db.open_queues import Opening
from ivr import announce

log = structlog.get_logger()

EVERY = 20.0
"""Seconds between two looks at the database: so long a change takes at the most."""
AT_ONCE = 4.0
"""Seconds in which a desktop that waits for it is answered: below its own limit for a command."""
GATHER = 0.2
"""Seconds from a nudge to the look: one log-in makes several."""
_RINGING = "6"
"""Asterisk's device state of a telephone that rings."""


@dataclass(frozen=True)
class Roster:
    """What the database says: which queues are open, who serves them, where they overflow to."""

    skills: tuple[Skill, ...] = ()
    openings: Mapping[str, Opening] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    announced: Mapping[str, str] = field(default_factory=dict)
    """The dialplan's globals of the announcements on air."""
    ends: tuple[datetime, ...] = ()
    """When an override is over (UTC)."""

    def closed(self, now: datetime) -> frozenset[str]:
        """The queues that are closed at `now` (UTC)."""
        return frozenset(queue for queue, opening in self.openings.items() if not opening.is_open(now))

    def next_change(self, now: datetime) -> datetime | None:
        """The next moment at which something of this becomes different by itself."""
        moments = [*self.ends, *(opening.changes_at(now) for opening in self.openings.values())]
        return min((one for one in moments if one and one > now), default=None)


def read(session: Session, now: datetime) -> Roster:
    """The roster as the database has it; people whose account is closed have no skills. `now` in UTC."""
    rows = session.execute(
        select(User.login, QueueMembership.queue, QueueMembership.penalty)
        .join(User, User.id == QueueMembership.user_id)
        .where(User.active)
    )
    skills = {(login, queue): Skill(login, queue, max(0, penalty)) for login, queue, penalty in rows}
    ends = []
    for login, one in session.execute(
        select(User.login, SkillOverride)
        .join(User, User.id == SkillOverride.user_id)
        .where(User.active, SkillOverride.until > now)
    ):
        ends.append(one.until)
        if one.penalty is None:
            skills.pop((login, one.queue), None)
        else:
            skills[login, one.queue] = Skill(login, one.queue, max(0, one.penalty))
    return Roster(
        tuple(skills.values()),
        open_queues.read(session),
        rules(session),
        announce.on_air(session, now),
        tuple(ends),
    )


class Fitting:
    """Brings Asterisk's members to the roster. `quiet` is held while it does; whoever logs somebody in or
    out holds it too, so that neither undoes half of the other's work."""

    def __init__(self, ami: Ami, sessions: sessionmaker[Session]) -> None:
        self._ami, self._sessions = ami, sessions
        self._roster: Roster | None = None
        self._away = False
        self._nudged = asyncio.Event()
        self._looking = asyncio.Lock()
        self.quiet = asyncio.Lock()

    def nudge(self) -> None:
        """Look soon: somebody has logged in, or Asterisk is back."""
        self._nudged.set()

    async def skills_changed(self, seat: str = "", agent: str = "") -> dict[str, Any]:
        """Look now, and say when Asterisk is as the tables want it; with `agent` (login) the queues in which
        it has them: {"queues": [...]}.

        Raises AmiError, and Refused not_confirmed where the database cannot be read or it takes too long.
        """
        try:
            async with asyncio.timeout(AT_ONCE):
                await self.fit()
                if self._away:
                    raise Refused("not_confirmed", "the database cannot be read")
                if not agent:
                    return {}
                mine = members_of(await self._ami.listing("QueueStatus"))
        except TimeoutError:
            raise Refused("not_confirmed", "Asterisk is not as the tables want it yet") from None
        finally:
            self.nudge()  # what was changed may end earlier than the next look was to be
        return {"queues": sorted({one.queue for one in mine if one.agent == agent})}

    async def run(self) -> None:
        """Fit for ever; a PBX that is away is tried again with the next look."""
        while True:
            try:
                await self.fit()
            except AmiError as error:
                log.debug("skills_wait", error=str(error))
            await self._rest()

    async def _rest(self) -> None:
        # Desks open and close at full minutes; what was switched by hand ends at its own moment.
        until_minute = 60 - time.time() % 60 + 0.1
        now = datetime.now(UTC)
        change = self._roster.next_change(now) if self._roster else None
        left = (change - now).total_seconds() + 0.1 if change else EVERY
        try:
            async with asyncio.timeout(min(EVERY, until_minute, left)):
                await self._nudged.wait()
            await asyncio.sleep(GATHER)
        except TimeoutError:
            pass
        self._nudged.clear()

    async def fit(self) -> int:
        """One look; gives the number of steps taken. Raises AmiError."""
        async with self._looking:
            roster = await self._read()
            if roster is None:
                return 0
            now = datetime.now(UTC)
            told = {**globals_of(roster.openings, roster.rules, now), **roster.announced}
            for name, value in told.items():
                await self._ami.action("Setvar", Variable=name, Value=value)
            async with self.quiet:
                return await self._fit_members(roster, roster.closed(now))

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
            return read(session, datetime.now(UTC))

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
