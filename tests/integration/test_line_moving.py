"""Waiting callers moved by a supervisor on the real PBX: to the front, to another queue, to a seat."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from db.models import AccessLog, Call, JournalEvent
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx


def waiting(line: Line, queue: str) -> list[str]:
    """Numbers of the callers in a queue, in Asterisk's order."""
    entries = [m for m in line.ami("QueueStatus") if m["Event"] == "QueueEntry" and m["Queue"] == queue]
    return [m["CallerIDNum"] for m in sorted(entries, key=lambda m: int(m["Position"]))]


def uid_of(line: Line, number: str) -> str:
    rows = until(lambda: line.ledger("86" + number), 8, "the call in the ledger")
    return str(rows[-1].uid)


def queues_up(line: Line, number: str, keys: str = "0", queue: str = "consultation") -> CitizenCall:
    """A citizen who waits."""
    call = line.citizens().dial(caller=Caller(number), keys=keys)
    until(lambda: number in waiting(line, queue), 15, f"{number} waits for {queue}")
    return call


def move(desk: Desk, uid: str, to: str, target: str = "") -> None:
    body = {"to": to, "target": target, "reason": "紧急求助"}
    desk.ask("POST", f"/api/floor/callers/{uid}/move", body)


def refused(desk: Desk, uid: str, to: str, target: str = "") -> str:
    with pytest.raises(Refused) as refusal:
        move(desk, uid, to, target)
    return str(refusal.value.body["error"])


def moves(line: Line, uid: str) -> list[list[Any]]:
    with line.sessions() as session:
        query = select(JournalEvent.data).where(
            JournalEvent.call_uid == uid, JournalEvent.event == "MOVED", JournalEvent.understood
        )
        return [data[1:] for data in session.scalars(query.order_by(JournalEvent.id))]


def counted_from_the_first_wish(line: Line, row: Call) -> bool:
    """The wait is from the one TOPERSON to the answer, or the end."""
    with line.sessions() as session:
        asked = session.scalars(
            select(JournalEvent.at).where(JournalEvent.call_uid == row.uid, JournalEvent.event == "TOPERSON")
        ).one()
    end = row.answered_at or row.ended_at
    return end is not None and row.wait_ms == round((end - asked).total_seconds() * 1000)


@pytest.fixture
def busy(line: Line) -> Any:
    """One seat, which takes a call only when it is told to; its agent is not ready."""
    bank = line.phones("8001", habit=Habit(on_ring="wait", talk=0.5))
    agent = line.agent()
    agent.ask("POST", "/api/seat/not-ready", {"reason": "meeting"})
    until(lambda: agent.state()["presence"] == "not_ready", 5, "not ready")
    return bank.phones["8001"], agent


def test_a_caller_moved_to_the_front_is_served_first(line: Line, busy: Any) -> None:
    phone, agent = busy
    first = queues_up(line, "13812374001")
    second = queues_up(line, "13812374002")
    assert waiting(line, "consultation") == ["13812374001", "13812374002"]
    leader = line.desk("supervisor01")
    uid = uid_of(line, "13812374002")
    move(leader, uid, "front")
    assert waiting(line, "consultation") == ["13812374002", "13812374001"]
    agent.ready()
    phone.wait_for_ring(20)
    assert refused(leader, uid, "queue", "complaint") == "ringing"
    phone.answer()
    second.wait_for_end(20)
    row = line.ended("8613812374002")
    assert (row.outcome, row.queue, moves(line, uid)) == (
        "answered",
        "consultation",
        [["front", "consultation", "supervisor01"]],
    )
    assert counted_from_the_first_wish(line, row)
    assert refused(leader, uid, "front") == "call_gone"
    with line.sessions() as session:
        noted = session.scalars(select(AccessLog).where(AccessLog.action == "move_caller")).all()
    assert noted[-1].object.startswith(uid)
    first.hang_up()
    first.wait_for_end()


def test_a_caller_moved_to_another_queue_keeps_the_wait_and_is_abandoned_there(line: Line, busy: Any) -> None:
    call = queues_up(line, "13812374003")
    uid = uid_of(line, "13812374003")
    leader = line.desk("supervisor01")
    move(leader, uid, "queue", "complaint")
    until(lambda: waiting(line, "complaint") == ["13812374003"], 10, "waits there")
    assert waiting(line, "consultation") == []
    until(lambda: line.events(uid).count("ENTERQUEUE") == 2, 5, "journalled")
    call.hang_up()
    call.wait_for_end()
    row = line.ended("8613812374003")
    assert (row.outcome, row.queue) == ("abandoned_in_queue", "complaint")
    assert counted_from_the_first_wish(line, row)
    events = line.events(uid)
    assert (events.count("TOPERSON"), events.count("ABANDON")) == (1, 1)
    assert moves(line, uid) == [["queue", "complaint", "supervisor01"]]


def test_a_caller_moved_to_a_seat_is_answered_there(line: Line, busy: Any) -> None:
    phone, _ = busy
    call = queues_up(line, "13812374004")
    uid = uid_of(line, "13812374004")
    leader = line.desk("supervisor01")
    move(leader, uid, "seat", "8001")
    phone.wait_for_ring(10)
    phone.answer()
    call.wait_for_end(20)
    row = line.ended("8613812374004")
    assert (row.outcome, row.agent, row.seat, row.queue) == ("answered", "agent01", "8001", "consultation")
    assert counted_from_the_first_wish(line, row)
    assert moves(line, uid) == [["seat", "8001", "supervisor01"]]
    assert "ABANDON" not in line.events(uid)


def test_a_seat_that_does_not_take_the_caller_gives_him_back_to_the_head_of_the_queue(
    line: Line, busy: Any
) -> None:
    phone, _ = busy
    other = queues_up(line, "13812374005")
    call = queues_up(line, "13812374006")
    uid = uid_of(line, "13812374006")
    move(line.desk("supervisor01"), uid, "seat", "8001")
    phone.wait_for_ring(10)
    phone.reject()
    until(
        lambda: waiting(line, "consultation") == ["13812374006", "13812374005"],
        20,
        "at the head of the queue",
    )
    for each in (call, other):
        each.hang_up()
        each.wait_for_end()
    row = line.ended("8613812374006")
    assert (row.outcome, row.queue) == ("abandoned_in_queue", "consultation")
    assert counted_from_the_first_wish(line, row)
