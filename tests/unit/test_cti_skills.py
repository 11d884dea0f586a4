"""Skills and special desks: who is wanted where, and which steps lead there from any state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.skills import Join, Leave, Member, Rank, Skill, Step, steps, wanted

QUEUES = {"consultation": 0, "heating": 0, "dialect": 0}


def member(queue: str, agent: str = "agent01", penalty: int = 0, pause: str | None = None) -> Member:
    return Member(queue, f"PJSIP/80{agent[-2:]}", agent, penalty, pause)


def test_a_closed_desk_is_wanted_by_nobody() -> None:
    skills = [Skill("agent01", "consultation"), Skill("agent01", "heating", 1), Skill("agent02", "heating")]
    assert wanted(skills, ["heating"]) == {"agent01": {"consultation": 0}, "agent02": {}}
    assert wanted(skills, [])["agent02"] == {"heating": 0}


def test_a_new_skill_and_a_new_priority_are_followed_during_the_shift() -> None:
    wants = {"agent01": {"consultation": 2, "dialect": 1}}
    assert steps([member("consultation")], wants, QUEUES) == [
        Rank("PJSIP/8001", "consultation", 2),
        Join("PJSIP/8001", "agent01", "dialect", 1),
    ]


def test_a_skill_taken_away_is_left() -> None:
    now = [member("consultation"), member("dialect")]
    assert steps(now, {"agent01": {"consultation": 0}}, QUEUES) == [Leave("PJSIP/8001", "dialect")]


def test_a_desk_that_closes_serves_its_callers_first() -> None:
    now = [
        member("consultation"),
        member("heating"),
        member("consultation", "agent02"),
        member("heating", "agent02"),
    ]
    wants = {"agent01": {"consultation": 0}, "agent02": {"consultation": 0}}
    assert steps(now, wants, QUEUES | {"heating": 1}, closed=["heating"]) == []
    assert steps(now, wants, QUEUES, closed=["heating"]) == [
        Leave("PJSIP/8001", "heating"),
        Leave("PJSIP/8002", "heating"),
    ]


def test_the_last_member_stays_while_somebody_waits() -> None:
    now = [member("consultation"), member("dialect")]
    assert steps(now, {"agent01": {"consultation": 0}}, QUEUES | {"dialect": 2}) == []


def test_a_call_that_goes_on_keeps_its_membership() -> None:
    now = [member("consultation"), member("dialect")]
    talking = [("PJSIP/8001", "dialect")]
    assert steps(now, {"agent01": {"consultation": 0}}, QUEUES, talking=talking) == []


@pytest.mark.parametrize("wants", [{}, {"agent01": {}}, {"agent01": {"unknown": 0}}])
def test_nobody_is_signed_out_by_a_change_of_skills(wants: dict[str, dict[str, int]]) -> None:
    assert steps([member("consultation")], wants, QUEUES) == []


# --- for any floor -----------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d"]
AGENTS = ["agent01", "agent02", "agent03"]
WANTS = st.dictionaries(
    st.sampled_from(AGENTS), st.dictionaries(st.sampled_from([*NAMES, "gone"]), st.integers(0, 3))
)
MEMBERS = st.lists(
    st.builds(member, st.sampled_from(NAMES), st.sampled_from(AGENTS), st.integers(0, 3)),
    unique_by=lambda one: (one.interface, one.queue),
    max_size=12,
)
PLACES = [(f"PJSIP/80{agent[-2:]}", queue) for agent in AGENTS for queue in NAMES]


def after(members: list[Member], done: list[Step]) -> dict[tuple[str, str], int]:
    """(interface, queue) → penalty when Asterisk has carried the steps out, in order."""
    state = {(one.interface, one.queue): one.penalty for one in members}
    for step in done:
        if isinstance(step, Leave):
            del state[step.interface, step.queue]
            assert any(interface == step.interface for interface, _ in state), "signed out by a step"
        else:
            state[step.interface, step.queue] = step.penalty
    return state


@given(
    MEMBERS,
    WANTS,
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2)),
    st.sets(st.sampled_from(PLACES)),
)
def test_steps_lead_to_what_is_wanted_and_then_there_are_none(
    members: list[Member],
    wants: dict[str, dict[str, int]],
    callers: dict[str, int],
    talking: set[tuple[str, str]],
) -> None:
    waiting = {name: callers.get(name, 0) for name in NAMES}
    state = after(members, steps(members, wants, waiting, talking=talking))
    for name in NAMES:
        if waiting[name] and any(one.queue == name for one in members):
            assert any(queue == name for _, queue in state), "callers wait for nobody"
    agents = {one.interface: one.agent for one in members}
    fitted = [Member(queue, place, agents[place], rank) for (place, queue), rank in state.items()]
    quiet = dict.fromkeys(NAMES, 0)
    final = after(fitted, steps(fitted, wants, quiet))
    for interface, agent in agents.items():
        wish = {queue: rank for queue, rank in wants.get(agent, {}).items() if queue in NAMES}
        mine = {queue: rank for (place, queue), rank in final.items() if place == interface}
        assert mine == wish or not wish
    again = [Member(queue, place, agents[place], rank) for (place, queue), rank in final.items()]
    assert steps(again, wants, quiet) == []
