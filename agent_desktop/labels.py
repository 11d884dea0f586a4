"""The words people see for the codes of calls and seats; names of queues, kept at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop import floor_settings
from db.models import NotReadyReason, Queue, Seat

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
    "no_answer": "无人接听",
    "busy": "占线",
    "unreachable": "无法接通",
    "cancelled": "已取消",
}
RATINGS = {1: "满意", 2: "基本满意", 3: "不满意"}
RATING_REASONS = {1: "服务态度不好", 2: "问题没有解决", 3: "答复不清楚", 4: "其他原因"}
PARTS = {
    "agent": "通话",
    "hold": "保持",
    "consult": "咨询",
    "party": "三方通话",
    "outside": "转接外线",
    "returned": "坐席电话中断",
    "recording_paused": "录音暂停",
    "survey": "满意度评价",
}
"""Kinds of parts of a call."""
REASONS = {
    "break": "小休",
    "meal": "就餐",
    "meeting": "会议",
    "training": "培训",
    "follow_up": "回访",
    "other": "其他",
}
"""What an agent may choose where the table `not_ready_reasons` is empty; the others are set by the system."""
SYSTEM_REASONS = {
    "signed_in": "刚签入",
    "no_answer": "未应答",
    "after_call": "话后处理",
    "screen_gone": "页面已断开",
}
WATCH_MODES = {"listen": "监听", "whisper": "密语", "barge": "强插", "take_over": "接管"}
WATCH_ENDED = {
    "mode": "切换方式",
    "left": "退出",
    "call_ended": "通话结束",
    "phone_gone": "监听话机断开",
    "transferred": "通话已转走",
    "take_over": "接管",
    "cti_restarted": "系统重启",
}
FLOOR_ACTIONS = {
    "watch": "开始监听",
    "watch_mode": "切换监听方式",
    "unwatch": "退出监听",
    "take_over": "接管通话",
    "take_help": "响应求助",
    "force_ready": "强制示闲",
    "force_not_ready": "强制示忙",
    "force_sign_out": "强制签出",
    "force_hang_up": "强制挂断",
    "queue_add": "加入队列",
    "queue_remove": "移出队列",
    "move_caller": "移动排队来电",
    "queue_open": "开放队列",
    "queue_closed": "关闭队列",
    "queue_as_planned": "队列恢复按计划",
    "overflow": "设置溢出规则",
    "floor_settings": "修改现场设置",
    "acknowledge_alarm": "确认告警",
    "alarm_rules": "修改告警规则",
    "announcement_made": "制作紧急公告",
    "announcement_listened": "播放公告声音",
    "announcement_heard": "试听确认公告",
    "announcement_published": "播出紧急公告",
    "announcement_ended": "结束紧急公告",
    "message_sent": "发送消息",
}
"""What supervisors do, as the access log has it; "<action>_refused" where the telephone did not take it."""
MISSED_RESULTS = {
    "dialled": "已拨出",
    "reached": "已联系上",
    "no_answer": "无人接听",
    "busy": "占线",
    "switched_off": "关机或无法接通",
    "wrong_number": "空号或打错",
    "refused": "市民不需要",
    "given_up": "放弃回拨",
}
MISSED_CLOSED = {"reached": "已联系上", "got_through": "市民已接通", "given_up": "放弃回拨"}
ROLES = {
    "agent": "话务员",
    "shift_leader": "班长",
    "supervisor": "值班主管",
    "inspector": "质检员",
    "dispatcher": "派单员",
    "administrator": "管理员",
}


@dataclass(frozen=True)
class Reason:
    """One reason for not being ready; after `limit_minutes` the state stands out (None: no limit)."""

    code: str
    label: str
    limit_minutes: int | None = None


_FIRST_REASONS = {code: Reason(code, label) for code, label in REASONS.items()}


class Names:
    """Names of queues, seats and reasons as last read: pushes and pops use them without the database."""

    def __init__(self) -> None:
        self.queues: dict[str, str] = {}
        self.seats: dict[str, str] = {}
        self.steps: dict[tuple[str, str], str] = {}
        """(node, key) of the menu -> what that key means."""
        self.floor: dict[str, Any] = dict(floor_settings.DEFAULTS)
        """Settings of the live floor."""
        self.reasons: dict[str, Reason] = _FIRST_REASONS
        """Why an agent may be not ready, in the order of the menu."""

    def read(self, session: Session) -> None:
        self.queues = {
            name: label
            for name, label in session.execute(select(Queue.name, Queue.label).order_by(Queue.name))
        }
        self.seats = {
            number: label
            for number, label in session.execute(select(Seat.number, Seat.label).order_by(Seat.number))
        }
        self.floor = floor_settings.read(session)
        rows = session.scalars(
            select(NotReadyReason)
            .where(NotReadyReason.active)
            .order_by(NotReadyReason.position, NotReadyReason.code)
        )
        self.reasons = {
            row.code: Reason(row.code, row.label, row.limit_minutes) for row in rows
        } or _FIRST_REASONS

    def step(self, node: str, key: str) -> str:
        """A step walked in the menu, as "1 咨询"."""
        return f"{key} {self.steps.get((node, key), '')}".strip()

    def queue(self, name: str | None) -> str:
        return self.queues.get(name or "", name or "")

    def seat(self, number: str) -> str:
        return self.seats.get(number, f"{number} 席")
