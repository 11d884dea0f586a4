"""One agent's page in headless Chromium, its telephone in it. The page itself stamps what happens.

`STAMPS` is loaded before the application: real clicks, painted frames, the sound of each call. Pages whose
memory or idleness is measured go without.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.sync_api import Browser, CDPSession, Error, Page, Playwright

from hotline.bench.browsers import FLAGS, SCREEN, SOUND, fill_in, find_chromium

AGENT_HERTZ, CITIZEN_HERTZ = 1000, 440
WAIT_MS = 20_000
SOUND_MS = 5_000

STAMPS = """(() => {
  const now = () => performance.timeOrigin + performance.now()
  const stamps = (window.stamps = { calls: [] })
  // The first painted frame in which all of these are there.
  stamps.painted = (...wanted) => new Promise((done) => {
    const look = () => requestAnimationFrame(() =>
      wanted.every((css) => document.querySelector(css)) ? requestAnimationFrame(() => done(now())) : look())
    look()
  })
  // The next click or key of the agent, as the browser has received it.
  stamps.pressed = () => new Promise((done) => {
    for (const kind of ['click', 'keydown'])
      addEventListener(kind, (event) => done(performance.timeOrigin + event.timeStamp),
        { once: true, capture: true })
  })
  stamps.form = stamps.painted('[data-testid=login-submit]')
  // The last call once both its directions sound, or what there is of them after `limit` ms.
  stamps.sound = (limit) => new Promise((done) => {
    const late = now() + limit
    const timer = setInterval(() => {
      const call = stamps.calls.at(-1)
      if (!(call?.heard && call.sent) && now() < late) return
      clearInterval(timer)
      done(call)
    }, 20)
  })
  // Sound of each call: first seen in what comes in (analyser) and in what has been sent (getStats).
  const Line = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Line {
    constructor(...how) {
      super(...how)
      const call = { heard: null, sent: null }
      stamps.calls.push(call)
      this.addEventListener('track', ({ track }) => hear(track, call))
      const timer = setInterval(async () => {
        if (this.connectionState === 'closed') return clearInterval(timer)
        const all = [...(await this.getStats()).values()]
        const loud = all.some((one) => one.type === 'media-source' && one.audioLevel > 0.01)
        if (!loud || !all.some((one) => one.type === 'outbound-rtp' && one.packetsSent)) return
        call.sent ??= now()
        clearInterval(timer)
      }, 20)
    }
  }
  let audio
  function hear(track, call) {
    audio ??= new AudioContext()
    void audio.resume()
    const source = audio.createMediaStreamSource(new MediaStream([track])), meter = audio.createAnalyser()
    meter.fftSize = 256
    source.connect(meter)
    const samples = new Float32Array(meter.fftSize)
    const timer = setInterval(() => {
      meter.getFloatTimeDomainData(samples)
      const loud = Math.hypot(...samples) > 0.01 * Math.sqrt(samples.length)
      if (loud) call.heard ??= now()
      if (!loud && track.readyState === 'live') return
      clearInterval(timer)
      source.disconnect()
    }, 4)
  }
})()"""


def launch(playwright: Playwright, folder: Path) -> Browser:
    """Chromium whose microphone hums AGENT_HERTZ (a sound file in `folder`). Raises NoBrowser."""
    rate = 48_000
    hum = 0.3 * np.sin(2 * np.pi * AGENT_HERTZ * np.arange(rate) / rate)
    soundfile.write(folder / "agent.wav", hum, rate, subtype="PCM_16")
    microphone = f"--use-file-for-fake-audio-capture={folder / 'agent.wav'}"
    return playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *SOUND, microphone])


class DeskPage:
    """A page with an empty cache of its own, opened at the log-in form."""

    def __init__(self, browser: Browser, address: str, *, stamps: bool = True) -> None:
        self.address = address
        self.context = browser.new_context(viewport=SCREEN)  # type: ignore[arg-type]
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        if stamps:
            self.page.add_init_script(STAMPS)
        self.page.goto(address, wait_until="commit")

    # --- doing -----------------------------------------------------------------------------------

    def fill(self, login: str, password: str, seat: str, telephone: str = "browser") -> DeskPage:
        """The log-in form, not yet sent."""
        fill_in(self.page, login, password, seat)
        self.by(f"login-telephone-{telephone}").check()
        return self

    def take_calls(self, login: str, password: str, seat: str, telephone: str = "browser") -> DeskPage:
        """Logged in and ready."""
        self.fill(login, password, seat, telephone)
        self.by("login-submit").click()
        self.there("[data-testid=btn-ready]:not(:disabled)")
        self.press("F2")
        self.sees("ready")
        return self

    def by(self, test_id: str) -> Any:
        return self.page.get_by_test_id(test_id)

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def there(self, css: str) -> None:
        """Wait until something matches. Without a handle: one would keep the element alive."""
        self.page.locator(css).first.wait_for(state="attached")

    def sees(self, state: str) -> None:
        """Wait until the seat's chip says so."""
        self.there(state_of_seat(state))

    def close(self) -> None:
        """Log out like somebody who goes home, and close."""
        with contextlib.suppress(Error):
            ask = self.context.request
            csrf = ask.get(f"{self.address}/api/session").json()["csrf"]
            ask.delete(f"{self.address}/api/session", headers={"X-CSRF-Token": csrf})
        self.context.close()

    # --- stamps: epoch ms ------------------------------------------------------------------------

    def watch(self, name: str, *selectors: str) -> None:
        """Begin to look for the first painted frame with all of these; without any: for a click or key."""
        how = "painted(...wanted)" if selectors else "pressed()"
        self.page.evaluate(f"([name, wanted]) => {{ stamps[name] = stamps.{how} }}", [name, selectors])

    def stamp(self, name: str) -> float:
        """When it happened. Raises playwright's Error after WAIT_MS."""
        late = f"new Promise((_, no) => setTimeout(() => no(new Error(name + ' did not happen')), {WAIT_MS}))"
        return float(self.page.evaluate(f"(name) => Promise.race([stamps[name], {late}])", name))

    def sound(self) -> dict[str, float | None]:
        """{"heard", "sent"} of the last call at the page, once both are there (or after SOUND_MS)."""
        found: dict[str, float | None] = self.page.evaluate("limit => stamps.sound(limit)", SOUND_MS) or {}
        return found

    def pops(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("window.__pops")
        return found


def state_of_seat(state: str) -> str:
    return f'[data-state="{state}"]:has([data-testid=seat-state])'


class Inside:
    """What DevTools tell of a page: memory after a full collection, CPU time of its process."""

    OBJECTS = ("RTCPeerConnection", "AudioContext", "MediaStream", "HTMLAudioElement")
    METRICS = {  # noqa: RUF012
        "JSHeapUsedSize": "heap_bytes",
        "Nodes": "nodes",
        "JSEventListeners": "listeners",
        "AudioHandlers": "audio_nodes",
    }

    def __init__(self, page: DeskPage) -> None:
        self._wire: CDPSession = page.context.new_cdp_session(page.page)
        self._wire.send("Performance.enable")

    def cpu_seconds(self) -> float:
        """CPU time of the page's own process since it was started."""
        return float(self._metrics()["ProcessTime"])

    def memory(self) -> dict[str, float]:
        """Bytes of the JS heap and counts of what is alive, after everything that is done with is gone."""
        for _ in range(3):
            self._wire.send("HeapProfiler.collectGarbage")
            time.sleep(0.2)
        alive = {name: self._alive(name) for name in self.OBJECTS}
        metrics = self._metrics()
        return {said: metrics[name] for name, said in self.METRICS.items()} | alive

    def _metrics(self) -> dict[str, float]:
        told = self._wire.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in told}

    def _alive(self, name: str) -> int:
        group = {"objectGroup": "bench"}
        kind = self._wire.send("Runtime.evaluate", {"expression": f"{name}.prototype", **group})["result"]
        found = self._wire.send("Runtime.queryObjects", {"prototypeObjectId": kind["objectId"], **group})[
            "objects"
        ]
        length = self._wire.send(
            "Runtime.callFunctionOn",
            {
                "objectId": found["objectId"],
                "functionDeclaration": "function () { return this.length }",
                "returnByValue": True,
            },
        )["result"]["value"]
        self._wire.send("Runtime.releaseObjectGroup", group)
        return int(length)


def browser_cpu_seconds(browser: Browser) -> float:
    """CPU time of all processes of this Chromium: the pages', its own, network, sound."""
    wire = browser.new_browser_cdp_session()
    try:
        told = wire.send("SystemInfo.getProcessInfo")["processInfo"]
    finally:
        wire.detach()
    return float(sum(one["cpuTime"] for one in told))
