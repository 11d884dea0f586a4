"""The telephone in the page: one call with everything that an agent does in it, and a headset that fails."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from playwright.sync_api import expect

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.integration.test_line_recording import loudest, recording_of
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]
SECOND = 8_000


def hears(call: CitizenCall, seconds: float) -> bytes:
    """What the citizen hears in the next seconds."""
    before = len(call.heard)
    return call.wait_for_sound(before / SECOND + seconds, seconds + 10)[before:]


def hears_agent(call: CitizenCall) -> None:
    until(
        lambda: alaw.share_of(1000, call.heard[-SECOND // 2 :]) > 0.8, 5, "the citizen hears the agent's tone"
    )


def level(screen: Screen, which: str) -> int:
    return int(screen.by(f"level-{which}").get_attribute("aria-valuenow") or 0)


def stretches(channel: npt.NDArray[np.float64], quiet: float = 0.005) -> list[float]:
    """Lengths in seconds of the silences of a second and more."""
    tenths = channel[: len(channel) // 800 * 800].reshape(-1, 800)
    marks = np.flatnonzero(np.r_[True, np.sqrt((tenths**2).mean(axis=1)) > quiet, True])
    return [float(gap) / 10 for gap in np.diff(marks) - 1 if gap >= 10]


def test_a_call_is_answered_muted_held_and_ended_in_the_page(line: Line, screens: OpenScreen) -> None:
    screen = screens().at_the_softphone()
    call = line.citizens(speech=alaw.tone(440, 1)).dial(
        caller=Caller("19900003101"), keys="1", speak=True, listen=True
    )
    uid = screen.sees_pop(20)
    expect(screen.by("btn-answer")).to_be_visible()
    assert screen.page.evaluate("headset.open()") == 1, "the microphone is opened while it rings"
    screen.press("F2")
    screen.sees_state("talking")
    hears_agent(call)

    screen.by("softphone-light").click()
    until(
        lambda: level(screen, "speaker") > 40 and level(screen, "microphone") > 40,
        5,
        "both voices on the meters",
    )
    expect(screen.by("softphone-light")).to_have_attribute("data-quality", "good", timeout=8_000)
    expect(screen.by("call-quality")).to_contain_text("丢包 0%")
    screen.picture("softphone-devices")
    screen.press("Escape")

    screen.press("Alt+m")
    expect(screen.by("btn-mute")).to_have_attribute("aria-pressed", "true")
    assert alaw.loudness(hears(call, 2.0)[-SECOND:]) < 0.01, "muted"

    screen.press("Alt+h")
    screen.sees_state("holding")
    music = hears(call, 2.0)[-SECOND:]
    assert alaw.loudness(music) > 0.005, "music while held"
    screen.press("Alt+h")
    screen.sees_state("talking")
    assert alaw.loudness(hears(call, 1.5)[-SECOND:]) < 0.01, "still muted after the hold"
    screen.press("Alt+m")
    hears_agent(call)

    screen.press("Alt+k")
    expect(screen.by("dtmf-pad")).to_be_focused()
    screen.press("5")
    screen.by("dtmf-#").click()
    expect(screen.by("dtmf-sent")).to_have_text("5#")
    until(lambda: call.heard_keys == "5#", 5, "the keys arrive")
    hears(call, 1.0)
    screen.press("F7")
    call.wait_for_end(5)
    screen.sees_state("after_call")
    assert screen.page.evaluate("headset.open()") == 0, "the microphone is closed with the call"

    assert line.ended("8619900003101").uid == uid
    sound, _ = soundfile.read(line.settings.recordings / str(recording_of(line, uid).path))
    assert loudest(sound[SECOND : 2 * SECOND, 0]) == pytest.approx(440, abs=4), "the citizen"
    assert loudest(sound[SECOND : 2 * SECOND, 1]) == pytest.approx(1000, abs=4), "the agent"
    assert stretches(sound[:, 0]) == [], "the citizen is recorded throughout"
    assert max(stretches(sound[:, 1])) > 1.8, "the muted agent is not"


def test_a_headset_is_tried_out_and_may_be_pulled_out_in_a_call(line: Line, screens: OpenScreen) -> None:
    screen = screens().at_the_softphone()
    screen.by("softphone-light").click()
    screen.by("btn-headset-test").click()
    expect(screen.by("test-heard")).to_have_attribute("data-heard", "true")
    screen.by("test-tone").click()
    expect(screen.by("test-record")).to_be_enabled(timeout=8_000)
    screen.by("test-record").click()
    expect(screen.by("test-record")).to_have_text("再录一次", timeout=15_000)
    screen.picture("headset-test")
    screen.press("Escape")
    expect(screen.by("headset-test")).to_be_hidden()

    call = line.citizens(speech=alaw.tone(440, 1)).dial(
        caller=Caller("19900003102"), keys="1", speak=True, listen=True
    )
    screen.by("btn-answer").click(timeout=20_000)
    screen.sees_state("talking")
    hears_agent(call)
    screen.page.evaluate("headset.pull()")
    expect(screen.by("phone-problem")).to_have_attribute("data-problem", "microphone_gone")
    # Without a packet the PBX would give the telephone up after 10 s.
    assert alaw.loudness(hears(call, 11.0)[-SECOND:]) < 0.01
    screen.page.evaluate("headset.plug()")
    hears_agent(call)
    expect(screen.by("phone-problem")).to_be_hidden()
    call.hang_up()
    screen.sees_state("after_call")
