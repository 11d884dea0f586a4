"""The table of a ticket's life, and the pure rule that reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.life import (
    ACTION_LABELS,
    BY_ACTION,
    TABLE,
    Actor,
    Change,
    Refusal,
    TicketView,
    actions_for,
    apply,
)
from tickets.states import (
    FINISHED,
    REQUEST_TYPE_LABELS,
    STATE_LABELS,
    URGENCY_LABELS,
    RequestType,
    State,
    Urgency,
    is_open,
    state_label,
)

NOW = datetime(2026, 7, 23, 8, 0, tzinfo=UTC)
ROLES = ("agent", "shift_leader", "supervisor", "inspector", "dispatcher", "administrator")
FULL: dict[str, Any] = {"note": "说明", "answer": "答复", "unit_id": 3}


def decide(state: State, action: str, role: str, **inputs: Any) -> Change | Refusal:
    return apply(TicketView("260723000017", state), action, Actor(1, role), inputs, NOW)


def test_every_word_has_a_label() -> None:
    assert set(STATE_LABELS) == set(State)
    assert set(REQUEST_TYPE_LABELS) == set(RequestType)
    assert set(URGENCY_LABELS) == set(Urgency)
    assert {row.action for row in TABLE} <= set(ACTION_LABELS)
    assert state_label("from_a_newer_version") == "from_a_newer_version"


def test_each_action_stands_once_in_the_table() -> None:
    assert len(BY_ACTION) == len(TABLE)


@pytest.mark.parametrize(
    "actions",
    [
        ("accept", "direct_answer"),
        ("accept", "not_accept"),
        ("accept", "dispatch", "sign", "reply", "approve_reply", "close"),
        (
            "accept",
            "ready_to_dispatch",
            "dispatch",
            "reply",
            "reject_reply",
            "reply",
            "approve_reply",
            "close",
        ),
    ],
)
def test_a_draft_can_be_brought_to_an_end(actions: tuple[str, ...]) -> None:
    state = State.DRAFT
    for action in actions:
        change = decide(state, action, "dispatcher", **FULL)
        assert isinstance(change, Change)
        assert change.from_state is state
        state = change.to_state
    assert not is_open(state)
    assert change.fields["closed_at"] == NOW


def test_what_an_action_records() -> None:
    change = decide(State.PRE_REVIEW, "dispatch", "agent", unit_id=7, note=" 请尽快 ")
    assert change == Change(
        "dispatch",
        State.PRE_REVIEW,
        State.TO_SIGN,
        "请尽快",
        fields={"unit_id": 7, "disposition": "dispatch"},
        data={"unit_id": 7},
    )


def test_a_remark_leaves_the_state() -> None:
    change = decide(State.CLOSED, "remark", "inspector", note="已核对")
    assert isinstance(change, Change)
    assert change.to_state is State.CLOSED
    assert "closed_at" not in change.fields


@pytest.mark.parametrize(
    ("state", "action", "role", "inputs", "code", "fields"),
    [
        (State.PRE_REVIEW, "dispatch", "agent", {}, "invalid", {"unit_id"}),
        (State.PRE_REVIEW, "dispatch", "agent", {"unit_id": "7"}, "invalid", {"unit_id"}),
        (State.PRE_REVIEW, "dispatch", "agent", {"unit_id": True}, "invalid", {"unit_id"}),
        (State.PRE_REVIEW, "direct_answer", "agent", {"answer": "  "}, "invalid", {"answer"}),
        (State.PRE_REVIEW, "direct_answer", "agent", {"answer": 5}, "invalid", {"answer"}),
        (State.PRE_REVIEW, "direct_answer", "agent", {"answer": "长" * 8001}, "invalid", {"answer"}),
        (State.PRE_REVIEW, "not_accept", "agent", FULL, "not_your_role", set()),
        (State.PRE_REVIEW, "not_accept", "dispatcher", {}, "invalid", {"note"}),
        (State.CLOSED, "dispatch", "agent", FULL, "not_allowed_in_state", set()),
        (State.DRAFT, "explode", "agent", FULL, "unknown_action", set()),
    ],
)
def test_refusals_are_sentences(
    state: State, action: str, role: str, inputs: dict[str, Any], code: str, fields: set[str]
) -> None:
    refused = decide(state, action, role, **inputs)
    assert isinstance(refused, Refusal)
    assert refused.code == code
    assert set(refused.fields) == fields
    assert refused.message.endswith("。")


def test_actions_offered_are_exactly_those_that_succeed() -> None:
    for state in State:
        for role in ROLES:
            done = [
                row.action for row in TABLE if isinstance(decide(state, row.action, role, **FULL), Change)
            ]
            assert actions_for(state, role) == done


def test_finished_tickets_only_take_remarks() -> None:
    for state in FINISHED:
        assert {action for role in ROLES for action in actions_for(state, role)} == {"remark"}


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.integers()))


@given(
    state=st.sampled_from(State),
    action=st.one_of(st.sampled_from(sorted(BY_ACTION)), st.text(max_size=8)),
    role=st.one_of(st.sampled_from(ROLES), st.text(max_size=8)),
    inputs=st.dictionaries(st.sampled_from(["note", "answer", "unit_id", "x"]), JUNK),
)
def test_any_input_gives_a_change_or_a_refusal(
    state: State, action: str, role: str, inputs: dict[str, Any]
) -> None:
    assert isinstance(decide(state, action, role, **inputs), Change | Refusal)
