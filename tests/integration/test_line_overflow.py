"""Nobody free: no citizen meets a dead line, whatever the queue says."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hotline import pbx
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Line, until

pytestmark = pytest.mark.pbx


@pytest.fixture
def globals_of(line: Line) -> Iterator[dict[str, str]]:
    """Dialplan globals for one test; what is set here is taken back at the end."""
    was = {"DUTY_NUMBER": line.settings.duty_number, "HL_QUEUE_WAIT": str(line.settings.queue_wait_seconds)}
    yield was
    for name, value in was.items():
        _set(line, name, value)


def _set(line: Line, name: str, value: str) -> None:
    pbx.console(
        line.settings, f"dialplan set global {name} {value}" if value else f'dialplan set global {name} ""'
    )


def wait_for(line: Line, call: CitizenCall, event: str, timeout: float = 25) -> str:
    """The call's uid, once the event stands in the ledger."""
    number = "86" + call.caller.number
    rows = until(lambda: line.ledger(number), 8, "the call in the ledger")
    uid: str = rows[-1].uid
    until(lambda: event in line.events(uid), timeout, event)
    return uid


def test_at_night_the_duty_telephone_is_rung(line: Line, globals_of: dict[str, str]) -> None:
    _set(line, "DUTY_NUMBER", "057188880000")
    duty = line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.1, talk=1),
    )
    call = line.citizens().dial(caller=Caller("13812390001"), keys="0")
    call.wait_for_end(40)
    row = line.ended("8613812390001")
    assert (row.outcome, row.reason, row.ended_by) == ("answered", "outside", "agent")
    assert [phone.seat for phone in duty.phones.values() if phone.calls] == ["057188880000"]


def test_a_duty_telephone_that_nobody_answers_leads_to_the_offer(
    line: Line, globals_of: dict[str, str]
) -> None:
    _set(line, "DUTY_NUMBER", "057188880000")
    line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="reject")
    )
    call = line.citizens().dial(caller=Caller("13812390002"), keys="0")
    wait_for(line, call, "OVERFLOW")
    while_offered = until(lambda: call.state == "talking" and not line.ledger("8613812390002")[0].outcome, 5)
    assert while_offered
    # The offer comes after the announcement and the refused ring: the key is repeated as a person would.
    until(lambda: _pressed(call, "1", line), 30, "a call-back is taken down")
    call.wait_for_end(20)
    row = line.ended("8613812390002")
    assert (row.outcome, row.callback_number) == ("callback_requested", "8613812390002")


def _pressed(call: CitizenCall, key: str, line: Line) -> bool:
    taken = "CALLBACKASKED" in line.events(line.ledger("86" + call.caller.number)[-1].uid)
    if not taken and call.state == "talking":
        call.press(key)
        call.wait_for_keys(key, 3)
    return taken


def test_who_has_waited_too_long_may_go_on_waiting(line: Line, globals_of: dict[str, str]) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    first = line.citizens().dial(caller=Caller("13812390003"), keys="0")
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    _set(line, "HL_QUEUE_WAIT", "3")
    second = line.citizens().dial(caller=Caller("13812390004"), keys="0")
    uid = wait_for(line, second, "OVERFLOW")
    assert "EXITWITHTIMEOUT" in line.events(uid)
    _set(line, "HL_QUEUE_WAIT", "30")
    second.press("0")
    until(lambda: line.events(uid).count("ENTERQUEUE") == 2, 20, "back in the queue")
    first.hang_up()
    first.wait_for_end()
    bank.phones["8001"].wait_for_idle()
    until(lambda: agent.state()["presence"] == "ready", 8)
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    bank.phones["8001"].hang_up()
    second.wait_for_end()
    assert line.ended("8613812390004").outcome == "answered"


def test_key_one_in_the_queue_asks_for_a_callback(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    line.agent()
    first = line.citizens().dial(caller=Caller("13812390005"), keys="0")
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    second = line.citizens().dial(caller=Caller("13812390006"), keys="0")
    wait_for(line, second, "ENTERQUEUE")
    second.press("1")
    second.wait_for_end(20)
    row = line.ended("8613812390006")
    assert (row.outcome, "EXITWITHKEY" in line.events(row.uid)) == ("callback_requested", True)
    first.hang_up()
    first.wait_for_end()


def test_a_caller_without_a_number_is_asked_for_one(line: Line) -> None:
    before = len(line.ledger())
    call = line.citizens().dial(caller=Caller("13812390007", withheld="anonymous"), keys="0")
    row = until(lambda: line.ledger()[before:], 8)[0]
    until(lambda: "OVERFLOW" in line.events(row.uid), 20)
    call.press("1")
    call.wait_for_keys("1")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 1.5, 3, "the question has begun")
    call.press("13812390007#")
    call.wait_for_end(40)
    done = until(lambda: [r for r in line.ledger() if r.uid == row.uid and r.outcome], 10)[0]
    assert done.outcome == "callback_requested"
    assert done.callback_number == "8613812390007"
