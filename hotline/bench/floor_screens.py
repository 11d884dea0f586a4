"""Map and wallboard in headless Chromium: what they cost, how smooth they are, how soon they are painted.

A script that is loaded before the application looks at each push as it comes from the wire: a tile's new
state is painted in the frame after the one in which the document shows it. It asks for frames only while
something is owed, so that it does not make the page draw; the frame rate is counted apart, before the cost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hotline.bench.browsers import FLAGS, NoBrowser, find_chromium
from hotline.bench.desk_page import Inside

SCREENS = {"map": ("/floor", (1366, 768)), "wall": ("/wall", (1920, 1080))}
LOOK_EVERY = 1.0
STAMPS = """(() => {
  const kept = (window.floorStamps = { painted: [], pushes: 0 })
  const known = new Map()
  let owed = [], asked = false
  const tile = (seat) => document.querySelector(`[data-seat="${seat}"][data-since]`)
  const look = () => {
    const now = Date.now()
    const there = (one) => one.seat === null || Number(tile(one.seat)?.dataset.since) >= one.since
    const shown = owed.filter(there)
    owed = owed.filter((one) => !shown.includes(one) && now - one.received < 5000)
    // In the document now, on the glass after the next frame.
    if (shown.length)
      requestAnimationFrame(() => {
        const at = Date.now()
        for (const one of shown) kept.painted.push([one.since, at - one.since, one.received - one.since])
      })
    asked = owed.length > 0
    if (asked) requestAnimationFrame(look)
  }
  const take = (event, push) => {
    kept.pushes++
    const received = Date.now()
    if (event === 'floor_map')
      for (const one of push.seats ?? []) {
        if (one.since <= (known.get(one.seat) ?? 0)) continue
        known.set(one.seat, one.since)
        owed.push({ seat: one.seat, since: one.since, received })
      }
    else owed.push({ seat: null, since: received, received })
    if (!asked && owed.length) { asked = true; requestAnimationFrame(look) }
  }
  const Wire = window.WebSocket
  window.WebSocket = class extends Wire {
    constructor(...to) {
      super(...to)
      this.addEventListener('message', ({ data }) => {
        const found = typeof data === 'string' && /^42\\["(floor_map|wall)",/.exec(data)
        if (found) take(found[1], JSON.parse(data.slice(2))[1])
      })
    }
  }
})()"""
FRAMES = """(ms) => new Promise((done) => {
  const begun = performance.now()
  let frames = 0, before = begun, longest = 0
  const next = (at) => {
    frames++
    longest = Math.max(longest, at - before)
    before = at
    if (at - begun < ms) requestAnimationFrame(next)
    else done({ per_second: (frames * 1000) / (at - begun), longest_ms: longest })
  }
  requestAnimationFrame(next)
})"""


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """The pages of job {"address", "password", "leaders": [two logins], "stamps", "frames_seconds",
    "heap_every"}, until stopped.

    {screen: {"cpu": [[epoch ms, CPU s]], "heap": [[epoch ms, bytes]], "frames", "painted": [[stamp, ms to
    the painted frame, ms to the push]]}, "version", "all_cpu": [[epoch ms, CPU s of all of Chromium]]}. Says
    ready when both show the floor, and once more when the frames have been counted. A wall's `painted` counts
    from the push, not from Asterisk.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowser("Playwright is not installed (pip install playwright); or use --chromium 0") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        pages = {
            screen: _open(browser, job, screen, login)
            for screen, login in zip(SCREENS, job["leaders"], strict=False)
        }
        ready()
        found: dict[str, Any] = {screen: {"cpu": [], "heap": []} for screen in pages}
        for screen, page in pages.items():
            found[screen]["frames"] = (
                page.evaluate(FRAMES, job["frames_seconds"] * 1000) if job["frames_seconds"] else None
            )
        ready()
        inside = {
            screen: Inside(SimpleNamespace(context=page.context, page=page))  # type: ignore[arg-type]
            for screen, page in pages.items()
        }
        wire = browser.new_browser_cdp_session()
        every, heap_at = job["heap_every"], 0.0
        everything = []
        while not stop.wait(LOOK_EVERY):
            now = time.monotonic()
            if every and now >= heap_at:
                heap_at = now + every
                for screen, one in inside.items():
                    found[screen]["heap"].append((_now(), one.memory()["heap_bytes"]))
            for screen, one in inside.items():
                found[screen]["cpu"].append((_now(), one.cpu_seconds()))
            told = wire.send("SystemInfo.getProcessInfo")["processInfo"]
            everything.append((_now(), sum(process["cpuTime"] for process in told)))
        for screen, page in pages.items():
            stamps = page.evaluate("window.floorStamps ?? { painted: [], pushes: 0 }")
            found[screen] |= {"painted": stamps["painted"], "pushes": stamps["pushes"]}
        version = browser.version
        browser.close()
    return found | {"version": version, "all_cpu": everything}


def _open(browser: Any, job: dict[str, Any], screen: str, login: str) -> Any:
    """A context of its own, logged in by HTTP: the log-in form is not what is measured."""
    path, (width, height) = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN")
    address = job["address"]
    csrf = context.request.get(f"{address}/api/session").json()["csrf"]
    body = {"login": login, "password": job["password"]}
    answer = context.request.post(f"{address}/api/session", data=body, headers={"X-CSRF-Token": csrf})
    if not answer.ok:
        raise NoBrowser(f"{login} cannot log in: {answer.status} {answer.text()}")
    page = context.new_page()
    if job["stamps"]:
        page.add_init_script(STAMPS)
    page.goto(address + path)
    page.locator(SHOWN[screen]).first.wait_for(timeout=30_000)
    return page


SHOWN = {"map": "[data-seat][data-since]", "wall": "canvas"}
"""What is there once the screen shows the floor."""


def _now() -> int:
    return round(time.time() * 1000)
