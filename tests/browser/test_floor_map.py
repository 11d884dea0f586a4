"""The seat map on a full shift: what is seen of every seat, what is done from it, what is said of the unseen.

A real desktop with a made-up floor behind it (`full_floor`). Who hears whom is for the real PBX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.full_floor import FullFloor, full_floor
from tests.browser.screen import Screen
from tests.browser.test_accessible import Eyes, told
from tests.line import until
from tests.unit.desktop_parts import PASSWORD

pytestmark = pytest.mark.browser
WHY = "市民情绪激动"


@pytest.fixture(scope="module", params=[12])
def floor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullFloor]:
    """Of 12 seats, except where a test asks for more."""
    with full_floor(tmp_path_factory.mktemp("floor"), request.param) as made:
        yield made


both = pytest.mark.parametrize("floor", [12, 300], indirect=True, scope="module")


@pytest.fixture
def screen(floor: FullFloor, chromium: Browser) -> Iterator[Screen]:
    """The supervisor's page; JavaScript that fails on it fails the test."""
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    screen = Screen(context.new_page(), floor)  # type: ignore[arg-type]
    screen.log_in("supervisor01", password=PASSWORD)
    expect(screen.by("seat-tile")).to_have_count(floor.shift.seats)
    yield screen
    assert not screen.close()


def tile(screen: Screen, number: str) -> Locator:
    return screen.page.locator(f'[data-testid=seat-tile][data-seat="{number}"]')


def asking(floor: FullFloor) -> str:
    """The seat that asks for help."""
    return next(number for number, one in floor.shift.facts.items() if one.get("help_since"))


def sent(floor: FullFloor, name: str) -> dict[str, Any]:
    """The last command of that name."""
    return dict(until(lambda: [one for one in floor.commands if one["name"] == name], 5, name)[-1])


@both
def test_each_seat_is_a_tile_and_a_change_is_seen(floor: FullFloor, screen: Screen) -> None:
    eyes = Eyes(screen)
    screen.visit("/floor")
    tiles = screen.by("seat-tile")
    expect(tiles).to_have_count(floor.shift.seats)
    assert not screen.overflow()
    eyes.look("map")
    screen.picture(f"floor-{floor.shift.seats}")
    expect(tile(screen, asking(floor)).get_by_test_id("badge-help")).to_be_visible()
    ready = floor.states("ready")
    number = next(one for one in ready if floor.shift.facts[one]["activity"] == "idle")
    floor.seat(number, presence="not_ready", reason="meal", since=floor.shift.now)
    expect(tile(screen, number)).to_have_attribute("data-state", "not_ready")
    expect(tile(screen, number)).to_contain_text("就餐")
    floor.seat(number, presence="ready", reason=None)
    expect(tile(screen, number)).to_have_attribute("data-state", "ready")
    assert not eyes.wrong, told(eyes)


def test_chips_and_search_show_some_and_arrows_lead_from_tile_to_tile(
    floor: FullFloor, screen: Screen
) -> None:
    screen.by("count-help").click()
    expect(screen.by("seat-tile")).to_have_count(1)
    screen.by("floor-all").click()
    expect(screen.by("seat-tile")).to_have_count(floor.shift.seats)
    screen.press("F6")
    screen.page.keyboard.type("8003")
    expect(screen.by("seat-tile")).to_have_count(1)
    screen.by("floor-all").click()
    first = screen.by("seat-tile").first
    first.focus()
    screen.press("ArrowRight")
    expect(screen.by("seat-tile").nth(1)).to_be_focused()
    screen.press("ArrowDown")
    expect(screen.by("seat-tile").nth(1)).not_to_be_focused()
    screen.press("Enter")
    expect(screen.by("focus")).to_be_visible()
    screen.press("Escape")
    expect(screen.by("focus")).to_have_count(0)
    expect(screen.page.locator("[data-testid=seat-tile]:focus")).to_have_count(1)


