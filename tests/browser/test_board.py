"""Queue board and wallboard on a full shift: what is shown, what is sent, what is said of the unseen.

A real desktop with a made-up floor behind it (`full_floor`): no PBX can be telephoned into such a state.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.full_floor import FullFloor, full_floor
from tests.browser.screen import Screen
from tests.browser.test_accessible import Eyes, told
from tests.line import until
from tests.unit.desktop_parts import PASSWORD

pytestmark = pytest.mark.browser

WALL = ("overview", "queues", "charts", "seats")
SIZES = {"hd": (1920, 1080), "4k": (3840, 2160)}


@pytest.fixture(scope="module", params=[12, 300])
def floor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullFloor]:
    with full_floor(tmp_path_factory.mktemp("floor"), request.param, weeks=4) as made:
        yield made


@pytest.fixture
def screen(floor: FullFloor, chromium: Browser) -> Iterator[Screen]:
    """The supervisor's page; JavaScript that fails on it fails the test."""
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    screen = Screen(context.new_page(), floor)  # type: ignore[arg-type]
    screen.log_in("supervisor01", password=PASSWORD)
    expect(screen.by("nav-board")).to_be_visible()
    yield screen
    assert not screen.close()


def test_the_board_shows_who_waits_and_sends_what_is_to_be_done(floor: FullFloor, screen: Screen) -> None:
    eyes = Eyes(screen)
    screen.visit("/board")
    rows = screen.by("row-caller")
    waiting = sum(call["state"] == "queue" for call in floor.shift.calls.values())
    # The first of the pages: a day of 300 seats is counted before it is shown.
    expect(rows).to_have_count(waiting, timeout=20_000)
    expect(rows.first.locator("b").first).to_contain_text("****")
    eyes.look("board")
    screen.picture(f"board-{floor.shift.seats}")
    uid = str(rows.first.get_attribute("data-uid"))
    rows.first.get_by_test_id("btn-move-front").click()
    screen.by("move-submit").click()
    expect(screen.by("move-dialog").get_by_role("alert")).to_be_visible()
    eyes.look("a reason is missing")
    screen.by("move-reason").fill("市民情况紧急")
    screen.by("move-submit").click()
    moved = until(lambda: [one for one in floor.commands if one["name"] == "move_caller"], 5, "the move")
    assert (moved[-1]["uid"], moved[-1]["to"], moved[-1]["by"]) == (uid, "front", "supervisor01")
    expect(screen.by("move-dialog")).to_be_hidden()
    # The board moves when the telephone system says so, not before; an answered caller leaves it.
    expect(screen.page.locator(f'[data-uid="{uid}"]')).to_be_visible()
    floor.leaves_queue(uid, state="talking", answered_at=floor.shift.now, seat=floor.shift.numbers[0])
    expect(screen.page.locator(f'[data-uid="{uid}"]')).to_have_count(0)
    screen.by("explain-answer_rate").first.click()
    expect(screen.by("figure-explained")).to_contain_text("GB/T 33358")
    eyes.look("a figure explained")
    assert not eyes.wrong, told(eyes)


def test_a_queue_is_closed_with_its_reason_and_the_board_says_so(floor: FullFloor, screen: Screen) -> None:
    screen.visit("/board")
    heating = screen.page.locator('[data-queue="heating"]')
    heating.get_by_test_id("btn-switch").click()
    screen.by("switch-reason").fill("系统维护")
    screen.by("switch-submit").click()
    expect(screen.by("switch-dialog")).to_be_hidden()
    expect(heating.get_by_test_id("queue-state")).to_contain_text("人工已关闭")
    heating.get_by_test_id("btn-switch").click()
    screen.by("switch-schedule").check()
    screen.by("switch-submit").click()
    expect(heating.get_by_test_id("queue-state")).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
def test_the_wall_fits_its_screen_and_turns_by_keys(floor: FullFloor, screen: Screen, size: str) -> None:
    width, height = SIZES[size]
    screen.page.set_viewport_size({"width": width, "height": height})
    screen.visit("/wall?still=1")
    wall = screen.by("wall")
    for page in WALL:
        expect(wall).to_have_attribute("data-page", page)
        expect(wall.locator(".tile").first).to_be_visible()
        found = screen.page.evaluate(
            """() => [...document.querySelectorAll('main .tile, main td, main .alarms')].filter(one => {
              const box = one.getBoundingClientRect()
              return box.width && (box.right > innerWidth + 1 || box.bottom > innerHeight + 1)
            }).map(one => one.className)"""
        )
        assert not found, (page, found)
        if size == "hd":
            screen.picture(f"wall-{page}-{floor.shift.seats}")
        elif page == "overview":
            screen.picture(f"wall-4k-{floor.shift.seats}")
        screen.press("ArrowRight")
    expect(wall).to_have_attribute("data-page", "overview")


def test_what_cannot_be_seen_says_since_when(floor: FullFloor, screen: Screen) -> None:
    eyes = Eyes(screen)
    screen.visit("/board")
    expect(screen.by("board-queues")).to_be_visible()
    for pbx in floor.shift.pbxs:
        floor.goes_blind(pbx)
    try:
        expect(screen.by("board-notice")).to_be_visible()
        expect(screen.by("row-caller")).to_have_count(0)
        expect(screen.by("row-queue").first).to_contain_text("失联")
        eyes.look("blind board")
        screen.picture(f"board-blind-{floor.shift.seats}")
        screen.page.set_viewport_size({"width": 1920, "height": 1080})
        screen.visit("/wall?still=1")
        expect(screen.by("wall-band")).to_contain_text("失去联系")
        expect(screen.page.locator('[data-figure="waiting"]')).to_contain_text("起失联")
        eyes.look("blind wall")
        screen.picture(f"wall-blind-{floor.shift.seats}")
    finally:
        for pbx, wire in floor.ctis.items():
            wire.connect(floor.shift.snapshot(pbx))
    expect(screen.by("wall-band")).to_be_hidden()
    assert not eyes.wrong, told(eyes)
