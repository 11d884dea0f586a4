"""Skills and special desks on the real PBX: who is rung follows the database during the shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select

from db.models import AccessLog, QueueMembership, SpecialDeskPeriod, User
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Line, until

pytestmark = pytest.mark.pbx

TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
AT_ONCE = 5
BY_ITSELF = 25
"""Seconds until a change is followed: told by the desktop, and found in the database by the cti alone."""


@pytest.fixture
def put_back(line: Line) -> Iterator[None]:
    """The demo city's skills and periods, as they were."""
    with line.sessions() as session:
        kept = [(row.user_id, row.queue, row.penalty) for row in session.scalars(select(QueueMembership))]
    yield
    with line.sessions.begin() as session:
        session.execute(delete(QueueMembership))
        session.execute(delete(SpecialDeskPeriod).where(SpecialDeskPeriod.queue != "heating"))
        session.add_all(QueueMembership(user_id=u, queue=q, penalty=p) for u, q, p in kept)


def members(line: Line, seat: str = "8001") -> dict[str, tuple[str, str]]:
    """Queues of the seat's telephone: (penalty, paused) as Asterisk has them."""
    return {
        message["Queue"]: (message["Penalty"], message["Paused"])
        for message in line.ami("QueueStatus")
        if message["Event"] == "QueueMember" and message["Location"].startswith(f"PJSIP/{seat}")
    }


def follows(line: Line, expected: dict[str, tuple[str, str]], seconds: float) -> None:
    until(lambda: members(line) == expected, seconds, f"members {expected}")


def desk_is(line: Line, queue: str) -> Callable[[], str]:
    return lambda: line.ami("Getvar", Variable=f"DESK_{queue}")[0]["Value"]


@pytest.mark.usefixtures("put_back")
def test_a_skill_and_its_priority_are_followed_without_a_new_log_in(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.5))
    agent = line.agent()
    follows(line, {"consultation": ("0", "0"), "complaint": ("0", "0")}, AT_ONCE)
    leader = line.desk("leader01")
    page: dict[str, Any] = leader.ask("GET", "/api/desk-settings/skills")
    mine = next(one for one in page["agents"] if one["login"] == "agent01")
    wish = {"consultation": 3, "dialect": 1}
    body = {"version": page["version"], "agents": [{"id": mine["id"], "penalties": wish}]}
    leader.ask("PUT", "/api/desk-settings/skills", body)
    follows(line, {"consultation": ("3", "0"), "dialect": ("1", "0")}, AT_ONCE)
    until(lambda: set(agent.state()["queues"]) == set(wish), AT_ONCE, "the seat shows its queues")
    assert agent.state()["presence"] == "ready"
    with line.sessions() as session:
        noted = session.scalars(select(AccessLog).where(AccessLog.action == "desk_settings")).all()
    assert [one.object for one in noted] == ["agent01"]
    caller = Caller("13812373001")
    line.citizens().dial(caller=caller, keys="9").wait_for_end(30)
    assert line.ended("86" + caller.number).queue == "dialect"


@pytest.mark.usefixtures("put_back")
def test_a_special_desk_that_closes_serves_who_waits_and_takes_its_members_out(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait", talk=0.5))
    agent = line.agent()
    with line.sessions.begin() as session:
        user = session.scalars(select(User.id).where(User.login == "agent01")).one()
        session.add(QueueMembership(user_id=user, queue="dialect", penalty=0))
    follows(line, dict.fromkeys(("consultation", "complaint", "dialect"), ("0", "0")), BY_ITSELF)
    caller = Caller("13812373002")
    call = line.citizens().dial(caller=caller, keys="9")
    phone = bank.phones["8001"]
    phone.wait_for_ring(20)
    leader = line.desk("leader01")
    page = leader.ask("GET", "/api/desk-settings/special-desks")
    over = {"opens_on": str(TODAY - timedelta(9)), "closes_on": str(TODAY - timedelta(1))}
    kept = [row for one in page["desks"] for row in one["periods"]]
    body = {"version": page["version"], "periods": [*kept, {"queue": "dialect", **over}]}
    leader.ask("PUT", "/api/desk-settings/special-desks", body)
    until(lambda: desk_is(line, "dialect")() == "closed", AT_ONCE, "the dialplan knows")
    assert desk_is(line, "complaint")() == "open"
    assert "dialect" in members(line)
    phone.answer()
    call.wait_for_end(30)
    assert (line.ended("86" + caller.number).queue, line.ended("86" + caller.number).outcome) == (
        "dialect",
        "answered",
    )
    until(lambda: "dialect" not in members(line), BY_ITSELF, "the desk's members are out")
    assert set(members(line)) == {"consultation", "complaint"}
    assert agent.state()["agent"] == "agent01"
