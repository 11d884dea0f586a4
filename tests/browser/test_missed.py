"""Nobody who called in vain is forgotten: on the list, called back by one key, and off it when reached."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from hotline.phones.desk_phone import Habit, Phone
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

CITIZEN = Caller("19900000021")


def call_back(screen: Screen, seat: Phone) -> None:
    """The first row has the focus; D calls, first at the own telephone, then the citizen."""
    expect(screen.by("row-missed").first).to_be_focused()
    screen.press("d")
    seat.wait_for_ring()
    seat.answer()


def test_who_gave_up_is_called_back_until_reached(line: Line, screens: OpenScreen) -> None:
    seat = line.phones("8001", habit=Habit(on_ring="wait")).phones["8001"]
    screen = screens().at_the_desk()
    call = line.citizens().dial(caller=CITIZEN, keys="0")
    seat.wait_for_ring(20)
    call.hang_up()
    expect(screen.by("missed-open")).to_contain_text("1", timeout=15_000)
    citizens = line.phones(
        own_address="127.0.0.2", port=line.settings.trunk_port, register=False, habit=Habit(on_ring="wait")
    )
    screen.press("Alt+5")
    row = screen.by("row-missed")
    expect(row).to_contain_text("199****0021")

    call_back(screen, seat)
    until(lambda: CITIZEN.number in citizens.phones, 10, "it rings at the citizen's")
    screen.sees_state("dialing")
    seat.hang_up()
    expect(screen.by("missed-result-no_answer")).to_be_focused(timeout=10_000)
    screen.picture("missed-result")
    screen.press("2")
    expect(row).to_contain_text("无人接听")

    call_back(screen, seat)
    citizen = citizens.phones[CITIZEN.number]
    citizen.wait_for_ring()
    citizen.answer()
    screen.sees_state("talking")
    seat.hang_up()
    expect(screen.by("missed-result-reached")).to_be_focused(timeout=10_000)
    screen.by("missed-note").fill("已答复供水恢复时间")
    screen.by("missed-result-reached").click()
    expect(screen.by("list-empty")).to_be_visible()
    expect(screen.by("missed-open")).to_have_count(0)
    screen.by("missed-state-closed").click()
    expect(row).to_contain_text("已联系上：已答复供水恢复时间")
    screen.picture("missed-closed")
