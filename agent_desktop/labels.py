"""The words people see for the codes of calls and seats; names of queues, kept at hand."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Queue, Seat

OUTCOMES = {
    "answered": "已接通",
    "self_served": "自助办结",
    "abandoned_in_menu": "导航中挂断",
    "short_abandon": "速挂",
    "abandoned_in_queue": "排队放弃",
    "callback_requested": "预约回拨",
    "voicemail_left": "已留言",
    "refused": "已拒接",
    "closed": "非服务时间",
    "overflowed": "溢出",
    "failed": "系统故障",
}
REASONS = {
    "break": "小休",
    "meal": "就餐",
    "meeting": "会议",
    "training": "培训",
    "follow_up": "回访",
    "other": "其他",
}
"""What an agent may choose; the others are set by the system."""
SYSTEM_REASONS = {
    "signed_in": "刚签入",
    "no_answer": "未应答",
    "after_call": "话后处理",
    "screen_gone": "页面已断开",
}
ROLES = {
    "agent": "话务员",
    "shift_leader": "班长",
    "inspector": "质检员",
    "dispatcher": "派单员",
    "administrator": "管理员",
}


class Names:
    """Names of queues and seats as last read. Pushes and pops use them without asking the database."""

    def __init__(self) -> None:
        self.queues: dict[str, str] = {}
        self.seats: dict[str, str] = {}
        self.steps: dict[tuple[str, str], str] = {}
        """(node, key) of the menu -> what that key means."""

    def read(self, session: Session) -> None:
        self.queues = {
            name: label
            for name, label in session.execute(select(Queue.name, Queue.label).order_by(Queue.name))
        }
        self.seats = {
            number: label
            for number, label in session.execute(select(Seat.number, Seat.label).order_by(Seat.number))
        }

    def step(self, node: str, key: str) -> str:
        """A step walked in the menu, as "1 咨询"."""
        return f"{key} {self.steps.get((node, key), '')}".strip()

    def queue(self, name: str | None) -> str:
        return self.queues.get(name or "", name or "")

    def seat(self, number: str) -> str:
        return self.seats.get(number, f"{number} 席")
