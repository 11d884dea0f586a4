"""Whom an agent calls or brings in: the page names a ticket, a caller, a unit; the number is found here.

    dial      ticket, missed caller, earlier call, typed digits, "again"  -> Dialling -> cti
    transfer  queue, seat, typed digits, one target, a group of targets   -> Target   -> cti

So a page never has to hold a whole number, and the rights are those of looking at what the number belongs to.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop import missed
from agent_desktop.access import may_see_call
from agent_desktop.calls import number_of_call
from agent_desktop.desk import desk, me
from agent_desktop.errors import Refusal
from agent_desktop.seat_words import seat_word
from db import numbers
from db.models import (
    JournalEvent,
    Ticket,
    TransferTarget,
    User,
)
from tickets import ticket_number

EMERGENCY = frozenset({"110", "119", "120", "122"})
_NEAR_EMERGENCY = re.compile(r"(?:110|119|120|122)[0-9]{1,3}|112|911|999")
OURSELVES = "12345"


@dataclass(frozen=True)
class Dialling:
    """What the cti dials: digits, what for ("ticket:...", "" for typed digits), and what the screen shows."""

    number: str
    about: str
    label: str


@dataclass(frozen=True)
class Target:
    """Who is brought in: `numbers` are outside numbers as dialled, all rung at once for a group."""

    kind: str
    target: str
    numbers: list[str]
    label: str

    def as_arguments(self) -> dict[str, Any]:
        return asdict(self)


def dialling(db: Session, form: dict[str, Any]) -> Dialling:
    """The number that the form stands for. Raises Refusal: not_found, forbidden, bad_target, no_number."""
    if form.get("ticket"):
        return _of_ticket(db, form["ticket"])
    if form.get("missed"):
        return _of_missed(db, form["missed"])
    if form.get("call"):
        return _of_call(db, form["call"])
    if form.get("redial"):
        return _last_dialled(db, me().login)
    return typed(form.get("number") or "")


def typed(text: str) -> Dialling:
    """Digits that the agent keyed in. Emergency calls are transferred, never dialled from here."""
    number = _outside(text)
    if number in EMERGENCY:
        raise Refusal("bad_target", "紧急求助请用“转接”转至 110、119、120、122，不能由坐席呼出。")
    return _dialling(number, "")


def note_dialled(db: Session, missed_id: int) -> None:
    """One more try at a missed caller."""
    missed.note_dialled(db, missed_id, me())


def target(db: Session, kind: str, chosen: str) -> Target:
    """Whom the agent chose for a transfer or a consultation. Raises Refusal bad_target."""
    if kind == "queue" and chosen in desk().names.queues:
        return Target(kind, chosen, [], desk().names.queue(chosen))
    if kind == "seat":
        return _seat(db, chosen)
    if kind == "number":
        number = _outside(chosen)
        return Target(kind, numbers.dialled(number), [numbers.dialled(number)], numbers.masked(number))
    found = _targets(db, kind, chosen)
    if not found:
        raise Refusal("bad_target")
    label = found[0].name if kind == "target" else chosen
    return Target(kind, chosen, [numbers.dialled(numbers.normal(t.number, _area())) for t in found], label)


def choices(db: Session) -> dict[str, Any]:
    """{"seats", "queues", "groups"}: everybody who can be brought in, with the seats' state now."""
    names = desk().names
    people = _names_of_agents(db)
    floor = {seat["seat"]: seat for seat in desk().floor.seats()}
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in _active_targets(db):
        groups.setdefault(one.group, []).append({"id": one.id, "name": one.name, "note": one.note})
    return {
        "seats": [
            {
                "number": number,
                "label": names.seat(number),
                "agent_name": people.get(floor.get(number, {}).get("agent") or ""),
                "state": seat_word(floor.get(number)),
            }
            for number in sorted(names.seats.keys() | floor.keys())
        ],
        "queues": [{"name": name, "label": label} for name, label in names.queues.items()],
        "groups": [{"group": group, "targets": members} for group, members in groups.items()],
    }


def _of_ticket(db: Session, number: str) -> Dialling:
    ticket = (
        db.scalar(select(Ticket).where(Ticket.number == number)) if ticket_number.is_valid(number) else None
    )
    if ticket is None:
        raise Refusal("not_found", "没有这张工单。")
    return _dialling(ticket.contact_number, f"ticket:{number}")


def _of_missed(db: Session, missed_id: int) -> Dialling:
    """Takes the row: two agents never call the same citizen back."""
    return _dialling(missed.number_to_dial(db, missed_id, me()), f"missed:{missed_id}")


def _of_call(db: Session, uid: str) -> Dialling:
    if not may_see_call(db, me(), uid):
        raise Refusal("not_found", "没有这通电话，或不是您接听的。")
    return _dialling(number_of_call(db, uid), f"call:{uid}")


def _last_dialled(db: Session, login: str) -> Dialling:
    row = db.scalar(
        select(JournalEvent)
        .where(JournalEvent.agent == login, JournalEvent.event == "DIALLED")
        .order_by(JournalEvent.at.desc(), JournalEvent.id.desc())
        .limit(1)
    )
    if row is None or len(row.data) < 3:
        raise Refusal("nothing_to_redial")
    return _dialling(numbers.normal(unquote(str(row.data[2])), _area()), "redial")


def _dialling(number: str, about: str) -> Dialling:
    if not number:
        raise Refusal("no_number")
    return Dialling(numbers.dialled(number), about, numbers.masked(number))


def _outside(text: str) -> str:
    """Normal form of what a person typed. Raises Refusal bad_target where it is no number to call."""
    number = numbers.normal(text, _area())
    if number == OURSELVES:
        raise Refusal("bad_target", "不能呼叫本热线自己的号码。")
    if _NEAR_EMERGENCY.fullmatch(number):
        raise Refusal("bad_target", f"号码 {number} 像是误拨的紧急号码，请核对。")
    if not number or not re.fullmatch(r"[0-9]{3,20}", number):
        raise Refusal("bad_target", "电话号码不完整或有误，请核对。")
    return number


def _seat(db: Session, number: str) -> Target:
    seat = desk().floor.seat(number)
    if seat is None and number not in desk().names.seats:
        raise Refusal("bad_target")
    if seat is None or not seat["agent"]:
        raise Refusal("target_unreachable", f"坐席 {number} 无人签入。")
    if seat["agent"] == me().login:
        raise Refusal("bad_target", "不能转给自己的坐席。")
    name = db.scalar(select(User.name).where(User.login == seat["agent"])) or desk().names.seat(number)
    return Target("seat", number, [], f"{number} {name}")


def _targets(db: Session, kind: str, chosen: str) -> list[TransferTarget]:
    if kind == "target":
        one = db.get(TransferTarget, int(chosen)) if re.fullmatch(r"[0-9]{1,9}", chosen) else None
        return [one] if one is not None and one.active else []
    return [one for one in _active_targets(db) if one.group == chosen] if kind == "group" else []


def _active_targets(db: Session) -> list[TransferTarget]:
    return list(
        db.scalars(
            select(TransferTarget)
            .where(TransferTarget.active)
            .order_by(TransferTarget.group, TransferTarget.position, TransferTarget.id)
        )
    )


def _names_of_agents(db: Session) -> dict[str, str]:
    rows = db.execute(select(User.login, User.name).where(User.role == "agent", User.active))
    return {login: name for login, name in rows}


def _area() -> str:
    return desk().settings.area_code
