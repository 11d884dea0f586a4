"""The network goes away in a call, the laptop falls asleep: the dialplan alone looks after the citizen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
import socketio
from playwright.sync_api import Browser, expect, sync_playwright

from hotline.bench.browsers import FLAGS, SOUND, find_chromium
from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit
from tests.browser.nothing_lost import (
    HALF,
    LIMIT,
    Silence,
    agree,
    cookies_of,
    hears,
    in_a_call,
    sees_truth,
)
from tests.browser.screen import Screen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

NETWORK = "--utility-sub-type=network.mojom.NetworkService"
"""The process of Chromium that owns all its sockets, those of WebRTC too: stopped, nothing comes or goes."""
CUT = 60.0
"""Seconds without a network, and with the lid closed. All is decided by second 50: silence is noticed after
10, after-call work ends 20 later, the citizen is passed on after 38, the page counts as gone after 25 and its
seat as left 10 after it became ready. A second minute of sleep changes nothing (tried with 125 s)."""
PATIENCE = 10.0


class Laptop:
    """A Chromium of its own with one page."""

    def __init__(self, browser: Browser, processes: list[psutil.Process], line: Line) -> None:
        self._processes = processes
        context = browser.new_context(
            viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        self.screen = Screen(context.new_page(), line)

    def chromium(self) -> list[psutil.Process]:
        """Every process of this Chromium."""
        started = (each for first in self._processes for each in [first, *first.children(recursive=True)])
        return list({each.pid: each for each in started}.values())

    @contextlib.contextmanager
    def without(self, *words: str) -> Iterator[None]:
        """Stop those of its processes that were started with all these words; let them go on afterwards."""
        hit = [each for each in self.chromium() if set(words) <= set(each.cmdline())]
        assert hit, words
        try:
            for each in hit:
                each.suspend()
            yield
        finally:
            for each in hit:
                each.resume()


@pytest.fixture
def laptops(line: Line) -> Iterator[Callable[[], Laptop]]:
    """`laptops()` starts one; all are ended, their pages looked at as those of `screens` are."""
    with sync_playwright() as playwright, contextlib.ExitStack() as ends:
        screens: list[Screen] = []

        def start() -> Laptop:
            before = {each.pid for each in psutil.Process().children(recursive=True)}
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *SOUND])
            ends.callback(browser.close)
            own = [each for each in psutil.Process().children(recursive=True) if each.pid not in before]
            laptop = Laptop(browser, own, line)
            screens.append(laptop.screen)
            return laptop

        yield start
        line.send_home()
        problems = [screen.close() for screen in screens]
    assert not any(problems), problems


@pytest.fixture
def impatient(line: Line) -> Iterator[None]:
    """A desktop that makes a seat not ready when its page has been away for PATIENCE seconds."""
    usual = line.settings
    line.settings = usual.model_copy(update={"screen_gone_seconds": PATIENCE})
    line.restart("desktop")
    yield
    line.settings = usual
    line.restart("desktop")


@contextlib.contextmanager
def colleagues(line: Line, *who: tuple[str, str]) -> Iterator[None]:
    """Agents at desk phones that hum 700 Hz, with a page open."""
    line.phones(*(seat for _, seat in who), habit=Habit(answer_after=0.1), speech=alaw.tone(700, 1))
    with contextlib.ExitStack() as pages:
        for login, seat in who:
            desk = line.agent(login, seat)
            page = pages.enter_context(socketio.SimpleClient())
            cookies = "; ".join(f"{one.name}={one.value}" for one in desk.cookies)
            page.connect(line.address, headers={"Cookie": cookies})
        yield


def hears_music(call: CitizenCall) -> None:
    """Something that is neither of the agents' tones."""
    heard = call.heard[-8000:]
    assert alaw.loudness(heard) > 0.003
    assert max(alaw.share_of(hertz, heard) for hertz in (700, 1000)) < 0.3


