"""We call citizens: from the screen, and those who asked for it in the queue; and the rating after a talk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import select

from db import models
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.phones.errors import PhoneTimeout
from hotline.phones.identity import Caller
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx

CITIZEN = "19900000003"
ASKING = "19900000005"


def outside(line: Line, habit: Habit) -> PhoneBank:
    """Citizens' own telephones, behind the carrier."""
    return line.phones(own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=habit)


def at_work(line: Line) -> tuple[Desk, PhoneBank]:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    return line.agent(), bank


def state(desk: Desk) -> str | None:
    return (desk.call() or {}).get("state")


def last_to(line: Line, number: str, count: int = 1) -> models.Call:
    """The last of our calls to this number, once `count` of them have ended."""

    def found() -> models.Call | None:
        with line.sessions() as session:
            query = select(models.Call).where(
                models.Call.pbx == line.settings.pbx_name,
                models.Call.direction == "outbound",
                models.Call.caller == "86" + number,
                models.Call.outcome.is_not(None),
            )
            rows = list(session.scalars(query.order_by(models.Call.id)))
        return rows[-1] if len(rows) == count else None

    row: models.Call = until(found, 15, f"{count} ended call(s) to {number} in the ledger")
    return row


def test_an_agent_calls_a_citizen_who_sees_12345(line: Line) -> None:
    citizens = outside(line, Habit(on_ring="wait"))
    agent, bank = at_work(line)
    agent.ask("POST", "/api/seat/dial", {"number": CITIZEN})
    until(lambda: state(agent) == "dialing", 5, "dialling on the screen")
    ring = until(lambda: citizens.phones.get(CITIZEN) and citizens.phones[CITIZEN].call, 5, "it rings there")
    assert ring.caller_number == "12345"
    citizens.phones[CITIZEN].answer()
    until(lambda: state(agent) == "talking", 5, "talking on the screen")
    uid = (agent.call() or {})["uid"]
    bank.phones["8001"].hang_up()
    citizens.phones[CITIZEN].wait_for_idle()
    row = last_to(line, CITIZEN)
    assert (row.uid, row.outcome, row.agent) == (uid, "answered", "agent01")
    until(lambda: agent.state()["reason"] == "after_call", 3, "after-call work")
    agent.ask("POST", "/api/seat/dial", {"redial": True})
    until(lambda: state(agent) == "dialing", 5, "the same number again")
    bank.phones["8001"].hang_up()
    assert last_to(line, CITIZEN, 2).outcome == "cancelled"


def test_a_citizen_who_is_busy_is_busy_in_the_ledger(line: Line) -> None:
    outside(line, Habit(on_ring="reject"))
    agent, _ = at_work(line)
    agent.ask("POST", "/api/seat/dial", {"number": "19900000004"})
    assert last_to(line, "19900000004").outcome == "busy"
    until(lambda: agent.state()["activity"] == "idle", 10, "the seat is free")


def test_a_number_that_is_none_is_refused_in_words(line: Line) -> None:
    agent, _ = at_work(line)
    with pytest.raises(Refused) as refused:
        agent.ask("POST", "/api/seat/dial", {"number": "abc"})
    assert refused.value.status == 422


def test_a_callback_keeps_the_place_and_reaches_the_citizen(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    crowd = line.citizens()
    first = crowd.dial(caller=Caller("13812372001"), keys="0")
    until(lambda: state(agent) == "talking", 25, "the seat is busy")
    wants = crowd.dial(caller=Caller("+86" + ASKING), keys="0")
    until(lambda: waiting(line) == 1, 15, "in the queue")
    behind = crowd.dial(caller=Caller("13812372002"), keys="0")
    until(lambda: waiting(line) == 2, 15, "one behind")
    citizens = outside(line, Habit(answer_after=0.1))
    uid = line.ledger("86" + ASKING)[-1].uid
    taken = lambda: "CALLBACKASKED" in line.events(uid)  # noqa: E731
    until(lambda: pressed_until(wants, "1", taken), 20, "the call-back is taken down")
    wants.wait_for_end(20)
    original = line.ended("86" + ASKING)
    assert original.outcome == "callback_requested"
    assert waiting(line) == 2, "the place is kept"
    first.hang_up()
    until(lambda: (agent.call() or {}).get("kind") == "callback", 15, "the kept place comes first")
    until(lambda: state(agent) == "talking", 10, "the citizen has been called")
    assert citizens.phones[ASKING].calls[0].caller_number == "12345"
    bank.phones["8001"].hang_up()
    citizens.phones[ASKING].wait_for_idle()
    row = last_to(line, ASKING)
    assert (row.outcome, row.callback_of, row.agent) == ("answered", original.uid, "agent01")
    until(lambda: state(agent) == "talking", 15, "then the one behind")
    behind.hang_up()


def waiting(line: Line) -> int:
    return len([m for m in line.ami("QueueStatus") if m["Event"] == "QueueEntry"])


def pressed_until(call: CitizenCall, key: str, taken: Callable[[], bool]) -> bool:
    """A key is pressed until it counts, as people do: while an announcement begins it may be lost."""
    if taken():
        return True
    if call.state == "talking":
        call.press(key)
        with contextlib.suppress(PhoneTimeout):
            call.wait_for_keys(key, 3)
    return False


def rated(line: Line, uid: str) -> int | None:
    with line.sessions() as session:
        return session.scalar(select(models.Call.rating_reason).where(models.Call.uid == uid))


@pytest.fixture
def survey(line: Line) -> Iterator[None]:
    line.ami("Setvar", Variable="HL_SURVEY", Value="yes")
    yield
    line.ami("Setvar", Variable="HL_SURVEY", Value="no")


def test_the_citizen_rates_the_talk_and_says_why(line: Line, survey: None) -> None:
    agent, bank = at_work(line)
    call = line.citizens().dial(caller=Caller("13812372005"), keys="0")
    until(lambda: state(agent) == "talking", 25, "talking")
    bank.phones["8001"].hang_up()
    number = "8613812372005"
    uid = until(lambda: line.ledger(number), 5, "in the ledger")[-1].uid
    until(lambda: "SURVEYBEGAN" in line.events(uid), 5, "asked")
    until(lambda: agent.state()["reason"] == "after_call", 3, "the agent is free of the call")
    call.press("3")
    until(lambda: "SURVEYED" in line.events(uid), 8, "rated")
    until(lambda: pressed_until(call, "2", lambda: rated(line, uid) == 2), 15, "said why")
    call.wait_for_end(15)
    row = line.ended(number)
    assert (row.outcome, row.rating, row.rating_reason, row.rated_agent) == ("answered", 3, 2, "agent01")
    assert row.ended_by == "agent"
