"""Messages of the floor over HTTP: a leader to one, a group or all; an agent to the shift leaders.

POST ─► row and receipts ─push message {id, unread}─► each reader's pages fetch it ─► POST read
                                          sender's pages ◄─push message {id, unread, read, total}─┘
"""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Integer, List, Nested, String
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop import message_rows, schemas
from agent_desktop.access import note_access
from agent_desktop.calls import ms
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, invalid
from agent_desktop.labels import ROLES
from agent_desktop.message_rows import BadTarget
from agent_desktop.schemas import Schema, choice, words
from db.models import AgentGroup, FloorMessage, User, now

blueprint = APIBlueprint("messages", __name__, url_prefix="/api/messages", tag="messages")
SHOWN = 60
"""So many of the newest are listed."""
LONGEST = 500


class MessageIn(Schema):
    kind = choice("请选择发给谁。", ["user", "group", "all"], load_default="group")
    target = String(load_default="", error_messages={"invalid": "请选择发给谁。", "null": "请选择发给谁。"})
    text = words(f"请填写消息内容（1 至 {LONGEST} 个字）。", LONGEST)
    urgent = Boolean(load_default=False, error_messages={"invalid": "请求内容无法识别。"})


class Marks(Schema):
    read = Integer()
    total = Integer()


class MessageRow(Schema):
    id = Integer()
    at = Integer()
    mine = Boolean(metadata={"description": "I have sent it."})
    sender_name = String()
    sender_login = String()
    sender_role_label = String()
    to_label = String()
    text = String()
    urgent = Boolean()
    read_at = Integer(allow_none=True)
    receipts = Nested(Marks, allow_none=True, metadata={"description": "Of messages that I have sent."})


class MessageRows(Schema):
    rows = List(Nested(MessageRow))
    unread = Integer()


class Receipt(Schema):
    name = String()
    work_number = String()
    role_label = String()
    read_at = Integer(allow_none=True)


class Receipts(Schema):
    rows = List(Nested(Receipt))


class Person(Schema):
    login = String()
    name = String()
    work_number = String()
    group_id = Integer(allow_none=True)
    seat = String(allow_none=True)


class Group(Schema):
    id = Integer()
    name = String()
    people = Integer()


class Targets(Schema):
    groups = List(Nested(Group))
    people = List(Nested(Person))


@blueprint.get("")
@blueprint.output(MessageRows)
@blueprint.doc(responses=schemas.errors(401))
def listing() -> dict[str, Any]:
    """What I was sent and have sent, the newest first, with read marks of mine."""
    with transaction() as db:
        found = message_rows.of_person(db, me().id, SHOWN)
        return {"rows": _views(db, found), "unread": message_rows.unread(db, [me().id])[me().id]}


@blueprint.post("")
@blueprint.input(MessageIn, arg_name="form")
@blueprint.output(MessageRow, status_code=201)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def send(form: dict[str, Any]) -> dict[str, Any]:
    """Send: leaders to whom they choose, agents to the shift leaders of their group."""
    text = form["text"].strip()
    if not text:
        raise invalid({"text": "请填写消息内容。"})
    with transaction() as db:
        try:
            message, readers = message_rows.send(
                db, me(), form["kind"], form["target"], text, form["urgent"], now()
            )
        except BadTarget as problem:
            raise invalid({"target": str(problem)}) from None
        note_access(db, "message_sent", f"message {message.id}", f"{message.kind} {message.target}")
        unread = message_rows.unread(db, readers)
        [row] = _views(db, [message])
    for user_id, count in unread.items():
        desk().floor.emit("message", {"id": row["id"], "unread": count}, f"user:{user_id}")
    return row


@blueprint.get("/targets")
@blueprint.output(Targets)
@blueprint.doc(responses=schemas.errors(401, 403))
def targets() -> dict[str, Any]:
    """Whom a leader can write to: groups, and everybody with the seat where he is signed in."""
    seats = {seat["agent"]: seat["seat"] for seat in desk().floor.seats() if seat["agent"]}
    with transaction() as db:
        people = db.scalars(
            select(User).where(User.active, User.id != me().id).order_by(User.work_number)
        ).all()
        groups = db.scalars(select(AgentGroup).order_by(AgentGroup.position, AgentGroup.id)).all()
        return {
            "groups": [
                {"id": one.id, "name": one.name, "people": sum(user.group_id == one.id for user in people)}
                for one in groups
            ],
            "people": [
                {
                    "login": one.login,
                    "name": one.name,
                    "work_number": one.work_number,
                    "group_id": one.group_id,
                    "seat": seats.get(one.login),
                }
                for one in people
            ],
        }


@blueprint.post("/<int:message_id>/read")
@blueprint.output(MessageRow)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def read(message_id: int) -> dict[str, Any]:
    """I have read it. My other pages and the sender's learn it at once."""
    with transaction() as db:
        known = message_id <= schemas.LONGEST_NUMBER
        message = message_rows.note_read(db, me().id, message_id, now()) if known else None
        if message is None:
            raise Refusal("not_found", "没有这条消息。")
        unread = message_rows.unread(db, {me().id, message.sender_id})
        done, total = message_rows.marks(db, [message_id])[message_id]
        sender = message.sender_id
        [row] = _views(db, [message])
    emit = desk().floor.emit
    emit("message", {"id": message_id, "unread": unread[me().id], "read_by_me": True}, f"user:{me().id}")
    marked = {"id": message_id, "unread": unread[sender], "read": done, "total": total}
    emit("message", marked, f"user:{sender}")
    return row


@blueprint.get("/<int:message_id>/receipts")
@blueprint.output(Receipts)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def receipts(message_id: int) -> dict[str, Any]:
    """Who has read what I have sent, and when; those who have not come first."""
    with transaction() as db:
        message = db.get(FloorMessage, message_id) if message_id <= schemas.LONGEST_NUMBER else None
        if message is None or message.sender_id != me().id:
            raise Refusal("not_found", "没有这条消息。")
        return {
            "rows": [
                {
                    "name": user.name,
                    "work_number": user.work_number,
                    "role_label": ROLES.get(user.role, user.role),
                    "read_at": ms(read_at),
                }
                for user, read_at in message_rows.receipts(db, message)
            ]
        }


def _views(db: Session, messages: list[FloorMessage]) -> list[dict[str, Any]]:
    """Messages as a page gets them."""
    mine = {one.id for one in messages if one.sender_id == me().id}
    counts = message_rows.marks(db, mine)
    read = message_rows.read_times(db, me().id, messages)
    found = []
    for one in messages:
        sender = db.get_one(User, one.sender_id)
        done, total = counts.get(one.id, (0, 0))
        found.append(
            {
                "id": one.id,
                "at": ms(one.sent_at),
                "mine": one.id in mine,
                "sender_name": sender.name,
                "sender_login": sender.login,
                "sender_role_label": ROLES.get(sender.role, sender.role),
                "to_label": message_rows.target_label(db, one),
                "text": one.text,
                "urgent": one.urgent,
                "read_at": ms(read.get(one.id)),
                "receipts": {"read": done, "total": total} if one.id in mine else None,
            }
        )
    return found
