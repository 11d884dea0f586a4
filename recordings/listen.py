"""Who may listen to a recording: one plain rule, and the facts that it needs.

agent                                    calls that they took part in
shift leader, inspector, administrator   everything
dispatcher                               calls that a ticket was written in
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, false, or_, select, true
from sqlalchemy.orm import Session

from db.models import Call, JournalEvent, Recording, Ticket
from recordings.checks import State

HEAR_EVERYTHING = frozenset({"shift_leader", "inspector", "administrator"})
AUDIBLE = frozenset({State.KEPT.value, State.SUSPECT.value})
TOOK_PART = "CONNECT"
"""The journal's line of a seat that answered; after a transfer a call has several."""


@dataclass(frozen=True)
class Listener:
    """Who asks."""

    role: str
    login: str


@dataclass(frozen=True)
class Subject:
    """What is asked for."""

    agents: frozenset[str]
    """Logins of everybody who talked in the call."""
    has_ticket: bool
    audible: bool
    """There is a kept file to be heard."""


def may_listen(listener: Listener, subject: Subject) -> bool:
    """The rule. An unknown role hears nothing; what has no file is heard by nobody."""
    return subject.audible and may_see(listener, subject)


def may_see(listener: Listener, subject: Subject) -> bool:
    """Whether the row may be listed: the same rule, also for what has no file."""
    if listener.role in HEAR_EVERYTHING:
        return True
    if listener.role == "dispatcher":
        return subject.has_ticket
    return listener.role == "agent" and listener.login in subject.agents


def subjects(session: Session, rows: Iterable[Recording]) -> dict[int, Subject]:
    """The facts of many recordings by their ids, in three queries."""
    rows = list(rows)
    uids = {row.call_uid for row in rows}
    agents: dict[str, set[str]] = {uid: set() for uid in uids}
    for uid, agent in session.execute(select(Call.uid, Call.agent).where(Call.uid.in_(uids))):
        if agent:
            agents[uid].add(agent)
    connected = select(JournalEvent.call_uid, JournalEvent.agent).where(
        JournalEvent.call_uid.in_(uids), JournalEvent.event == TOOK_PART
    )
    for joined, member in session.execute(connected):
        if joined and member:
            agents[joined].add(member)
    with_ticket = set(session.scalars(select(Ticket.call_uid).where(Ticket.call_uid.in_(uids))))
    return {
        row.id: Subject(
            frozenset(agents[row.call_uid]),
            row.call_uid in with_ticket,
            row.state in AUDIBLE and bool(row.path),
        )
        for row in rows
    }


def subject(session: Session, row: Recording) -> Subject:
    """The facts of one recording."""
    return subjects(session, [row])[row.id]


def visible(listener: Listener) -> ColumnElement[bool]:
    """The rule `may_see` as a condition on Call, for lists."""
    if listener.role in HEAR_EVERYTHING:
        return true()
    if listener.role == "dispatcher":
        return exists().where(Ticket.call_uid == Call.uid)
    if listener.role == "agent":
        answered = exists().where(
            JournalEvent.call_uid == Call.uid,
            JournalEvent.event == TOOK_PART,
            JournalEvent.agent == listener.login,
        )
        return or_(Call.agent == listener.login, answered)
    return false()
