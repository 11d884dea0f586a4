"""Whom an agent calls or brings in: numbers are found on the server, with the rights of looking at them."""

from __future__ import annotations

from typing import Any

import pytest
from desktop_parts import Browser, Cti, past_call, seat_fact
from sqlalchemy import select

from agent_desktop.app import Parts
from db import numbers
from db.models import (
    AccessLog,
    JournalEvent,
    MissedAttempt,
    MissedCaller,
    NotReadyReason,
    TransferTarget,
    now,
)

pytest_plugins = ["desktop_fixtures"]


def keep(parts: Parts, *rows: Any) -> None:
    with parts.desk.sessions.begin() as db:
        db.add_all(rows)


def written_by(agent: Browser, uid: str | None = "pbx1-5.5") -> str:
    """Number of a ticket that the agent wrote in that call."""
    form = {"request_type": "help", "category_id": 1, "title": "停水", "what": "家中停水"}
    made = agent.post("/api/tickets", form | {"call_uid": uid})
    assert made.status_code == 201, made.json
    return str(made.json["number"])


def dialled(cti: Cti) -> dict[str, Any]:
    command = cti.commands[-1]
    assert (command.pop("name"), command.pop("seat")) == ("dial", "8001")
    return command


@pytest.mark.parametrize(
    ("typed", "number", "label"),
    [
        ("138 1234 5678", "13812345678", "138****5678"),
        ("+86 13812345678", "13812345678", "138****5678"),
        ("0571-87654321", "057187654321", "0571-8765****"),
        ("87654321", "057187654321", "0571-8765****"),
        ("10086", "10086", "10086"),
        ("001 312 555 0123", "0013125550123", "+131****23"),
    ],
)
def test_typed_digits_are_dialled_as_the_carrier_wants_them(
    agent: Browser, cti: Cti, typed: str, number: str, label: str
) -> None:
    assert agent.post("/api/seat/dial", {"number": typed}).status_code == 202
    assert dialled(cti) == {"number": number, "about": "", "label": label}


@pytest.mark.parametrize("typed", ["110", "120120", "112", "12345", "1", "abc", "9" * 25, "+"])
def test_what_is_no_number_to_call_is_refused_in_words(agent: Browser, cti: Cti, typed: str) -> None:
    answer = agent.post("/api/seat/dial", {"number": typed})
    assert (answer.status_code, answer.json["error"]) == (422, "bad_target")
    assert answer.json["message"].endswith("。")
    assert [c["name"] for c in cti.commands] == ["sign_in"]


def test_emergency_calls_are_transferred_though(agent: Browser, cti: Cti) -> None:
    assert agent.post("/api/seat/transfer", {"kind": "number", "target": "119"}).status_code == 202
    assert cti.commands[-1]["numbers"] == ["119"]


