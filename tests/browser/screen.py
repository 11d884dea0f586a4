"""One person's page: finding things by their test ids, logging in, pictures for the documents."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Locator, Page, expect

from hotline.phones.identity import Caller
from tests.line import PASSWORD, Line, until

LIN = Caller("057188000001", "林宅")
"""The land line that two citizens of the demo city share, with calls and tickets in its past."""
AWAY = ("Failed to load resource", "WebSocket connection to")
"""What Chromium itself writes when an answer is an error or a server is away."""


HEADSET = """hertz => {
  // A headset that hums one tone, softly, for three together must not clip.
  // A test can pull it out, plug it in again, or forbid it.
  const there = { plugged: true, allowed: true, tracks: [] }
  const devices = navigator.mediaDevices
  const told = () => devices.dispatchEvent(new Event('devicechange'))
  const audio = () => (there.audio ??= new AudioContext())
  devices.getUserMedia = async () => {
    if (!there.allowed) throw new DOMException('', 'NotAllowedError')
    if (!there.plugged) throw new DOMException('', 'NotFoundError')
    await audio().resume()
    const out = audio().createMediaStreamDestination(), tone = audio().createOscillator()
    const gain = new GainNode(audio(), { gain: 0.3 })
    tone.frequency.value = hertz
    tone.connect(gain).connect(out)
    tone.start()
    there.tracks = [...there.tracks.filter((one) => one.readyState === 'live'), ...out.stream.getTracks()]
    return out.stream
  }
  const one = (kind, label) => ({ kind, label, deviceId: kind, groupId: 'headset' })
  devices.enumerateDevices = async () =>
    there.plugged ? [one('audioinput', '测试耳麦'), one('audiooutput', '测试耳机')] : []
  window.headset = {
    pull() {
      there.plugged = false
      for (const track of there.tracks.filter((one) => one.readyState === 'live')) {
        track.stop()
        track.dispatchEvent(new Event('ended'))
      }
      told()
    },
    plug: () => ((there.plugged = true), told()),
    allow: (allowed) => (there.allowed = allowed),
    open: () => there.tracks.filter((one) => one.readyState === 'live').length,
  }
}"""


class Screen:
    """A page of the browser application on `line`."""

    def __init__(self, page: Page, line: Line) -> None:
        self.page, self.line = page, line
        self.audio_statuses: list[int] = []
        self._excused: tuple[str, ...] = ()
        self._complaints: list[str] = []
        page.on("console", lambda said: said.type == "error" and self._complaints.append(said.text))
        page.on("pageerror", lambda error: self._complaints.append(f"page error: {error}"))
        page.on(
            "dialog", lambda dialog: (self._complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on(
            "response",
            lambda answer: answer.url.endswith("/audio") and self.audio_statuses.append(answer.status),
        )

    def by(self, test_id: str) -> Locator:
        """The element with that test id."""
        return self.page.get_by_test_id(test_id)

    def excuse(self, *words: str) -> None:
        """From now on the console may say this: the test makes the fault itself."""
        self._excused += words or AWAY

    # --- doing -----------------------------------------------------------------------------------

    def visit(self, path: str = "/") -> Screen:
        """Open an address of the application."""
        self.page.goto(self.line.address + path)
        return self

    def headset(self, hertz: float = 1000) -> Screen:
        """From the next load on the page has a headset that hums; `window.headset` pulls it out."""
        self.page.add_init_script(f"({HEADSET})({hertz})")
        return self

    def log_in(self, login: str, seat: str = "", password: str = PASSWORD, telephone: str = "desk") -> Screen:
        """Fill in the log-in form and send it; `telephone` browser | desk."""
        if not self.by("login-form").is_visible():
            self.visit()
        self.by("login-user").fill(login)
        self.by("login-password").fill(password)
        if seat:
            # An option is never "visible" to Playwright, but it must have come from the server.
            expect(self.page.locator(f'option[value="{seat}"]')).to_be_attached()
            self.by("login-seat").select_option(seat)
            self.by(f"login-telephone-{telephone}").check()
        self.by("login-submit").click()
        return self

    def at_the_desk(self, login: str = "agent01", seat: str = "8001") -> Screen:
        """An agent logged in, whose telephone is reachable, ready for calls."""
        self.log_in(login, seat)
        self.sees_state("not_ready")
        self.press("F2")
        self.sees_state("ready")
        return self

    def at_the_softphone(self, login: str = "agent01", seat: str = "8001", hertz: float = 1000) -> Screen:
        """An agent whose telephone is the page itself, ready for calls."""
        self.headset(hertz).log_in(login, seat, telephone="browser")
        self.sees_phone("registered")
        self.sees_state("not_ready")
        self.press("F2")
        self.sees_state("ready")
        return self

    def go(self, page: str) -> Screen:
        """Follow the navigation: desk, calls, tickets or recordings."""
        self.by(f"nav-{page}").click()
        return self

    def press(self, key: str) -> None:
        """A key anywhere on the page."""
        self.page.keyboard.press(key)

    def brings_in(self, typed: str, how: str, kind: str) -> None:
        """Find somebody (queue, seat, target, group, number) by typing; transfer `blind` or `consult`."""
        self.press("F8")
        expect(self.by("transfer-search")).to_be_focused()
        self.by("transfer-search").fill(typed)
        first = self.page.locator('[data-testid="transfer-option"][aria-selected="true"]')
        expect(first).to_have_attribute("data-kind", kind)
        self.by(f"btn-{how}").click()
        expect(self.by("transfer-dialog")).to_be_hidden()

    def pick_typed(self, test_id: str, typed: str) -> None:
        """Choose from the tree that has the focus: words or pinyin initials, Enter takes the first hit."""
        field = self.by(test_id).locator("input")
        expect(field).to_be_focused()
        hits = self.page.locator(f".tree-{field.get_attribute('id')} .el-cascader__suggestion-item")
        self.page.keyboard.type(typed)
        expect(hits.first).to_be_visible()
        self.press("Enter")
        expect(field).to_have_value(re.compile("/"))

    # --- looking ---------------------------------------------------------------------------------

    def sees_state(self, word: str, timeout: float = 10) -> None:
        """The seat's chip says ready, ringing, talking, after_call..."""
        chip = self.page.locator("[data-state]", has=self.by("seat-state"))
        expect(chip).to_have_attribute("data-state", word, timeout=timeout * 1000)

    def sees_phone(self, state: str, timeout: float = 10) -> None:
        """The softphone's lamp: connecting, registered, failed, elsewhere."""
        expect(self.by("softphone-light")).to_have_attribute("data-state", state, timeout=timeout * 1000)

    def sees_pop(self, timeout: float = 10) -> str:
        """The pop is filled; gives the call's uid."""
        expect(self.by("pop")).to_have_attribute("data-status", "there", timeout=timeout * 1000)
        return str(self.by("pop").get_attribute("data-uid"))

    def overflow(self) -> list[str]:
        """What is wider than the window, and what is cut off without a way to reach it."""
        found: list[str] = self.page.evaluate(
            """() => {
              const bad = []
              if (document.documentElement.scrollWidth > innerWidth) bad.push('the page itself')
              for (const one of document.body.querySelectorAll('*')) {
                const box = one.getBoundingClientRect()
                if (!box.width || !box.height || one.closest('.sr, [hidden], [aria-hidden="true"]')) continue
                if (getComputedStyle(one).visibility === 'hidden') continue
                if (box.right > innerWidth + 1) bad.push(one.tagName + '.' + one.className)
              }
              return bad
            }"""
        )
        return found

    def picture(self, name: str) -> None:
        """Write `<name>.png` into the folder that HOTLINE_SCREENSHOTS names; nothing without it."""
        folder = os.environ.get("HOTLINE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            expect(self.page.locator(".el-message")).to_have_count(0)
            self.page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    # --- the end ---------------------------------------------------------------------------------

    def close(self) -> list[str]:
        """Log out, close; gives what the console complained of and nobody excused."""
        complaints = list(self._complaints)
        with contextlib.suppress(Error, AssertionError):
            # A page that is still there would complain of the log-out behind its back.
            self.page.goto("about:blank")
        with contextlib.suppress(Error, AssertionError):
            until(self._logged_out, 8, "logged out")
        self.page.context.close()
        return [one for one in complaints if not one.startswith(self._excused or ("\0",))]

    def _logged_out(self) -> bool:
        """In a call the desktop refuses; the call is ending."""
        ask = self.page.context.request
        session: dict[str, Any] = ask.get(f"{self.line.address}/api/session").json()
        if not session["user"]:
            return True
        headers = {"X-CSRF-Token": session["csrf"]}
        return ask.delete(f"{self.line.address}/api/session", headers=headers).ok
