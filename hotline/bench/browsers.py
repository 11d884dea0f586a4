"""Seats whose page is the real one, in headless Chromium; its own stopwatch, `window.__pops`, is read."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import Any

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
    # The audio of a telephone in the page may stay on loopback.
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
SOUND = [
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
"""For pages with a telephone: a machine without a sound card plays nothing, and then nothing is measured."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
SCREEN = {"width": 1366, "height": 768}


class NoBrowser(Exception):
    """Chromium or Playwright is not installed; the text says what to do."""


def find_chromium() -> str:
    """Path of the system's Chromium. Raises NoBrowser."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise NoBrowser("Chromium is not installed (apt-get install chromium); --chromium 0 measures without it")


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """{"pops": [{"uid", "event_at", "received_at", "painted_at"}], "version"}; times are epoch ms.

    One page for each of `agents`, with cookies of its own, logged in through the form and ready.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowser("Playwright is not installed (pip install playwright); or use --chromium 0") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        pages = [_page(browser, job, login, seat) for login, seat in job["agents"]]
        ready()
        stop.wait()
        pops = [pop for page in pages for pop in page.evaluate("window.__pops")]
        version = browser.version
        browser.close()
    return {"pops": pops, "version": version}


def _page(browser: Any, job: dict[str, Any], login: str, seat: str) -> Any:
    page = browser.new_context(viewport=SCREEN).new_page()
    page.goto(job["address"])
    fill_in(page, login, job["password"], seat)
    page.get_by_test_id("login-telephone-desk").check()
    page.get_by_test_id("login-submit").click()
    page.get_by_test_id("btn-ready").click()
    return page


def fill_in(page: Any, login: str, password: str, seat: str) -> None:
    """The log-in form, not yet sent."""
    page.get_by_test_id("login-user").fill(login)
    page.get_by_test_id("login-password").fill(password)
    page.get_by_test_id("login-seat").select_option(seat)