def test_a_ticket_a_call_and_again_are_dialled_without_the_page_knowing_the_number(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    keep(parts, past_call("pbx1-5.5"))
    ticket = written_by(agent)
    for body, about in [({"ticket": ticket}, f"ticket:{ticket}"), ({"call": "pbx1-5.5"}, "call:pbx1-5.5")]:
        assert agent.post("/api/seat/dial", body).status_code == 202
        assert dialled(cti) == {"number": "13812345678", "about": about, "label": "138****5678"}
    assert agent.post("/api/seat/dial", {"redial": True}).json["error"] == "nothing_to_redial"
    line = {"pbx": "pbx1", "file": "f", "at": now(), "agent": "agent01", "event": "DIALLED"}
    keep(parts, JournalEvent(**line, offset=1, data=["1", "8001", "057187654321", "", "dial_out", ""]))
    assert agent.post("/api/seat/dial", {"redial": True}).status_code == 202
    assert dialled(cti) == {"number": "057187654321", "about": "redial", "label": "0571-8765****"}


def test_nobody_dials_what_he_may_not_see_or_what_has_no_number(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    keep(parts, past_call("pbx1-6.6", agent="agent02"), past_call("pbx1-7.7", caller=""))
    ticket = written_by(agent, uid=None)
    for body, error in [
        ({"call": "pbx1-6.6"}, "not_found"),
        ({"ticket": "261121000013"}, "not_found"),
        ({"missed": 99}, "not_found"),
        ({"call": "pbx1-7.7"}, "no_number"),
        ({"ticket": ticket}, "no_number"),
    ]:
        assert agent.post("/api/seat/dial", body).json["error"] == error, body
    assert [c["name"] for c in cti.commands] == ["sign_in"]


def test_a_missed_caller_is_taken_by_whoever_dials_and_the_try_is_noted(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Any
) -> None:
    facts = {"kind": "abandoned_in_queue", "first_at": now(), "last_at": now(), "last_call_uid": "pbx1-1.1"}
    keep(parts, MissedCaller(caller="8613812345678", open_caller="8613812345678", **facts))
    cti.answers["dial"] = {"ok": False, "error": "unreachable"}
    assert agent.post("/api/seat/dial", {"missed": 1}).json["error"] == "unreachable"
    cti.answers.clear()
    assert agent.post("/api/seat/dial", {"missed": 1}).status_code == 202
    assert dialled(cti)["about"] == "missed:1"
    with parts.desk.sessions() as db:
        row = db.get_one(MissedCaller, 1)
        assert (row.taken_by, row.attempts) == (1, 1)
        assert [one.result for one in db.scalars(select(MissedAttempt))] == ["dialled"]
    other = open_browser()
    other.log_in("agent02", "8002")
    refused = other.post("/api/seat/dial", {"missed": 1})
    assert (refused.status_code, refused.json["error"]) == (409, "taken")


def targets() -> list[TransferTarget]:
    return [
        TransferTarget(group="专家组", name="住建专家", number="0571-88001001", position=2),
        TransferTarget(group="专家组", name="医保专家", number="13900000001", position=1),
        TransferTarget(group="专家组", name="已离任", number="13900000009", active=False),
        TransferTarget(group="律师组", name="值班律师", number="12348", note="工作日"),
    ]


def test_a_target_is_given_to_the_cti_with_its_numbers_and_its_name(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Any
) -> None:
    keep(parts, *targets())
    open_browser().log_in("agent02", "8002")
    for body, expected in [
        ({"kind": "queue", "target": "complaint"}, ([], "投诉举报")),
        ({"kind": "seat", "target": "8002"}, ([], "8002 姓名agent02")),
        ({"kind": "number", "target": "139 0000 0000"}, (["13900000000"], "139****0000")),
        ({"kind": "target", "target": "1"}, (["057188001001"], "住建专家")),
        ({"kind": "group", "target": "专家组"}, (["13900000001", "057188001001"], "专家组")),
    ]:
        verb = "transfer" if body["kind"] == "queue" else "consult"
        assert agent.post(f"/api/seat/{verb}", body).status_code == 202
        sent = cti.commands[-1]
        assert (sent["name"], sent["kind"], (sent["numbers"], sent["label"])) == (
            verb,
            body["kind"],
            expected,
        )


@pytest.mark.parametrize(
    ("kind", "target", "error"),
    [
        ("queue", "moon", "bad_target"),
        ("seat", "8099", "bad_target"),
        ("seat", "8001", "bad_target"),
        ("seat", "8002", "target_unreachable"),
        ("target", "3", "bad_target"),
        ("target", "x", "bad_target"),
        ("group", "空组", "bad_target"),
        ("number", "12345", "bad_target"),
    ],
)
def test_a_target_that_is_not_there_is_refused(
    agent: Browser, cti: Cti, parts: Parts, kind: str, target: str, error: str
) -> None:
    keep(parts, *targets())
    answer = agent.post("/api/seat/transfer", {"kind": kind, "target": target})
    assert answer.json["error"] == error
    assert answer.json["message"].endswith("。")


def test_the_catalogue_says_who_can_be_brought_in_and_what_they_are_doing(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    keep(parts, *targets())
    cti.seat("8001", activity="talking", call="pbx1-1.1")
    shown = agent.get("/api/catalogue").json["transfer"]
    assert shown == agent.get("/api/catalogue/transfer").json
    assert shown["seats"] == [
        {"number": "8001", "label": "一号席", "agent_name": "姓名agent01", "state": "talking"},
        {"number": "8002", "label": "二号席", "agent_name": None, "state": "signed_out"},
    ]
    assert shown["groups"] == [
        {"group": "专家组", "targets": [
            {"id": 2, "name": "医保专家", "note": ""}, {"id": 1, "name": "住建专家", "note": ""}]},
        {"group": "律师组", "targets": [{"id": 4, "name": "值班律师", "note": "工作日"}]},
    ]  # fmt: skip
    assert "1234" not in str(shown), "numbers stay here"


def test_reasons_come_from_the_table_with_their_limits(agent: Browser, cti: Cti, parts: Parts) -> None:
    before = agent.get("/api/catalogue").json["reasons"]
    assert before[0] == {"code": "break", "label": "小休", "limit_minutes": None}
    keep(
        parts,
        NotReadyReason(code="rest", label="工间休息", limit_minutes=15, position=2),
        NotReadyReason(code="visit", label="接待来访", limit_minutes=None, position=1),
        NotReadyReason(code="old", label="旧原因", limit_minutes=None, active=False),
    )
    shown = agent.get("/api/catalogue").json["reasons"]
    assert shown == [
        {"code": "visit", "label": "接待来访", "limit_minutes": None},
        {"code": "rest", "label": "工间休息", "limit_minutes": 15},
    ]
    assert agent.post("/api/seat/not-ready", {"reason": "rest"}).status_code == 202
    assert agent.post("/api/seat/not-ready", {"reason": "old"}).json["fields"]["reason"].endswith("。")


def test_a_pause_of_the_recording_is_written_down(agent: Browser, cti: Cti, parts: Parts) -> None:
    cti.call(state="talking", answered_at=9_000)
    for verb in ("pause-recording", "resume-recording"):
        assert agent.post(f"/api/seat/{verb}").status_code == 202
    cti.answers["pause_recording"] = {"ok": False, "error": "not_in_call"}
    assert agent.post("/api/seat/pause-recording").json["error"] == "not_in_call"
    with parts.desk.sessions() as db:
        noted = db.execute(select(AccessLog.action, AccessLog.object).where(AccessLog.action != "log_in"))
        assert [tuple(row) for row in noted] == [
            ("pause_recording", "call pbx1-1.1"),
            ("resume_recording", "call pbx1-1.1"),
        ]


def test_a_consulted_colleague_sees_the_call_and_never_the_number_of_a_party(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Any
) -> None:
    other = open_browser()
    other.log_in("agent02", "8002")
    page = parts.socketio.test_client(parts.app, flask_test_client=other.client)
    page.get_received()
    party = {"kind": "seat", "label": "8002 姓名agent02", "seat": "8002", "state": "ringing", "since": 7}
    cti.call(state="consulting", answered_at=9_000, party=party | {"number": "13900000001"})
    cti.seat("8002", activity="ringing", call="pbx1-1.1")
    pushed = page.get_received()[-1]["args"][0]["call"]
    assert (pushed["role"], pushed["state"], pushed["party"]) == ("party", "consulting", party)
    assert other.get("/api/seat").json["call"]["role"] == "party"
    assert other.get("/api/calls/pbx1-1.1/pop").status_code == 200
    assert agent.get("/api/seat").json["call"]["role"] == "agent"
    assert "13900000001" not in agent.get("/api/seat").text
    cti.seat("8002", activity="idle", call=None)
    cti.call(state="talking", answered_at=9_000, party=None)
    assert page.get_received()[-1]["args"][0]["call"] is None
    assert other.get("/api/calls/pbx1-1.1/pop").status_code == 200, "it was at the own seat"


def test_the_seat_tells_telephone_next_state_and_when_after_call_work_ends(agent: Browser, cti: Cti) -> None:
    cti.seat("8001", **seat_fact("8001", agent="agent01", telephone="browser", next="meal", until=99))
    seat = agent.get("/api/seat").json["seat"]
    assert (seat["telephone"], seat["next"], seat["until"]) == ("browser", "meal", 99)


def test_a_number_that_was_made_normal_can_be_dialled_again() -> None:
    for number in ("13812345678", "057187654321", "01087654321", "4001234567", "12348", "0013125550123"):
        assert numbers.dialled(numbers.normal(number, "0571")) == number
