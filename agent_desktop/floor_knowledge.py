"""What the database says of the floor besides its figures: who sits there, groups, the map's layout, queues
switched by hand, overflow rules, citizens owed a call, what agents should know of those who wait.

Read by the thread that follows the ledger, every few seconds and when something was changed; so neither map
nor board ever waits for the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from agent_desktop import floor_changes
from db import open_queues
from db.models import AgentGroup, CallerNote, MissedCaller, SeatPlace, User
from tickets.caller_notes import KINDS


@dataclass(frozen=True)
class Worker:
    """Who may sit at a seat or listen to one."""

    name: str
    work_number: str
    group: int | None


@dataclass(frozen=True)
class Knowledge:
    """As last read."""

    people: Mapping[str, Worker] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)
    places: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)
    """seat -> room, column, row"""
    openings: Mapping[str, open_queues.Opening] = field(default_factory=dict)
    switches: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    overflows: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    owed: Mapping[str, int] = field(default_factory=dict)
    """queue -> citizens who wait to be called back."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """caller's number (normal form) -> label of the weightiest note, or empty"""

    def group_name(self, group: int | None) -> str | None:
        return self.groups.get(group) if group is not None else None


def read(session: Session, now: datetime, callers: Collection[str]) -> Knowledge:
    """Everything, with the notes of these callers (numbers in normal form)."""
    return Knowledge(
        people={
            login: Worker(name, work_number, group)
            for login, name, work_number, group in session.execute(
                select(User.login, User.name, User.work_number, User.group_id)
            )
        },
        groups={
            key: name
            for key, name in session.execute(
                select(AgentGroup.id, AgentGroup.name).order_by(AgentGroup.position, AgentGroup.id)
            )
        },
        places={
            place.seat: (place.room, place.column, place.row) for place in session.scalars(select(SeatPlace))
        },
        openings=open_queues.read(session),
        switches=floor_changes.switches(session, now),
        overflows=floor_changes.overflows(session),
        owed={
            queue or "": count
            for queue, count in session.execute(
                select(MissedCaller.queue, func.count())
                .where(MissedCaller.open_caller.is_not(None))
                .group_by(MissedCaller.queue)
            )
        },
        flags=flags(session, now, callers),
    )


def flags(session: Session, now: datetime, callers: Collection[str]) -> dict[str, str]:
    """The label of the weightiest note of each of these numbers; "" where there is none."""
    found = dict.fromkeys(callers, "")
    if not found:
        return found
    notes = session.execute(
        select(CallerNote.number, CallerNote.kind).where(
            CallerNote.number.in_(sorted(found)),
            CallerNote.ended_at.is_(None),
            or_(CallerNote.until.is_(None), CallerNote.until > now),
        )
    )
    order = list(KINDS)
    for number, kind in sorted(notes, key=lambda note: order.index(note[1]) if note[1] in KINDS else 99):
        found[number] = found[number] or KINDS.get(kind, kind)
    return found
