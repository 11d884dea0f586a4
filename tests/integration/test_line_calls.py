"""Citizens dial 12345: what they walk through, who answers, what the ledger says of it."""

from __future__ import annotations

import pytest

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Line, until

pytestmark = pytest.mark.pbx

LI = Caller("13812340001", "李先生")


def test_a_citizen_reaches_a_person_and_everybody_knows(line: Line) -> None:
    bank = line.phones("8001")
    agent = line.agent()
    call = line.citizens().dial(caller=LI, keys="1")
    phone = bank.phones["8001"]
    phone.wait_for_ring(20)
    ringing = until(agent.call, 2, "the call on the agent's screen")
    assert (ringing["state"], ringing["queue"]) == ("ringing", "consultation")
    assert ringing["number"]["masked"] == "138****0001"
    assert agent.state()["activity"] == "ringing"
    pop = agent.ask("GET", f"/api/calls/{ringing['uid']}/pop")
    assert pop["path_labels"]
    phone.answer()
    until(lambda: agent.state()["activity"] == "talking", 3, "talking on the screen")
    phone.hang_up()
    call.wait_for_end(5)
    row = line.ended("8613812340001")
    assert (row.outcome, row.agent, row.seat, row.ended_by) == ("answered", "agent01", "8001", "agent")
    assert row.uid == ringing["uid"]
    assert [step["key"] for step in row.menu_path] == ["1"]
    until(lambda: agent.state()["reason"] == "after_call", 3, "after-call work")
    until(lambda: agent.state()["presence"] == "ready", 6, "ready again by itself")


def test_a_citizen_with_nobody_signed_in_is_offered_a_callback(line: Line) -> None:
    caller = Caller("13812340002")
    call = line.citizens().dial(caller=caller, keys="0", listen=True)
    call.wait_for_answer()
    until(lambda: line.ledger("8613812340002"), 5)
    uid = line.ledger("8613812340002")[0].uid
    until(lambda: "OVERFLOW" in line.events(uid), 15, "overflow")
    call.press("1")
    call.wait_for_end(30)
    assert line.ended("8613812340002").outcome == "callback_requested"


def test_an_agent_who_does_not_answer_is_passed_over(line: Line) -> None:
    bank = line.phones("8001", "8002", habit=Habit(on_ring="wait"))
    bank.phones["8001"].habit = Habit(on_ring="reject")
    bank.phones["8002"].habit = Habit(answer_after=0.2, talk=1)
    first, second = line.agent("agent01", "8001"), line.agent("agent02", "8002")
    for n in range(2):
        line.citizens().dial(caller=Caller(f"1381234100{n}"), keys="0").wait_for_end(40)
        line.ended(f"861381234100{n}")
        until(lambda: second.state()["presence"] == "ready", 8)
    rows = [row for row in line.ledger() if row.caller.startswith("861381234100")]
    assert [row.outcome for row in rows] == ["answered", "answered"]
    assert {row.agent for row in rows} == {"agent02"}
    assert first.state()["reason"] == "no_answer"


def test_a_telephone_that_nobody_answers_is_set_aside_and_the_citizen_keeps_the_place(line: Line) -> None:
    asleep = line.phones("8001", habit=Habit(on_ring="wait"))
    awake = line.phones("8002", habit=Habit(answer_after=0.2, talk=1))
    first = line.agent("agent01", "8001")
    caller = Caller("13812341020")
    call = line.citizens().dial(caller=caller, keys="0")
    asleep.phones["8001"].wait_for_ring(20)
    second = line.agent("agent02", "8002")
    awake.phones["8002"].wait_for_calls(1, 45)
    call.wait_for_end(10)
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.agent, row.rings) == ("answered", "agent02", 1)
    assert line.events(row.uid).count("ENTERQUEUE") == 1
    assert (first.state()["presence"], first.state()["reason"]) == ("not_ready", "no_answer")
    until(lambda: second.state()["activity"] == "idle", 5)
