"""What an agent does with a call, by keyboard: pause, consult, three together, hand over, dial."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]


def sees_stage(screen: Screen, stage: str) -> None:
    expect(screen.by("call-panel")).to_have_attribute("data-stage", stage, timeout=10_000)


def sees_party(screen: Screen, state: str) -> None:
    expect(screen.by("party")).to_have_attribute("data-state", state, timeout=10_000)


def test_a_colleague_is_asked_joins_goes_and_takes_the_call(line: Line, screens: OpenScreen) -> None:
    bank = line.phones("8001", "8002", habit=Habit(on_ring="wait"))
    first, second = screens().at_the_desk("agent01", "8001"), screens().log_in("agent02", "8002")
    second.sees_state("not_ready")
    citizen = line.citizens().dial(caller=Caller("19900000021"), keys="1")
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    first.sees_state("talking")
    uid = first.sees_pop()

    first.press("Alt+p")
    expect(first.by("recording-paused")).to_be_visible()
    expect(first.by("pause-left")).to_have_text(re.compile(r"1?\d\d 秒"))
    first.press("Alt+p")
    expect(first.by("recording-paused")).to_have_count(0)
    expect(first.by("recording-on")).to_be_visible()
    first.press("F4")
    first.by("reason-meal").click()
    expect(first.by("next-state")).to_have_text("通话后：就餐")

    first.brings_in("8002", "consult", "seat")
    sees_party(first, "ringing")
    sees_stage(second, "ringing")
    expect(first.by("btn-complete-transfer")).to_be_disabled()
    bank.phones["8002"].wait_for_ring(10)
    bank.phones["8002"].answer()
    sees_party(first, "talking")
    sees_stage(second, "consulted")
    assert second.sees_pop() == uid
    first.press("F7")
    expect(first.page.get_by_text("咨询时不能挂断市民")).to_be_visible()

    first.press("Shift+F8")
    sees_party(first, "joined")
    sees_stage(second, "three_way")
    assert first.overflow() == []
    first.press("Alt+x")
    sees_stage(first, "talking")
    expect(first.by("call-notice")).to_have_count(0)
    bank.phones["8002"].wait_for_idle()

    first.brings_in("8002", "consult", "seat")
    bank.phones["8002"].wait_for_ring(10)
    bank.phones["8002"].answer()
    sees_party(first, "talking")
    first.press("F8")
    first.sees_state("after_call")
    expect(first.by("next-state")).to_have_text("话后：就餐")
    expect(first.by("call-notice")).to_have_attribute("data-code", "transferred")
    first.press("Shift+F9")
    expect(first.by("after-call-left")).to_have_text(re.compile(r"^[5-8]\ds$"))
    sees_stage(second, "talking")
    second.press("F7")
    citizen.wait_for_end(10)
    first.press("F9")
    expect(first.by("seat-state")).to_have_text("示忙 · 就餐")


def test_whoever_is_asked_and_does_not_want_leaves_the_agent_with_the_citizen(
    line: Line, screens: OpenScreen
) -> None:
    bank = line.phones("8001", "8002", habit=Habit(on_ring="wait"))
    first, second = screens().at_the_desk("agent01", "8001"), screens().log_in("agent02", "8002")
    second.sees_state("not_ready")
    citizen = line.citizens().dial(caller=Caller("19900000022"), keys="1")
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    first.sees_state("talking")
    first.brings_in("8002", "consult", "seat")
    bank.phones["8002"].wait_for_ring(10)
    bank.phones["8002"].reject()
    sees_stage(first, "talking")
    expect(first.by("call-notice")).to_have_attribute("data-code", "partyUnanswered")
    expect(second.by("pop")).to_have_count(0)
    first.press("F7")
    citizen.wait_for_end(10)
    first.sees_state("after_call")


def test_a_ring_in_vain_makes_not_ready_with_a_way_back(line: Line, screens: OpenScreen) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    screen = screens().at_the_desk()
    citizen = line.citizens().dial(caller=Caller("19900000023"), keys="1")
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].reject()
    expect(screen.by("seat-notice")).to_have_attribute("data-reason", "no_answer", timeout=10_000)
    screen.picture("no-answer")
    screen.by("btn-back-to-ready").click()
    expect(screen.by("seat-notice")).to_have_count(0)
    bank.phones["8001"].wait_for_ring(20)
    bank.phones["8001"].answer()
    screen.sees_state("talking")
    screen.press("F7")
    citizen.wait_for_end(10)


def test_nonsense_is_not_dialled(line: Line, screens: OpenScreen) -> None:
    line.phones("8001")
    screen = screens().at_the_desk()
    screen.excuse()
    screen.press("Alt+c")
    expect(screen.by("dial-number")).to_be_focused()
    screen.by("dial-number").fill("abc")
    screen.press("Enter")
    expect(screen.page.get_by_text("请输入电话号码")).to_be_visible()
    screen.by("dial-number").fill("110")
    screen.press("Enter")
    expect(screen.page.get_by_text("紧急求助请用“转接”")).to_be_visible()
    screen.press("Escape")
    expect(screen.by("dial-dialog")).to_be_hidden()
