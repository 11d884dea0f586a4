"""Whatever happens to the page, the agent sees what is so, and no citizen waits in silence.

A page that says goodbye, as on reload, costs next to nothing of the limit; what says none is in test_cut_off.
Cases that can share a call share it.
"""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.nothing_lost import HALF, Silence, hears, in_a_call, sees_truth, true
from tests.browser.screen import Screen
from tests.line import Line, Refused, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]


def sees_call_and_draft(screen: Screen, timeout: float = 25) -> None:
    screen.sees_state("talking", timeout)
    screen.sees_pop()
    expect(screen.by("f-what")).to_have_value(HALF)
    sees_truth(screen, "talking")


def word(screen: Screen) -> str:
    """The seat's state that the page shows."""
    chip = screen.page.locator("[data-state]", has=screen.by("seat-state"))
    return str(chip.get_attribute("data-state"))


def sees_notice(screen: Screen, code: str, words: str, timeout: float = 5) -> None:
    notice = screen.by("call-notice")
    expect(notice).to_have_attribute("data-code", code, timeout=timeout * 1000)
    expect(notice).to_contain_text(words)


def hangs_up(screen: Screen, call: CitizenCall) -> None:
    """The agent ends it; half a ticket is still there."""
    screen.press("F7")
    call.wait_for_end(8)
    sees_truth(screen, "after_call")
    expect(screen.by("f-what")).to_have_value(HALF)
    expect(screen.by("call-notice")).to_have_count(0)


def new_tab(screen: Screen) -> Screen:
    """Another page of the same browser, with the same log-in."""
    return Screen(screen.page.context.new_page(), screen.line).headset()


def waiting(line: Line) -> list[str]:
    """Channels of those who wait in a queue."""
    return [one["Channel"] for one in line.ami("QueueStatus") if one["Event"] == "QueueEntry"]


def test_reload_in_a_call_gives_the_citizen_back_until_both_hang_up_at_once(
    line: Line, screens: OpenScreen
) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004001")
    with Silence.of(call) as silence:
        screen.page.reload()
        sees_call_and_draft(screen)
        sees_notice(screen, "returned", "市民已接回")
        hears(call, 1000)
    print(f"silence: reload {silence.longest:.1f} s")
    assert silence.longest < 3
    screen.by("call-notice").get_by_role("button").click()
    call.hang_up()
    hangs_up(screen, call)
    row = line.ended("8619900004001")
    assert (row.outcome, row.agent) == ("answered", "agent01")


