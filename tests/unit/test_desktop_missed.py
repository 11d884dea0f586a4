"""The missed-call worklist over HTTP: masked rows, one person a row, what line and agent say of a try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import MOBILE, Browser, Cti, keep_recording, past_call
from sqlalchemy import select

from agent_desktop import missed as missed_pages
from agent_desktop.app import Parts
from db.models import MissedAttempt, MissedCaller, Recording, now
from ivr import missed

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]


def miss(parts: Parts, uid: str = "pbx1-7.1", outcome: str = "abandoned_in_queue", **more: Any) -> None:
    """A call in which nobody spoke with the citizen, as the ledger notes it."""
    with parts.desk.sessions.begin() as session:
        missed.note_ended(session, uid, more.pop("caller", MOBILE), outcome, "consultation", now(), **more)


def rows(browser: Browser, state: str = "open") -> list[dict[str, Any]]:
    answer = browser.get(f"/api/missed?state={state}")
    assert answer.status_code == 200, answer.json
    return list(answer.json["rows"])


@pytest.fixture
def other(agent: Browser, open_browser: Open) -> Browser:
    browser = open_browser()
    browser.log_in("agent02", "8002")
    return browser


@pytest.fixture
def leader(agent: Browser, open_browser: Open) -> Browser:
    browser = open_browser()
    browser.log_in("leader01")
    return browser


def test_a_row_says_what_is_needed_and_no_number(agent: Browser, parts: Parts) -> None:
    miss(parts)
    miss(parts, "pbx1-7.2", "callback_requested")
    answer = agent.get("/api/missed")
    (row,) = answer.json["rows"]
    assert row["number"]["masked"] == "138****5678"
    assert (row["kind"], row["kind_label"], row["times"]) == ("callback_requested", "预约回拨", 2)
    assert (row["queue_label"], row["last_call_uid"], row["attempts"]) == ("综合咨询", "pbx1-7.2", 0)
    assert (row["taken_by_name"], row["mine"], row["last_attempt"], row["has_message"]) == (
        None,
        False,
        None,
        None,
    )
    assert 0 <= row["waiting_seconds"] < 60
    assert (answer.json["total"], answer.json["open"]) == (1, 1)
    assert MOBILE[2:] not in answer.text
    assert agent.get("/api/missed/count").json == {"open": 1}


def test_who_takes_a_row_keeps_others_away(
    agent: Browser, other: Browser, leader: Browser, parts: Parts
) -> None:
    miss(parts)
    assert agent.post("/api/missed/1/take").json["mine"] is True
    refused = other.post("/api/missed/1/take")
    assert (refused.status_code, refused.json["error"]) == (409, "taken")
    assert refused.json["message"] == "姓名agent01正在回拨这位市民。"
    assert other.post("/api/missed/1/release").status_code == 409
    assert other.post("/api/missed/1/attempt", {"result": "busy"}).status_code == 409
    (seen,) = rows(other)
    assert (seen["taken_by_name"], seen["mine"]) == ("姓名agent01", False)
    assert [row["id"] for row in rows(agent, "mine")] == [1]
    assert rows(other, "mine") == []
    assert leader.post("/api/missed/1/release").json["taken_by_name"] is None
    assert other.post("/api/missed/1/take").status_code == 200


def test_dialling_takes_the_row_and_the_line_says_what_came_of_it(
    agent: Browser, other: Browser, cti: Cti, parts: Parts
) -> None:
    miss(parts)
    assert agent.post("/api/seat/dial", {"missed": 1}).status_code == 202
    assert cti.commands[-1]["about"] == "missed:1"
    assert other.post("/api/seat/dial", {"missed": 1}).json["message"] == "姓名agent01正在回拨这位市民。"
    (row,) = rows(agent)
    assert (row["mine"], row["last_attempt"]["result_label"]) == (True, "已拨出")
    miss(parts, "pbx1-8.1", "busy", direction="outbound", about="missed:1", agent="agent01")
    (row,) = rows(agent)
    assert (row["attempts"], row["last_attempt"]["result_label"]) == (1, "占线")
    said = agent.post("/api/missed/1/attempt", {"result": "no_answer", "note": "下午再打"}).json
    assert (said["attempts"], said["last_attempt"]["result"], said["taken_by_name"]) == (1, "no_answer", None)
    assert said["last_attempt"]["note"] == "下午再打"


def test_a_citizen_who_was_reached_leaves_the_list(agent: Browser, other: Browser, parts: Parts) -> None:
    miss(parts)
    closed = agent.post("/api/missed/1/attempt", {"result": "reached", "note": "已答复"}).json
    assert (closed["closed_as"], closed["closed_as_label"]) == ("reached", "已联系上")
    assert closed["closed_by_name"] == "姓名agent01"
    assert rows(agent) == []
    assert [row["id"] for row in rows(other, "closed")] == [1]
    again = other.post("/api/missed/1/take")
    assert (again.status_code, again.json["error"]) == (409, "missed_closed")


def test_giving_up_needs_a_reason_and_the_row_as_it_was_seen(agent: Browser, parts: Parts) -> None:
    miss(parts)
    (seen,) = rows(agent)
    assert agent.post("/api/missed/1/give-up", {"note": " "}).status_code == 422
    miss(parts, "pbx1-7.2")
    stale = agent.post("/api/missed/1/give-up", {"note": "空号", "version": seen["version"]})
    assert (stale.status_code, stale.json["error"]) == (409, "missed_changed")
    given_up = agent.post("/api/missed/1/give-up", {"note": "空号", "version": rows(agent)[0]["version"]})
    assert given_up.json["closed_as"] == "given_up"


def test_what_nobody_can_say_is_refused(agent: Browser, parts: Parts) -> None:
    miss(parts)
    assert agent.post("/api/missed/1/attempt", {"result": "dialled"}).status_code == 422
    assert agent.post("/api/missed/1/attempt", {"result": "busy", "note": "长" * 257}).status_code == 422
    for missing in (2, 2**40):
        assert agent.post(f"/api/missed/{missing}/take").status_code == 404
    assert agent.get("/api/missed?state=all").status_code == 422


def test_two_agents_who_take_at_the_same_moment(agent: Browser, other: Browser, parts: Parts) -> None:
    """SQLite lets both read; the second's write finds the row changed and is told who has it."""
    miss(parts)
    with parts.desk.sessions() as session:
        session.get_one(MissedCaller, 1)
        assert agent.post("/api/missed/1/take").status_code == 200
        assert other.post("/api/missed/1/take").json["error"] == "taken"


