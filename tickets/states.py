"""The words of a ticket, each with the label that people see: states, request types, urgencies."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    DRAFT = "draft"
    PRE_REVIEW = "pre_review"
    NOT_ACCEPTED = "not_accepted"
    DIRECT_ANSWERED = "direct_answered"
    TO_DISPATCH = "to_dispatch"
    TO_SIGN = "to_sign"
    IN_PROGRESS = "in_progress"
    TO_REVIEW = "to_review"
    TO_FOLLOW_UP = "to_follow_up"
    CLOSED = "closed"
    RETURN_PENDING = "return_pending"
    EXTENSION_PENDING = "extension_pending"
    REWORK = "rework"
    SUPERVISED = "supervised"
    MERGED = "merged"


STATE_LABELS: dict[State, str] = {
    State.DRAFT: "草稿",
    State.PRE_REVIEW: "待预审",
    State.NOT_ACCEPTED: "不予受理",
    State.DIRECT_ANSWERED: "直办已答复",
    State.TO_DISPATCH: "待派遣",
    State.TO_SIGN: "待签收",
    State.IN_PROGRESS: "办理中",
    State.TO_REVIEW: "待审核",
    State.TO_FOLLOW_UP: "待回访",
    State.CLOSED: "已办结",
    State.RETURN_PENDING: "退单待裁定",
    State.EXTENSION_PENDING: "延期待批",
    State.REWORK: "重办中",
    State.SUPERVISED: "督办中",
    State.MERGED: "已并单",
}

FINISHED = frozenset({State.NOT_ACCEPTED, State.DIRECT_ANSWERED, State.CLOSED, State.MERGED})
"""States from which no further work is expected: a ticket in any other state is open."""

OPEN = frozenset(State) - FINISHED


class RequestType(StrEnum):
    CONSULTATION = "consultation"
    HELP = "help"
    COMPLAINT = "complaint"
    REPORT = "report"
    SUGGESTION = "suggestion"
    PRAISE = "praise"


REQUEST_TYPE_LABELS: dict[RequestType, str] = {
    RequestType.CONSULTATION: "咨询",
    RequestType.HELP: "求助",
    RequestType.COMPLAINT: "投诉",
    RequestType.REPORT: "举报",
    RequestType.SUGGESTION: "建议",
    RequestType.PRAISE: "表扬",
}


class Urgency(StrEnum):
    NORMAL = "normal"
    URGENT = "urgent"
    VERY_URGENT = "very_urgent"


URGENCY_LABELS: dict[Urgency, str] = {
    Urgency.NORMAL: "一般",
    Urgency.URGENT: "紧急",
    Urgency.VERY_URGENT: "特急",
}

DISPOSITION_LABELS: dict[str, str] = {"direct": "直办", "dispatch": "转派"}


def state_label(state: str) -> str:
    """Label of a state; the word itself where it is not one of ours (a row of a newer version)."""
    return STATE_LABELS[State(state)] if state in State.__members__.values() else state


def is_open(state: str) -> bool:
    """Is work still expected on a ticket in this state?"""
    return state not in FINISHED