def test_a_closed_tab_hands_the_citizen_to_the_next_agent(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004002")
    line.phones("8002", habit=Habit(answer_after=0.1), speech=alaw.tone(700, 1))
    colleague = line.agent("agent02", "8002")
    again = new_tab(screen)
    with Silence.of(call) as silence:
        screen.page.close()
        until(lambda: true(line, "8001w")["activity"] == "idle", 5, "its leg has ended")
        hears(call, 700, 45)
    print(f"silence: closed tab {silence.longest:.1f} s")
    assert silence.longest < 3
    theirs = colleague.call()
    assert theirs
    again.visit("/desk")
    again.sees_phone("registered")
    expect(again.by("talk-time")).to_have_count(0)
    expect(again.page.get_by_text(re.compile("未保存|草稿")).first).to_be_visible()
    sees_truth(again, word(again))
    call.hang_up()
    row = line.ended("8619900004002")
    assert (row.uid, row.outcome, row.ended_by) == (theirs["uid"], "answered", "caller")


def test_desktop_cti_and_asterisk_are_restarted_in_a_call(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004003")
    banner = screen.by("banner-blind")
    with Silence.of(call) as silence:
        for part, words in (("desktop", "与服务器失去联系，自 .*起"), ("cti", "与电话系统失去联系，自 .*起")):
            line.kill(part)
            expect(banner).to_have_text(re.compile(words))
            hears(call, 1000)
            line.start(part)
            expect(banner).to_have_count(0, timeout=15_000)
            sees_call_and_draft(screen)
    print(f"silence: desktop, cti {silence.longest:.1f} s")
    assert silence.longest < 1
    screen.sees_phone("registered")

    line.kill("pbx")
    expect(banner).to_have_text(re.compile("与电话系统失去联系，自 .*起"))
    line.start("pbx")
    began = time.monotonic()
    expect(banner).to_have_count(0, timeout=15_000)
    sees_notice(screen, "notReturned", "没能接回", 15)
    screen.sees_phone("registered", 15)
    assert time.monotonic() - began < 15
    sees_truth(screen, word(screen))
    expect(screen.by("talk-time")).to_have_count(0)
    expect(screen.by("f-what")).to_have_value(HALF)
    call.hang_up()  # physics: a call does not outlive its Asterisk
    row = line.ended("8619900004003", timeout=20)
    assert (row.outcome, row.reason) == ("answered", "pbx_died")
    screen.press("F2")
    sees_truth(screen, "ready")
    second = line.citizens().dial(caller=Caller("19900004006"), keys="1")
    screen.by("btn-answer").click(timeout=25_000)
    sees_truth(screen, "talking")
    second.hang_up()
    screen.sees_state("after_call")


def test_a_second_tab_and_a_second_computer_take_over_only_when_asked(
    line: Line, screens: OpenScreen
) -> None:
    first = screens()
    call = in_a_call(line, first, "19900004007")
    tab = new_tab(first).visit("/desk")
    tab.sees_phone("elsewhere")
    expect(tab.by("phone-elsewhere")).to_contain_text("另一个页面")
    tab.sees_state("talking")
    tab.picture("phone-elsewhere")
    first.sees_phone("registered")
    hears(call, 1000)
    computer = screens()
    computer.excuse()
    holder = first
    with Silence.of(call) as silence:
        for taker in (tab, computer):
            if taker is computer:
                computer.headset().log_in("agent01", "8001", telephone="browser")
                holder.sees_phone("registered")
            taker.by("btn-take-over").first.click(timeout=15_000)
            holder.sees_phone("elsewhere", 15)
            expect(holder.by("phone-elsewhere")).to_contain_text("另一个页面")
            expect(holder.by("btn-take-over").first).to_be_visible()
            taker.sees_phone("registered", 15)
            sees_call_and_draft(taker)
            hears(call, 1000)
            holder = taker
    print(f"silence: taken over twice {silence.longest:.1f} s")
    assert silence.longest < 3
    computer.by("call-notice").get_by_role("button").click()
    hangs_up(computer, call)
    assert line.ended("8619900004007").outcome == "answered"


def test_a_refused_microphone_is_said_in_words_before_anybody_is_rung(
    line: Line, screens: OpenScreen
) -> None:
    screen = screens().headset()
    screen.page.add_init_script("headset.allow(false)")
    screen.excuse("headset")
    screen.log_in("agent01", "8001", telephone="browser")
    screen.sees_phone("registered", 15)
    screen.press("F2")
    problem = screen.by("phone-problem")
    expect(problem).to_have_attribute("data-problem", "microphone_refused", timeout=10_000)
    expect(problem).to_contain_text("浏览器不允许使用麦克风，市民听不到您的声音")
    sees_truth(screen, "not_ready")


def test_of_two_calls_offered_at_once_one_rings_and_the_other_waits(line: Line, screens: OpenScreen) -> None:
    screen = screens().at_the_softphone()
    crowd = line.citizens()
    calls = [crowd.dial(caller=Caller(f"1990000400{n}"), keys="1", listen=True) for n in (8, 9)]
    screen.by("btn-answer").click(timeout=25_000)
    sees_truth(screen, "talking")
    uid = screen.sees_pop()
    until(lambda: len(waiting(line)) == 1, 10, "the other one waits")
    line.phones("8002", habit=Habit(answer_after=0.1))
    colleague = line.agent("agent02", "8002")
    until(lambda: colleague.state()["activity"] == "talking", 25, "and is taken by the colleague")
    with pytest.raises(Refused):
        colleague.ask("POST", "/api/seat/transfer", {"kind": "seat", "target": "8001"})
    assert {call.state for call in calls} == {"talking"}
    assert screen.by("pop").get_attribute("data-uid") == uid, "the busy page is not disturbed"
    sees_truth(screen, "talking")
    for call in calls:
        call.hang_up()
    sees_truth(screen, "after_call")


def test_a_transfer_to_somebody_who_hangs_up_at_once_comes_back(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004012")
    line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.1, talk=0.2),
    )
    line.phones("8002", habit=Habit(answer_after=0.1), speech=alaw.tone(700, 1))
    line.agent("agent02", "8002")
    with Silence.of(call) as silence:
        screen.brings_in("19900010001", "blind", "number")
        sees_notice(screen, "transferred", "本坐席已退出")
        sees_truth(screen, "after_call")
        expect(screen.by("f-what")).to_have_value(HALF)
        hears(call, 700, 30)
    print(f"silence: transfer that fails {silence.longest:.1f} s")
    assert silence.longest < 3
    call.hang_up()
    row = line.ended("8619900004012")
    assert (row.outcome, row.transfers, row.ended_by) == ("answered", 1, "caller")
