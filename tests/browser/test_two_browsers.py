"""Two browsers at once on the real PBX: a citizen's page and an agent's; two agents' pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from playwright.sync_api import Browser, expect

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, Phone, PhoneBank
from hotline.phones.identity import Caller
from tests.browser.citizen import VOICE, CitizenPage
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.hearing import level
from tests.integration.test_line_recording import recording_of
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

AGENT, EXPERT, COLLEAGUE = 1000, 1500, 700
TITLE = "东湖街道湖心社区湖心路与柳荫街路口以北约两百米路灯整段不亮，附近老人夜间出行不便"
WHAT = (
    "湖心路与柳荫街路口往北约两百米的路灯连续三晚不亮，路面有两处正在开挖的沟槽，"
    "前天夜里已有一位老人绊倒，社区网格员曾电话报修，至今没有人到场。"
)
ASKED = "尽快派人维修路灯并在沟槽处加设警示灯，把修复时间电话告知本人。"


@pytest.fixture
def citizen(line: Line, chromium: Browser) -> Iterator[CitizenPage]:
    """A citizen's page, which hums 440 Hz; the PBX asks for a rating as long as it is there."""
    context = chromium.new_context(viewport={"width": 480, "height": 800}, locale="zh-CN")
    line.ami("Setvar", Variable="HL_SURVEY", Value="yes")
    citizen = CitizenPage(context.new_page(), line)
    yield citizen
    line.ami("Setvar", Variable="HL_SURVEY", Value="no")
    context.close()
    assert not citizen.faults, citizen.faults


def outside(line: Line) -> PhoneBank:
    """Everybody's telephones behind the carrier; who picks up there hums 1500 Hz."""
    return line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(on_ring="wait", listen=True),
        speech=alaw.tone(EXPERT, 1),
    )


def rung(bank: PhoneBank) -> Phone:
    """The one telephone of the bank that rings."""
    return until(
        lambda: next((one for one in bank.phones.values() if one.call), None), 10, "it rings outside"
    )


def sees_stage(screen: Screen, stage: str) -> None:
    expect(screen.by("call-panel")).to_have_attribute("data-stage", stage, timeout=15_000)


def sees_party(screen: Screen, state: str) -> None:
    expect(screen.by("party")).to_have_attribute("data-state", state, timeout=10_000)


def types_into_the_search(screen: Screen, typed: str, kind: str) -> None:
    """F8 and a few letters; the first hit is what Enter takes."""
    screen.press("F8")
    expect(screen.by("transfer-search")).to_be_focused()
    screen.page.keyboard.type(typed)
    first = screen.page.locator('[data-testid="transfer-option"][aria-selected="true"]')
    expect(first).to_have_attribute("data-kind", kind)


def goes_to(screen: Screen, typed: str, kind: str, key: str = "Enter") -> None:
    """Enter consults (hands over to a queue), Shift+Enter hands over without asking."""
    types_into_the_search(screen, typed, kind)
    screen.press(key)
    expect(screen.by("transfer-dialog")).to_be_hidden()


def writes_the_ticket(screen: Screen) -> str:
    """Every field by keyboard; gives the number."""
    keys = screen.page.keyboard
    screen.press("F3")
    screen.press("1")
    screen.press("F6")
    screen.press("ArrowRight")
    screen.press("Tab")
    screen.pick_typed("f-category", "ldbl")
    keys.press("Tab")
    keys.type(TITLE)
    keys.press("Tab")
    expect(screen.by("f-who")).to_have_value("林建国")
    keys.press("Tab")
    keys.type("三天前的晚上七点左右起，至今每晚如此")
    keys.press("Tab")
    screen.pick_typed("f-region", "湖心社区")
    for text in ("湖心路与柳荫街路口往北约两百米，第三至第九根灯杆", WHAT, ASKED):
        keys.press("Tab")
        keys.type(text)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")
    assert screen.overflow() == []
    screen.picture("talking")
    screen.press("Control+Enter")
    # The demo city has reported these lamps before: the page shows it and wants one more key.
    expect(screen.by("duplicates")).to_have_attribute("data-asking", "true")
    screen.press("Control+Enter")
    number = screen.by("ticket-saved").get_attribute("data-number")
    assert number
    return number


