"""The list of recordings as the desktop shows it: filters, paging, one row with its call.

Numbers are given in normal form; whoever shows them masks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import Call, Queue, Recording, Ticket, User
from recordings.checks import STATE_LABELS, State
from recordings.listen import Listener, Subject, may_listen, subjects, visible
from recordings.nightly import bounds

PAGE_SIZE = 20
DIGITS_FOR_NUMBER = 4
"""Fewer digits of a telephone number find too much to be of use."""


@dataclass(frozen=True)
class RecordingRow:
    """One recording, or gap, in a list."""

    id: int
    call_uid: str
    kind: str
    state: str
    state_label: str
    problem: str | None
    seconds: float | None
    caller: str
    """Number in normal form, '' when withheld: to be masked before it leaves the server."""
    agent: str | None
    agent_name: str | None
    queue: str | None
    queue_label: str | None
    arrived_at: datetime
    listenable: bool


@dataclass(frozen=True)
class Page:
    """One page of a list. `page` counts from 1."""

    rows: tuple[RecordingRow, ...]
    total: int
    page: int
    page_size: int = PAGE_SIZE


def listing(
    session: Session,
    listener: Listener,
    *,
    q: str = "",
    state: str = "",
    day: date | None = None,
    agent: str = "",
    page: int = 1,
    page_size: int = PAGE_SIZE,
) -> Page:
    """Recordings that `listener` may see, newest call first.

    `q` finds a call uid, digits of the caller's number (four or more), a ticket number or an agent's name;
    `state` is one of the states, `day` a day in Asia/Shanghai, `agent` a login. An unknown state finds
    nothing; a page beyond the last is empty.
    """
    conditions = [visible(listener), *_filters(q.strip(), state, day, agent)]
    joined = select(Recording, Call, User.name, Queue.label).join(Call, Call.uid == Recording.call_uid)
    joined = joined.outerjoin(User, User.login == Call.agent).outerjoin(Queue, Queue.name == Call.queue)
    wanted = joined.where(*conditions)
    total = session.scalar(
        select(func.count()).select_from(wanted.with_only_columns(Recording.id).subquery())
    )
    number = max(1, page)
    found = session.execute(
        wanted.order_by(Call.arrived_at.desc(), Recording.id.desc())
        .limit(page_size)
        .offset((number - 1) * page_size)
    ).all()
    known = subjects(session, [row for row, *_ in found])
    rows = tuple(_row(row, call, name, label, listener, known[row.id]) for row, call, name, label in found)
    return Page(rows, total or 0, number, page_size)


def rows_of_calls(session: Session, listener: Listener, call_uids: Sequence[str]) -> list[RecordingRow]:
    """Rows of the given calls (for a ticket's page or a list of calls), without those not to be seen."""
    found = session.execute(
        select(Recording, Call, User.name, Queue.label)
        .join(Call, Call.uid == Recording.call_uid)
        .outerjoin(User, User.login == Call.agent)
        .outerjoin(Queue, Queue.name == Call.queue)
        .where(Recording.call_uid.in_(call_uids), visible(listener))
        .order_by(Call.arrived_at.desc(), Recording.id.desc())
    ).all()
    known = subjects(session, [row for row, *_ in found])
    return [_row(row, call, name, label, listener, known[row.id]) for row, call, name, label in found]


def _filters(q: str, state: str, day: date | None, agent: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if state:
        conditions.append(Recording.state == state)
    if day:
        since, until = bounds(day)
        conditions += [Call.arrived_at >= since, Call.arrived_at < until]
    if agent:
        conditions.append(Call.agent == agent)
    if q:
        either: list[ColumnElement[bool]] = [
            Call.uid == q,
            Call.agent == q,
            User.name.contains(q, autoescape=True),
            exists().where(Ticket.call_uid == Call.uid, Ticket.number == q),
        ]
        digits = "".join(character for character in q if character.isascii() and character.isdigit())
        if len(digits) >= DIGITS_FOR_NUMBER and not q.strip("0123456789 +-"):
            either.append(Call.caller.contains(digits, autoescape=True))
        conditions.append(or_(*either))
    return conditions


def _row(
    row: Recording, call: Call, name: str | None, label: str | None, listener: Listener, known: Subject
) -> RecordingRow:
    return RecordingRow(
        id=row.id,
        call_uid=row.call_uid,
        kind=row.kind,
        state=row.state,
        state_label=STATE_LABELS[State(row.state)],
        problem=row.problem,
        seconds=row.seconds,
        caller=call.caller,
        agent=call.agent,
        agent_name=name or call.agent,
        queue=call.queue,
        queue_label=label or call.queue,
        arrived_at=call.arrived_at,
        listenable=may_listen(listener, known),
    )
