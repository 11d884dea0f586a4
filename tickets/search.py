"""Questions the desktop asks about tickets and citizens: lists, search, who is calling. Only reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from db.models import Category, Citizen, CitizenPhone, Ticket, Unit, User
from tickets.states import (
    FINISHED,
    OPEN,
    REQUEST_TYPE_LABELS,
    URGENCY_LABELS,
    RequestType,
    Urgency,
    is_open,
    state_label,
)

PAGE_SIZE = 20
LONGEST_QUERY = 64


@dataclass(frozen=True)
class TicketRow:
    """A line of a list of tickets. `created_at` is aware (UTC)."""

    id: int
    number: str
    state: str
    state_label: str
    request_type: str
    request_type_label: str
    title: str
    category: str | None
    unit: str | None
    urgency: str
    urgency_label: str
    confidential: bool
    created_at: datetime
    created_by: int
    created_by_name: str | None
    call_uid: str | None
    open: bool

    def as_json(self) -> dict[str, Any]:
        """As the API sends it: `created_at` in epoch milliseconds."""
        return asdict(self) | {"created_at": int(self.created_at.timestamp() * 1000)}


@dataclass(frozen=True)
class Page:
    """One page of a list; `total` counts all rows that fit the question."""

    rows: list[TicketRow]
    total: int
    page: int
    page_size: int


@dataclass(frozen=True)
class Candidate:
    """Who may be calling. Numbers are in normal form: mask them before they leave the server."""

    id: int
    name: str
    gender: str | None
    address: str | None
    note: str | None
    language: str | None
    numbers: list[tuple[int, str]]
    """(id of the number, number)."""
    open_tickets: int
    ticket_count: int


def page(
    session: Session,
    *,
    q: str = "",
    state: str | None = None,
    created_by: int | None = None,
    page: int = 1,
    page_size: int = PAGE_SIZE,
) -> Page:
    """Tickets newest first. `q` is looked for in number, title, what happened, who and contact number.

    `state` is a state, "open" or "finished"; `created_by` the id of a user (mine). Two SQL statements.
    """
    where = _conditions(q[:LONGEST_QUERY], state, created_by)
    total = session.scalar(select(func.count()).select_from(Ticket).where(*where)) or 0
    page = min(max(page, 1), max(1, -(-total // page_size)))
    newest = _rows().where(*where).order_by(Ticket.created_at.desc(), Ticket.id.desc())
    found = session.execute(newest.limit(page_size).offset((page - 1) * page_size))
    return Page([_row(one) for one in found], total, page, page_size)


def for_number(
    session: Session, number: str, citizens: Sequence[int] = (), limit: int = 20
) -> list[TicketRow]:
    """Tickets of a telephone number (normal form) and of the citizens registered with it, whichever number
    these called from: open ones first, then newest first."""
    if not number:
        return []
    whose = {"number": number, "citizens": list(citizens), "most": limit}
    return [_row(one) for one in session.execute(_of_number(), whose)]


@cache
def _of_number() -> Select[*tuple[Any, ...]]:
    # Built once, as are the others of the pop: building it costs more than asking it.
    finished = case((_state_is_one_of(FINISHED), 1), else_=0)
    theirs = Ticket.citizen_id.in_(bindparam("citizens", expanding=True))
    mine = _rows().where(or_(Ticket.contact_number == bindparam("number"), theirs))
    return mine.order_by(finished, Ticket.created_at.desc()).limit(bindparam("most"))


def for_calls(session: Session, uids: Sequence[str]) -> dict[str, list[str]]:
    """Ticket numbers written in each of these calls; calls without one are left out. One statement."""
    if not uids:
        return {}
    found: dict[str, list[str]] = {}
    for uid, number in session.execute(_written(), {"uids": list(uids)}):
        found.setdefault(str(uid), []).append(number)
    return found


@cache
def _written() -> Select[*tuple[Any, ...]]:
    in_these = Ticket.call_uid.in_(bindparam("uids", expanding=True))
    return select(Ticket.call_uid, Ticket.number).where(in_these).order_by(Ticket.id)


def row(session: Session, ticket_id: int) -> TicketRow | None:
    """The list's line of one ticket."""
    one = session.execute(_rows().where(Ticket.id == ticket_id)).one_or_none()
    return _row(one) if one is not None else None


def candidates(session: Session, number: str, limit: int = 10) -> list[Candidate]:
    """All citizens with this number, the one with most tickets first. At most three SQL statements."""
    if not number:
        return []
    return _candidates(session, session.execute(_holders(), {"number": number, "most": limit}).all())