def rates(line: Line, citizen: CitizenPage, uid: str) -> None:
    """Not satisfied, by key 3, and then why, by key 2. The ledger is behind: by then the PBX listens."""
    until(lambda: "SURVEYBEGAN" in line.events(uid), 8, "asked for a rating")
    for key, count in (("3", 1), ("2", 2)):
        citizen.press(key)
        until(lambda n=count: line.events(uid).count("SURVEYED") == n, 10, f"key {key} counts")  # type: ignore[misc]


def heard_together(sound: npt.NDArray[np.float64], citizen: list[int], house: list[int]) -> bool:
    """Half a second of the recording with exactly these tones: first channel citizen, second the house."""
    pieces = sound[: len(sound) // 4000 * 4000].reshape(-1, 4000, 2)

    def tones(channel: npt.NDArray[np.float64]) -> list[int]:
        return [one for one in (VOICE, COLLEAGUE, AGENT, EXPERT) if level(channel, one) > 0.02]

    return any(tones(piece[:, 0]) == citizen and tones(piece[:, 1]) == house for piece in pieces)


def test_a_citizen_calls_is_helped_by_two_and_rates(
    line: Line, screens: OpenScreen, citizen: CitizenPage
) -> None:
    screen = screens().at_the_softphone(hertz=AGENT)
    experts = outside(line)
    citizen.dial("19900000001")
    citizen.sees("talking")
    citizen.walks("2*1")
    uid = screen.sees_pop(20)
    sees_stage(screen, "ringing")
    expect(screen.by("pop-notes")).to_contain_text("特别关怀")
    screen.picture("ringing")
    screen.press("F2")
    screen.sees_state("talking")
    citizen.hears(AGENT)

    screen.press("Alt+h")
    sees_stage(screen, "holding")
    citizen.hears_music()
    screen.picture("holding")
    screen.press("Alt+h")
    sees_stage(screen, "talking")
    citizen.hears(AGENT)
    screen.press("Alt+p")
    expect(screen.by("recording-paused")).to_be_visible()
    screen.picture("recording-paused")
    screen.press("Alt+p")
    expect(screen.by("recording-on")).to_be_visible()

    types_into_the_search(screen, "专家", "group")
    screen.picture("transfer-dialog")
    screen.press("Escape")
    expect(screen.by("transfer-dialog")).to_be_hidden()
    goes_to(screen, "社保", "target")
    sees_party(screen, "ringing")
    citizen.hears_music()
    screen.picture("consult-ringing")
    expert = rung(experts)
    assert expert.call
    asked = expert.answer()
    sees_party(screen, "talking")
    until(lambda: alaw.share_of(AGENT, asked.heard[-4000:]) > 0.8, 8, "the expert hears the agent alone")
    screen.picture("consult-talking")
    screen.press("Shift+F8")
    sees_stage(screen, "three_way")
    citizen.hears(AGENT, EXPERT)
    together = lambda: min(alaw.share_of(one, asked.heard[-4000:]) for one in (VOICE, AGENT))  # noqa: E731
    until(lambda: together() > 0.2, 8, "the expert hears both")
    began = len(asked.heard)
    until(lambda: len(asked.heard) > began + 2 * alaw.RATE, 8, "they talk for two seconds")
    screen.picture("three-way")
    expert.hang_up()
    sees_stage(screen, "talking")
    citizen.hears(AGENT)

    number = writes_the_ticket(screen)
    screen.press("F7")
    screen.sees_state("after_call")
    screen.picture("after-call")
    rates(line, citizen, uid)
    citizen.sees("ended", 15)
    row = line.ended("8619900000001")
    screen.press("F9")
    screen.sees_state("ready")
    screen.picture("ready")

    assert (row.uid, row.rating, row.rating_reason, row.rated_agent) == (uid, 3, 2, "agent01")
    kept = recording_of(line, uid)
    sound, rate = soundfile.read(line.settings.recordings / str(kept.path))
    assert rate == 8000
    assert heard_together(sound, [VOICE], [AGENT]), "citizen and agent, each in a channel"
    assert heard_together(sound, [VOICE], [AGENT, EXPERT]), "the expert too, on the side of the house"

    screen.visit(f"/tickets/{number}")
    told = screen.by("timeline").inner_text()
    for words in (r"咨询\s[^三]*社保政策专家（\d+ 秒）", r"三方通话\s[^市]*社保政策专家（\d+ 秒）"):
        assert re.search(words, told), told
    expect(screen.by("timeline-entry").filter(has_text="市民评价")).to_contain_text("不满意")
    expect(screen.by("btn-play")).to_have_count(1)
    screen.picture("ticket-timeline")
    screen.by("btn-play").click()
    expect(screen.by("player-wave")).to_be_visible()
    kinds = {one.get_attribute("data-kind") for one in screen.by("player-part").all()}
    assert kinds >= {"agent", "consult", "party", "recording_paused"}, kinds
    screen.picture("player-parts")


def hears(call: CitizenCall, hertz: float) -> None:
    until(lambda: alaw.share_of(hertz, call.heard[-4000:]) > 0.8, 10, f"the citizen hears {hertz} Hz")


def test_two_agents_hand_a_citizen_to_and_fro_and_call_out(line: Line, screens: OpenScreen) -> None:
    first = screens().at_the_softphone(hertz=AGENT)
    second = screens().headset(COLLEAGUE).log_in("agent02", "8002", telephone="browser")
    second.sees_phone("registered")
    second.sees_state("not_ready")
    call = line.citizens(speech=alaw.tone(VOICE, 1)).dial(
        caller=Caller("19900000007"), keys="1", speak=True, listen=True
    )
    uid = first.sees_pop(20)
    first.press("F2")
    first.sees_state("talking")

    goes_to(first, "8002", "seat")
    sees_stage(second, "ringing")
    assert second.sees_pop() == uid
    expect(second.by("call-panel")).to_contain_text("8001")
    second.picture("asked-ringing")
    second.press("F2")
    sees_stage(second, "consulted")
    sees_party(first, "talking")
    second.picture("asked-talking")
    first.press("F8")
    first.sees_state("after_call")
    sees_stage(second, "talking")
    hears(call, COLLEAGUE)
    first.press("F9")
    first.sees_state("ready")

    goes_to(second, "8001", "seat", "Shift+Enter")
    sees_stage(first, "ringing")
    assert first.sees_pop() == uid
    second.sees_state("after_call")
    first.press("F2")
    first.sees_state("talking")
    hears(call, AGENT)
    second.press("F9")
    second.press("F2")
    second.sees_state("ready")

    goes_to(first, "投诉举报", "queue")
    sees_stage(second, "ringing")
    expect(second.by("pop-queue")).to_have_text("投诉举报")
    second.press("F2")
    second.sees_state("talking")
    hears(call, COLLEAGUE)
    first.sees_state("after_call")
    call.hang_up()
    second.sees_state("after_call")
    assert line.ended("8619900000007").transfers == 3

    citizens = outside(line)
    first.press("F9")
    first.sees_state("ready")
    first.go("tickets")
    first.by("row-ticket").first.locator("a").first.click()
    first.by("btn-call-back").click()
    expect(first.by("dial-submit")).to_be_focused()
    first.picture("dial-from-ticket")
    first.press("Enter")
    there = rung(citizens)
    assert there.call
    assert there.call.caller_number == line.settings.hotline_number
    first.go("desk")
    sees_stage(first, "dialing")
    expect(first.by("call-about")).to_contain_text(re.compile("工单"))
    first.picture("dialling-out")
    there.answer()
    sees_stage(first, "talking")
    first.press("F7")
    there.wait_for_idle()
    first.sees_state("after_call")
    first.press("Alt+r")
    assert rung(citizens) is there, "the same number again"
    sees_stage(first, "dialing")
    first.press("F7")
    there.wait_for_idle()
    first.sees_state("after_call")
