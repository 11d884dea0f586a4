"""The life of a ticket: one table of transitions, and the pure rule that reads it.

    draft ─accept─► pre_review ─direct_answer─► direct_answered
                       │    └───not_accept────► not_accepted
               ready_to_dispatch                      (both also from to_dispatch)
                       ▼
                  to_dispatch ──dispatch──► to_sign ──sign──► in_progress ◄─reject_reply─┐
                  (pre_review too)             └────reply──────────┴────────────► to_review
                                                                                     │
                                     closed ◄─close─ to_follow_up ◄─approve_reply────┘

A later step of the chain is a new row here; nothing else in this file changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tickets.states import FINISHED, State, state_label

ANYBODY = frozenset({"agent", "shift_leader", "supervisor", "inspector", "dispatcher", "administrator"})
TAKERS = frozenset({"agent", "shift_leader", "supervisor", "dispatcher", "administrator"})
DISPATCHERS = frozenset({"shift_leader", "supervisor", "dispatcher", "administrator"})


@dataclass(frozen=True)
class Transition:
    """One row: `action` leads from any of `sources` to `target` (None: the state stays)."""

    action: str
    label: str
    sources: frozenset[State]
    target: State | None
    roles: frozenset[str]
    needs: tuple[str, ...] = ()
    """Inputs that must be there: note, answer, unit_id."""
    sets: tuple[str, ...] = ()
    """Inputs that become columns of the ticket, when given."""
    disposition: str | None = None

    @property
    def closes(self) -> bool:
        return self.target in FINISHED


def _from(*states: State) -> frozenset[State]:
    return frozenset(states)


S = State
TABLE: tuple[Transition, ...] = (
    Transition("accept", "受理", _from(S.DRAFT), S.PRE_REVIEW, TAKERS),
    Transition(
        "direct_answer",
        "直办答复",
        _from(S.PRE_REVIEW, S.TO_DISPATCH),
        S.DIRECT_ANSWERED,
        TAKERS,
        needs=("answer",),
        sets=("answer",),
        disposition="direct",
    ),
    Transition(
        "not_accept",
        "不予受理",
        _from(S.PRE_REVIEW, S.TO_DISPATCH),
        S.NOT_ACCEPTED,
        DISPATCHERS,
        needs=("note",),
    ),
    Transition("ready_to_dispatch", "预审通过", _from(S.PRE_REVIEW), S.TO_DISPATCH, DISPATCHERS),
    Transition(
        "dispatch",
        "转派",
        _from(S.PRE_REVIEW, S.TO_DISPATCH),
        S.TO_SIGN,
        TAKERS,
        needs=("unit_id",),
        sets=("unit_id",),
        disposition="dispatch",
    ),
    Transition("sign", "签收", _from(S.TO_SIGN), S.IN_PROGRESS, DISPATCHERS),
    Transition(
        "reply",
        "单位回复",
        _from(S.TO_SIGN, S.IN_PROGRESS),
        S.TO_REVIEW,
        DISPATCHERS,
        needs=("answer",),
        sets=("answer",),
    ),
    Transition("approve_reply", "审核通过", _from(S.TO_REVIEW), S.TO_FOLLOW_UP, DISPATCHERS),
    Transition("reject_reply", "审核退回", _from(S.TO_REVIEW), S.IN_PROGRESS, DISPATCHERS, needs=("note",)),
    Transition("close", "办结", _from(S.TO_FOLLOW_UP), S.CLOSED, TAKERS),
    Transition("remark", "备注", frozenset(State) - {S.DRAFT}, None, ANYBODY, needs=("note",)),
)

BY_ACTION: dict[str, Transition] = {row.action: row for row in TABLE}
ACTION_LABELS: dict[str, str] = {row.action: row.label for row in TABLE} | {
    "create": "登记",
    "import": "历史导入",
}
"""Labels of all actions that a timeline may hold."""

_MISSING = {
    "note": "请填写说明。",
    "answer": "请填写答复内容。",
    "unit_id": "请选择承办单位。",
}
_LONGEST = {"note": 2000, "answer": 8000}


@dataclass(frozen=True)
class TicketView:
    """What the rules need to know of a ticket."""

    number: str
    state: State
    version: int = 1
    unit_id: int | None = None


@dataclass(frozen=True)
class Actor:
    """Who acts: id of the user and role."""

    id: int
    role: str


@dataclass(frozen=True)
class Change:
    """What `apply` decided: the new state, columns to set, and what the timeline records."""

    action: str
    from_state: State
    to_state: State
    note: str
    fields: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Why not: `code` for the program, `message` and `fields` as sentences for the person."""

    code: str
    message: str
    fields: dict[str, str] = field(default_factory=dict)


def apply(
    ticket: TicketView, action: str, actor: Actor, inputs: Mapping[str, Any], now: datetime
) -> Change | Refusal:
    """Decide one action. `inputs` may hold note (str), answer (str) and unit_id (int).

    Pure: nothing is written. That a unit exists is for the edge to check.
    """
    row = BY_ACTION.get(action)
    if row is None:
        return Refusal("unknown_action", "没有这种操作。")
    if actor.role not in row.roles:
        return Refusal("not_your_role", f"您的岗位不能进行“{row.label}”。")
    if ticket.state not in row.sources:
        return Refusal(
            "not_allowed_in_state", f"工单当前为“{state_label(ticket.state)}”，不能进行“{row.label}”。"
        )
    given = {name: _clean(name, inputs.get(name)) for name in ("note", "answer", "unit_id")}
    wrong = _faults(row, given, inputs)
    if wrong:
        return Refusal("invalid", "有内容需要补充或更正。", wrong)
    fields = {name: given[name] for name in row.sets if given[name] is not None}
    data = dict(fields)
    if row.disposition:
        fields["disposition"] = row.disposition
    if row.closes:
        fields["closed_at"] = now
    return Change(action, ticket.state, row.target or ticket.state, given["note"] or "", fields, data)


def actions_for(state: str, role: str) -> list[str]:
    """Actions that this role may take on a ticket in this state, in the order of the table."""
    return [row.action for row in TABLE if state in row.sources and role in row.roles]


def _clean(name: str, value: Any) -> Any:
    """Text trimmed, empty as None; a unit as a positive int or None."""
    if name == "unit_id":
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
        return value if fits else None
    return (value.replace("\x00", "").strip() or None) if isinstance(value, str) else None


def _faults(row: Transition, given: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, str]:
    wrong = {name: _MISSING[name] for name in row.needs if given[name] is None}
    for name, longest in _LONGEST.items():
        if given[name] and len(given[name]) > longest:
            wrong[name] = f"请不要超过 {longest} 字。"
        elif inputs.get(name) is not None and not isinstance(inputs[name], str):
            wrong[name] = "请填写文字。"
    return wrong
