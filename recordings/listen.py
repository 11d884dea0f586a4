"""Who may listen to a recording: one plain rule, and the facts that it needs.

agent                                    calls that they took part in; voice messages of citizens who wait to
                                         be called back, or whom they have called back
shift leader, inspector, administrator   everything
dispatcher                               calls that a ticket was written in
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, false, or_, select, true
from sqlalchemy.orm import Session

from db.models import Call, CallPart, JournalEvent, Recording, Ticket
from recordings.checks import State
from recordings.messages import call_backs

HEAR_EVERYTHING = frozenset({"shift_leader", "supervisor", "inspector", "administrator"})
AUDIBLE = frozenset({State.KEPT.value, State.SUSPECT.value})
TOOK_PART = "CONNECT"
"""The journal's line of a seat that answered; after a transfer a call has several."""
TALKED = ("agent",)
JOINED = ("party",)
"""Kinds of parts: `agent` talked with the citizen; `who` did, in a three-way. To be consulted is neither."""


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
    waiting: bool = False
    """A voice message of a citizen who waits to be called back."""


def may_listen(listener: Listener, subject: Subject) -> bool:
    """The rule. An unknown role hears nothing; what has no file is heard by nobody."""
    return subject.audible and may_see(listener, subject)


def may_see(listener: Listener, subject: Subject) -> bool:
    """Whether the row may be listed: the same rule, also for what has no file."""
    if listener.role in HEAR_EVERYTHING:
        return True
    if listener.role == "dispatcher":
        return subject.has_ticket
    return listener.role == "agent" and (subject.waiting or listener.login in subject.agents)


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
    talked = select(CallPart.call_uid, CallPart.kind, CallPart.agent, CallPart.who).where(
        CallPart.call_uid.in_(uids), CallPart.kind.in_((*TALKED, *JOINED))
    )
    for uid, kind, agent, who in session.execute(talked):
        agents[uid] |= {agent} if kind in TALKED and agent else {who} if kind in JOINED else set()
    back = call_backs(session, {row.call_uid for row in rows if row.kind == "message"})
    for uid, asked in back.items():
        agents[uid] |= asked.tried
    with_ticket = set(session.scalars(select(Ticket.call_uid).where(Ticket.call_uid.in_(uids))))
    return {
        row.id: Subject(
            frozenset(agents[row.call_uid]),
            row.call_uid in with_ticket,
            row.state in AUDIBLE and bool(row.path),
            row.kind == "message" and row.call_uid in back and back[row.call_uid].waiting,
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
        talked = exists().where(
            CallPart.call_uid == Call.uid,
            or_(
                CallPart.kind.in_(TALKED) & (CallPart.agent == listener.login),
                CallPart.kind.in_(JOINED) & (CallPart.who == listener.login),
            ),
        )
        return or_(Call.agent == listener.login, answered, talked)
    return false()
