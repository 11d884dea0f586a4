"""Somebody is brought into a call: consult, complete, three-way, out again."""

from __future__ import annotations

from typing import Any

import pytest

from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.phones.identity import Caller
from tests.line import Desk, Line, until

pytestmark = pytest.mark.pbx

EXPERT = "19900010001"
STORY = ("CONSULTBEGAN", "CONSULTANSWERED", "CONSULTENDED", "PARTYLEFT", "THREEWAY", "TRANSFERRED")


@pytest.fixture
def expert(line: Line) -> PhoneBank:
    """Everybody outside: the carrier takes the call to one telephone, which picks up at once."""
    return line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.1),
    )


def talk(line: Line, number: str) -> tuple[Desk, CitizenCall, PhoneBank, str]:
    """Agent at 8001 talks with a citizen: desk, citizen, telephone, uid."""
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    call = line.citizens().dial(caller=Caller(number), keys="0")
    uid = until(lambda: sees(agent, "talking"), 25, "talking")
    return agent, call, bank, uid


def sees(desk: Desk, state: str, party: str | None = None) -> str | None:
    """The uid of the call at this desk if it is in that state."""
    call = desk.call()
    if call is None or call["state"] != state:
        return None
    return call["uid"] if party is None or (call["party"] or {}).get("state") == party else None


def consult(agent: Desk, **whom: Any) -> None:
    agent.ask("POST", "/api/seat/consult", whom)
    until(lambda: sees(agent, "consulting", "talking"), 8, "the other has answered")


def press(agent: Desk, verb: str) -> None:
    agent.ask("POST", f"/api/seat/{verb}", {})


def joined(line: Line, what: str) -> None:
    """Agent and citizen are in one bridge again. The desk says "talking" when the agent's channel is on its
    way back; whoever hangs up there has not ended the call: the citizen goes to the head of the queue."""
    until(
        lambda: any(one.get("Context") == "join-citizen" and one.get("BridgeId") for one in line.channels()),
        8,
        what,
    )


def test_back_to_the_citizen_after_asking_an_expert(line: Line, expert: PhoneBank) -> None:
    agent, call, bank, uid = talk(line, "13812380001")
    consult(agent, kind="number", target=EXPERT)
    press(agent, "cancel-consult")
    until(lambda: sees(agent, "talking"), 5, "with the citizen again")
    joined(line, "heard by the citizen again")
    assert call.state == "talking"
    bank.phones["8001"].hang_up()
    call.wait_for_end(8)
    row = line.ended("8613812380001")
    assert (row.outcome, row.ended_by, row.agent) == ("answered", "agent", "agent01")
    assert [event for event in line.events(uid) if event in STORY] == list(STORY[:4])
    until(lambda: agent.state()["reason"] == "after_call", 3, "after-call work")


def test_the_citizen_is_handed_over_to_the_expert(line: Line, expert: PhoneBank) -> None:
    agent, call, _, uid = talk(line, "13812380002")
    consult(agent, kind="number", target=EXPERT)
    press(agent, "complete-transfer")
    until(lambda: agent.state()["activity"] == "idle", 5, "the agent is out")
    until(lambda: "TRANSFERRED" in line.events(uid), 5, "handed over")
    assert call.state == "talking"
    expert.phones[EXPERT].hang_up()
    call.wait_for_end(8)
    row = line.ended("8613812380002")
    assert (row.outcome, row.transfers, row.ended_by) == ("answered", 1, "agent")


def test_three_talk_and_two_go_on_whoever_leaves(line: Line, expert: PhoneBank) -> None:
    agent, call, _, uid = talk(line, "13812380003")
    consult(agent, kind="number", target=EXPERT)
    press(agent, "three-way")
    until(lambda: sees(agent, "three_way", "joined"), 5, "three together")
    expert.phones[EXPERT].hang_up()
    until(lambda: sees(agent, "talking"), 5, "two remain")
    joined(line, "joined directly")
    consult(agent, kind="number", target=EXPERT)
    press(agent, "three-way")
    until(lambda: sees(agent, "three_way", "joined"), 5, "three together again")
    press(agent, "leave")
    until(lambda: agent.state()["activity"] == "idle", 5, "the agent is out")
    assert (call.state, expert.phones[EXPERT].state) == ("talking", "talking")
    call.hang_up()
    expert.phones[EXPERT].wait_for_idle()
    row = line.ended("8613812380003")
    assert (row.outcome, row.ended_by) == ("answered", "caller")
    assert line.events(uid).count("THREEWAY") == 2


