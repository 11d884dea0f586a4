"""What the ledger makes of a real journal: parts of calls, in the database and in a ticket's timeline."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from db import models
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, until

pytestmark = pytest.mark.pbx


def parts_of(line: Line, uid: str) -> list[tuple[str, str | None, str]]:
    with line.sessions() as session:
        query = select(models.CallPart).where(models.CallPart.call_uid == uid)
        rows = list(session.scalars(query.order_by(models.CallPart.position)))
    assert all(row.ended_at for row in rows)
    return [(row.kind, row.agent, row.who) for row in rows]


def in_state(desk: Desk, state: str, party: str | None = None) -> str | None:
    call = desk.call() or {}
    there = call.get("state") == state and (party is None or (call["party"] or {}).get("state") == party)
    return call["uid"] if there else None


def test_a_colleague_who_was_asked_and_then_took_the_call_stands_in_the_timeline(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1))
    other = line.phones("8002", habit=Habit(answer_after=0.1))
    agent, call = line.agent(), line.citizens().dial(caller=Caller("13812374001"), keys="0")
    uid = until(lambda: in_state(agent, "talking"), 25, "talking")
    colleague = line.agent("agent02", "8002")
    agent.ask("POST", "/api/seat/pause-recording", {})
    until(lambda: (agent.call() or {}).get("recording") == "paused", 5, "paused")
    agent.ask("POST", "/api/seat/resume-recording", {})
    until(lambda: (agent.call() or {}).get("recording") == "on", 5, "on again")
    agent.ask("POST", "/api/seat/consult", {"kind": "seat", "target": "8002"})
    until(lambda: in_state(agent, "consulting", "talking"), 8, "the colleague has answered")
    agent.ask("POST", "/api/seat/three-way", {})
    until(lambda: in_state(agent, "three_way", "joined"), 5, "three together")
    agent.ask("POST", "/api/seat/leave", {})
    until(lambda: agent.state()["activity"] == "idle", 5, "the first agent is out")
    other.phones["8002"].hang_up()
    call.wait_for_end(8)
    row = line.over(uid)
    assert parts_of(line, uid) == [
        ("agent", "agent01", ""),
        ("recording_paused", "agent01", ""),
        ("consult", "agent01", "agent02"),
        ("party", "agent01", "agent02"),
        ("agent", "agent02", ""),
    ]
    assert row.hold_ms <= row.talk_ms
    assert any(one["uid"] == uid for one in colleague.ask("GET", "/api/calls")["rows"])


def test_a_call_made_to_a_citizen_has_the_talk_as_its_only_part(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1))
    line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.5),
    )
    agent = line.agent()
    agent.ask("POST", "/api/seat/dial", {"number": "19900020002"})
    uid = until(lambda: in_state(agent, "talking"), 15, "the citizen has picked up")
    agent.ask("POST", "/api/seat/hang-up", {})
    row = line.ended("8619900020002")
    assert (row.uid, row.direction, row.outcome, row.agent, row.wait_ms) == (
        uid,
        "outbound",
        "answered",
        "agent01",
        None,
    )
    assert parts_of(line, uid) == [("agent", "agent01", "")]
