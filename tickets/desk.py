"""Writing tickets: create one from a form, act on one. The row and its timeline in one transaction.

Functions take a session and never open or commit: the caller's transaction is the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from db.models import Category, Citizen, CitizenPhone, Region, Ticket, TicketEvent, Unit
from db.models import now as db_now
from tickets import attachments, citizens, life
from tickets import form as forms
from tickets.life import Actor, TicketView
from tickets.problems import Invalid, NotAllowed, Stale
from tickets.states import State
from tickets.ticket_number import next_number

CITY_TIME = ZoneInfo("Asia/Shanghai")


def create(
    session: Session,
    actor: Actor,
    form: Mapping[str, Any],
    call_uid: str | None,
    contact_number: str,
    now: datetime,
    *,
    form_key: str | None = None,
) -> Ticket:
    """A new ticket, accepted, and answered directly or dispatched if the form says so.

    `contact_number` is in normal form. The same `form_key` from the same person gives the ticket that is
    already there, with what was attached under that key. Raises Invalid (with `fields`) or NotAllowed.
    """
    before = _saved_before(session, actor, form_key)
    if before:
        return before
    wanted = forms.read(form)
    _check_ids(session, wanted)
    number = next_number(session, now.astimezone(CITY_TIME).date())
    # The counter's lock is ours from here on: a twin of this request is either done or behind us.
    before = _saved_before(session, actor, form_key)
    if before:
        return before
    ticket = new_draft(session, actor, wanted, number, call_uid, contact_number, now, form_key)
    _carry_out(session, ticket, actor, "accept", {}, now)
    if wanted.disposition == "direct":
        _carry_out(session, ticket, actor, "direct_answer", {"answer": wanted.answer}, now)
    elif wanted.disposition == "dispatch":
        _carry_out(session, ticket, actor, "dispatch", {"unit_id": wanted.unit_id}, now)
    _flush(session)
    attachments.bind(session, actor.id, form_key, ticket.id)
    return ticket


def new_draft(
    session: Session,
    actor: Actor,
    wanted: forms.TicketForm,
    number: str,
    call_uid: str | None,
    contact_number: str,
    now: datetime,
    form_key: str | None = None,
) -> Ticket:
    """A ticket in state draft with the first line of its timeline; ids in `wanted` are already checked."""
    citizen = _citizen(session, actor, wanted.citizen, contact_number, now)
    ticket = Ticket(
        number=number,
        state=State.DRAFT.value,
        request_type=wanted.request_type,
        category_id=wanted.category_id,
        region_id=wanted.region_id,
        title=wanted.title,
        who=wanted.who,
        when=wanted.when,
        where=wanted.where,
        what=wanted.what,
        asked_for=wanted.asked_for,
        urgency=wanted.urgency,
        confidential=wanted.confidential,
        citizen_id=citizen.id if citizen else None,
        contact_number=contact_number,
        call_uid=call_uid,
        created_by=actor.id,
        created_at=now,
        updated_at=now,
        form_key=form_key,
    )
    session.add(ticket)
    session.flush()
    record(session, ticket, actor, "create", None, State.DRAFT, now=now)
    return ticket


def act(
    session: Session,
    ticket: Ticket,
    actor: Actor,
    action: str,
    inputs: Mapping[str, Any],
    expected_version: int | None = None,
    *,
    now: datetime | None = None,
) -> Ticket:
    """Carry out one action of the table on a ticket, and write its line of the timeline.

    `expected_version` is the version that the person saw. Raises Stale, NotAllowed, Invalid.
    """
    if expected_version is not None and expected_version != ticket.version:
        raise Stale
    _carry_out(session, ticket, actor, action, inputs, now or db_now())
    _flush(session)
    return ticket


def by_number(session: Session, number: str) -> Ticket | None:
    """The ticket with this number, or None."""
    return session.scalar(select(Ticket).where(Ticket.number == number))


def timeline(session: Session, ticket: Ticket) -> list[TicketEvent]:
    """The whole timeline, oldest first."""
    rows = select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.id)
    return list(session.scalars(rows))


def view(ticket: Ticket) -> TicketView:
    """What the rules see of a ticket."""
    return TicketView(ticket.number, State(ticket.state), ticket.version, ticket.unit_id)


def record(
    session: Session,
    ticket: Ticket,
    actor: Actor | None,
    action: str,
    from_state: State | None,
    to_state: State,
    *,
    now: datetime,
    note: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    """Add one line to the timeline."""
    session.add(
        TicketEvent(
            ticket_id=ticket.id,
            at=now,
            actor_id=actor.id if actor else None,
            action=action,
            from_state=from_state.value if from_state else None,
            to_state=to_state.value,
            note=note,
            data=data or {},
        )
    )


def _carry_out(
    session: Session, ticket: Ticket, actor: Actor, action: str, inputs: Mapping[str, Any], now: datetime
) -> None:
    decided = life.apply(view(ticket), action, actor, inputs, now)
    if isinstance(decided, life.Refusal):
        if decided.fields:
            raise Invalid(decided.fields, decided.message)
        raise NotAllowed(decided.code, decided.message)
    if "unit_id" in decided.fields and session.get(Unit, decided.fields["unit_id"]) is None:
        raise Invalid({"unit_id": "没有这个承办单位。"})
    for name, value in decided.fields.items():
        setattr(ticket, name, value)
    ticket.state = decided.to_state.value
    # Set by every action, so that every action raises the version, a remark too.
    ticket.updated_at = now
    record(
        session,
        ticket,
        actor,
        action,
        decided.from_state,
        decided.to_state,
        now=now,
        note=decided.note,
        data=decided.data,
    )


def _flush(session: Session) -> None:
    try:
        session.flush()
    except StaleDataError as error:
        raise Stale from error


def _saved_before(session: Session, actor: Actor, form_key: str | None) -> Ticket | None:
    if not form_key:
        return None
    ticket = session.scalar(select(Ticket).where(Ticket.form_key == form_key))
    if ticket and ticket.created_by != actor.id:
        raise NotAllowed("form_key_taken", "这张表单已由他人保存。")
    return ticket


def _check_ids(session: Session, wanted: forms.TicketForm) -> None:
    wrong = {}
    if session.get(Category, wanted.category_id) is None:
        wrong["category_id"] = "没有这个诉求分类。"
    elif session.scalar(select(Category.id).where(Category.parent_id == wanted.category_id).limit(1)):
        wrong["category_id"] = "请选择到最末一级分类。"
    if wanted.region_id is not None and session.get(Region, wanted.region_id) is None:
        wrong["region_id"] = "没有这个区域。"
    if wanted.unit_id is not None and session.get(Unit, wanted.unit_id) is None:
        wrong["unit_id"] = "没有这个承办单位。"
    if wanted.citizen and wanted.citizen.id and session.get(Citizen, wanted.citizen.id) is None:
        wrong["citizen.id"] = "没有这位市民的记录。"
    if wrong:
        raise Invalid(wrong)


def _citizen(
    session: Session, actor: Actor, wanted: forms.CitizenForm | None, contact_number: str, now: datetime
) -> Citizen | None:
    """The citizen of the form: a known one with what the form adds, or a new one; with this number.

    A record that was merged while the form was open stands for the one that is kept.
    """
    if wanted is None:
        return None
    facts = {
        name: getattr(wanted, name)
        for name in ("name", "gender", "address", "language", "note")
        if getattr(wanted, name)
    }
    if wanted.id:
        citizen = citizens.hold_current(session, wanted.id)
        assert citizen is not None
        if citizen.id != wanted.id:
            # What the page shows of the merged record corrects nothing in the kept one.
            merged = session.get_one(Citizen, wanted.id)
            facts = {name: value for name, value in facts.items() if getattr(merged, name) != value}
        citizens.correct(session, actor, citizen, facts, now)
    else:
        citizen = Citizen(created_at=now, **facts)
        session.add(citizen)
    session.flush()
    known = select(CitizenPhone.id).where(
        CitizenPhone.citizen_id == citizen.id, CitizenPhone.number == contact_number
    )
    if contact_number and session.scalar(known) is None:
        session.add(CitizenPhone(citizen_id=citizen.id, number=contact_number))
    return citizen
