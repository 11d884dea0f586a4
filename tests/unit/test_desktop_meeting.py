"""The sheet of the morning meeting over HTTP: counted anew, written by hand, taken as a document."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from desktop_parts import Browser, Cti, keep_recording, past_call
from docx import Document
from sqlalchemy import select, update

from agent_desktop.app import Parts
from db.models import AccessLog, AgentGroup, JournalEvent, MeetingSheet, Recording, User

pytest_plugins = ["desktop_fixtures"]

CITY = ZoneInfo("Asia/Shanghai")
YESTERDAY = datetime.now(CITY).date() - timedelta(days=1)
NOON = datetime.combine(YESTERDAY, datetime.min.time(), CITY).astimezone(UTC) + timedelta(hours=12)


@pytest.fixture
def group(parts: Parts, cti: Cti) -> int:
    """A group of agent01 with leader01; yesterday agent01 answered four calls, three of them kept."""
    with parts.desk.sessions.begin() as db:
        own = AgentGroup(name="一组")
        db.add_all([own, AgentGroup(name="二组", position=1)])
        db.flush()
        db.execute(update(User).where(User.login.in_(("agent01", "leader01"))).values(group_id=own.id))
        number = own.id
        for offset, (minutes, event) in enumerate(((0, "SIGNIN"), (120, "SIGNOUT"))):
            facts = {"pbx": "pbx1", "file": "f", "offset": offset, "agent": "agent01", "data": ["8001"]}
            db.add(JournalEvent(at=NOON + timedelta(minutes=minutes), event=event, **facts))
    for place, (uid, talk, facts) in enumerate(
        [
            ("pbx1-1.1", 100, {"rating": 3, "rating_reason": 1, "rated_agent": "agent01"}),
            ("pbx1-2.1", 60, {"rating": 1, "rated_agent": "agent01"}),
            ("pbx1-3.1", 90, {}),
            ("pbx1-4.1", 900, {}),
        ]
    ):
        at = NOON + timedelta(minutes=20 * place + 5)
        times = {"arrived_at": at, "answered_at": at, "ended_at": at + timedelta(seconds=talk)}
        keep_recording(parts, past_call(uid, talk_ms=talk * 1000, **times, **facts))
    with parts.desk.sessions.begin() as db:
        db.execute(update(Recording).where(Recording.call_uid == "pbx1-4.1").values(state="gap", path=None))
    return number


@pytest.fixture
def leader(group: int, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


def sheet(browser: Browser, query: str = "") -> dict[str, Any]:
    answer = browser.get(f"/api/meeting{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def keep(browser: Browser, page: dict[str, Any], **more: Any) -> Any:
    body = {"day": page["day"], "group": page["group"]["id"], "version": page["version"], **more}
    return browser.send("PUT", "/api/meeting", body)


def test_the_sheet_of_yesterday_is_that_of_the_own_group(leader: Browser) -> None:
    page = sheet(leader)
    assert (page["day"], page["group"]["name"], page["over"]) == (YESTERDAY.isoformat(), "一组", True)
    assert page["whole"]["figures"]["answered"] == {"value": 4.0, "before": None, "change": None}
    assert [agent["login"] for agent in page["agents"]] == ["agent01"]
    assert page["agents"][0]["figures"]["satisfaction"]["value"] == 0.5
    assert page["names"][0] == {"code": "answered", "name": "接听", "explained": "本人今日应答的来电数"}
    assert sheet(leader, "?group=2")["agents"] == []
    assert leader.get("/api/meeting?group=99").status_code == 404
    assert leader.get("/api/meeting?day=2099-01-01").status_code == 422


def test_recordings_that_exist_are_proposed_with_their_reason_and_masked(leader: Browser) -> None:
    page = sheet(leader)
    found = [(one["call_uid"], one["code"]) for one in page["recordings"]]
    assert found == [("pbx1-1.1", "not_satisfied"), ("pbx1-2.1", "praised")], "the longest has no sound"
    assert page["recordings"][0]["reason"] == "市民评价不满意：服务态度不好"
    assert page["recordings"][0]["recording"]["number"]["masked"] == "138****5678"
    assert page["recordings"][0]["recording"]["listenable"] is True


def test_recordings_are_replaced_by_hand_and_come_back(leader: Browser, parts: Parts) -> None:
    page = sheet(leader)
    changed = keep(leader, page, recordings=["pbx1-3.1", "pbx1-1.1"]).json
    assert [(one["call_uid"], one["reason"]) for one in changed["recordings"]] == [
        ("pbx1-3.1", "班长选取"),
        ("pbx1-1.1", "市民评价不满意：服务态度不好"),
    ]
    assert [one["call_uid"] for one in changed["alternatives"]] == ["pbx1-2.1"]
    for wrong in ("pbx1-4.1", "pbx1-9.9"):
        refused = keep(leader, changed, recordings=[wrong])
        assert (refused.status_code, list(refused.json["fields"])) == (422, ["recordings.0"])
    with parts.desk.sessions.begin() as db:
        db.execute(update(Recording).where(Recording.call_uid == "pbx1-3.1").values(state="gap"))
    assert (sheet(leader)["gone"], len(sheet(leader)["recordings"])) == (1, 1)
    back = keep(leader, changed, recordings=[]).json
    assert (back["chosen_by_hand"], len(back["recordings"])) == (False, 2)


def test_points_are_proposed_written_and_never_over_a_newer_one(leader: Browser, parts: Parts) -> None:
    page = sheet(leader)
    assert (page["written_by_hand"], page["version"]) == (False, 0)
    saved = keep(leader, page, points=" 放慢语速\n先听后答 ").json
    assert (saved["points"], saved["written_by_hand"], saved["version"]) == ("放慢语速\n先听后答", True, 1)
    assert saved["changed_by_name"] == "姓名leader01"
    stale = keep(leader, page, points="别的")
    assert (stale.status_code, stale.json["error"]) == (409, "stale")
    assert keep(leader, saved, points="").json["written_by_hand"] is False
    with parts.desk.sessions() as db:
        assert len(db.scalars(select(MeetingSheet)).all()) == 1
        assert db.scalars(select(AccessLog.object).where(AccessLog.action == "meeting_sheet")).first()


def test_a_shift_leader_writes_on_the_own_groups_sheet_only(
    leader: Browser, open_browser: Callable[[], Browser]
) -> None:
    other = sheet(leader, "?group=2")
    assert other["group"]["mine"] is False
    assert keep(leader, other, points="不是我的组").status_code == 403
    supervisor = open_browser()
    supervisor.log_in("supervisor01")
    assert keep(supervisor, sheet(supervisor, "?group=2"), points="主管可以").status_code == 200


def test_the_document_says_what_the_page_says(leader: Browser) -> None:
    keep(leader, sheet(leader), points="先听后答")
    answer = leader.get("/api/meeting.docx")
    assert answer.status_code == 200
    assert "filename*=UTF-8''" in answer.headers["Content-Disposition"]
    paper = Document(io.BytesIO(answer.data))
    texts = [paragraph.text for paragraph in paper.paragraphs]
    assert texts[0] == f"一组晨会 {YESTERDAY}"
    assert "先听后答" in texts
    cells = "\n".join(cell.text for table in paper.tables for row in table.rows for cell in row.cells)
    assert "138****5678" in cells
    assert "13812345678" not in cells
    assert "服务态度不好" in cells


def test_without_groups_the_sheet_is_empty(
    parts: Parts, cti: Cti, open_browser: Callable[[], Browser]
) -> None:
    browser = open_browser()
    browser.log_in("supervisor01")
    page = sheet(browser)
    assert (page["group"], page["agents"], page["whole"]) == (None, [], None)
    assert browser.get("/api/meeting.docx").status_code == 404
