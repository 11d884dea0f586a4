"""An alarm as a supervisor meets it: on every page, acknowledged by name, in the history; and its rule."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from agent_desktop.browser_files import DIST
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.browser.conftest import OpenScreen
from tests.line import Desk, Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

AXE = DIST.parent / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def rules_put_back(line: Line) -> Iterator[None]:
    desk = Desk(line.address).log_in("supervisor01")
    before = desk.ask("GET", "/api/alarm-rules")["rules"]
    yield
    now = desk.ask("GET", "/api/alarm-rules")["version"]
    desk.ask("PUT", "/api/alarm-rules", {"version": now, "rules": before})


@pytest.mark.usefixtures("rules_put_back")
def test_a_supervisor_sets_a_rule_meets_its_alarm_and_acknowledges_it(
    line: Line, screens: OpenScreen
) -> None:
    screen = screens().log_in("supervisor01")
    screen.go("alarms")
    screen.by("tab-rules").click()
    rows = screen.by("row-rule")
    expect(rows).not_to_have_count(0)
    place = next(n for n in range(rows.count()) if "最长等待" in rows.nth(n).inner_text())
    clear_at = screen.by(f"rule-clear_at-{place}")
    screen.by(f"rule-threshold-{place}").fill("2")
    clear_at.fill("5")
    screen.excuse("Failed to load resource")  # a refusal is one for the console
    screen.press("Control+s")
    expect(rows.nth(place)).to_contain_text("恢复值应低于告警值。")
    clear_at.fill("1")
    screen.by(f"rule-clear_seconds-{place}").fill("0")
    screen.press("Control+s")
    expect(screen.by("settings-state")).to_contain_text("没有未保存的修改")
    screen.picture("alarm-rules")

    phone = line.phones("8001", habit=Habit(on_ring="wait")).phones["8001"]
    line.agent()
    line.citizens().dial(caller=Caller("19900000031"), keys="0")
    screen.go("calls")
    strip = screen.by("alarm-strip")
    expect(strip).to_contain_text(re.compile("最长等待.*综合咨询.*[2-9] 秒"), timeout=20_000)
    expect(screen.page.locator("[aria-live=assertive]").first).to_have_text(re.compile("告警：最长等待"))
    screen.go("alarms")
    row = screen.by("row-alarm").filter(has_text="最长等待")
    expect(row).to_be_visible()
    screen.picture("alarms")
    row.get_by_test_id("btn-acknowledge").click()
    screen.by("alarm-note").fill("已请投诉组支援两席")
    screen.by("acknowledge-confirm").click()
    expect(row).to_contain_text("已请投诉组支援两席")
    phone.wait_for_ring(20)
    phone.answer()
    expect(row).to_have_count(0, timeout=10_000)
    past = screen.by("row-history").filter(has_text="已请投诉组支援两席")
    expect(past).to_contain_text("最长等待", timeout=10_000)
    phone.hang_up()
    screen.page.evaluate(AXE.read_text())
    found = screen.page.evaluate("axe.run().then((seen) => seen.violations.map((one) => one.id))")
    assert found == []
