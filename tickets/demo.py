"""Tickets of the demo city: one for each answered call of its past, in every state, each with its timeline.

They are made by `tickets.desk` like any other, at the times at which they would have been made. States that
the table cannot reach yet are entered by a line "历史导入", as if brought over from an older system.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Call, Category, CitizenPhone, Region, Ticket, User
from db.models import now as present
from db.seed import SEEDED, city
from tickets import desk, form
from tickets.life import Actor
from tickets.states import State
from tickets.ticket_number import next_number

_REPLIED = ("dispatch", "sign", "reply")
_PATHS: tuple[tuple[State, tuple[str, ...], int], ...] = (
    (State.DIRECT_ANSWERED, ("direct_answer",), 12),
    (State.CLOSED, (*_REPLIED, "approve_reply", "close"), 8),
    (State.TO_FOLLOW_UP, (*_REPLIED, "approve_reply"), 2),
    (State.TO_REVIEW, _REPLIED, 2),
    (State.IN_PROGRESS, ("dispatch", "sign"), 4),
    (State.TO_SIGN, ("dispatch",), 2),
    (State.TO_DISPATCH, ("ready_to_dispatch",), 1),
    (State.PRE_REVIEW, (), 2),
    (State.NOT_ACCEPTED, ("not_accept",), 1),
    (State.RETURN_PENDING, ("dispatch",), 1),
    (State.EXTENSION_PENDING, ("dispatch", "sign"), 1),
    (State.REWORK, (*_REPLIED, "approve_reply"), 1),
    (State.SUPERVISED, ("dispatch", "sign"), 1),
    (State.MERGED, (), 1),
    (State.DRAFT, (), 1),
)
"""Where a ticket ends, the actions that lead there from 待预审, and how many such tickets there are."""

_NOTES = {
    "not_accept": "属于其他城市职责，已告知市民向当地 12345 反映。",
    "sign": "承办单位已签收。",
    "approve_reply": "回复内容完整，审核通过。",
    "close": "回访市民，表示满意。",
}

_IMPORTED = "演示数据：由旧系统导入的状态。"


def seed_tickets(session: Session) -> int:
    """Write the demo tickets for the calls of `db.seed.seed`; gives how many. Again: 0, nothing changes."""
    if session.scalar(select(Ticket.id).where(Ticket.call_uid.startswith(SEEDED)).limit(1)):
        return 0
    calls = session.scalars(
        select(Call).where(Call.uid.startswith(SEEDED), Call.outcome == "answered").order_by(Call.arrived_at)
    ).all()
    chance = Random(12345)
    goals = [(state, actions) for state, actions, count in _PATHS for _ in range(count)]
    # Old tickets are mostly finished: long ways go to old calls, with some disorder.
    goals.sort(key=lambda goal: -len(goal[1]) + chance.random() * 4)
    for place, (call, (state, actions)) in enumerate(zip(calls, goals, strict=False)):
        _write(session, chance, call, city()["stories"][place % len(city()["stories"])], state, actions)
    session.flush()
    return min(len(calls), len(goals))


def _write(
    session: Session,
    chance: Random,
    call: Call,
    story: dict[str, Any],
    state: State,
    actions: tuple[str, ...],
) -> None:
    agent = _actor(session, call.agent or "agent01")
    dispatcher = _actor(session, "dispatcher01")
    at = call.ended_at or call.arrived_at
    category = session.scalars(select(Category).where(Category.name == story["category"])).one()
    body = _body(session, chance, call, story, category)
    if state is State.DRAFT:
        number = next_number(session, at.astimezone(desk.CITY_TIME).date())
        desk.new_draft(session, agent, form.read(body), number, call.uid, call.caller, at)
        return
    ticket = desk.create(session, agent, body, call.uid, call.caller, at)
    for action in actions:
        at = at + timedelta(seconds=20) if action == "direct_answer" else _later(chance, at)
        inputs = {"answer": story["answer"], "unit_id": category.unit_id, "note": _NOTES.get(action, "")}
        who = agent if action in ("direct_answer", "dispatch") else dispatcher
        desk.act(session, ticket, who, action, inputs, now=at)
    if ticket.state != state:
        _import(session, ticket, dispatcher, state, _later(chance, at))


def _body(
    session: Session, chance: Random, call: Call, story: dict[str, Any], category: Category
) -> dict[str, Any]:
    regions = session.scalars(select(Region).where(Region.level == 3).order_by(Region.id)).all()
    region = chance.choice(regions)
    phone = session.scalars(
        select(CitizenPhone).where(CitizenPhone.number == call.caller).order_by(CitizenPhone.id).limit(1)
    ).one_or_none()
    return {
        "request_type": story["type"],
        "category_id": category.id,
        "region_id": region.id,
        "title": story["title"],
        "who": phone.citizen.name[:128] if phone else "市民（未留姓名）",
        "when": f"{call.arrived_at.astimezone(desk.CITY_TIME):%Y-%m-%d} 前后",
        "where": region.name,
        "what": story["what"],
        "asked_for": story["asked"],
        "urgency": chance.choices(("normal", "urgent", "very_urgent"), weights=(8, 2, 1))[0],
        "confidential": chance.random() < 0.1,
        "citizen": {"id": phone.citizen_id} if phone else None,
    }


def _import(session: Session, ticket: Ticket, actor: Actor, state: State, at: datetime) -> None:
    before, ticket.state, ticket.updated_at = State(ticket.state), state.value, at
    if state is State.MERGED:
        ticket.closed_at = at
    desk.record(
        session, ticket, actor, "import", before, state, now=at, note="演示数据：由旧系统导入的状态。"
    )
    session.flush()


def _actor(session: Session, login: str) -> Actor:
    user = session.scalars(select(User).where(User.login == login)).one()
    return Actor(user.id, user.role)


def _later(chance: Random, at: datetime) -> datetime:
    """Minutes to a day later, but never in the future."""
    ahead = present() - at
    return at + min(timedelta(minutes=chance.randint(3, 1440)), ahead / 2)
