"""What helps to write a ticket: same matters, knowledge, scripts, citizens, notes, the richer pop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import MOBILE, Browser, Cti, past_call

from agent_desktop.app import Parts
from db.models import CallerNote, Citizen, CitizenPhone, KnowledgeEntry, MissedCaller, Script, now

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
UID = "pbx1-1.1"
POP = f"/api/calls/{UID}/pop"
FORM = {"request_type": "help", "category_id": 1, "title": "小区停水", "what": "湖心小区昨晚起没有水"}


@pytest.fixture
def ringing(agent: Browser, cti: Cti) -> Browser:
    """agent01 with a call from MOBILE ringing."""
    cti.call()
    cti.seat("8001", activity="ringing", call=UID)
    return agent


@pytest.fixture
def leader(cti: Cti, open_browser: Open) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


def put(parts: Parts, *rows: Any) -> None:
    with parts.desk.sessions.begin() as session:
        session.add_all(rows)


def missed(**facts: Any) -> MissedCaller:
    at = now() - timedelta(minutes=30)
    values = {"caller": MOBILE, "open_caller": MOBILE, "kind": "overflowed", "queue": "complaint"}
    return MissedCaller(
        **(values | {"first_at": at, "last_at": at, "last_call_uid": "x", "times": 2} | facts)
    )


# --- the pop ---------------------------------------------------------------------------------------------


def test_a_pop_says_who_spoke_last_and_what_to_know_first(ringing: Browser, parts: Parts) -> None:
    at = now() - timedelta(hours=1)
    put(
        parts,
        past_call("pbx1-0.1", agent="agent02", answered_at=at, arrived_at=at),
        past_call("pbx1-0.2", agent=None, answered_at=None, outcome="short_abandon"),
        CallerNote(number=MOBILE, kind="language", note="只讲青溪话"),
        CallerNote(number=MOBILE, kind="sensitive", note="信访老户", until=now() + timedelta(days=1)),
        CallerNote(number=MOBILE, kind="blocked", note="过期", until=now() - timedelta(days=1)),
        CallerNote(number=MOBILE, kind="care", note="已撤销", ended_at=now()),
        missed(),
    )
    pop = ringing.get(POP).json
    assert pop["previous_agent"] == {"name": "姓名agent02", "at": round(at.timestamp() * 1000)}
    assert [(one["kind_label"], one["note"]) for one in pop["caller_notes"]] == [
        ("敏感来电", "信访老户"),
        ("语言", "只讲青溪话"),
    ]
    assert pop["language"] == "只讲青溪话"
    assert (pop["missed"]["times"], pop["callback"]) == (2, None)
    assert (pop["role"], pop["direction"], pop["kind"], pop["about"]) == ("agent", "inbound", "inbound", None)


def test_a_citizens_language_is_said_where_no_note_says_it(ringing: Browser, parts: Parts) -> None:
    put(parts, Citizen(name="Maria", language="英语", phones=[CitizenPhone(number=MOBILE)]))
    assert ringing.get(POP).json["language"] == "英语"


def test_a_call_back_says_when_it_was_asked_for(ringing: Browser, cti: Cti, parts: Parts) -> None:
    put(parts, missed(kind="callback_requested"))
    assert ringing.get(POP).json["callback"]["queue_label"] == "投诉举报"
    ended = now() - timedelta(minutes=9)
    put(parts, past_call("pbx1-0.7", outcome="callback_requested", ended_at=ended))
    cti.call(direction="outbound", kind="callback", about="missed:1", callback_of="pbx1-0.7")
    pop = ringing.get(POP).json
    assert pop["callback"] == {"asked_at": round(ended.timestamp() * 1000), "queue_label": "综合咨询"}
    assert (pop["direction"], pop["kind"], pop["about"]) == ("outbound", "callback", "missed:1")


def test_a_seat_brought_in_sees_the_pop_as_party(ringing: Browser, cti: Cti, open_browser: Open) -> None:
    other = open_browser()
    other.log_in("agent02", "8002")
    assert other.get(POP).status_code == 403
    party = {"kind": "seat", "label": "二号席", "seat": "8002", "state": "ringing", "since": 1}
    cti.call(state="consulting", party=party)
    assert other.get(POP).json["role"] == "party"
    assert ringing.get(POP).json["role"] == "agent"
    cti.call(state="talking", party=None)
    assert other.get(POP).status_code == 200, "what it has seen it may look up again"


def test_an_old_call_tells_its_direction_from_the_ledger(agent: Browser, parts: Parts) -> None:
    put(parts, past_call("pbx1-0.3", direction="outbound", about="ticket:1", callback_of=None))
    pop = agent.get("/api/calls/pbx1-0.3/pop").json
    assert (pop["direction"], pop["kind"], pop["about"]) == ("outbound", "dial_out", "ticket:1")


# --- same matters ----------------------------------------------------------------------------------------


def test_nearby_tickets_of_others_are_shown_and_doubles_before_saving(
    ringing: Browser, leader: Browser
) -> None:
    other = leader.post("/api/tickets", FORM | {"region_id": 1, "where": "湖心路 3 号"}).json
    own = ringing.post("/api/tickets", FORM | {"call_uid": UID, "region_id": 1}).json
    nearby = f"/api/calls/{UID}/nearby?category_id=1"
    rows = ringing.get(f"{nearby}&region_id=1&where=湖心路3号").json["rows"]
    assert [(one["number"], one["distance_label"]) for one in rows] == [
        (other["number"], "同类诉求，同一地点")
    ]
    assert ringing.get(nearby).json["rows"] == []
    without_call = ringing.get("/api/calls/form-7f3a/nearby?category_id=1&region_id=1").json["rows"]
    assert {one["number"] for one in without_call} == {own["number"], other["number"]}
    asked = FORM | {"call_uid": UID, "region_id": 1, "who": "王女士", "where": "湖心路 3 号", "when": "昨晚"}
    found = ringing.post("/api/tickets/check", asked).json
    assert [(one["number"], one["why"]) for one in found["duplicates"]] == [
        (own["number"], "同一号码、同一分类，尚未办结"),
        (other["number"], "同一分类、同一地点"),
    ]
    assert found["elements"] == {"who": True, "when": True, "where": True, "what": True, "asked_for": False}


def test_a_check_takes_whatever_is_typed_so_far(agent: Browser) -> None:
    for body in (
        {},
        {"title": None, "category_id": "x", "call_uid": 7, "where": ["a"]},
        {"what": "水" * 9000},
    ):
        answer = agent.post("/api/tickets/check", body)
        assert (answer.status_code, answer.json["duplicates"]) == (200, [])
    assert agent.get("/api/calls/x/nearby?category_id=0").status_code == 422


# --- knowledge and scripts -------------------------------------------------------------------------------


def test_knowledge_and_scripts_for_the_form(agent: Browser, parts: Parts) -> None:
    step = {"say": "您好", "field": "where", "ask": "在哪里？"}
    put(
        parts,
        KnowledgeEntry(title="停水抢修", body="十二小时", source="演示", category_id=1),
        Script(code="s", title="通用", steps=[step]),
    )
    found = agent.get("/api/knowledge?category_id=1").json["rows"]
    assert [(one["title"], one["category"], one["source"]) for one in found] == [("停水抢修", "供水", "演示")]
    assert agent.get("/api/knowledge?q=tsqx").json["rows"] == found
    assert agent.get("/api/knowledge").json["rows"] == []
    assert agent.get("/api/scripts?request_type=help&category_id=1").json["rows"][0]["steps"] == [step]
    assert agent.get("/api/scripts?request_type=rumour").status_code == 422


# --- citizens --------------------------------------------------------------------------------------------


def test_records_are_found_merged_and_taken_apart(ringing: Browser, parts: Parts) -> None:
    put(parts, Citizen(name="王小姐", phones=[CitizenPhone(number="8613812340000")]))
    assert {one["id"] for one in ringing.get("/api/citizens?q=王").json["rows"]} == {1, 2}
    assert [one["id"] for one in ringing.get("/api/citizens?q=0000").json["rows"]] == [2]
    short = ringing.post("/api/citizens/1/merge", {"other_id": 2, "reason": "同"})
    assert (short.status_code, list(short.json["fields"])) == (422, ["reason"])
    kept = ringing.post("/api/citizens/1/merge", {"other_id": 2, "reason": "核实为同一人"}).json
    assert [one["masked"] for one in kept["numbers"]] == ["138****5678", "138****0000"]
    assert kept["merged"] == [{"id": 2, "name": "王小姐"}]
    assert ringing.get("/api/citizens/2").json["merged_into"] == {"id": 1, "name": "王女士"}
    assert [one["id"] for one in ringing.get(POP).json["candidates"]] == [1]
    again = ringing.post("/api/citizens/1/merge", {"other_id": 2, "reason": "核实为同一人"})
    assert (again.status_code, again.json["error"]) == (409, "already_merged")
    phone = kept["numbers"][1]["id"]
    out = ringing.post(
        "/api/citizens/1/split", {"phones": [phone], "name": "王小妹", "reason": "号码属于妹妹"}
    )
    assert (out.status_code, out.json["name"]) == (201, "王小妹")
    undone = ringing.post("/api/citizens/1/split", {"undo_merge": 2, "reason": "合并有误"})
    assert (undone.json["id"], undone.json["merged_into"]) == (2, None)
    lines = ringing.get("/api/citizens/1/history").json["rows"]
    assert [one["action_label"] for one in lines] == ["撤销合并", "拆分", "合并"]
    assert MOBILE[2:] not in str(lines)
    for path in ("/api/citizens/99", "/api/citizens/99/history", f"/api/citizens/{2**40}"):
        assert ringing.get(path).status_code == 404


# --- notes on callers ------------------------------------------------------------------------------------


def test_an_agent_notes_what_helps_and_a_leader_what_warns(
    ringing: Browser, leader: Browser, open_browser: Open
) -> None:
    care = {"call_uid": UID, "kind": "care", "note": "听力不好"}
    mine = ringing.post("/api/caller-notes", care).json
    assert (mine["number"]["masked"], mine["mine"], mine["active"]) == ("138****5678", True, True)
    for kind in ("sensitive", "blocked"):
        refused = ringing.post("/api/caller-notes", care | {"kind": kind})
        assert (refused.status_code, refused.json["error"]) == (403, "not_your_role")
    typed = {"number": "138 1234 5678", "kind": "blocked", "note": "恶意骚扰"}
    assert ringing.post("/api/caller-notes", typed | {"kind": "care"}).status_code == 422
    blocked = leader.post("/api/caller-notes", typed).json
    assert leader.post("/api/caller-notes", typed | {"number": "anonymous"}).status_code == 422
    assert leader.post("/api/caller-notes", typed | {"until": 1}).status_code == 422
    kinds = [one["kind"] for one in ringing.get(POP).json["caller_notes"]]
    assert kinds == ["blocked", "care"]
    assert ringing.send("DELETE", f"/api/caller-notes/{blocked['id']}").status_code == 403
    assert [one["id"] for one in ringing.get("/api/caller-notes").json["rows"]] == [mine["id"]]
    assert ringing.get(f"/api/caller-notes?call_uid={UID}").json["total"] == 2
    assert leader.get("/api/caller-notes?q=5678").json["total"] == 2
    assert leader.get("/api/caller-notes?q=1381234").json["total"] == 0
    other = open_browser()
    other.log_in("agent02", "8002")
    assert other.post("/api/caller-notes", care).status_code == 404
    assert other.send("PUT", f"/api/caller-notes/{mine['id']}", {"note": "x"}).status_code == 403


def test_a_note_changed_or_ended_stays_as_history(ringing: Browser, leader: Browser) -> None:
    first = ringing.post("/api/caller-notes", {"call_uid": UID, "kind": "care", "note": "听力不好"}).json
    path = f"/api/caller-notes/{first['id']}"
    until = round((now() + timedelta(days=9)).timestamp() * 1000)
    second = ringing.send("PUT", path, {"note": "听力不好，请慢", "until": until}).json
    assert (second["note"], second["until"]) == ("听力不好，请慢", until)
    assert second["id"] != first["id"]
    assert ringing.send("PUT", path, {"note": "又改"}).status_code == 409
    assert leader.send("DELETE", f"/api/caller-notes/{second['id']}").status_code == 204
    assert ringing.get(POP).json["caller_notes"] == []
    ended = leader.get("/api/caller-notes?state=ended").json["rows"]
    assert [one["note"] for one in ended] == ["听力不好，请慢", "听力不好"]


def test_a_form_as_long_as_it_may_be_is_kept_as_a_draft(agent: Browser) -> None:
    long = {"what": "水" * 8000, "answer": "水" * 8000, "asked_for": "水" * 4000, "note": "水" * 2000}
    assert agent.send("PUT", f"/api/calls/{UID}/draft", {"body": long}).status_code == 200
