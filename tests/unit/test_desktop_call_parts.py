"""Parts of a call on the screens: a ticket's timeline, the player, lists; in words, with no whole number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import MOBILE, Browser, Cti, keep_recording, past_call
from sqlalchemy import update

from agent_desktop.app import Parts
from agent_desktop.call_parts import lasted
from db.models import Call, CallPart, Ticket, now

pytest_plugins = ["desktop_fixtures"]
BEGAN = now().replace(microsecond=0) - timedelta(hours=2)
UID = "pbx1-1.1"
FORM: dict[str, Any] = {
    "call_uid": UID,
    "request_type": "complaint",
    "category_id": 1,
    "title": "停水三天",
    "what": "小区停水",
    "where": "东湖区",
    "disposition": "dispatch",
    "unit_id": 1,
}


def add_parts(parts: Parts, *rows: tuple[str, float, float | None, dict[str, Any]], uid: str = UID) -> None:
    with parts.desk.sessions.begin() as session:
        for position, (kind, began, ended, fields) in enumerate(rows):
            part = CallPart(
                call_uid=uid,
                position=position,
                kind=kind,
                began_at=BEGAN + timedelta(seconds=began),
                ended_at=None if ended is None else BEGAN + timedelta(seconds=ended),
                **({"agent": "agent01", "who": "", "label": ""} | fields),
            )
            session.add(part)


DUTY = {"who": "057188000009", "label": "市住建局值班"}
EVERYTHING = (
    ("agent", 0, 170, {}),
    ("hold", 5, 8, {}),
    ("consult", 10, 40, DUTY | {"answered_at": BEGAN + timedelta(seconds=20)}),
    ("party", 40, 170, DUTY),
    ("recording_paused", 150, 158, {}),
    ("consult", 160, 165, {"who": "13900001234", "label": "13900001234"}),
    ("returned", 170, 178, {}),
    ("agent", 178, 200, {}),
    ("agent", 200, 260, {"agent": "agent02"}),
    ("outside", 260, 4000, {"agent": None, "who": "13900001234"}),
    ("survey", 4000, 4010, {"agent": "agent02"}),
)


@pytest.fixture
def ticket(agent: Browser, cti: Cti, parts: Parts) -> str:
    """Number of a ticket that agent01 wrote in a call with everything in it."""
    with parts.desk.sessions.begin() as session:
        session.add(past_call(UID, rating=3, rating_reason=2, rated_agent="agent02", hold_ms=33_000))
    add_parts(parts, *EVERYTHING)
    answer = agent.post("/api/tickets", FORM)
    assert answer.status_code == 201, answer.json
    return str(answer.json["number"])


def told(agent: Browser, number: str) -> list[tuple[str, str | None, str]]:
    entries = agent.get(f"/api/tickets/{number}").json["timeline"]
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    return [
        (entry["action_label"], entry["actor_name"], entry["note"])
        for entry in entries
        if entry["action"].startswith("call_")
    ]


def test_the_timeline_tells_who_was_brought_in_when_and_for_how_long(agent: Browser, ticket: str) -> None:
    first, second = "姓名agent01", "姓名agent02"
    assert told(agent, ticket) == [
        ("咨询", first, "市住建局值班（20 秒）"),
        ("三方通话", first, "市住建局值班（2 分 10 秒）"),
        ("录音暂停", first, "8 秒"),
        ("咨询", first, "139****1234（未接听）"),
        ("坐席电话中断", first, "市民等待 8 秒后接回"),
        ("转接", first, f"{second}（1 分 0 秒）"),
        ("转接", second, "139****1234（1 小时 2 分）"),
        ("市民评价", "市民", "不满意：问题没有解决"),
    ]


def test_a_call_made_from_the_ticket_stands_in_its_timeline(
    agent: Browser, parts: Parts, ticket: str
) -> None:
    about = {"direction": "outbound", "about": f"ticket:{ticket}"}
    with parts.desk.sessions.begin() as session:
        session.execute(update(Ticket).values(contact_number=MOBILE))
        session.add(past_call("pbx1-2.2", **about, talk_ms=130_000, arrived_at=now()))
        session.add(
            past_call("pbx1-3.3", **about, outcome="no_answer", talk_ms=None, arrived_at=now() + timedelta(1))
        )
        session.add(past_call("pbx1-4.4", direction="outbound", about="ticket:261121000000"))
    assert told(agent, ticket)[-2:] == [
        ("外呼市民", "姓名agent01", "已接通，通话 2 分 10 秒"),
        ("外呼市民", "姓名agent01", "无人接听"),
    ]


def test_whoever_is_still_there_is_still_there(agent: Browser, parts: Parts, ticket: str) -> None:
    with parts.desk.sessions.begin() as session:
        session.execute(update(CallPart).where(CallPart.kind == "party").values(ended_at=None))
    assert told(agent, ticket)[1] == ("三方通话", "姓名agent01", "市住建局值班（进行中）")


def test_the_player_is_told_the_parts_on_the_recordings_own_clock(agent: Browser, parts: Parts) -> None:
    number = keep_recording(parts, past_call(UID))
    add_parts(parts, *EVERYTHING[:6], ("party", 41, 42, {"who": "agent02"}))
    found = agent.get(f"/api/recordings/{number}/peaks").json["parts"]
    assert [(p["kind"], p["label"], p["from_s"], p["to_s"], p["seconds"]) for p in found] == [
        ("agent", "通话", 0.0, 135.0, 170.0),
        ("hold", "保持", 5.0, 8.0, 3.0),
        ("consult", "咨询：市住建局值班", 10.0, 10.0, 30.0),
        ("party", "三方通话：市住建局值班", 10.0, 135.0, 130.0),
        ("recording_paused", "录音暂停", 120.0, 128.0, 8.0),
        ("consult", "咨询：139****1234", 130.0, 130.0, 5.0),
        ("party", "三方通话：姓名agent02", 11.0, 12.0, 1.0),
    ]
    assert {part["agent_name"] for part in found} == {"姓名agent01"}


def test_lists_say_how_a_call_was_rated_and_who_called_whom(
    agent: Browser, parts: Parts, ticket: str
) -> None:
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx1-2.2", direction="outbound", outcome="busy"))
    rows = {row["uid"]: row for row in agent.get("/api/calls?mine=1").json["rows"]}
    assert rows[UID]["rating"] == {"score": 3, "label": "不满意", "reason_label": "问题没有解决"}
    assert (rows[UID]["direction"], rows[UID]["hold_ms"]) == ("inbound", 33_000)
    assert (rows["pbx1-2.2"]["direction"], rows["pbx1-2.2"]["outcome_label"]) == ("outbound", "占线")
    assert rows["pbx1-2.2"]["rating"] is None
    assert [row["uid"] for row in agent.get("/api/calls?outcome=busy").json["rows"]] == ["pbx1-2.2"]


def test_our_own_calls_do_not_make_a_citizen_one_who_calls_again(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    with parts.desk.sessions.begin() as session:
        for number in range(3):
            session.add(past_call(f"pbx1-9.{number}", direction="outbound"))
        assert session.query(Call).count() == 3
    cti.seat("8001", agent="agent01", presence="ready", activity="ringing", call=UID)
    cti.call(UID)
    pop = agent.get(f"/api/calls/{UID}/pop").json
    assert pop["repeat"] == {"calls_24h": 0, "calls_7d": 0, "flag": False}
    assert {call["direction"] for call in pop["recent_calls"]} == {"outbound"}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 秒"), (59.6, "1 分 0 秒"), (130, "2 分 10 秒"), (3900, "1 小时 5 分"), (7325, "2 小时 2 分")],
)
def test_lengths_are_read_aloud(seconds: float, words: str) -> None:
    assert lasted(seconds) == words
