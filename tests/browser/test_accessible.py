"""Everybody can work here: axe-core looks at each page and stage, keys do all, no colour stands alone.

What axe-core calls serious or critical fails. The pages are asked for less motion: nothing is judged while it
fades in.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from agent_desktop.browser_files import DIST
from hotline.phones.desk_phone import Habit
from tests.browser.conftest import OpenScreen
from tests.browser.screen import LIN, Screen
from tests.line import PASSWORD, Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

AXE = DIST.parent / "node_modules" / "axe-core" / "axe.min.js"

# The key of each action stands on its button; tests press the keys here and in the other files.
KEYS = {
    "idle": {"btn-ready": "F2", "btn-not-ready": "F4", "btn-dial": "Alt+C", "btn-help": "Alt+Q"},
    "ringing": {"btn-answer": "F2"},
    "talking": {
        "btn-hang-up": "F7",
        "btn-hold": "Alt+H",
        "btn-mute": "Alt+M",
        "btn-transfer": "F8",
        "btn-dtmf": "Alt+K",
        "btn-pause-recording": "Alt+P",
        "btn-reveal": "F10",
        "btn-save-ticket": "Ctrl+Enter",
        "btn-save-next": "Alt+Enter",
        "pane-history": "Ctrl+H",
        "pane-script": "Ctrl+J",
        "pane-knowledge": "Ctrl+K",
        "pane-nearby": "Ctrl+L",
        "pop-candidates": "F3",
    },
    "consulting": {"btn-cancel-consult": "Alt+X", "btn-complete-transfer": "F8", "btn-three-way": "Shift+F8"},
    "three_way": {"btn-drop-party": "Alt+X", "btn-leave": "F7", "btn-end-all": "Shift+F7"},
    "after_call": {"btn-finish-after-call": "F9", "btn-more-time": "Shift+F9"},
}


class Eyes:
    """Looks at one screen; what is wrong anywhere is told at the end, all at once."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.page = screen, screen.page
        self.wrong: dict[str, list[str]] = {}
        self.page.emulate_media(reduced_motion="reduce")
        for script in (AXE, Path(__file__).with_name("accessible.js")):
            self.page.add_init_script(path=script)

    def look(self, where: str, within: str = "html") -> None:
        """axe-core, words beside each colour, and nothing outside the window."""
        self._note(where, self.page.evaluate("within => access.faults(within)", within))
        self._note(where, [f"too wide: {one}" for one in self.screen.overflow()])

    def walk(self, where: str, within: str = "body") -> None:
        """Tab all the way round: every control is a stop, and at each one sees where one is."""
        nowhere = 0
        for _ in range(200):
            self.screen.press("Tab")
            stop = str(self.page.evaluate("access.stop()"))
            nowhere += stop == "nowhere"
            if stop == "again" or nowhere > 2:
                break
            if stop not in ("seen", "nowhere"):
                self._note(where, [f"focus not seen: {stop}"])
        missed = self.page.evaluate("within => access.missed(within)", within)
        self._note(where, [f"no stop: {one}" for one in missed])

    def sees_keys(self, stage: str) -> None:
        for test_id, key in KEYS[stage].items():
            expect(self.screen.by(test_id)).to_contain_text(key)

    def hears(self, words: str) -> None:
        """Said at once by a screen reader."""
        expect(self.page.locator("[aria-live=assertive]")).to_have_text(re.compile(words))

    def _note(self, where: str, found: list[str]) -> None:
        if found:
            self.wrong.setdefault(where, []).extend(found)


def told(eyes: Eyes) -> str:
    return "\n".join(f"{where}: {one}" for where, found in eyes.wrong.items() for one in found)


