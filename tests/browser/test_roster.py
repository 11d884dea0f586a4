"""A shift leader's morning: a roster is imported, two people swap, somebody comes late; the sheet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete, select

from db.models import Call, JournalEvent, MeetingSheet, Recording, RosterEntry, User
from db.seed import seed
from tests.browser.conftest import OpenScreen
from tests.browser.test_accessible import Eyes, told
from tests.line import Line

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

NOW = datetime.now(UTC)
TODAY = NOW.astimezone(ZoneInfo("Asia/Shanghai")).date()
MONDAY = TODAY + timedelta(days=21 - TODAY.weekday())
"""Of a week for which the demo city has no roster."""


LATE = "agent07"
"""In no other test: whoever signed in and out within the last ten minutes would not be late."""


@pytest.fixture
def roster(line: Line) -> Iterator[None]:
    """LATE is to be there since ten minutes ago; afterwards the roster is the demo city's again."""
    now = datetime.now(UTC)
    with line.sessions.begin() as session:
        agent = session.scalars(select(User.id).where(User.login == LATE)).one()
        session.execute(delete(RosterEntry).where(RosterEntry.user_id == agent))
        times = {"from_at": now - timedelta(minutes=10), "to_at": now + timedelta(hours=6)}
        day = times["from_at"].astimezone(ZoneInfo("Asia/Shanghai")).date()
        session.add(RosterEntry(user_id=agent, day=day, kind="early", **times))
    yield
    with line.sessions.begin() as session:
        session.execute(delete(RosterEntry))
        seed(session, lambda login: "x")


@pytest.fixture
def a_day(line: Line) -> Iterator[None]:
    """Yesterday seven agents were signed in for a shift and answered calls, rated and recorded."""
    with line.sessions.begin() as session:
        for n in range(1, 8):
            session.add_all(_signed_in(f"agent{n:02d}", n))
            for k in range(12):
                call = _answered(f"agent{n:02d}", n, k)
                session.add(call)
                session.flush()
                facts = {"kind": "call", "state": "kept", "path": "none.flac", "seconds": 90.0}
                session.add(Recording(call_uid=call.uid, **facts))
    yield
    with line.sessions.begin() as session:
        for table in (Recording, Call):
            column = table.call_uid if table is Recording else table.uid
            session.execute(delete(table).where(column.startswith("day-")))
        session.execute(delete(JournalEvent).where(JournalEvent.file == "day"))
        session.execute(delete(MeetingSheet))


BEGAN = datetime.combine(TODAY - timedelta(days=1), time(7, 30), ZoneInfo("Asia/Shanghai"))


def _signed_in(login: str, n: int) -> list[JournalEvent]:
    facts = {"pbx": "day", "file": "day", "agent": login, "data": ["8001"]}
    times = ((0, BEGAN), (1, BEGAN + timedelta(hours=8)))
    names = ("SIGNIN", "SIGNOUT")
    return [JournalEvent(offset=10 * n + k, at=at, event=names[k], **facts) for k, at in times]


def _answered(login: str, n: int, k: int) -> Call:
    at = BEGAN + timedelta(minutes=35 * k + n)
    talk = 900 if (n, k) == (3, 5) else 70 + 13 * ((n + k) % 9)
    rating = {(2, 3): 3, (5, 7): 3}.get((n, k), 1 if (n + k) % 3 else None)
    return Call(
        uid=f"day-{n}.{k}",
        pbx="day",
        caller="8619900000003",
        arrived_at=at,
        answered_at=at + timedelta(seconds=9),
        ended_at=at + timedelta(seconds=9 + talk),
        wait_ms=9_000,
        talk_ms=talk * 1000,
        agent=login,
        outcome="answered",
        rating=rating,
        rating_reason=1 if rating == 3 else None,
        rated_agent=login if rating else None,
    )


def days(n: int) -> str:
    return (MONDAY + timedelta(days=n)).isoformat()


