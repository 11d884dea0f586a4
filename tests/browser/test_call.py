"""The whole line as people meet it: a citizen dials, an agent's page, a ticket, the recording."""

from __future__ import annotations

import io
import re

import pytest
import soundfile
from playwright.sync_api import expect

from hotline.phones import alaw
from hotline.phones.desk_phone import Habit
from hotline.phones.voices import spoken
from tests.browser.conftest import OpenScreen
from tests.browser.screen import LIN, Screen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

TITLE = "湖心路路灯不亮"
WHO, WHEN, WHERE = "林慧", "昨晚七点起", "湖心路与柳荫街路口"
WHAT = "路口往北约两百米的路灯连续三晚不亮，老人夜间出行不便。"
ASKED = "尽快派人维修，并告知修复时间。"


def log_in_by_keyboard(screen: Screen) -> None:
    """The account has the focus when the page opens; the mouse stays where it is."""
    screen.visit()
    expect(screen.page.locator('option[value="8001"]')).to_be_attached()
    expect(screen.by("login-user")).to_be_focused()
    keys = screen.page.keyboard
    keys.type("agent01")
    keys.press("Tab")
    keys.type(screen.line.settings.demo_password)
    keys.press("Tab")
    keys.type("8001")
    keys.press("Tab")
    expect(screen.by("login-telephone-browser")).to_be_checked()
    screen.picture("log-in")
    keys.press("ArrowRight")
    expect(screen.by("login-telephone-desk")).to_be_checked()
    keys.press("Enter")


def write_ticket_by_keyboard(screen: Screen) -> None:
    """The second of two citizens, every field in the order of the form, sent to the proposed unit."""
    keys = screen.page.keyboard
    keys.press("F3")
    keys.press("ArrowDown")
    expect(screen.by("candidate").nth(1).locator("input")).to_be_checked()
    keys.press("F6")
    keys.press("ArrowRight")
    expect(screen.by("f-type-help").locator("input")).to_be_checked()
    keys.press("Tab")
    screen.pick_typed("f-category", "ldbl")
    keys.press("Tab")
    keys.type(TITLE)
    keys.press("Tab")
    expect(screen.by("f-who")).to_have_value(WHO)
    keys.press("Tab")
    keys.type(WHEN)
    keys.press("Tab")
    screen.pick_typed("f-region", "湖心社区")
    for text in (WHERE, WHAT, ASKED):
        keys.press("Tab")
        keys.type(text)
    for _ in range(3):
        keys.press("Tab")
    keys.press("ArrowLeft")
    expect(screen.by("f-disposition-dispatch").locator("input")).to_be_checked()
    keys.press("Tab")
    keys.press("Tab")
    expect(screen.by("unit-proposed")).to_be_focused()
    keys.press("Enter")
    expect(screen.by("f-unit").locator("input")).to_have_value(re.compile("市城市管理局"))


def test_a_citizen_dials_and_a_ticket_and_a_recording_are_kept(line: Line, screens: OpenScreen) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"), speech=alaw.tone(600, 8, 0.2))
    phone = bank.phones["8001"]
    screen = screens()
    log_in_by_keyboard(screen)
    screen.sees_state("not_ready")
    screen.press("F2")
    screen.sees_state("ready")

    citizens = line.citizens(speech=spoken("street-light"))
    call = citizens.dial(caller=LIN, keys="1", speak=True)
    phone.wait_for_ring(20)
    uid = screen.sees_pop(2)
    screen.sees_state("ringing", 1)
    assert phone.state == "ringing", "the pop comes while the telephone rings"
    expect(screen.by("pop-number")).to_have_text("0571-8800****")
    expect(screen.page.locator(".region")).to_contain_text("杭州")
    expect(screen.by("candidate")).to_have_count(2)
    expect(screen.by("pop-path")).to_contain_text("1")
    opens = [one.get_attribute("data-open") for one in screen.by("pop-ticket").all()]
    assert opens, "this number has tickets"
    assert opens == sorted(opens, reverse=True), "open ones first"
    assert screen.by("pop-call").count(), "and calls"
    screen.picture("pop-while-ringing")

    phone.answer()
    screen.sees_state("talking")
    clock = screen.by("talk-time")
    first = clock.inner_text()
    expect(clock).not_to_have_text(first)

    write_ticket_by_keyboard(screen)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")
    expect(screen.by("btn-save-ticket")).to_be_in_viewport()
    assert screen.overflow() == []

    screen.press("Control+Enter")
    # The demo city has reported this lamp before: the page shows it and wants one more key.
    expect(screen.by("duplicates")).to_have_attribute("data-asking", "true")
    screen.press("Control+Enter")
    number = screen.by("ticket-saved").get_attribute("data-number")
    assert number
    screen.press("F7")
    call.wait_for_end(5)
    screen.sees_state("after_call")
    expect(screen.by("ticket-saved")).to_be_visible()
    expect(screen.by("pop")).to_have_attribute("data-uid", uid)
    screen.press("F9")
    screen.sees_state("ready")

    assert line.over(uid).outcome == "answered"
    screen.press("Alt+4")
    row = screen.page.locator(f'[data-testid="row-recording"][data-uid="{uid}"]')
    row.get_by_test_id("btn-play").click(timeout=20_000)
    expect(screen.by("player-wave")).to_be_visible()
    screen.by("player-play").click()
    expect(screen.by("player")).to_have_attribute("data-playing", "true")
    audio = screen.page.locator("audio")
    until(lambda: audio.evaluate("sound => sound.currentTime") > 1.5, 10, "the recording plays")
    assert 206 in screen.audio_statuses, f"played by HTTP Range: {screen.audio_statuses}"
    address = line.address + str(audio.get_attribute("src"))
    sound, rate = soundfile.read(io.BytesIO(screen.page.request.get(address).body()))
    assert (rate, sound.shape[1]) == (8000, 2)
    assert (abs(sound).max(axis=0) > 0.01).all(), "both are heard, each in a channel of their own"
    screen.picture("recordings")

    screen.visit(f"/tickets/{number}")
    expect(screen.by("ticket-state")).to_contain_text("待签收")
    expect(screen.by("timeline-entry").first).to_be_visible()
    expect(screen.by("btn-play")).to_be_visible()
