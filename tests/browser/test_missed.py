"""Nobody who called in vain is forgotten: on the list, called back by one key, and off it when reached."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from hotline.phones.desk_phone import Habit, Phone
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

CITIZEN = Caller("19900000021")


def call_back(row: Locator, seat: Phone) -> None:
    """D calls, first at the own telephone, then the citizen."""
    row.focus()
    row.press("d")
    seat.wait_for_ring()
    seat.answer()


def test_who_gave_up_is_called_back_until_reached(line: Line, screens: OpenScreen) -> None:
    seat = line.phones("8001", habit=Habit(on_ring="wait")).phones["8001"]
    screen = screens().at_the_desk()
    call = line.citizens().dial(caller=CITIZEN, keys="0")
    seat.wait_for_ring(20)
    # Others leave from the menu or the queue: the list is longer than one.
    others = line.citizens()
    for other in ("057188000007", "19900000005", "19900000008"):
        others.dial(caller=Caller(other), keys="0").wait_for_keys("0", 15)
    call.hang_up()
    others.close()
    expect(screen.by("missed-open")).to_contain_text(re.compile("[3-9]"), timeout=15_000)
    citizens = line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="wait")
    )
    screen.press("Alt+5")
    row = screen.by("row-missed").filter(has_text="199****0021")
    expect(row).to_be_visible()
    expect(screen.by("row-missed").first).to_be_focused()
    screen.picture("missed-list")

    call_back(row, seat)
    until(lambda: CITIZEN.number in citizens.phones, 10, "it rings at the citizen's")
    screen.sees_state("dialing")
    seat.hang_up()
    expect(screen.by("missed-result-no_answer")).to_be_focused(timeout=10_000)
    screen.picture("missed-result")
    screen.press("2")
    expect(row).to_contain_text("无人接听")

    call_back(row, seat)
    citizen = citizens.phones[CITIZEN.number]
    citizen.wait_for_ring()
    citizen.answer()
    screen.sees_state("talking")
    seat.hang_up()
    expect(screen.by("missed-result-reached")).to_be_focused(timeout=10_000)
    screen.by("missed-note").fill("已答复供水恢复时间")
    screen.by("missed-result-reached").click()
    expect(row).to_have_count(0)
    screen.by("missed-state-closed").click()
    expect(row).to_contain_text("已联系上：已答复供水恢复时间")
    screen.picture("missed-closed")