def test_every_page_can_be_read_and_worked_by_everybody(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    eyes = Eyes(screen)
    screen.visit("/citizen")
    expect(screen.by("citizen-call")).to_be_visible()
    eyes.look("citizen page")
    eyes.walk("citizen page")
    screen.log_in("leader01")
    for page, sign in {
        "calls": "row-call",
        "tickets": "row-ticket",
        "recordings": "row-recording",
        "missed": "missed-state-open",
        "alarms": "sound-mute",
    }.items():
        screen.go(page)
        expect(screen.by(sign).first).to_be_visible()
        eyes.look(page)
        eyes.walk(page)
    for tab in ("skills", "desks", "reasons", "targets"):
        screen.visit(f"/desk-settings?tab={tab}")
        expect(screen.by("settings-save")).to_be_visible()
        eyes.look(f"settings: {tab}")
        eyes.walk(f"settings: {tab}")
    screen.visit("/alarms?tab=rules")
    expect(screen.by("settings-save")).to_be_visible()
    eyes.look("alarm rules, to look at")
    screen.go("tickets")
    screen.by("row-ticket").first.locator("a").first.press("Enter")
    expect(screen.by("timeline-entry").first).to_be_visible()
    eyes.look("ticket")
    eyes.walk("ticket")
    screen.visit("/nowhere")
    expect(screen.page.get_by_text("没有这个页面")).to_be_visible()
    eyes.look("not found")
    screen.excuse()
    screen.page.context.set_offline(True)
    expect(screen.by("banner-blind")).to_be_visible()
    screen.go("calls")
    expect(screen.page.get_by_role("button", name="重试")).to_be_visible()
    eyes.look("a list that failed, without the server")
    screen.page.context.set_offline(False)
    expect(screen.by("banner-blind")).to_be_hidden(timeout=15_000)
    assert not eyes.wrong, told(eyes)


def logs_in_by_keyboard(screen: Screen, eyes: Eyes) -> None:
    screen.visit()
    expect(screen.page.locator('option[value="8001"]')).to_be_attached()
    keys = screen.page.keyboard
    keys.type("agent01")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Tab")
    keys.type("8001")
    expect(screen.by("login-telephone-browser")).to_be_checked()
    eyes.look("log-in")
    eyes.walk("log-in")
    screen.by("login-submit").press("Enter")
    screen.sees_phone("registered")


def test_an_agents_call_needs_neither_mouse_nor_eyes_for_colour(line: Line, screens: OpenScreen) -> None:
    screen = screens().headset()
    eyes = Eyes(screen)
    logs_in_by_keyboard(screen, eyes)
    brand = screen.page.evaluate("getComputedStyle(document.body).getPropertyValue('--el-color-primary')")
    assert brand == "#1f5aa6", "the theme comes after the component library's own"
    eyes.look("desk")
    eyes.sees_keys("idle")
    eyes.walk("desk")
    for name, key, test_id in (
        ("list of keys", "F1", "shortcut-list"),
        ("reasons", "F4", "reason-break"),
        ("dialling", "Alt+c", "dial-number"),
    ):
        screen.press(key)
        expect(screen.by(test_id)).to_be_visible()
        eyes.look(name)
        screen.press("Escape")
        expect(screen.by(test_id)).to_be_hidden()
    screen.by("who").press("Enter")
    expect(screen.by("who")).to_have_attribute("aria-expanded", "true")
    eyes.look("own figures", ".bar")
    screen.press("Escape")
    screen.by("softphone-light").press("Enter")
    expect(screen.by("softphone-microphone")).to_be_focused()
    eyes.look("devices", ".bar")
    screen.by("btn-headset-test").press("Enter")
    expect(screen.by("test-heard")).to_have_attribute("data-heard", "true")
    eyes.look("headset test")
    eyes.walk("headset test", ".el-dialog:has([data-testid=test-tone])")
    screen.press("Escape")
    expect(screen.by("headset-test")).to_be_hidden()

    line.phones("8002", habit=Habit(answer_after=0.1))
    screen.press("F2")
    screen.sees_state("ready")
    call = line.citizens().dial(caller=LIN, keys="1")
    screen.sees_pop(20)
    eyes.hears(r"来电.*0571-8800.*F2")
    eyes.sees_keys("ringing")
    eyes.look("ringing")
    screen.press("F2")
    screen.sees_state("talking")
    eyes.hears("接通")
    screen.press("Control+h")
    eyes.sees_keys("talking")
    eyes.look("talking")
    eyes.walk("talking")
    for key, pane in (("j", "script"), ("k", "knowledge"), ("l", "nearby")):
        screen.press(f"Control+{key}")
        expect(screen.by(f"pane-{pane}")).to_have_attribute("aria-selected", "true")
        eyes.look(pane, ".tabbed")
    screen.press("F6")
    screen.press("Tab")
    screen.page.keyboard.type("ldbl")
    expect(screen.page.locator(".el-cascader__suggestion-item").first).to_be_visible()
    eyes.look("a tree", "body")
    screen.press("Enter")
    screen.press("Alt+k")
    expect(screen.by("dtmf-pad")).to_be_focused()
    eyes.look("keypad", ".panel")
    screen.press("Escape")
    screen.press("F10")
    expect(screen.by("reveal-reason")).to_be_focused()
    eyes.look("whole number")
    screen.press("Escape")
    screen.press("Alt+h")
    screen.sees_state("holding")
    screen.press("Alt+m")
    eyes.hears("保持")
    eyes.look("held and muted", ".left")
    screen.press("Alt+m")
    screen.press("Alt+h")
    screen.sees_state("talking")

    line.agent("agent02", "8002")
    screen.press("F8")
    expect(screen.by("transfer-search")).to_be_focused()
    expect(screen.by("transfer-option").first).to_be_visible()
    eyes.look("transfer")
    eyes.walk("transfer", ".el-dialog:has([data-testid=transfer-search])")
    screen.by("transfer-search").focus()
    screen.page.keyboard.type("8002")
    expect(screen.by("transfer-option").first).to_have_attribute("data-target", "8002")
    screen.press("Enter")
    expect(screen.by("call-panel")).to_have_attribute("data-stage", "consulting")
    expect(screen.by("btn-three-way")).to_be_enabled()
    eyes.sees_keys("consulting")
    eyes.look("consulting", ".left")
    screen.press("Shift+F8")
    expect(screen.by("call-panel")).to_have_attribute("data-stage", "three_way")
    eyes.sees_keys("three_way")
    eyes.look("three-way", ".left")
    screen.press("Shift+F7")
    expect(screen.page.get_by_role("dialog").get_by_role("button", name="结束全部")).to_be_focused()
    eyes.look("asked before all are cut off")
    screen.press("Enter")
    call.wait_for_end(5)
    screen.sees_state("after_call")
    eyes.hears("话后|结束")
    eyes.sees_keys("after_call")
    eyes.look("after the call")
    eyes.walk("after the call")
    screen.press("F9")

    screen.press("Alt+4")
    play = screen.by("row-recording").first.get_by_test_id("btn-play")
    expect(play).to_be_visible(timeout=15_000)
    play.press("Enter")
    expect(screen.by("player-wave")).to_be_visible()
    eyes.look("player", ".dock")
    eyes.walk("player", ".dock")
    assert not eyes.wrong, told(eyes)
