"""Who may see and do what, and what a page says when something cannot be done."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)>\"'|,;${EXTEN}<script>alert(2)</script>"


def test_hostile_names_are_shown_as_text(line: Line, screens: OpenScreen) -> None:
    """The caller's name comes from a carrier, the citizen's from a register: neither is believed."""
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    screen = screens().at_the_desk()
    line.citizens().dial(caller=Caller("19900000012", HOSTILE), keys="1")
    bank.phones["8001"].wait_for_ring(20)
    screen.sees_pop()
    expect(screen.page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    expect(screen.by("candidate")).to_contain_text("<b>欧阳</b>")
    assert screen.page.locator('img[src="x"], main b b, main script').count() == 0
    assert screen.overflow() == []


def test_a_withheld_number_is_said_to_be_withheld(line: Line, screens: OpenScreen) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    screen = screens().at_the_desk()
    line.citizens().dial(caller=Caller("19900000003", "苏梅", "asserted"), keys="1")
    bank.phones["8001"].wait_for_ring(20)
    screen.sees_pop()
    expect(screen.by("pop-number")).to_have_text("号码未显示")
    expect(screen.by("candidate")).to_have_count(0)
    expect(screen.by("btn-reveal")).to_have_count(0)
    expect(screen.page.get_by_text("苏梅")).to_have_count(0)


def test_what_cannot_be_done_at_log_in_is_said_in_words(line: Line, screens: OpenScreen) -> None:
    screen, other = screens(), screens()
    screen.excuse()
    other.excuse()
    screen.log_in("agent01")
    expect(screen.by("login-seat-error")).to_have_text(re.compile("选择坐席"))
    screen.log_in("agent01", "8003", password="not-the-password")
    expect(screen.by("login-error")).to_have_text(re.compile("账号或密码"))
    screen.log_in("agent01", "8003")
    screen.sees_state("unreachable")
    expect(screen.by("idle-note")).to_have_text(re.compile("话机 8003 没有注册"))
    other.log_in("agent02", "8003")
    expect(other.by("login-seat-error")).to_have_text(re.compile("已由他人签入"))
    assert other.by("nav-desk").count() == 0
    line.phones("8003")
    screen.sees_state("not_ready")


def test_a_break_over_its_limit_is_said_in_words(line: Line, screens: OpenScreen) -> None:
    line.phones("8001")
    screen = screens().log_in("agent01", "8001")
    screen.sees_state("not_ready")
    screen.press("F4")
    screen.by("reason-break").click()
    expect(screen.by("seat-state")).to_have_text("示忙 · 小休")
    expect(screen.by("over-limit")).to_have_count(0)
    screen.page.evaluate("{ const real = Date.now; Date.now = () => real() + 1_100_000 }")
    expect(screen.by("over-limit")).to_contain_text("3:2")
    screen.picture("over-limit")


def test_transfer_to_a_queue_reaches_another_agents_page_only(line: Line, screens: OpenScreen) -> None:
    bank = line.phones("8001", "8002", habit=Habit(on_ring="wait"))
    first, second = screens().at_the_desk("agent01", "8001"), screens().log_in("agent02", "8002")
    second.sees_state("not_ready")
    line.citizens().dial(caller=Caller("19900000009"), keys="1")
    first.sees_state("ringing", 20)
    bank.phones["8001"].answer()
    first.sees_state("talking")
    second.sees_state("not_ready")
    expect(second.by("pop-number")).to_have_count(0)
    second.press("F2")
    second.sees_state("ready")
    uid = first.sees_pop()

    first.brings_in("投诉举报", "blind", "queue")
    second.sees_state("ringing", 15)
    first.sees_state("after_call")
    assert second.sees_pop() == uid
    expect(second.by("pop-queue")).to_have_text("投诉举报")
    bank.phones["8002"].answer()
    second.sees_state("talking")
    first.sees_state("after_call")
    second.press("F7")
    second.sees_state("after_call")


def test_an_inspector_hears_recordings_and_has_no_desk(line: Line, screens: OpenScreen) -> None:
    screen = screens().log_in("inspector01")
    expect(screen.by("who")).to_contain_text("质检员")
    assert screen.by("nav-desk").count() == 0
    assert screen.by("seat-state").count() == 0
    screen.go("recordings")
    expect(screen.by("row-recording").first).to_be_visible()
    screen.visit("/desk")
    expect(screen.by("ticket-form")).to_have_count(0)


def test_a_dispatcher_takes_a_ticket_from_signing_to_the_reply(line: Line, screens: OpenScreen) -> None:
    screen = screens().log_in("dispatcher01").go("tickets")
    screen.by("filter-state").locator("select").select_option("to_sign")
    row = screen.by("row-ticket").first
    expect(row).to_contain_text("待签收")
    row.locator("a").first.click()
    screen.by("action-sign").click()
    screen.by("action-submit").click()
    expect(screen.by("ticket-state")).to_contain_text("办理中")
    screen.by("action-reply").click()
    screen.by("action-submit").click()
    expect(screen.page.get_by_text("请填写答复内容")).to_be_visible()
    screen.by("action-answer").fill("已派人到场处理，市民表示满意。")
    screen.by("action-submit").click()
    expect(screen.by("ticket-state")).to_contain_text("待审核")
    expect(screen.by("timeline-entry").last).to_contain_text("回复")
    screen.picture("ticket")