def citizens(
    session: Session, *, q: str, number: str, page: int = 1, page_size: int = PAGE_SIZE
) -> tuple[list[Candidate], int, int]:
    """(records, total, page) for a search: `q` is part of a name or the last four digits of a number.

    `number` is q in normal form, or ''. Merged records are left out: whoever they were is found in the kept
    one. Three SQL statements.
    """
    where: list[ColumnElement[bool]] = [Citizen.merged_into.is_(None)]
    words = q[:LONGEST_QUERY].replace("\x00", "").strip()
    if words:
        choices = [Citizen.name.icontains(words, autoescape=True)]
        if number:
            choices.append(Citizen.id.in_(_with_phone(CitizenPhone.number == number)))
        if len(words) == 4 and words.isascii() and words.isdigit():
            choices.append(Citizen.id.in_(_with_phone(CitizenPhone.number.endswith(words))))
        where.append(or_(*choices))
    total = session.scalar(select(func.count()).select_from(Citizen).where(*where)) or 0
    page = min(max(page, 1), max(1, -(-total // page_size)))
    newest = select(Citizen.id).where(*where).order_by(Citizen.id.desc())
    shown = session.scalars(newest.limit(page_size).offset((page - 1) * page_size)).all()
    return _candidates(session, session.execute(_of_ids(), {"ids": shown}).all()), total, page


def citizen(session: Session, citizen_id: int) -> Candidate | None:
    """One record with its counts, a merged one too."""
    found = _candidates(session, session.execute(_of_ids(), {"ids": [citizen_id]}).all())
    return found[0] if found else None


def _with_phone(condition: ColumnElement[bool]) -> Select[Any]:
    return select(CitizenPhone.citizen_id).where(condition)


def _candidates(session: Session, people: Sequence[Any]) -> list[Candidate]:
    numbers = _numbers(session, [citizen.id for citizen, _, _ in people])
    return [
        Candidate(
            id=citizen.id,
            name=citizen.name,
            gender=citizen.gender,
            address=citizen.address,
            note=citizen.note,
            language=citizen.language,
            numbers=numbers.get(citizen.id, []),
            open_tickets=int(open_count),
            ticket_count=int(count),
        )
        for citizen, count, open_count in people
    ]


@cache
def _holders() -> Select[*tuple[Any, ...]]:
    holders = _with_phone(CitizenPhone.number == bindparam("number"))
    people = _counted(Ticket.citizen_id.in_(holders))
    return people.where(Citizen.id.in_(holders), Citizen.merged_into.is_(None)).limit(bindparam("most"))


@cache
def _of_ids() -> Select[*tuple[Any, ...]]:
    ids: Any = bindparam("ids", expanding=True)
    return _counted(Ticket.citizen_id.in_(ids)).where(Citizen.id.in_(ids))


def _counted(tickets: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Citizens with how many tickets and open ones they have, the one with most first."""
    counted = (
        select(
            Ticket.citizen_id,
            func.count().label("all"),
            func.sum(case((_state_is_one_of(OPEN), 1), else_=0)).label("open"),
        )
        .where(tickets)
        .group_by(Ticket.citizen_id)
        .subquery()
    )
    all_, open_ = func.coalesce(counted.c.all, 0), func.coalesce(counted.c.open, 0)
    return (
        select(Citizen, all_, open_)
        .outerjoin(counted, counted.c.citizen_id == Citizen.id)
        .order_by(all_.desc(), Citizen.id)
    )


def _numbers(session: Session, citizens: list[int]) -> dict[int, list[tuple[int, str]]]:
    found: dict[int, list[tuple[int, str]]] = {}
    for citizen, key, number in session.execute(_phones(), {"citizens": citizens}) if citizens else ():
        found.setdefault(citizen, []).append((key, number))
    return found


@cache
def _phones() -> Select[*tuple[Any, ...]]:
    theirs = CitizenPhone.citizen_id.in_(bindparam("citizens", expanding=True))
    columns = CitizenPhone.citizen_id, CitizenPhone.id, CitizenPhone.number
    return select(*columns).where(theirs).order_by(CitizenPhone.id)


def rows_statement() -> Select[*tuple[Any, ...]]:
    """Select of tickets with what their rows show; conditions and order are the caller's. For `rows`."""
    return _rows()


def rows(found: Iterable[Any]) -> list[TicketRow]:
    """The lists' lines of what a `rows_statement` has found; the ticket itself is its first column."""
    return [_row(one) for one in found]


def _state_is_one_of(states: Iterable[str]) -> ColumnElement[bool]:
    # Not IN: its list of parameters is written into the statement anew at each execution.
    return or_(*(Ticket.state == state for state in sorted(states)))


def _rows() -> Select[*tuple[Any, ...]]:
    writer = aliased(User)
    return (
        select(Ticket, Category.name, Unit.name, writer.name)
        .outerjoin(Category, Category.id == Ticket.category_id)
        .outerjoin(Unit, Unit.id == Ticket.unit_id)
        .outerjoin(writer, writer.id == Ticket.created_by)
    )


def _row(found: Any) -> TicketRow:
    ticket, category, unit, writer = found
    return TicketRow(
        id=ticket.id,
        number=ticket.number,
        state=ticket.state,
        state_label=state_label(ticket.state),
        request_type=ticket.request_type,
        request_type_label=REQUEST_TYPE_LABELS[RequestType(ticket.request_type)],
        title=ticket.title,
        category=category,
        unit=unit,
        urgency=ticket.urgency,
        urgency_label=URGENCY_LABELS[Urgency(ticket.urgency)],
        confidential=ticket.confidential,
        created_at=ticket.created_at,
        created_by=ticket.created_by,
        created_by_name=writer,
        call_uid=ticket.call_uid,
        open=is_open(ticket.state),
    )


def _conditions(q: str, state: str | None, created_by: int | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    words = q.replace("\x00", "").strip()
    if words:
        columns = (Ticket.number, Ticket.title, Ticket.what, Ticket.who, Ticket.contact_number)
        where.append(or_(*(column.icontains(words, autoescape=True) for column in columns)))
    if state in ("open", "finished"):
        where.append(Ticket.state.in_(OPEN if state == "open" else FINISHED))
    elif state:
        where.append(Ticket.state == state)
    if created_by is not None:
        where.append(Ticket.created_by == created_by)
    return where
