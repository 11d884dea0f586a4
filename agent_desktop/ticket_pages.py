"""Tickets over HTTP. The rules are `tickets.life`; here are only shapes, rights and the transaction."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import current_app
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from agent_desktop import schemas
from agent_desktop.access import listener, may_reveal_ticket_number, may_see_call, note_access
from agent_desktop.attachments import attachment_view
from agent_desktop.call_parts import for_timeline
from agent_desktop.calls import ms, number_of_call, number_of_my_call, number_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.drafts import drop_draft
from agent_desktop.errors import UID, Refusal, invalid
from agent_desktop.listening import row_view
from db import numbers
from db.models import Call, Citizen, Region, Ticket, User, now
from recordings import listing as recordings
from tickets import attachments, life, same_matter, search, ticket_number
from tickets import desk as tickets
from tickets.form import elements
from tickets.states import state_label

blueprint = APIBlueprint("tickets", __name__, url_prefix="/api/tickets", tag="tickets")


@blueprint.post("")
@blueprint.input(schemas.IdempotencyKey, location="headers", arg_name="header")
@blueprint.input(schemas.TicketIn, arg_name="form")
@blueprint.output(schemas.TicketDetail, status_code=201)
@blueprint.doc(responses=schemas.errors(401, 403, 409, 422, 503))
def create(header: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Save the form as a ticket; its draft goes in the same transaction. Sent twice, it is one ticket."""
    who, uid = me(), form["call_uid"]
    with transaction() as db:
        number = _contact_number(db, uid)
        ticket = tickets.create(
            db, life.Actor(who.id, who.role), form, uid, number, now(), form_key=header.get("key") or None
        )
        if uid:
            drop_draft(db, who.id, uid)
        detail = _detail(db, ticket)
    _tell(ticket.number)
    if uid:
        desk().boards.ticket_changed(uid, who.login)
    return detail


@blueprint.post("/check")
@blueprint.input(schemas.CheckIn, arg_name="form")
@blueprint.output(schemas.CheckOut)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def check(form: dict[str, Any]) -> dict[str, Any]:
    """What a form not saved yet looks like: tickets that may be the same matter, and its five elements."""
    uid = form.get("call_uid")
    with transaction() as db:
        number = number_of_my_call(db, uid) if isinstance(uid, str) and UID.fullmatch(uid) else ""
        found = same_matter.duplicates(db, form, number, now(), desk().settings.same_matter_days)
    return {"duplicates": [one.as_json() for one in found], "elements": elements(form)}