def test_end_all_ends_it_for_everybody(line: Line, expert: PhoneBank) -> None:
    agent, call, bank, _ = talk(line, "13812380004")
    consult(agent, kind="number", target=EXPERT)
    press(agent, "three-way")
    until(lambda: sees(agent, "three_way", "joined"), 5, "three together")
    press(agent, "end-all")
    call.wait_for_end(8)
    bank.phones["8001"].wait_for_idle()
    expert.phones[EXPERT].wait_for_idle()


def test_another_seat_is_consulted_and_takes_the_call(line: Line) -> None:
    agent, call, _, uid = talk(line, "13812380005")
    other = line.phones("8002", habit=Habit(answer_after=0.1))
    colleague = line.agent("agent02", "8002")
    consult(agent, kind="seat", target="8002")
    assert colleague.state()["call"] == uid
    press(agent, "complete-transfer")
    until(lambda: sees(colleague, "talking"), 5, "the colleague has the call")
    until(lambda: agent.state()["activity"] == "idle", 5, "the first agent is out")
    other.phones["8002"].hang_up()
    call.wait_for_end(8)
    assert line.ended("8613812380005").outcome == "answered"
    until(lambda: colleague.state()["reason"] == "after_call", 3, "after-call work for the colleague")


def test_a_seat_takes_a_blind_transfer_or_the_citizen_comes_back(line: Line) -> None:
    agent, call, _, _ = talk(line, "13812380006")
    line.phones("8002", habit=Habit(answer_after=0.1))
    colleague = line.agent("agent02", "8002")
    agent.ask("POST", "/api/seat/transfer", {"kind": "seat", "target": "8002"})
    until(lambda: sees(colleague, "talking"), 8, "the colleague has the call")
    until(lambda: agent.state()["presence"] == "ready", 8, "the first agent is ready again")
    line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="reject")
    )
    colleague.ask("POST", "/api/seat/transfer", {"kind": "number", "target": "19900019999"})
    until(
        lambda: sees(agent, "talking") or sees(colleague, "talking"), 25, "back with a person: nobody there"
    )
    assert call.state == "talking"
    call.hang_up()
    row = line.ended("8613812380006")
    assert (row.outcome, row.transfers) == ("answered", 2)


def test_the_citizen_hangs_up_while_the_agent_consults(line: Line, expert: PhoneBank) -> None:
    agent, call, bank, _ = talk(line, "13812380007")
    consult(agent, kind="number", target=EXPERT)
    call.hang_up()
    expert.phones[EXPERT].wait_for_idle()
    bank.phones["8001"].wait_for_idle()
    assert line.ended("8613812380007").ended_by == "caller"


def test_an_expert_who_does_not_answer_costs_nothing(line: Line) -> None:
    line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="reject")
    )
    agent, call, bank, uid = talk(line, "13812380008")
    agent.ask("POST", "/api/seat/consult", {"kind": "number", "target": EXPERT})
    until(lambda: "CONSULTENDED" in line.events(uid), 8, "the expert has refused")
    until(lambda: sees(agent, "talking"), 8, "with the citizen again")
    joined(line, "heard by the citizen again")
    bank.phones["8001"].hang_up()
    call.wait_for_end(8)


def test_a_desk_phone_that_hangs_up_while_the_other_rings_does_not_lose_the_citizen(line: Line) -> None:
    line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="wait")
    )
    agent, call, bank, _ = talk(line, "13812380009")
    agent.ask("POST", "/api/seat/consult", {"kind": "number", "target": EXPERT})
    until(lambda: sees(agent, "consulting", "ringing"), 5, "it rings")
    bank.phones["8001"].hang_up()
    until(lambda: sees(agent, "talking"), 25, "the citizen is back with a person")
    bank.phones["8001"].hang_up()
    call.wait_for_end(8)
