"""Three browsers at once on the real PBX: a citizen (440 Hz), an agent (700 Hz), a supervisor (1500 Hz).

The supervisor clicks on the live floor; who hears whom is measured in what each page receives, and in the
recording.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.citizen import CitizenPage
from tests.browser.conftest import OpenScreen
from tests.browser.ear import EAR, hears_only, shares
from tests.browser.screen import Screen
from tests.hearing import AGENT, CITIZEN, SUPERVISOR
from tests.integration.test_line_supervision import barge_is_recorded_and_a_whisper_is_not, rows_of
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

SEAT = "8001"

STRETCH = 2 * 2 * 8000 * 3 // 2
"""Bytes of one and a half seconds: two channels of 16 bit at 8 kHz."""


@pytest.fixture
def citizen(line: Line, chromium: Browser) -> Iterator[CitizenPage]:
    """A citizen's page, which hums 440 Hz."""
    context = chromium.new_context(viewport={"width": 480, "height": 800}, locale="zh-CN")
    citizen = CitizenPage(context.new_page(), line)
    yield citizen
    context.close()
    assert not citizen.faults, citizen.faults


def listening(screen: Screen) -> Screen:
    """From the next load on it can be asked what the page hears."""
    screen.page.add_init_script(EAR)
    return screen


def goes_to(boss: Screen, mode: str) -> None:
    """A click on one of the modes; returns when Asterisk has carried it out."""
    boss.by(f"btn-{mode}").click()
    panel = boss.by("watch-panel")
    expect(panel).to_have_attribute("data-mode", mode, timeout=15_000)
    expect(panel).to_have_attribute("data-state", "on", timeout=15_000)


def says(page: Page) -> float:
    """How loud the page's microphone is that is sent now."""
    return float(page.evaluate("said()"))


def energy(page: Page) -> float:
    """Of all that the page has received so far, by getStats."""
    return float(page.evaluate("heard()"))


def is_on_record(line: Line, uid: str, since: int) -> int:
    """Wait until the record is longer than `since` bytes by what can be measured; gives its size."""
    raw = line.settings.monitor / f"{uid}.raw"
    until(lambda: raw.stat().st_size - since >= STRETCH, 15, "the record grows")
    return raw.stat().st_size


def test_a_supervisor_listens_whispers_barges_in_and_takes_the_call_over(
    line: Line, screens: OpenScreen, citizen: CitizenPage
) -> None:
    agent = listening(screens()).at_the_softphone(hertz=AGENT)
    boss = listening(screens()).headset(SUPERVISOR).log_in("supervisor01")
    expect(boss.by("login-form")).to_be_hidden()
    boss.visit("/floor")
    citizen.dial("19900000081")
    citizen.sees("talking")
    citizen.walks("1")
    uid = agent.sees_pop(20)
    tile = boss.page.locator(f'[data-testid="seat-tile"][data-seat="{SEAT}"]')
    expect(tile).to_have_attribute("data-state", "ringing")
    agent.press("F2")
    expect(tile).to_have_attribute("data-state", "talking")
    citizen.hears(AGENT)
    tile.click()

    goes_to(boss, "listen")
    hears_only(boss.page, CITIZEN, AGENT)
    until(lambda: says(boss.page) < 1e-4, 5, "nothing leaves the microphone of who only listens")
    before = energy(boss.page)
    hears_only(agent.page, CITIZEN)
    citizen.hears(AGENT)
    until(lambda: energy(boss.page) > before, 5, "getStats of the supervisor's page counts sound")
    boss.picture("floor-listening")
    agent.press("Alt+h")
    expect(tile).to_have_attribute("data-state", "holding")
    citizen.hears_music()
    agent.press("Alt+h")
    expect(tile).to_have_attribute("data-state", "talking")
    hears_only(boss.page, CITIZEN, AGENT)

    goes_to(boss, "whisper")
    size = is_on_record(line, uid, 0)
    hears_only(agent.page, CITIZEN, SUPERVISOR)
    citizen.hears(AGENT)
    hears_only(boss.page, CITIZEN, AGENT)
    is_on_record(line, uid, size)

    goes_to(boss, "barge")
    size = is_on_record(line, uid, size)
    citizen.hears(AGENT, SUPERVISOR)
    hears_only(agent.page, CITIZEN, SUPERVISOR)
    hears_only(boss.page, CITIZEN, AGENT)
    boss.picture("floor-barging")
    is_on_record(line, uid, size)

    boss.by("btn-take-call").click()
    boss.by("reason-text").fill("市民情绪激动，由主管直接答复")
    boss.by("reason-confirm").click()
    citizen.hears(SUPERVISOR)
    hears_only(boss.page, CITIZEN)
    agent.sees_state("after_call")
    until(lambda: shares(agent.page, CITIZEN, SUPERVISOR) is None, 5, "the agent hears nobody")
    boss.picture("floor-taken-over")
    boss.by("btn-leave").click()
    citizen.sees("ended", 15)
    row = line.over(uid)
    assert (row.outcome, row.agent) == ("answered", "agent01")

    rows = rows_of(line, uid, 4)
    assert [one.mode for one in rows] == ["listen", "whisper", "barge", "take_over"]
    assert {(one.supervisor, one.agent, one.telephone) for one in rows} == {
        ("supervisor01", "agent01", "browser")
    }
    barge_is_recorded_and_a_whisper_is_not(line, line.desk("admin01"), rows[1], rows[2])
