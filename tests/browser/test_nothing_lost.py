"""Whatever happens to the page, the agent sees what is so, and no citizen waits in silence.

The limit: ten seconds without sound from the agent's telephone (`seat_silence_seconds`), and one for Asterisk
to notice. A page that says goodbye, as on reload, costs next to nothing of it.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.line import Line, Refused, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

HALF = "供暖不热，客厅只有十五度"
LIMIT = 11.0


class Silence:
    """The longest time in which a citizen heard nothing: no voice, no music, no words, no ringing tone."""

    def __init__(self, call: CitizenCall) -> None:
        self.longest = 0.0
        self._call, self._stop = call, threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        seen, last = len(self._call.heard), time.monotonic()
        while not self._stop.wait(0.1):
            heard = self._call.heard
            now = time.monotonic()
            if len(heard) > seen and alaw.loudness(heard[max(seen, len(heard) - 1600) :]) > 0.003:
                last = now
            seen = len(heard)
            self.longest = max(self.longest, now - last)

    @classmethod
    @contextlib.contextmanager
    def of(cls, call: CitizenCall) -> Iterator[Silence]:
        silence = cls(call)
        silence._thread.start()
        try:
            yield silence
        finally:
            silence._stop.set()
            silence._thread.join()


def in_a_call(line: Line, screen: Screen, number: str) -> CitizenCall:
    """The agent at the softphone talks to a citizen; half a ticket is typed and kept as a draft."""
    screen.at_the_softphone()
    call = line.citizens(speech=alaw.tone(440, 1)).dial(
        caller=Caller(number), keys="1", speak=True, listen=True
    )
    screen.by("btn-answer").click(timeout=25_000)
    screen.sees_state("talking")
    screen.by("f-what").fill(HALF)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")
    hears(call, 1000)
    screen.excuse()
    return call


def hears(call: CitizenCall, hertz: float, timeout: float = 10) -> None:
    until(lambda: alaw.share_of(hertz, call.heard[-4000:]) > 0.8, timeout, f"the citizen hears {hertz} Hz")


def sees_call_and_draft(screen: Screen, timeout: float = 25) -> None:
    screen.sees_state("talking", timeout)
    screen.sees_pop()
    expect(screen.by("f-what")).to_have_value(HALF)


def hangs_up(screen: Screen, call: CitizenCall) -> None:
    """The agent ends it; half a ticket is still there."""
    screen.press("F7")
    call.wait_for_end(8)
    screen.sees_state("after_call")
    expect(screen.by("f-what")).to_have_value(HALF)


def new_tab(screen: Screen) -> Screen:
    """Another page of the same browser, with the same log-in."""
    return Screen(screen.page.context.new_page(), screen.line).headset()


def test_reload_in_a_call_gives_the_citizen_back_to_the_same_agent(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004001")
    with Silence.of(call) as silence:
        screen.page.reload()
        sees_call_and_draft(screen)
        hears(call, 1000)
    assert silence.longest < 3
    call.hang_up()
    screen.sees_state("after_call")
    row = line.ended("8619900004001")
    assert (row.outcome, row.agent, row.ended_by) == ("answered", "agent01", "caller")


def test_a_closed_tab_hands_the_citizen_to_the_next_agent(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004002")
    line.phones("8002", habit=Habit(answer_after=0.1), speech=alaw.tone(700, 1))
    line.agent("agent02", "8002")
    again = new_tab(screen)
    with Silence.of(call) as silence:
        screen.page.close()
        hears(call, 700, 45)
    assert silence.longest < 3
    again.visit("/desk")
    again.sees_phone("registered")
    offered = again.page.get_by_text(re.compile("未保存|草稿")).first
    expect(offered).to_be_visible()
    call.hang_up()
    row = line.ended("8619900004002")
    assert (row.outcome, row.ended_by) == ("answered", "caller")


def test_the_desktop_is_restarted_in_a_call(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004003")
    with Silence.of(call) as silence:
        line.kill("desktop")
        expect(screen.by("banner-blind")).to_have_text(re.compile("与服务器失去联系，自 .*起"))
        hears(call, 1000)
        line.start("desktop")
        expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
        sees_call_and_draft(screen)
    assert silence.longest < 1
    screen.sees_phone("registered")
    hangs_up(screen, call)


def test_the_cti_is_restarted_in_a_call(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004004")
    with Silence.of(call) as silence:
        line.restart("cti")
        expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
        sees_call_and_draft(screen)
        hears(call, 1000)
    assert silence.longest < 1
    hangs_up(screen, call)


def test_asterisk_is_restarted_in_a_call(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004005")
    line.kill("pbx")
    expect(screen.by("banner-blind")).to_be_visible()
    line.start("pbx")
    began = time.monotonic()
    expect(screen.by("banner-blind")).to_have_count(0, timeout=15_000)
    screen.sees_phone("registered", 15)
    assert time.monotonic() - began < 15
    expect(screen.by("talk-time")).to_have_count(0)
    expect(screen.by("f-what")).to_have_value(HALF)
    assert call.state in ("talking", "ended"), "physics: the call is lost"
    call.hang_up()
    screen.press("F9")
    screen.sees_state("ready", 15)
    second = line.citizens().dial(caller=Caller("19900004006"), keys="1")
    screen.by("btn-answer").click(timeout=25_000)
    screen.sees_state("talking")
    second.hang_up()
    screen.sees_state("after_call")


def test_a_second_tab_leaves_the_telephone_where_it_is_until_asked(line: Line, screens: OpenScreen) -> None:
    first = screens()
    call = in_a_call(line, first, "19900004007")
    second = new_tab(first).visit("/desk")
    second.sees_phone("elsewhere")
    second.sees_state("talking")
    first.sees_phone("registered")
    hears(call, 1000)
    with Silence.of(call) as silence:
        second.by("btn-take-over").first.click()
        first.sees_phone("elsewhere", 15)
        second.sees_phone("registered", 15)
        second.sees_state("talking", 25)
        hears(call, 1000)
    assert silence.longest < LIMIT
    expect(second.by("f-what")).to_have_value(HALF)
    hangs_up(second, call)


def test_a_second_computer_takes_over_and_the_first_is_told(line: Line, screens: OpenScreen) -> None:
    first, second = screens(), screens()
    second.excuse()
    first.at_the_softphone()
    second.headset().log_in("agent01", "8001", telephone="browser")
    expect(second.by("btn-take-over").first).to_be_visible(timeout=15_000)
    second.by("btn-take-over").first.click()
    second.sees_phone("registered", 15)
    first.sees_phone("elsewhere", 15)
    expect(first.by("btn-take-over").first).to_be_visible()
    second.sees_state("ready")
    call = line.citizens().dial(caller=Caller("19900004008"), keys="1")
    second.by("btn-answer").click(timeout=25_000)
    second.sees_state("talking")
    call.hang_up()
    second.sees_state("after_call")


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
    expect(problem).to_contain_text("麦克风")
    screen.sees_state("not_ready")


def test_of_two_calls_offered_at_once_one_rings_and_the_other_waits(line: Line, screens: OpenScreen) -> None:
    screen = screens().at_the_softphone()
    line.phones("8002", habit=Habit(answer_after=0.1))
    colleague = line.agent("agent02", "8002")
    crowd = line.citizens()
    theirs = crowd.dial(caller=Caller("19900004009"), keys="0")
    # Whoever of the two agents is rung first: the other gets the second citizen.
    until(lambda: len([m for m in line.channels() if "8001w" in m["Channel"] or "/8002" in m["Channel"]]), 20)
    other = crowd.dial(caller=Caller("19900004010"), keys="0")
    screen.by("btn-answer").click(timeout=25_000)
    screen.sees_state("talking")
    until(lambda: colleague.state()["activity"] == "talking", 25, "the colleague talks")
    with contextlib.suppress(Refused):
        colleague.ask("POST", "/api/seat/transfer", {"kind": "seat", "target": "8001"})
    assert {theirs.state, other.state} == {"talking"}
    assert screen.by("talk-time").is_visible(), "the busy page is not disturbed"
    theirs.hang_up()
    other.hang_up()
    screen.sees_state("after_call")


def test_both_hang_up_in_the_same_moment(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    call = in_a_call(line, screen, "19900004011")
    call.hang_up()
    screen.press("F7")
    call.wait_for_end(8)
    screen.sees_state("after_call", 5)
    assert line.ended("8619900004011").outcome == "answered"
    expect(screen.by("f-what")).to_have_value(HALF)


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
    ask = screen.page.context.request
    token = ask.get(f"{line.address}/api/session").json()["csrf"]
    with Silence.of(call) as silence:
        sent = ask.post(
            f"{line.address}/api/seat/transfer",
            data={"kind": "number", "target": "19900010001"},
            headers={"X-CSRF-Token": token},
        )
        assert sent.ok, sent.text()
        hears(call, 700, 30)
    assert silence.longest < 3
    screen.sees_state("after_call")
    call.hang_up()
    assert line.ended("8619900004012").transfers == 1
