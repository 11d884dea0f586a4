"""Something dies during a call: the page says so, and is right again without anybody reloading it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

HALF = "供暖不热，客厅只有十五度"


def in_a_call(line: Line, screen: Screen, number: str) -> tuple[PhoneBank, CitizenCall]:
    """The agent talks to a citizen; half a ticket is typed and kept as a draft."""
    bank = line.phones("8001", habit=Habit(answer_after=0.2), refresh=1.0)
    screen.at_the_desk()
    call = line.citizens().dial(caller=Caller(number), keys="1")
    screen.sees_state("talking", 20)
    screen.sees_pop()
    screen.by("f-what").fill(HALF)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")
    screen.excuse()
    return bank, call


def sees_call_and_draft(screen: Screen) -> None:
    screen.sees_state("talking")
    screen.sees_pop()
    expect(screen.by("talk-time")).to_be_visible()
    expect(screen.by("f-what")).to_have_value(HALF)


def hangs_up(screen: Screen, call: CitizenCall) -> None:
    screen.press("F7")
    call.wait_for_end(5)
    screen.sees_state("after_call")
    expect(screen.by("f-what")).to_have_value(HALF)


def test_page_is_right_again_after_the_desktop_was_killed(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    bank, call = in_a_call(line, screen, "19900000003")
    line.kill("desktop")
    expect(screen.by("banner-blind")).to_have_text(re.compile("与服务器失去联系，自 .*起"))
    screen.by("f-asked").fill("上门测温")
    expect(screen.by("draft-state")).to_have_attribute("data-state", "unsaved")
    assert bank.phones["8001"].state == "talking", "the call goes on"
    line.start("desktop")
    expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
    sees_call_and_draft(screen)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved", timeout=10_000)
    hangs_up(screen, call)
    expect(screen.by("f-asked")).to_have_value("上门测温")


def test_page_is_right_again_after_the_cti_was_killed(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    _, call = in_a_call(line, screen, "19900000004")
    line.kill("cti")
    expect(screen.by("banner-blind")).to_have_text(re.compile("与电话系统失去联系，自 .*起"))
    screen.picture("blind")
    line.start("cti")
    expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
    sees_call_and_draft(screen)
    hangs_up(screen, call)


def test_seat_is_free_again_after_asterisk_was_killed(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    bank, _ = in_a_call(line, screen, "19900000005")
    line.kill("pbx")
    expect(screen.by("banner-blind")).to_be_visible()
    line.start("pbx")
    expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
    expect(screen.by("who")).to_contain_text("8001")
    expect(screen.by("talk-time")).to_have_count(0)
    expect(screen.by("f-what")).to_have_value(HALF)
    bank.phones["8001"].hang_up()
    bank.phones["8001"].wait_for_registration()
    screen.sees_state("after_call", 15)
    screen.press("F9")
    screen.sees_state("ready")
    line.citizens().dial(caller=Caller("19900000006"), keys="0")
    screen.sees_state("talking", 20)
    screen.press("F7")
    screen.sees_state("after_call")


def test_reload_in_a_call_keeps_call_and_draft(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    _, call = in_a_call(line, screen, "19900000008")
    screen.page.reload()
    sees_call_and_draft(screen)
    hangs_up(screen, call)
    screen.page.reload()
    expect(screen.by("f-what")).to_have_value(HALF)
