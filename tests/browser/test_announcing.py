"""Supervisors speak to citizens and to the floor: announcements, messages; and an agent calls for help."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete

from db.models import Announcement, FloorMessage, MessageReceipt
from tests.browser.conftest import OpenScreen
from tests.browser.test_accessible import Eyes
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

TEXT = (
    "受寒潮影响，东湖区部分路段自来水管道爆裂，正在抢修，预计今晚22:00恢复供水。"
    "反映停水的市民请直接挂机，其他诉求请继续等候。"
)


@pytest.fixture
def put_back(line: Line) -> Iterator[None]:
    """Nothing is on air and nothing is said when the next test comes."""
    yield
    with line.sessions.begin() as session:
        for table in (Announcement, MessageReceipt, FloorMessage):
            session.execute(delete(table))
    cleared = {"ANNOUNCE_arrival": "", "ANNOUNCE_UNTIL_arrival": "0"}
    for name, value in cleared.items():
        line.ami("Setvar", Variable=name, Value=value)


@pytest.mark.usefixtures("put_back")
def test_an_announcement_is_typed_heard_and_published(line: Line, screens: OpenScreen) -> None:
    agent = screens().log_in("agent01", "8001")
    screen = screens().headset()
    eyes = Eyes(screen)
    screen.log_in("supervisor01").go("announcements")
    expect(screen.by("nothing-on-air")).to_be_visible()
    screen.by("announce-submit").click()
    expect(screen.page.get_by_role("alert")).to_contain_text("请填写公告内容")
    screen.by("announce-text").fill(TEXT)
    screen.by("announce-submit").click()
    one = screen.by("announcement")
    expect(one).to_have_attribute("data-state", "rendering")
    expect(one).to_have_attribute("data-state", "ready", timeout=120_000)
    expect(one).to_contain_text("二十二点")
    expect(screen.by("announce-publish")).to_be_disabled()
    eyes.look("an announcement that waits to be heard")
    screen.picture("announcement-ready")
    screen.by("announce-listen").click()
    expect(screen.by("announce-heard")).to_contain_text("施主管", timeout=60_000)

    screen.by("announce-publish").click()
    expect(screen.by("publish-dialog")).to_be_visible()
    screen.by("until-h1").check()
    eyes.look("publishing", ".el-dialog")
    screen.picture("announcement-publish")
    screen.by("publish-submit").click()
    expect(one).to_have_attribute("data-state", "on_air")
    expect(one).to_contain_text("还剩 1 小时")
    agent.by("on-air-chip").click()
    expect(agent.page.get_by_text("反映停水的市民")).to_be_visible()
    until(lambda: "announcements/" in line.ami("Getvar", Variable="ANNOUNCE_arrival")[0]["Value"], 5)
    expect(screen.page.locator(".el-message")).to_have_count(0)
    eyes.look("on air")
    screen.picture("announcement-on-air")

    screen.by("announce-end").click()
    screen.page.get_by_role("button", name="结束播出").last.click()
    expect(screen.by("announce-history")).to_contain_text("施主管")
    expect(agent.by("on-air-chip")).to_be_hidden()
    assert line.ami("Getvar", Variable="ANNOUNCE_arrival")[0]["Value"] == ""

    screen.by("source-mic").check()
    screen.by("announce-record").click()
    expect(screen.page.get_by_text("正在录音 0:02")).to_be_visible()
    screen.by("announce-record").click()
    expect(screen.page.get_by_text("已录 0:0")).to_be_visible()
    screen.by("announce-submit").click()
    expect(one).to_have_attribute("data-state", "ready", timeout=20_000)
    expect(one).to_contain_text("录音公告")
    assert not eyes.wrong, eyes.wrong


@pytest.mark.usefixtures("put_back")
def test_a_message_is_read_where_the_call_is_and_help_is_called(line: Line, screens: OpenScreen) -> None:
    line.phones("8001")
    agent = screens().at_the_desk()
    leader = screens()
    eyes = Eyes(leader)
    leader.log_in("supervisor01")
    leader.by("messages-open").click()
    leader.by("message-to-user").check()
    leader.by("message-person").select_option("agent01")
    leader.by("message-new").fill("下午三点起有暴雨，来电会增多，请尽快结束话后处理。")
    leader.page.get_by_text("紧急", exact=True).click()
    leader.by("message-submit").click()
    row = leader.by("message-row").first
    expect(row).to_contain_text("已读 0 / 1")

    notice = agent.by("message-notice")
    expect(notice).to_contain_text("下午三点起有暴雨")
    expect(agent.by("messages-unread")).to_contain_text("1")
    agent.picture("message-urgent")
    agent.by("message-read").click()
    expect(notice).to_be_hidden()
    expect(agent.by("messages-unread")).to_be_hidden()
    expect(row).to_contain_text("已读 1 / 1")
    leader.by("message-marks").first.click()
    expect(leader.by("message-mark-list")).to_contain_text("已读")
    expect(leader.page.locator(".el-message")).to_have_count(0)
    eyes.look("messages", ".el-drawer")
    leader.picture("messages")

    agent.press("Alt+N")
    agent.by("message-new").fill("市民情绪激动，请班长关注。")
    agent.by("message-submit").click()
    expect(agent.by("message-row").first).to_contain_text("班长")
    agent.press("Escape")
    agent.press("Alt+q")
    expect(agent.by("btn-help")).to_have_attribute("aria-pressed", "true")
    until(lambda: any("HELPASKED" in text for text in (line.settings.journal.read_text(),)), 5)
    agent.picture("help-asked")
    agent.press("Alt+q")
    expect(agent.by("btn-help")).to_have_attribute("aria-pressed", "false")
    assert not eyes.wrong, eyes.wrong
