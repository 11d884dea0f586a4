"""What supervisors change in the tables of the live floor: queues switched by hand, overflow rules, a seat's
agent added to a queue or taken out of one for a while.

Functions take `session` and never commit; they raise Refusal with a sentence that says what is wrong and how
to mend it. The telephone follows when the cti has read the tables (`cti.fitting`, `cti.switches`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop.errors import Refusal, invalid
from db import open_queues
from db.models import OverflowRule, Queue, QueueMembership, QueueSwitch, SkillOverride, User

OVERRIDE_HOURS = 12
"""A seat is added or taken out for so long where no end is given: longer than any shift."""
LONGEST_DAYS = 31
"""An end further away is a slip of the keyboard, or belongs into the skills."""

Row = dict[str, Any]


def milliseconds(at: datetime | None) -> int | None:
    """Epoch ms of a moment."""
    return None if at is None else round(at.timestamp() * 1000)


def moment(ms: int | None, now: datetime) -> datetime | None:
    """The end that the page sent (epoch ms). Raises Refusal where it is over, or too far away."""
    if ms is None:
        return None
    at = datetime.fromtimestamp(ms / 1000, now.tzinfo)
    if at <= now:
        raise invalid({"until": "结束时间已过，请选择以后的时间。"})
    if at > now + timedelta(days=LONGEST_DAYS):
        raise invalid({"until": f"结束时间最多在 {LONGEST_DAYS} 天以内；长期调整请在“坐席设置”中修改。"})
    return at


def check_queue(session: Session, queue: str) -> str:
    """The queue's label. Raises Refusal."""
    found = session.get(Queue, queue)
    if found is None:
        raise Refusal("not_found", "没有这个队列。")
    return found.label


# --- switches ----------------------------------------------------------------------------------------


def switches(session: Session, now: datetime) -> dict[str, Row]:
    """Queues that are switched by hand now: {"state", "until", "by_name", "reason"} by name."""
    rows = session.execute(
        select(QueueSwitch, User.name)
        .outerjoin(User, User.id == QueueSwitch.made_by)
        .order_by(QueueSwitch.queue)
    )
    return {
        row.queue: {
            "state": row.state,
            "until": milliseconds(row.until),
            "by_name": name or "",
            "reason": row.reason,
        }
        for row, name in rows
        if row.until is None or row.until > now
    }


def switch(
    session: Session,
    queue: str,
    state: str | None,
    *,
    until: int | None,
    reason: str,
    user_id: int,
    now: datetime,
) -> Row:
    """Open or close a queue over its periods, or (None) let the periods decide again.

    Gives {"queue", "open", "switch"}. Raises Refusal: the main queue cannot be closed.
    """
    check_queue(session, queue)
    ends = moment(until, now)
    if state == "closed" and queue == open_queues.MAIN_QUEUE:
        raise Refusal(
            "main_queue", "综合咨询接收其他专席关闭后的来电，不能关闭；请改用溢出规则或紧急公告分流。"
        )
    row = session.get(QueueSwitch, queue)
    if state is None:
        if row:
            session.delete(row)
    else:
        facts = {"state": state, "until": ends, "reason": reason, "made_by": user_id, "made_at": now}
        session.merge(QueueSwitch(queue=queue, **facts))
    session.flush()
    session.expire_all()
    opening = open_queues.read(session)[queue]
    return {"queue": queue, "open": opening.is_open(now), "switch": switches(session, now).get(queue)}


# --- overflow ----------------------------------------------------------------------------------------


def overflows(session: Session) -> dict[str, Row]:
    """Overflow rules by queue: {"after_seconds", "then", "target", "by_name"}."""
    rows = session.execute(select(OverflowRule, User.name).outerjoin(User, User.id == OverflowRule.made_by))
    return {
        row.queue: {
            "after_seconds": row.after_seconds,
            "then": row.then,
            "target": row.target or None,
            "by_name": name or "",
        }
        for row, name in rows
    }


def overflow(
    session: Session,
    queue: str,
    then: str | None,
    *,
    after_seconds: int,
    target: str,
    has_duty: bool,
    user_id: int,
    now: datetime,
) -> Row:
    """Set where a queue's callers go after so many seconds; `then` None: as without a rule.

    Gives {"queue", "overflow"}. Raises Refusal.
    """
    check_queue(session, queue)
    if then == "queue" and target == queue:
        raise invalid({"target": "不能溢出到本队列，请选择其他队列。"})
    if then == "queue" and session.get(Queue, target) is None:
        raise invalid({"target": "请选择溢出到哪个队列。"})
    if then == "duty" and not has_duty:
        raise invalid({"then": "没有配置值班电话，请联系管理员设置 HOTLINE_DUTY_NUMBER，或选择其他方式。"})
    row = session.get(OverflowRule, queue)
    if then is None:
        if row:
            session.delete(row)
    else:
        facts = {"after_seconds": after_seconds, "then": then, "target": target if then == "queue" else ""}
        session.merge(OverflowRule(queue=queue, **facts, made_by=user_id, made_at=now))
    session.flush()
    session.expire_all()
    return {"queue": queue, "overflow": overflows(session).get(queue)}


# --- a seat's queues for a while -----------------------------------------------------------------------


def override(
    session: Session,
    agent: str,
    queue: str,
    add: bool,
    *,
    serves: Iterable[str],
    until: int | None,
    reason: str,
    user_id: int,
    now: datetime,
) -> datetime | None:
    """Add the agent (login) to a queue, or take him out of it, until a moment; gives the moment, or None
    where the skills alone say so now. `serves`: the queues in which Asterisk has him.

    Raises Refusal.
    """
    label = check_queue(session, queue)
    ends = moment(until, now) or now + timedelta(hours=OVERRIDE_HOURS)
    user = session.scalars(select(User).where(User.login == agent)).one()
    skilled = session.get(QueueMembership, (user.id, queue)) is not None
    row = session.scalars(
        select(SkillOverride).where(SkillOverride.user_id == user.id, SkillOverride.queue == queue)
    ).one_or_none()
    has_it = row.penalty is not None if row and row.until > now else skilled
    others = set(serves) - {queue}
    if add and has_it:
        raise Refusal("unchanged", f"该坐席已在“{label}”队列中。")
    if add and not open_queues.read(session)[queue].is_open(now):
        raise Refusal("queue_closed", f"“{label}”现已关闭，请先开放该队列再加入坐席。")
    if not add and not has_it:
        raise Refusal("unchanged", f"该坐席不在“{label}”队列中。")
    if not add and not others:
        raise Refusal("last_queue", f"“{label}”是该坐席唯一的队列；如需停止接听，请改用强制示忙或强制签出。")
    if row:
        session.delete(row)
        session.flush()
    if add == skilled:
        return None
    session.add(
        SkillOverride(
            user_id=user.id,
            queue=queue,
            penalty=0 if add else None,
            until=ends,
            reason=reason,
            made_by=user_id,
            made_at=now,
        )
    )
    session.flush()
    return ends