@pytest.mark.usefixtures("roster")
def test_a_roster_is_imported_swapped_and_held_against_who_is_there(
    line: Line, screens: OpenScreen, tmp_path: Path
) -> None:
    screen = screens().log_in("leader01")
    screen.go("roster")
    expect(screen.by("row-roster")).to_have_count(14)
    screen.picture("roster-plan")
    for _ in range(3):
        screen.by("week-after").click()
    expect(screen.by("week-empty")).to_be_visible()

    table = tmp_path / "排班.csv"
    lines = ["工号,姓名,日期,班次", f"1001,王小雨,{days(0)},早班", f"1002,李晓晨,{days(0)},下午班"]
    table.write_bytes("\n".join(lines).encode("gb18030"))
    screen.by("open-import").click()
    screen.by("import-file").set_input_files(table)
    expect(screen.by("row-fault")).to_have_count(1)
    expect(screen.by("row-fault")).to_contain_text("没有这个班次。")
    expect(screen.by("import-take")).to_be_disabled()
    screen.picture("roster-import-faults")
    table.write_bytes("\n".join(lines).replace("下午班", "晚班").encode("utf-8-sig"))
    screen.by("import-file").set_input_files(table)
    expect(screen.by("import-fine")).to_contain_text("新增 2")
    screen.by("import-take").click()
    mine, other = screen.by(f"cell-agent01-{days(0)}"), screen.by(f"cell-agent02-{days(0)}")
    expect(mine).to_contain_text("早班")

    mine.click()
    screen.by("entry-swap").click()
    screen.page.locator('[data-testid^="swap-with-"]').first.check()
    screen.picture("roster-swap")
    screen.by("swap-confirm").click()
    expect(mine).to_contain_text("晚班")
    expect(other).to_contain_text("早班")
    screen.excuse("Failed to load resource: the server responded with a status of 409")
    screen.by(f"cell-agent01-{days(1)}").press("Enter")
    screen.by("kind-early").check()
    screen.by("entry-save").click()
    expect(screen.by(f"cell-agent01-{days(1)}")).to_contain_text("早班")
    screen.by(f"cell-agent01-{days(0)}").click()
    screen.by("kind-night").check()
    screen.by("entry-save").click()
    expect(screen.by("entry-wrong")).to_contain_text("没有休息")
    screen.press("Escape")
    screen.by("open-log").click()
    expect(screen.by("row-log")).to_have_count(5)
    screen.press("Escape")

    screen.by("tab-now").click()
    row = screen.page.locator(f'[data-testid="row-now"][data-login="{LATE}"]')
    expect(row).to_have_attribute("data-standing", "late")
    line.desk(LATE, "8001")
    expect(row).to_have_attribute("data-standing", "came_late", timeout=3_000)
    expect(row).to_contain_text("8001")
    screen.picture("roster-now")


@pytest.mark.usefixtures("roster", "a_day")
def test_the_shift_view_can_be_read_and_worked_by_everybody(line: Line, screens: OpenScreen) -> None:
    screen = screens()
    eyes = Eyes(screen)
    screen.log_in("supervisor01")
    for tab, sign in {"plan": "row-roster", "now": "row-now", "adherence": "", "kinds": "row-kind"}.items():
        screen.visit(f"/roster?tab={tab}")
        if sign:
            expect(screen.by(sign).first).to_be_visible()
        else:
            screen.by("quick-week").click()
            expect(screen.by("row-adherence").first).to_be_visible()
        eyes.look(f"roster: {tab}")
        eyes.walk(f"roster: {tab}", "main")
    screen.visit("/roster")
    screen.by("open-import").click()
    expect(screen.by("import-dialog")).to_be_visible()
    eyes.look("import")
    screen.press("Escape")
    screen.by(f"cell-agent01-{TODAY.isoformat()}").first.press("Enter")
    expect(screen.by("entry-dialog")).to_be_visible()
    eyes.look("a shift")
    screen.press("Escape")
    screen.go("meeting")
    expect(screen.by("meeting-sheet")).to_be_visible()
    recordings = screen.by("meeting-recording")
    expect(recordings).to_have_count(3)
    expect(recordings.first).to_contain_text("市民评价不满意：服务态度不好")
    screen.picture("meeting")
    screen.by("meeting-replace").nth(1).click()
    eyes.look("another recording")
    screen.by("replace-dialog").locator("input[type=radio]").first.check()
    screen.by("replace-confirm").click()
    expect(screen.by("recordings-proposed")).to_be_visible()
    screen.by("meeting-points").fill("先听后答，复述诉求。")
    screen.by("meeting-save").click()
    expect(screen.by("meeting-save")).to_be_disabled()
    eyes.look("meeting")
    eyes.walk("meeting", "main")
    screen.page.emulate_media(media="print", reduced_motion="reduce")
    expect(screen.by("nav-meeting")).to_be_hidden()
    expect(screen.page.locator(".points")).to_have_text("先听后答，复述诉求。")
    assert not eyes.wrong, told(eyes)
