"""话务设置 as a leader uses it: by keyboard, judged field by field, and nothing lost by a click."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete, select

from db.models import NotReadyReason, QueueMembership, SpecialDeskPeriod, TransferTarget, User
from tests.browser.conftest import OpenScreen
from tests.browser.screen import Screen
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

TABS = ("skills", "desks", "reasons", "targets")


@pytest.fixture
def put_back(line: Line) -> Iterator[None]:
    """What the tests set is taken away again."""
    yield
    with line.sessions.begin() as session:
        user = session.scalars(select(User.id).where(User.login == "agent02")).one()
        session.execute(
            delete(QueueMembership).where(
                QueueMembership.user_id == user, QueueMembership.queue.in_(("dialect", "enterprise"))
            )
        )
        session.execute(delete(SpecialDeskPeriod).where(SpecialDeskPeriod.queue == "enterprise"))
        session.execute(delete(NotReadyReason).where(NotReadyReason.label == "心理疏导"))
        session.execute(delete(TransferTarget).where(TransferTarget.name == "市民政局值班"))
        for position, code in enumerate(("break", "meal", "meeting", "training", "follow_up", "other")):
            session.get_one(NotReadyReason, code).position = position


def saved(screen: Screen) -> None:
    screen.press("Control+s")
    expect(screen.by("settings-state")).to_contain_text("没有未保存的修改")


@pytest.mark.usefixtures("put_back")
def test_a_leader_sets_the_desks_by_keyboard(line: Line, screens: OpenScreen) -> None:
    screen = screens().log_in("leader01")
    screen.go("desk-settings")
    cell = screen.by("skill-agent01-dialect")
    cell.focus()
    screen.press("ArrowDown")
    expect(screen.by("skill-agent02-dialect")).to_be_focused()
    screen.page.keyboard.type("77")
    expect(screen.by("settings-save")).to_be_disabled()
    screen.press("ArrowRight")
    screen.press("ArrowLeft")
    screen.page.keyboard.type("2")
    screen.press("ArrowRight")
    screen.page.keyboard.type("1")
    saved(screen)
    screen.picture("settings-skills")
    screen.by("tab-skills").focus()
    screen.press("ArrowRight")
    expect(screen.by("tab-desks")).to_be_focused()
    with line.sessions() as session:
        mine = select(QueueMembership.queue, QueueMembership.penalty).join(
            User, User.id == QueueMembership.user_id
        )
        kept = {queue: penalty for queue, penalty in session.execute(mine.where(User.login == "agent02"))}
    assert (kept["dialect"], kept["enterprise"]) == (1, 0)


@pytest.mark.usefixtures("put_back")
def test_each_list_says_what_is_wrong_and_what_it_is_now(line: Line, screens: OpenScreen) -> None:
    screen = screens().log_in("leader01")
    expect(screen.by("nav-desk-settings")).to_be_visible()
    screen.excuse("Failed to load resource: the server responded with a status of 4")
    screen.visit("/desk-settings?tab=desks")
    desk = screen.page.locator('[data-testid="row-desk"][data-queue="enterprise"]')
    expect(desk.get_by_test_id("desk-state")).to_have_text("全年开放")
    screen.by("add-period-enterprise").click()
    expect(desk.get_by_test_id("period-title")).to_be_focused()
    desk.get_by_test_id("period-closes_on").fill("2020-01-01")
    screen.by("settings-save").click()
    expect(desk.get_by_text("结束日期不能早于开始日期。")).to_be_visible()
    desk.get_by_test_id("period-opens_on").fill("2019-01-01")
    saved(screen)
    expect(desk.get_by_test_id("desk-state")).to_have_text("已关闭，没有后续时段")
    screen.picture("settings-desks")
    screen.by("tab-reasons").click()
    screen.by("add-reason").click()
    screen.page.keyboard.type("小休")
    screen.by("settings-save").click()
    expect(screen.page.get_by_text("名称不能重复。").first).to_be_visible()
    screen.by("reason-label-new").fill("心理疏导")
    saved(screen)
    expect(screen.by("reason-label-xin_li_shu_dao")).to_have_value("心理疏导")
    screen.picture("settings-reasons")
    screen.by("tab-targets").click()
    screen.by("add-target-单位值班").click()
    screen.page.keyboard.type("市民政局值班")
    screen.by("settings-save").click()
    expect(screen.page.get_by_text("请填写号码。")).to_be_visible()
    screen.page.locator('[aria-invalid="true"]').first.fill("1990 001 0007")
    saved(screen)
    screen.picture("settings-targets")


@pytest.mark.usefixtures("put_back")
def test_unsaved_changes_are_not_lost_by_a_click_and_no_newer_ones_are_overwritten(
    line: Line, screens: OpenScreen
) -> None:
    screen = screens().log_in("leader01")
    screen.go("desk-settings")
    screen.by("skill-agent02-dialect").fill("3")
    screen.go("calls")
    screen.page.get_by_role("button", name="继续编辑").click()
    expect(screen.by("skill-agent02-dialect")).to_have_value("3")
    leader = line.desk("leader01")
    page = leader.ask("GET", "/api/desk-settings/skills")
    other = next(one for one in page["agents"] if one["login"] == "agent02")
    change = {"id": other["id"], "penalties": other["penalties"] | {"enterprise": 4}}
    leader.ask("PUT", "/api/desk-settings/skills", {"version": page["version"], "agents": [change]})
    screen.excuse("Failed to load resource: the server responded with a status of 409")
    screen.press("Control+s")
    expect(screen.by("settings-wrong")).to_contain_text("设置刚被他人修改")
    screen.by("settings-newest").click()
    expect(screen.by("skill-agent02-enterprise")).to_have_value("5")
    expect(screen.by("skill-agent02-dialect")).to_have_value("")
    screen.by("skill-agent02-dialect").fill("3")
    screen.go("calls")
    screen.page.get_by_role("button", name="放弃修改").click()
    expect(screen.by("row-call").first).to_be_visible()


def test_only_leaders_have_the_page_and_it_fits(line: Line, screens: OpenScreen) -> None:
    inspector = screens().log_in("inspector01")
    expect(inspector.by("nav-calls")).to_be_visible()
    expect(inspector.by("nav-desk-settings")).to_have_count(0)
    screen = screens().log_in("admin01")
    screen.go("desk-settings")
    too_wide = {}
    for tab in TABS:
        screen.by(f"tab-{tab}").click()
        expect(screen.by("settings-save")).to_be_visible()
        too_wide[tab] = screen.overflow()
    assert not any(too_wide.values()), too_wide
