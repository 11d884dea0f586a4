"""The citizen page for demonstrations: it calls 12345 over WebRTC as a citizen's telephone does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import soundfile
from playwright.sync_api import Browser, expect

from db.models import Recording
from hotline import pbx
from hotline.phones import alaw
from hotline.phones.desk_phone import Habit
from tests.browser.citizen import CitizenPage
from tests.browser.screen import Screen
from tests.integration.test_line_recording import loudest, recording_of
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]
OWN = "19900001234"


@pytest.fixture
def citizen(line: Line, chromium: Browser) -> Iterator[CitizenPage]:
    """The page, with a tone for a voice; a page on which JavaScript fails fails its test."""
    context = chromium.new_context(viewport={"width": 480, "height": 800}, locale="zh-CN")
    citizen = CitizenPage(context.new_page(), line)
    yield citizen
    context.close()
    assert not citizen.faults, citizen.faults


def test_a_page_calls_walks_the_menu_by_keys_and_talks_to_an_agent(line: Line, citizen: CitizenPage) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1), speech=alaw.tone(1000, 1))
    line.agent()
    citizen.dial(OWN)
    citizen.sees("talking")
    citizen.walks("2*1")
    bank.phones["8001"].wait_for_talk(20)
    rung = bank.phones["8001"].calls[-1]
    assert rung.caller_number == OWN, "the agent's phone shows the invented number"
    before = citizen.page.evaluate("heard()")
    until(lambda: citizen.page.evaluate("heard()") > before, 5, "the citizen hears the agent")
    minutes, seconds = citizen.page.get_by_test_id("citizen-time").inner_text().split(":")
    later = int(minutes) * 60 + int(seconds) + 4
    expect(citizen.page.get_by_test_id("citizen-time")).to_have_text(
        f"{later // 60}:{later % 60:02}", timeout=9_000
    )
    Screen(citizen.page, line).picture("citizen-page")
    citizen.page.get_by_test_id("citizen-hang-up").click()
    citizen.sees("ended")

    row = line.ended("86" + OWN)
    assert (row.outcome, row.agent, row.called) == ("answered", "agent01", line.settings.hotline_number)
    assert [step["key"] for step in row.menu_path] == ["2", "*", "1"]
    kept: Recording = recording_of(line, row.uid)
    sound, rate = soundfile.read(line.settings.recordings / str(kept.path))
    assert rate == 8000
    last = sound[-12_000:-4_000]
    assert loudest(last[:, 0]) == pytest.approx(440, abs=4), "the citizen's tone"
    assert loudest(last[:, 1]) == pytest.approx(1000, abs=4), "the agent's"
    until(lambda: "citizen1" not in pbx.console(line.settings, "pjsip show endpoints"), 5, "given back")


def test_a_page_that_is_closed_in_the_menu_leaves_nothing_behind(line: Line, citizen: CitizenPage) -> None:
    citizen.dial("19900005678")
    citizen.sees("talking")
    citizen.page.close()
    assert line.ended("8619900005678", timeout=5).outcome == "abandoned_in_menu"
    until(lambda: "citizen1" not in pbx.console(line.settings, "pjsip show endpoints"), 5, "given back")


def test_a_page_can_reach_nothing_but_12345_and_says_so_of_a_wrong_number(
    line: Line, citizen: CitizenPage
) -> None:
    citizen.dial("13812345678")
    expect(citizen.page.get_by_test_id("citizen-notice")).to_contain_text("1990000")
    citizen.sees("idle")
    # A page that has been tampered with: the PBX itself refuses.
    for target in ("8001", "110", "13812345678", "*43"):
        shown = pbx.console(line.settings, f"dialplan show {target}@from-citizen-page")
        assert "call-arrives" not in shown
        assert "Dial" not in shown
