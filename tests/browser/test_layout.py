"""Every page fits its window, at the smallest screen of a hotline hall and at the usual one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenScreen
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

SIZES = [(1366, 768), (1920, 1080)]


@pytest.mark.parametrize(("width", "height"), SIZES, ids=lambda side: str(side))
def test_no_page_is_wider_than_its_window(line: Line, screens: OpenScreen, width: int, height: int) -> None:
    screen = screens(width, height).visit()
    expect(screen.by("login-submit")).to_be_visible()
    too_wide = {"log-in": screen.overflow()}
    screen.log_in("admin01")
    for page in ("calls", "tickets", "recordings"):
        screen.go(page)
        expect(screen.by(f"row-{page.removesuffix('s')}").first).to_be_visible()
        too_wide[page] = screen.overflow()
        if width == SIZES[0][0] and page != "recordings":
            screen.picture(f"list-of-{page}")
    screen.go("tickets")
    screen.by("row-ticket").first.locator("a").first.click()
    expect(screen.by("timeline-entry").first).to_be_visible()
    too_wide["ticket"] = screen.overflow()
    agent = screens(width, height).log_in("agent02", "8002")
    agent.sees_state("unreachable")
    expect(agent.by("idle-recent").locator("li").first).to_be_visible()
    too_wide["desk"] = agent.overflow()
    agent.press("F1")
    expect(agent.page.get_by_role("dialog")).to_be_visible()
    too_wide["keys"] = agent.overflow()
    assert not any(too_wide.values()), too_wide