@pytest.mark.usefixtures("impatient")
def test_a_cut_network_and_a_closed_lid_leave_no_citizen_alone(
    line: Line, laptops: Callable[[], Laptop]
) -> None:
    cable, lid = laptops(), laptops()
    first = in_a_call(line, cable.screen, "19900005001")
    second = in_a_call(line, lid.screen, "19900005002", "agent02", "8002")
    seats = {"8001w": cookies_of(cable.screen), "8002w": cookies_of(lid.screen)}

    # Five seconds without network: the call goes on by itself.
    with Silence.of(first) as silence:
        with cable.without(NETWORK):
            gone = time.monotonic()
            light = cable.screen.by("softphone-light")
            expect(light).to_have_text("收不到声音", timeout=5_000)
            agree(line, seats["8001w"])
            until(lambda: time.monotonic() - gone > 5, 6)
        hears(first, 1000)
    print(f"silence: cut of 5 s {silence.longest:.1f} s")
    assert 4 < silence.longest < 6, "it was really cut, and not for longer"
    sees_truth(cable.screen, "talking")
    expect(light).to_have_text("通话质量好", timeout=12_000)
    expect(cable.screen.by("f-what")).to_have_value(HALF)
    expect(cable.screen.by("call-notice")).to_have_count(0)

    with (
        colleagues(line, ("agent03", "8003"), ("agent04", "8004")),
        Silence.of(first) as at_cable,
        Silence.of(second) as at_lid,
    ):
        with cable.without(NETWORK), lid.without():
            gone = time.monotonic()
            until(
                lambda: not [one for one in line.channels() if "w-" in one["Channel"]], LIMIT + 1, "legs end"
            )
            for endpoint, cookies in seats.items():
                seat = agree(line, cookies, endpoint)
                assert (seat["activity"], seat["reachable"]) == ("idle", False)
            expect(cable.screen.by("phone-problem")).to_have_attribute(
                "data-problem", "no_server", timeout=15_000
            )
            expect(cable.screen.by("call-notice")).to_have_attribute("data-code", "soundLost", timeout=5_000)
            expect(cable.screen.by("banner-blind")).to_be_visible(timeout=20_000)
            for call in (first, second):
                hears_music(call)
            for call in (first, second):
                hears(call, 700, 30)
            passed = time.monotonic() - gone
            for endpoint, cookies in seats.items():
                until(
                    lambda c=cookies, e=endpoint: agree(line, c, e)["reason"] == "screen_gone", 15, endpoint
                )  # type: ignore[misc]
            until(lambda: time.monotonic() - gone >= CUT, CUT)
        back = time.monotonic()
        for laptop, endpoint in ((cable, "8001w"), (lid, "8002w")):
            screen = laptop.screen
            expect(screen.by("call-notice")).to_have_attribute("data-code", "notReturned", timeout=10_000)
            expect(screen.by("seat-notice")).to_have_attribute("data-reason", "screen_gone")
            expect(screen.by("banner-blind")).to_have_count(0)
            screen.sees_phone("registered", 15)
            sees_truth(screen, "not_ready", endpoint)
            print(f"{endpoint} right again after {time.monotonic() - back:.1f} s")
            expect(screen.by("talk-time")).to_have_count(0)
            expect(screen.by("call-panel")).to_have_attribute("data-stage", "ended")
            expect(screen.by("f-what")).to_have_value(HALF)
            screen.press("F2")
            sees_truth(screen, "ready", endpoint)
        assert time.monotonic() - back < 15
        for call in (first, second):
            hears(call, 700)
    print(
        f"silence: cut {at_cable.longest:.1f} s, lid {at_lid.longest:.1f} s; passed on after {passed:.1f} s"
    )
    assert max(at_cable.longest, at_lid.longest) < LIMIT
    for call in (first, second):
        call.hang_up()
    for number in ("8619900005001", "8619900005002"):
        row = line.ended(number)
        assert (row.outcome, row.ended_by) == ("answered", "caller")
