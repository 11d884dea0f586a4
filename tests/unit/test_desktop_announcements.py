"""Announcements over HTTP: made, heard to the end, published, replaced, ended; who may, and what is noted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import Browser, Cti, Form
from sqlalchemy import select

from agent_desktop import announcements
from agent_desktop.app import Parts
from db.models import AccessLog, Announcement, now
from ivr import announce, announce_files

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture
def supervisor(cti: Cti, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("supervisor01").status_code == 200
    return browser


@pytest.fixture
def pushed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str | None]]:
    """(event, payload, room) of every push."""
    seen: list[tuple[str, Any, str | None]] = []
    monkeypatch.setattr(parts.desk.floor, "emit", lambda *push: seen.append(push))
    return seen


def in_hours(hours: float) -> int:
    return round((now() + timedelta(hours=hours)).timestamp() * 1000)


def made(parts: Parts, browser: Browser, text: str = "停水通知", scope: str = "arrival") -> int:
    """An announcement whose sound of 0.5 s the worker has made."""
    answer = browser.post("/api/announcements", {"text": text, "scope": scope})
    assert (answer.status_code, answer.json["state"]) == (202, "rendering"), answer.json
    number: int = answer.json["id"]
    sha256 = f"{number:064x}"
    file = announce_files.kept_file(parts.desk.settings.announcements, sha256)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"RIFF sound")
    with parts.desk.sessions.begin() as db:
        assert announce.note_made(db, number, sha256, 0.5)
    return number


def heard(parts: Parts, browser: Browser, text: str = "停水通知", scope: str = "arrival") -> int:
    number = made(parts, browser, text, scope)
    assert browser.get(f"/api/announcements/{number}/audio").data == b"RIFF sound"
    assert browser.post(f"/api/announcements/{number}/heard").status_code == 200
    return number


def row_of(browser: Browser, number: int) -> dict[str, Any]:
    rows = browser.get("/api/announcements").json["rows"]
    return next(row for row in rows if row["id"] == number)


def test_from_text_to_on_air_and_off(parts: Parts, cti: Cti, supervisor: Browser) -> None:
    number = made(parts, supervisor, "今晚22:00停水，咨询12345")
    row = row_of(supervisor, number)
    assert (row["state"], row["state_label"], row["seconds"]) == ("ready", "待试听", 0.5)
    assert row["spoken"] == "今晚二十二点整停水，咨询幺二三四五"
    refused = supervisor.post(f"/api/announcements/{number}/publish", {"until": in_hours(2)})
    assert (refused.status_code, refused.json["error"]) == (409, "not_heard")
    not_played = supervisor.post(f"/api/announcements/{number}/heard")
    assert (not_played.status_code, not_played.json["error"]) == (409, "not_listened")
    supervisor.get(f"/api/announcements/{number}/audio")
    row = supervisor.post(f"/api/announcements/{number}/heard").json
    assert (row["state_label"], row["heard_by_name"]) == ("待播出", "姓名supervisor01")
    cti.commands.clear()
    until = in_hours(2)
    answer = supervisor.post(f"/api/announcements/{number}/publish", {"until": until}).json
    assert (answer["confirmed"], answer["row"]["state"], answer["row"]["until"]) == (True, "on_air", until)
    assert [command["name"] for command in cti.commands] == ["skills_changed"]
    later = supervisor.post(f"/api/announcements/{number}/publish", {"until": in_hours(3)}).json
    assert later["row"]["until"] > until
    ended = supervisor.post(f"/api/announcements/{number}/end").json["row"]
    assert (ended["state_label"], ended["ended_by_name"]) == ("已结束", "姓名supervisor01")
    assert supervisor.post(f"/api/announcements/{number}/end").status_code == 409
    with parts.desk.sessions() as db:
        noted = list(db.scalars(select(AccessLog.action).where(AccessLog.action.startswith("announcement_"))))
    assert noted == [
        *("announcement_made", "announcement_listened", "announcement_heard"),
        *("announcement_published", "announcement_published", "announcement_ended"),
    ]


def test_who_was_played_less_than_its_length_has_not_heard_it(parts: Parts, supervisor: Browser) -> None:
    number = made(parts, supervisor)
    with parts.desk.sessions.begin() as db:
        db.get_one(Announcement, number).seconds = 30.0
    supervisor.get(f"/api/announcements/{number}/audio")
    assert supervisor.post(f"/api/announcements/{number}/heard").json["error"] == "not_listened"


def test_publishing_over_another_asks_first(parts: Parts, supervisor: Browser) -> None:
    first, second = heard(parts, supervisor, "停水通知"), heard(parts, supervisor, "停电通知")
    supervisor.post(f"/api/announcements/{first}/publish", {"until": in_hours(1)})
    refused = supervisor.post(f"/api/announcements/{second}/publish", {"until": in_hours(1)})
    assert (refused.status_code, refused.json["error"]) == (409, "scope_taken")
    assert "停水通知" in refused.json["message"]
    both = {"until": in_hours(1), "replace": True}
    assert supervisor.post(f"/api/announcements/{second}/publish", both).status_code == 200
    assert [row["state"] for row in supervisor.get("/api/announcements").json["rows"]] == ["on_air", "ended"]


@pytest.mark.parametrize("hours", [-1, 24 * 8])
def test_an_end_is_required_and_within_days(parts: Parts, supervisor: Browser, hours: float) -> None:
    number = heard(parts, supervisor)
    for body in ({}, {"until": in_hours(hours)}):
        refused = supervisor.post(f"/api/announcements/{number}/publish", body)
        assert (refused.status_code, "until" in refused.json["fields"]) == (422, True)


def test_a_cti_that_is_away_follows_later_and_the_page_is_told(
    parts: Parts, cti: Cti, supervisor: Browser
) -> None:
    number = heard(parts, supervisor)
    cti.disconnect()
    answer = supervisor.post(f"/api/announcements/{number}/publish", {"until": in_hours(1)})
    assert (answer.status_code, answer.json["confirmed"]) == (200, False)
    assert row_of(supervisor, number)["state"] == "on_air"


def test_agents_see_what_citizens_hear_and_no_more(
    parts: Parts, supervisor: Browser, agent: Browser, open_browser: Callable[[], Browser]
) -> None:
    number = heard(parts, supervisor, "停水通知", "consultation")
    assert agent.get("/api/announcements/on-air").json["rows"] == []
    supervisor.post(f"/api/announcements/{number}/publish", {"until": in_hours(1)})
    [row] = agent.get("/api/announcements/on-air").json["rows"]
    assert (row["text"], row["scope_label"]) == ("停水通知", "综合咨询")
    leader = open_browser()
    leader.log_in("leader01")
    assert leader.get("/api/announcements").json["may_change"] is False
    assert leader.get(f"/api/announcements/{number}/audio").status_code == 200
    assert leader.post(f"/api/announcements/{number}/end").status_code == 403


def test_a_recording_waits_for_the_worker(parts: Parts, supervisor: Browser) -> None:
    form = Form(scope="arrival", text="主任讲话", file=("讲话.wav", b"RIFF given"))
    answer = supervisor.post("/api/announcements/upload", form)
    assert (answer.status_code, answer.json["source"]) == (202, "upload")
    folder = parts.desk.settings.announcements
    assert announce_files.given_file(folder, answer.json["id"]).read_bytes() == b"RIFF given"
    assert supervisor.get(f"/api/announcements/{answer.json['id']}/audio").status_code == 404
    supervisor.post("/api/announcements", {"text": "停电", "scope": "arrival"})
    supervisor.post("/api/announcements", {"text": "停气", "scope": "arrival"})
    busy = supervisor.post("/api/announcements", {"text": "停暖", "scope": "arrival"})
    assert (busy.status_code, busy.json["error"]) == (409, "busy")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "", "scope": "arrival"}, "text"),
        ({"text": "停" * 401, "scope": "arrival"}, "text"),
        ({"text": "停水通知", "scope": "nowhere"}, "scope"),
    ],
)
def test_what_is_wrong_is_said(supervisor: Browser, body: dict[str, str], field: str) -> None:
    refused = supervisor.post("/api/announcements", body)
    assert (refused.status_code, list(refused.json["fields"])) == (422, [field])


def test_pages_are_told_of_what_the_worker_and_the_clock_do(
    parts: Parts, supervisor: Browser, pushed: list[tuple[str, Any, str | None]]
) -> None:
    number = heard(parts, supervisor)
    watch = announcements.Watch(parts.desk)
    watch.look()
    pushed.clear()
    watch.look()
    assert pushed == []
    with parts.desk.sessions.begin() as db:
        one = db.get_one(Announcement, number)
        one.state, one.on_air_at, one.until = "on_air", now() - timedelta(hours=2), now() - timedelta(hours=1)
    watch.look()
    assert pushed == [("announcements", {}, None)]
    assert row_of(supervisor, number)["state"] == "ended"
