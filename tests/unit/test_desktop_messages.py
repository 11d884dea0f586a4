"""Messages of the floor: to whom they go, read marks, pushes to the right rooms; and the help key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from desktop_parts import Browser, Cti
from sqlalchemy import select

from agent_desktop.app import Parts
from agent_desktop.message_rows import Reader, recipients
from db.models import AgentGroup, User

pytest_plugins = ["desktop_fixtures"]

FLOOR = [
    Reader(1, "a1", "agent", 7),
    Reader(2, "a2", "agent", 8),
    Reader(3, "l7", "shift_leader", 7),
    Reader(4, "l0", "shift_leader", None),
    Reader(5, "s", "supervisor", None),
    Reader(6, "i", "inspector", None),
]


@pytest.mark.parametrize(
    ("sender", "role", "group", "kind", "target", "reached"),
    [
        (5, "supervisor", None, "user", "a1", [1]),
        (5, "supervisor", None, "user", "nobody", []),
        (5, "supervisor", None, "group", "7", [1, 3]),
        (3, "shift_leader", 7, "group", "7", [1]),
        (3, "shift_leader", 7, "all", "", [1, 2, 4, 5, 6]),
        (1, "agent", 7, "all", "", [3]),
        (2, "agent", 8, "user", "a1", [4, 5]),
        (1, "agent", None, "group", "7", [4, 5]),
        (6, "inspector", None, "group", "", [4, 5]),
    ],
)
def test_whom_a_message_reaches(
    sender: int, role: str, group: int | None, kind: str, target: str, reached: list[int]
) -> None:
    assert recipients(FLOOR, sender, role, group, kind, target) == reached


@pytest.fixture
def groups(parts: Parts) -> None:
    """agent01 and leader01 are in group 1."""
    with parts.desk.sessions.begin() as db:
        db.add(AgentGroup(name="话务一组"))
        db.flush()
        for login in ("agent01", "leader01"):
            db.scalars(select(User).where(User.login == login)).one().group_id = 1


@pytest.fixture
def pushed(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str | None]]:
    seen: list[tuple[str, Any, str | None]] = []
    monkeypatch.setattr(
        parts.desk.floor,
        "emit",
        lambda event, payload, room: seen.append((event, payload, room)) if event == "message" else None,
    )
    return seen


def test_a_message_is_read_and_the_sender_sees_it(
    parts: Parts,
    groups: None,
    agent: Browser,
    open_browser: Callable[[], Browser],
    pushed: list[tuple[str, Any, str | None]],
) -> None:
    leader = open_browser()
    leader.log_in("leader01")
    body = {"kind": "group", "target": "1", "text": "请注意礼貌用语", "urgent": True}
    sent = leader.post("/api/messages", body)
    assert (sent.status_code, sent.json["to_label"], sent.json["receipts"]) == (
        201,
        "话务一组",
        {"read": 0, "total": 1},
    )
    number = sent.json["id"]
    assert pushed == [("message", {"id": number, "unread": 1}, "user:1")]
    listed = agent.get("/api/messages").json
    assert (listed["unread"], listed["rows"][0]["urgent"], listed["rows"][0]["read_at"]) == (1, True, None)
    pushed.clear()
    first = agent.post(f"/api/messages/{number}/read").json["read_at"]
    assert agent.post(f"/api/messages/{number}/read").json["read_at"] == first
    assert pushed[:2] == [
        ("message", {"id": number, "unread": 0, "read_by_me": True}, "user:1"),
        ("message", {"id": number, "unread": 0, "read": 1, "total": 1}, "user:3"),
    ]
    [mark] = leader.get(f"/api/messages/{number}/receipts").json["rows"]
    assert (mark["name"], mark["read_at"]) == ("姓名agent01", first)
    assert agent.get(f"/api/messages/{number}/receipts").status_code == 404
    assert leader.post(f"/api/messages/{number}/read").status_code == 404
    assert agent.get("/api/messages").json["unread"] == 0


def test_an_agent_answers_to_the_own_leaders(
    parts: Parts, groups: None, agent: Browser, open_browser: Callable[[], Browser]
) -> None:
    answer = agent.post("/api/messages", {"text": "系统很慢", "kind": "all"})
    assert (answer.json["to_label"], answer.json["receipts"]["total"]) == ("话务一组班长", 1)
    leader = open_browser()
    leader.log_in("leader01")
    [row] = leader.get("/api/messages").json["rows"]
    assert (row["text"], row["sender_name"], row["mine"]) == ("系统很慢", "姓名agent01", False)
    assert agent.get("/api/messages/targets").status_code == 403
    targets = leader.get("/api/messages/targets").json
    assert targets["groups"] == [{"id": 1, "name": "话务一组", "people": 1}]
    assert {one["login"]: one["seat"] for one in targets["people"]}["agent01"] == "8001"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "  ", "kind": "all"}, "text"),
        ({"text": "好" * 501, "kind": "all"}, "text"),
        ({"text": "好", "kind": "user", "target": "nobody"}, "target"),
        ({"text": "好", "kind": "group", "target": "99"}, "target"),
        ({"text": "好", "kind": "everywhere"}, "kind"),
    ],
)
def test_a_message_to_nobody_is_refused(
    cti: Cti, open_browser: Callable[[], Browser], body: dict[str, Any], field: str
) -> None:
    leader = open_browser()
    leader.log_in("leader01")
    refused = leader.post("/api/messages", body)
    assert (refused.status_code, list(refused.json["fields"])) == (422, [field])


def test_help_is_asked_for_and_taken_back(cti: Cti, agent: Browser) -> None:
    cti.commands.clear()
    assert agent.post("/api/seat/ask-help").status_code == 202
    assert agent.post("/api/seat/cancel-help").status_code == 202
    assert cti.commands == [{"name": "ask_help", "seat": "8001"}, {"name": "cancel_help", "seat": "8001"}]
    cti.answers["ask_help"] = {"ok": False, "error": "not_signed_in"}
    assert agent.post("/api/seat/ask-help").json["error"] == "not_signed_in"