@blueprint.get("")
@blueprint.input(schemas.TicketQuery, location="query", arg_name="query")
@blueprint.output(schemas.TicketPage)
@blueprint.doc(responses=schemas.errors(401, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Tickets, newest first; `state` may also be open or finished, `mine=1` those that I wrote."""
    with transaction() as db:
        found = search.page(
            db,
            q=query["q"],
            state=query["state"] or None,
            page=query["page"],
            created_by=me().id if query["mine"] == "1" else None,
        )
    return {
        "rows": [row.as_json() for row in found.rows],
        "total": found.total,
        "page": found.page,
        "page_size": found.page_size,
    }


@blueprint.get("/<number>")
@blueprint.output(schemas.TicketDetail)
@blueprint.doc(responses=schemas.errors(401, 404))
def show(number: str) -> dict[str, Any]:
    """Everything of a ticket, with what I may do to it now."""
    with transaction() as db:
        return _detail(db, _ticket(db, number))


@blueprint.post("/<number>/<action>")
@blueprint.input(schemas.TicketAction, arg_name="form")
@blueprint.output(schemas.TicketDetail)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422, 503))
def act(number: str, action: str, form: dict[str, Any]) -> dict[str, Any]:
    """Carry out one action of the table; `version` is the one that the page shows."""
    who = me()
    inputs = {name: form.get(name) for name in ("note", "answer", "unit_id")}
    with transaction() as db:
        ticket = _ticket(db, number)
        tickets.act(db, ticket, life.Actor(who.id, who.role), action, inputs, form.get("version"))
        detail = _detail(db, ticket)
    _tell(number)
    return detail


@blueprint.post("/<number>/reveal-number")
@blueprint.input(schemas.Reveal, arg_name="form")
@blueprint.output(schemas.Revealed)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 422))
def reveal_number(number: str, form: dict[str, Any]) -> dict[str, Any]:
    """The whole contact number; the reason is kept in the access log."""
    with transaction() as db:
        ticket = _ticket(db, number)
        if not may_reveal_ticket_number(db, me(), ticket):
            raise Refusal("forbidden", "只能查看本人受理工单的联系号码。")
        note_access(db, "reveal_number", f"ticket {number}", form["reason"])
        return {"number": numbers.display(ticket.contact_number).replace(" ", "")}


def _contact_number(db: Session, uid: str | None) -> str:
    """Number of the call that the form was written in: the page never says it, the server knows."""
    if uid is None:
        return ""
    if not may_see_call(db, me(), uid):
        raise invalid({"call_uid": "没有这通电话，或不是您接听的。"})
    return number_of_call(db, uid)


def _ticket(db: Session, number: str) -> Ticket:
    ticket = tickets.by_number(db, number) if ticket_number.is_valid(number) else None
    if ticket is None:
        raise Refusal("not_found", "没有这张工单。")
    return ticket


def _tell(number: str) -> None:
    """After the commit: the writer's other pages show it too."""
    current_app.extensions["socketio"].emit("ticket_saved", {"number": number}, to=f"user:{me().id}")


def _detail(db: Session, ticket: Ticket) -> dict[str, Any]:
    row = search.row(db, ticket.id)
    assert row is not None
    region = db.get(Region, ticket.region_id) if ticket.region_id else None
    citizen = db.get(Citizen, ticket.citizen_id) if ticket.citizen_id else None
    calls = _calls(db, ticket)
    rows = recordings.rows_of_calls(db, listener(me()), [call.uid for call in calls]) if calls else []
    actions = life.actions_for(ticket.state, me().role)
    return row.as_json() | {
        "channel": ticket.channel,
        "category_id": ticket.category_id,
        "region_id": ticket.region_id,
        "region": region and region.name,
        "who": ticket.who,
        "when": ticket.when,
        "where": ticket.where,
        "what": ticket.what,
        "asked_for": ticket.asked_for,
        "disposition": ticket.disposition,
        "answer": ticket.answer,
        "unit_id": ticket.unit_id,
        "contact": number_view(ticket.contact_number),
        "citizen": citizen
        and {
            name: getattr(citizen, name) for name in ("id", "name", "gender", "address", "note", "language")
        },
        "closed_at": ms(ticket.closed_at),
        "updated_at": ms(ticket.updated_at),
        "version": ticket.version,
        "timeline": _timeline(db, ticket, calls),
        "actions": actions,
        "action_labels": {action: life.ACTION_LABELS[action] for action in actions},
        "recordings": [row_view(one) for one in rows],
        "attachments": [attachment_view(one, name) for one, name in attachments.of_ticket(db, ticket.id)],
    }


def _calls(db: Session, ticket: Ticket) -> list[Call]:
    """The call that the ticket was written in, and those that were made from it."""
    made = (Call.caller == ticket.contact_number) & (Call.about == f"ticket:{ticket.number}")
    mine = Call.uid == ticket.call_uid
    return list(db.scalars(select(Call).where(or_(mine, made)).order_by(Call.arrived_at)))


def _timeline(db: Session, ticket: Ticket, calls: list[Call]) -> list[dict[str, Any]]:
    """What was done with the ticket and what happened in its calls, oldest first."""
    events = tickets.timeline(db, ticket)
    people = {event.actor_id for event in events if event.actor_id}
    named = {key: name for key, name in db.execute(select(User.id, User.name).where(User.id.in_(people)))}
    written = [
        {
            "at": ms(event.at),
            "actor_name": named.get(event.actor_id or 0),
            "action": event.action,
            "action_label": life.ACTION_LABELS.get(event.action, event.action),
            "from_state": event.from_state,
            "from_state_label": event.from_state and state_label(event.from_state),
            "to_state": event.to_state,
            "to_state_label": state_label(event.to_state),
            "note": event.note,
        }
        for event in events
    ]
    return sorted([*written, *for_timeline(db, calls)], key=lambda entry: entry["at"])
