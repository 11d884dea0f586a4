"""Messages of the floor as rows: to whom one goes, what somebody has, who has read it. No Flask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from agent_desktop.people import Person
from db.models import AgentGroup, FloorMessage, MessageReceipt, User

LEADING = frozenset({"shift_leader", "supervisor", "administrator"})


class BadTarget(Exception):
    """There is nobody whom this message would reach; the text says so to the sender."""


@dataclass(frozen=True)
class Reader:
    """One to whom a message may go."""

    id: int
    login: str
    role: str
    group: int | None


def recipients(
    readers: Iterable[Reader], sender: int, role: str, group: int | None, kind: str, target: str
) -> list[int]:
    """Ids of those whom a message reaches, never the sender. Pure.

    Leaders write to one (kind user: login), a group (its id) or all. Agents write to the shift leaders of
    their own group; where it has none, to the shift leaders without a group and the supervisors.
    """
    others = [one for one in readers if one.id != sender]
    if role not in LEADING:
        own = [one.id for one in others if one.role == "shift_leader" and one.group == group]
        if own and group is not None:
            return own
        return [
            one.id
            for one in others
            if one.role == "supervisor" or (one.role == "shift_leader" and one.group is None)
        ]
    if kind == "user":
        return [one.id for one in others if one.login == target]
    if kind == "group":
        return [one.id for one in others if str(one.group) == target]
    return [one.id for one in others]


def send(
    session: Session, sender: Person, kind: str, target: str, text: str, urgent: bool, at: datetime
) -> tuple[FloorMessage, list[int]]:
    """Writes a message with a receipt for each active person whom it reaches. Raises BadTarget."""
    rows = session.execute(select(User.id, User.login, User.role, User.group_id).where(User.active))
    readers = [Reader(row.id, row.login, row.role, row.group_id) for row in rows]
    if sender.role not in LEADING:
        kind, target = "group", str(sender.group_id or "")
    found = recipients(readers, sender.id, sender.role, sender.group_id, kind, target)
    if not found:
        raise BadTarget("没有可以收到这条消息的人，请重新选择。")
    message = FloorMessage(
        sender_id=sender.id,
        kind=kind,
        target="" if kind == "all" else target,
        text=text,
        urgent=urgent,
        sent_at=at,
    )
    session.add(message)
    session.flush()
    session.add_all(MessageReceipt(message_id=message.id, user_id=user_id) for user_id in found)
    return message, found


def of_person(session: Session, user_id: int, limit: int) -> list[FloorMessage]:
    """What somebody has sent or been sent, the newest first."""
    got = select(MessageReceipt.message_id).where(MessageReceipt.user_id == user_id)
    mine = or_(FloorMessage.sender_id == user_id, FloorMessage.id.in_(got))
    return list(
        session.scalars(select(FloorMessage).where(mine).order_by(FloorMessage.id.desc()).limit(limit))
    )


def read_times(
    session: Session, user_id: int, messages: Iterable[FloorMessage]
) -> dict[int, datetime | None]:
    """When somebody has read each of the messages that came to him."""
    ids = [one.id for one in messages]
    found = select(MessageReceipt.message_id, MessageReceipt.read_at).where(
        MessageReceipt.user_id == user_id, MessageReceipt.message_id.in_(ids)
    )
    return {row.message_id: row.read_at for row in session.execute(found)}


def marks(session: Session, message_ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    """How many have read each message, and how many were to: id -> (read, total)."""
    found = (
        select(MessageReceipt.message_id, func.count(MessageReceipt.read_at), func.count())
        .where(MessageReceipt.message_id.in_(list(message_ids)))
        .group_by(MessageReceipt.message_id)
    )
    return {message_id: (read, total) for message_id, read, total in session.execute(found)}


def unread(session: Session, user_ids: Iterable[int]) -> dict[int, int]:
    """How many messages each person has not read."""
    ids = list(user_ids)
    found = (
        select(MessageReceipt.user_id, func.count())
        .where(MessageReceipt.user_id.in_(ids), MessageReceipt.read_at.is_(None))
        .group_by(MessageReceipt.user_id)
    )
    counted = {user_id: count for user_id, count in session.execute(found)}
    return {user_id: counted.get(user_id, 0) for user_id in ids}


def note_read(session: Session, user_id: int, message_id: int, at: datetime) -> FloorMessage | None:
    """Somebody has read a message; the first time counts. None where he has no such message."""
    receipt = session.get(MessageReceipt, (message_id, user_id))
    if receipt is None:
        return None
    receipt.read_at = receipt.read_at or at
    session.flush()
    return session.get_one(FloorMessage, message_id)


def receipts(session: Session, message: FloorMessage) -> list[tuple[User, datetime | None]]:
    """To whom a message went and when it was read: those who have not come first."""
    found = (
        select(User, MessageReceipt.read_at)
        .join(MessageReceipt, MessageReceipt.user_id == User.id)
        .where(MessageReceipt.message_id == message.id)
        .order_by(MessageReceipt.read_at.is_not(None), MessageReceipt.read_at, User.work_number)
    )
    return [(user, read_at) for user, read_at in session.execute(found)]


def target_label(session: Session, message: FloorMessage) -> str:
    """To whom, in words."""
    if message.kind == "all":
        return "全体人员"
    if message.kind == "user":
        user = session.scalar(select(User).where(User.login == message.target))
        return user.name if user else message.target
    group = session.get(AgentGroup, int(message.target)) if message.target.isdigit() else None
    sender = session.get(User, message.sender_id)
    by_agent = sender is not None and sender.role not in LEADING
    name = group.name if group else ""
    return f"{name}班长" if by_agent else name or message.target
