"""What supervisors switch on the real PBX: queues, overflow, seats forced and put into queues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, select

from db.models import AccessLog, OverflowRule, QueueSwitch, SkillOverride
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx


@pytest.fixture(autouse=True)
def put_back(line: Line) -> Iterator[None]:
    """Nothing is switched when the next test begins."""
    yield
    with line.sessions.begin() as session:
        for table in (QueueSwitch, OverflowRule, SkillOverride):
            session.execute(delete(table))
    line.desk("supervisor01").ask("PUT", "/api/floor/queues/complaint/switch", {"state": None})


def switch(desk: Desk, queue: str, state: str | None) -> dict[str, Any]:
    body = {"state": state, "reason": "系统演练"}
    return dict(desk.ask("PUT", f"/api/floor/queues/{queue}/switch", body))


def overflow(desk: Desk, queue: str, then: str, target: str = "", after: int = 5) -> None:
    rule = {"after_seconds": after, "then": then, "target": target}
    desk.ask("PUT", f"/api/floor/queues/{queue}/overflow", rule)


def force(desk: Desk, seat: str, verb: str, **more: Any) -> None:
    desk.ask("POST", f"/api/floor/seats/{seat}/force", {"verb": verb, "reason": "示例原因", **more})


def told(line: Line, name: str) -> str:
    return str(line.ami("Getvar", Variable=name)[0]["Value"])


def serves(line: Line, seat: str = "8001") -> set[str]:
    return {
        m["Queue"]
        for m in line.ami("QueueStatus")
        if m["Event"] == "QueueMember" and m["Location"].startswith(f"PJSIP/{seat}")
    }


def test_a_closed_queue_gives_its_callers_to_the_main_one_and_survives_asterisk(line: Line) -> None:
    supervisor = line.desk("supervisor01")
    assert switch(supervisor, "complaint", "closed")["open"] is False
    assert told(line, "DESK_complaint") == "closed"
    with pytest.raises(Refused) as refused:
        switch(supervisor, "consultation", "closed")
    assert refused.value.body["error"] == "main_queue"
    overflow(supervisor, "consultation", "offer", after=25)
    line.kill("pbx")
    line.start("pbx")
    until(lambda: told(line, "DESK_complaint") == "closed", 15, "told again after a restart")
    until(lambda: told(line, "OVERFLOW_AFTER_consultation") == "25", 5, "and the rule")
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.5))
    line.wait_until_linked()
    line.agent()
    line.citizens().dial(caller=Caller("13812375001"), keys="21").wait_for_end(30)
    row = line.ended("8613812375001")
    assert (row.outcome, row.queue, "DESKCLOSED" in line.events(row.uid)) == (
        "answered",
        "consultation",
        True,
    )
    assert switch(supervisor, "complaint", "open")["open"] is True
    assert told(line, "DESK_complaint") == "open"


def test_a_queue_overflows_into_another_one_and_no_queue_gets_a_caller_twice(line: Line) -> None:
    line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    agent.ask("POST", "/api/seat/not-ready", {"reason": "meeting"})
    supervisor = line.desk("supervisor01")
    overflow(supervisor, "consultation", "queue", "complaint")
    overflow(supervisor, "complaint", "queue", "consultation")
    call = line.citizens().dial(caller=Caller("13812375002"), keys="0")
    rows = until(lambda: line.ledger("8613812375002"), 10, "the call")
    uid = rows[-1].uid
    until(
        lambda: line.events(uid).count("OVERFLOW") == 2, 40, "overflowed twice, into the other queue and out"
    )
    call.hang_up()
    call.wait_for_end()
    row = line.ended("8613812375002")
    events = line.events(uid)
    assert (events.count("ENTERQUEUE"), events.count("TOPERSON"), row.queue) == (2, 1, "complaint")
    assert row.outcome == "overflowed"


def test_overflow_to_the_duty_telephone_and_to_the_offer(line: Line) -> None:
    line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    agent.ask("POST", "/api/seat/not-ready", {"reason": "meeting"})
    supervisor = line.desk("supervisor01")
    with pytest.raises(Refused) as refused:
        overflow(supervisor, "consultation", "duty")
    assert refused.value.status == 422
    switch(supervisor, "complaint", "closed")
    overflow(supervisor, "consultation", "queue", "complaint")
    call = line.citizens().dial(caller=Caller("13812375003"), keys="0")
    uid = until(lambda: line.ledger("8613812375003"), 10, "the call")[-1].uid
    until(lambda: "OVERFLOW" in line.events(uid), 30, "the closed queue is no way out: the offer")
    assert line.events(uid).count("ENTERQUEUE") == 1
    call.press("1")
    call.wait_for_end(30)
    assert line.ended("8613812375003").outcome == "callback_requested"


def test_a_seat_is_forced_by_each_verb(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    agent, leader = line.agent(), line.desk("supervisor01")
    force(leader, "8001", "not_ready", reason_code="meeting")
    until(lambda: agent.state()["reason"] == "meeting", 5, "not ready")
    force(leader, "8001", "ready")
    until(lambda: agent.state()["presence"] == "ready", 5, "ready")
    call = line.citizens().dial(caller=Caller("13812375004"), keys="0")
    phone = bank.phones["8001"]
    phone.wait_for_ring(20)
    phone.answer()
    until(lambda: agent.state()["activity"] == "talking", 5, "talking")
    with pytest.raises(Refused) as refused:
        force(leader, "8001", "sign_out")
    assert refused.value.body["error"] == "in_call"
    with pytest.raises(Refused) as changed:
        force(leader, "8001", "hang_up", expects={"agent": "agent01", "uid": "pbx1-0.0"})
    assert changed.value.body["error"] == "changed"
    force(leader, "8001", "hang_up")
    call.wait_for_end(10)
    assert line.ended("8613812375004").ended_by == "agent"
    until(lambda: agent.state()["activity"] == "idle", 5, "idle")
    force(leader, "8001", "sign_out")
    until(lambda: not serves(line), 5, "signed out")
    with pytest.raises(Refused) as out:
        agent.ask("POST", "/api/seat/ready", {})
    assert out.value.body["error"] == "forced_out"
    agent.log_in("agent01", "8001")
    with line.sessions() as session:
        noted = session.scalars(
            select(AccessLog.action).where(AccessLog.action.like("force_%")).order_by(AccessLog.id)
        ).all()
    assert noted[-5:] == [
        "force_ready",
        "force_sign_out",
        "force_sign_out_refused",
        "force_hang_up",
        "force_sign_out",
    ]


def test_a_seat_serves_another_queue_until_a_moment(line: Line) -> None:
    line.phones("8001")
    line.agent()
    supervisor = line.desk("supervisor01")
    before = serves(line)
    assert "dialect" not in before

    def change(add: bool, until_ms: int | None = None) -> dict[str, Any]:
        body = {"queue": "dialect", "add": add, "reason": "方言来电多", "until": until_ms}
        return dict(supervisor.ask("POST", "/api/floor/seats/8001/queues", body))

    ends = round(time.time() * 1000) + 4_000
    assert change(True, ends)["pending"] is False
    assert serves(line) == before | {"dialect"}
    until(lambda: serves(line) == before, 12, "the skills are back when the moment has come")
    assert change(True)["pending"] is False
    assert change(False)["until"] is None
    assert serves(line) == before