def test_a_seat_in_focus_tells_its_call_and_is_listened_to_and_taken_over(
    floor: FullFloor, screen: Screen
) -> None:
    eyes = Eyes(screen)
    screen.visit("/floor")
    number = asking(floor)
    free = next(
        one for one, fact in floor.shift.facts.items() if fact["activity"] == "idle" and one != number
    )
    floor.seat(free, agent=None, presence="signed_out", reason=None, reachable=True, queues=[])
    tile(screen, number).click()
    expect(screen.by("focus-path").locator("[data-kind=hold]")).to_be_visible()
    expect(screen.by("focus-pop")).to_contain_text("王女士")
    eyes.look("focus")
    screen.picture(f"floor-focus-{floor.shift.seats}")
    screen.by("focus-tab-ticket").click()
    expect(screen.by("focus-ticket")).to_contain_text("小区停水三天无人处理")
    screen.picture(f"floor-focus-ticket-{floor.shift.seats}")
    screen.by("focus-tab-today").click()
    expect(screen.by("focus-history")).to_be_visible()
    eyes.look("today of the seat")
    screen.by("watch-phone").click()
    screen.page.get_by_role("option", name=re.compile(free)).click()
    screen.press("F2")
    panel = screen.by("watch-panel")
    expect(panel).to_have_attribute("data-mode", "listen")
    assert sent(floor, "watch")["telephone"] == free
    expect(tile(screen, number).get_by_test_id("badge-watched")).to_be_visible()
    screen.press("F3")
    expect(panel).to_have_attribute("data-mode", "whisper")
    eyes.look("whispering")
    screen.press("F8")
    expect(screen.by("reason-confirm")).to_be_disabled()
    eyes.look("a reason is asked for")
    screen.by("reason-text").fill(WHY)
    screen.by("reason-confirm").click()
    expect(panel).to_have_attribute("data-mode", "take_over")
    expect(screen.by("f-title")).to_have_value("小区停水三天无人处理")
    expect(screen.by("ask-reason")).to_be_hidden()
    screen.picture(f"floor-taken-over-{floor.shift.seats}")
    screen.press("Escape")
    expect(screen.by("watch-bar")).to_be_visible()
    screen.press("F7")
    expect(screen.by("watch-bar")).to_have_count(0)
    assert sent(floor, "unwatch")["by"] == "supervisor01"
    assert not eyes.wrong, told(eyes)


def test_forcing_needs_a_reason_and_a_seat_can_be_given_a_queue(floor: FullFloor, screen: Screen) -> None:
    number = next(one for one in floor.states("ready") if floor.shift.facts[one]["activity"] == "idle")
    tile(screen, number).click()
    screen.by("btn-force").click()
    screen.by("force-not_ready").click()
    screen.by("reason-text").fill(WHY)
    expect(screen.by("reason-confirm")).to_be_disabled()
    screen.by("force-code").click()
    screen.page.get_by_role("option", name="会议").click()
    screen.by("reason-confirm").click()
    expect(tile(screen, number)).to_contain_text("会议")
    assert sent(floor, "not_ready")["reason"] == "meeting"
    screen.by("btn-queues").click()
    screen.by("which-queue").click()
    screen.page.get_by_role("option", name=re.compile("供热")).click()
    screen.by("reason-text").fill("供热来电增多")
    screen.picture(f"floor-queue-{floor.shift.seats}")


def test_the_plan_of_the_rooms_is_dragged_once_and_kept(floor: FullFloor, screen: Screen) -> None:
    eyes = Eyes(screen)
    screen.visit("/floor")
    screen.by("btn-layout").click()
    expect(screen.by("layout-editor")).to_be_visible()
    eyes.look("plan")
    screen.picture(f"floor-layout-{floor.shift.seats}")
    width = 4 if floor.shift.seats == 12 else 10
    seat, cell = (
        screen.page.locator(one) for one in ('[data-place="8001"]', f'[data-cell="一楼大厅,{width + 1},1"]')
    )
    seat.drag_to(cell)
    expect(cell.locator('[data-place="8001"]')).to_be_visible()
    screen.page.locator('[data-place="8002"]').focus()
    screen.press("Shift+ArrowLeft")
    expect(screen.page.locator('[data-cell="一楼大厅,1,1"] [data-place="8002"]')).to_be_focused()
    screen.by("layout-save").click()
    expect(screen.by("layout-editor")).to_have_count(0)
    screen.visit("/floor")
    screen.by("floor-grouping").get_by_text("按房间").click()
    expect(tile(screen, "8002")).to_have_css("grid-column-start", "1")
    expect(tile(screen, "8001")).to_have_css("grid-column-start", str(width + 1))
    screen.picture(f"floor-room-{floor.shift.seats}")
    assert not eyes.wrong, told(eyes)


@both
def test_exactly_the_seats_of_a_lost_pbx_say_since_when_they_are_blind(
    floor: FullFloor, screen: Screen
) -> None:
    eyes = Eyes(screen)
    screen.visit("/floor")
    expect(screen.by("seat-tile")).to_have_count(floor.shift.seats)
    floor.goes_blind("pbx1")
    mine = [number for number in floor.shift.numbers if floor.shift.pbx_of(number) == "pbx1"]
    blind = screen.page.locator("[data-testid=seat-tile][data-blind]")
    expect(blind).to_have_count(len(mine))
    expect(blind.first).to_contain_text(re.compile(r"失联 \d\d:\d\d:\d\d 起"))
    eyes.look("blind")
    screen.picture(f"floor-blind-{floor.shift.seats}")
    assert not eyes.wrong, told(eyes)