def test_a_voice_message_is_heard_by_those_who_call_back(
    agent: Browser, other: Browser, parts: Parts, open_browser: Open
) -> None:
    recording = keep_recording(parts, past_call("pbx1-7.1", outcome="voicemail_left", agent=None))
    with parts.desk.sessions.begin() as session:
        session.get_one(Recording, recording).kind = "message"
    sound = f"/api/recordings/{recording}/audio"
    assert agent.get(sound).status_code == 403
    miss(parts, outcome="voicemail_left")
    (row,) = rows(agent)
    assert (row["has_message"], row["message"]["state"]) == (recording, "kept")
    assert (agent.get(sound).status_code, other.get(sound).status_code) == (200, 200)
    agent.post("/api/missed/1/attempt", {"result": "reached"})
    assert (agent.get(sound).status_code, other.get(sound).status_code) == (200, 403)
    dispatcher = open_browser()
    dispatcher.log_in("dispatcher01")
    assert dispatcher.get(sound).status_code == 403


def test_pages_are_told_how_many_wait(agent: Browser, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, Mapping[str, Any], str | None]] = []
    monkeypatch.setattr(parts.desk.floor, "emit", lambda *push: told.append(push))
    watch = missed_pages.Watch(parts.desk)
    watch.look(0)
    watch.look(1)
    miss(parts)
    watch.look(2)
    watch.look(6)
    watch.look(12)
    assert told == [("missed", {"open": 0}, None), ("missed", {"open": 1}, None)]
    agent.post("/api/missed/1/attempt", {"result": "refused"})
    assert told[-1] == ("missed", {"open": 0}, None)


def test_the_clock_settles_what_two_writers_did_not_see(parts: Parts) -> None:
    miss(parts)
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx2-1.1", arrived_at=now(), answered_at=now() + timedelta(seconds=9)))
    missed_pages.Watch(parts.desk).look(0)
    with parts.desk.sessions() as session:
        assert session.get_one(MissedCaller, 1).closed_as == "got_through"


def test_a_try_made_on_another_telephone_is_one_of_its_own(agent: Browser, parts: Parts) -> None:
    miss(parts)
    agent.post("/api/missed/1/attempt", {"result": "no_answer"})
    with parts.desk.sessions() as session:
        assert session.scalars(select(MissedAttempt.result)).all() == ["no_answer"]
