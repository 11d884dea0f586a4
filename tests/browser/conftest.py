"""A line of its own, a headless Chromium, and people in front of it.

`line` is left as it was found after each test, like the one of the integration tests. `screens` opens pages;
a page on which JavaScript fails, or which asks for a dialog, fails its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from hotline.bench.browsers import FLAGS, SOUND, find_chromium
from tests.browser.screen import Screen
from tests.line import Line, pbx_tree, whole_line

OpenScreen = Callable[..., Screen]


@pytest.fixture(scope="session")
def browser_line() -> Iterator[Line]:
    """After-call work is long enough to be looked at; the tests end it by its key."""
    yield from whole_line(pbx_tree(), wrapup_seconds=20)


@pytest.fixture
def line(browser_line: Line) -> Iterator[Line]:
    """The line with nobody on it; the leak check follows each test."""
    yield browser_line
    browser_line.clear()
    browser_line.check_nothing_left()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for the whole session: while Playwright runs, no other test of this process could start a loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, *SOUND])
        yield browser
        browser.close()


@pytest.fixture
def screens(line: Line, chromium: Browser) -> Iterator[OpenScreen]:
    """`screens()` opens a page in a browser context of its own; each is looked at and closed at the end."""
    opened: list[Screen] = []

    def open_screen(width: int = 1366, height: int = 768) -> Screen:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN", timezone_id="Asia/Shanghai"
        )
        screen = Screen(context.new_page(), line)
        opened.append(screen)
        return screen

    yield open_screen
    line.send_home()
    problems = [screen.close() for screen in opened]
    assert not any(problems), problems
