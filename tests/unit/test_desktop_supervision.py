"""What supervisors do: whom they may act on, what is noted, what the cti is asked, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from desktop_parts import Browser, Cti
from sqlalchemy import select, update

from agent_desktop import floor_changes, floor_settings
from agent_desktop.app import Parts
from agent_desktop.floor_rights import may_act_on
from db.models import (
    AccessLog,
    AgentGroup,
    OverflowRule,
    QueueSwitch,
    SkillOverride,
    SpecialDeskPeriod,
    Supervision,
    User,
    now,
)

pytest_plugins = ["desktop_fixtures"]

Open = Callable[[], Browser]
WAITING = "pbx1-7.7"


@pytest.mark.parametrize(
    ("role", "group", "agent_group", "may"),
    [
        ("supervisor", None, 1, True),
        ("supervisor", 2, 1, True),
        ("administrator", None, None, True),
        ("shift_leader", 1, 1, True),
        ("shift_leader", 1, 2, False),
        ("shift_leader", 1, None, False),
        ("shift_leader", None, 2, True),
        ("agent", None, None, False),
        ("inspector", 1, 1, False),
        ("dispatcher", 1, 1, False),
    ],
)
def test_a_shift_leader_acts_on_the_own_group_and_supervisors_on_all(
    role: str, group: int | None, agent_group: int | None, may: bool
) -> None:
    assert may_act_on(role, group, agent_group) is may


@pytest.fixture
def leader(agent: Browser, cti: Cti, open_browser: Open) -> Browser:
    """leader01, while agent01 sits at 8001."""
    cti.seat("8001", presence="ready", reason=None)
    cti.commands.clear()
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


@pytest.fixture
def supervisor(leader: Browser, open_browser: Open) -> Browser:
    browser = open_browser()
    assert browser.log_in("supervisor01").status_code == 200
    return browser


def noted(parts: Parts) -> list[tuple[str, str, str]]:
    with parts.desk.sessions() as db:
        rows = db.scalars(select(AccessLog).where(AccessLog.action != "log_in").order_by(AccessLog.id))
        return [(row.action, row.object, row.reason) for row in rows]


def force(browser: Browser, verb: str, seat: str = "8001", **more: Any) -> Any:
    return browser.post(f"/api/floor/seats/{seat}/force", {"verb": verb, "reason": "示例原因", **more})


def watching(cti: Cti, by: str = "leader01", **facts: Any) -> None:
    fact = {"id": by, "by": by, "seat": "8001", "call": "pbx1-1.1", "mode": "listen", "state": "on"}
    cti.tell("watch", by, fact | {"telephone": "browser", "follow": False, "since": 1} | facts)


# --- rights ----------------------------------------------------------------------------------------------


def in_groups(parts: Parts, **groups: str) -> None:
    with parts.desk.sessions.begin() as db:
        for name in sorted(set(groups.values())):
            group = AgentGroup(name=name)
            db.add(group)
            db.flush()
            logins = [login for login, of in groups.items() if of == name]
            db.execute(update(User).where(User.login.in_(logins)).values(group_id=group.id))
    parts.desk.people._known.clear()


def test_a_shift_leader_is_refused_at_the_seats_of_another_group(
    leader: Browser, supervisor: Browser, parts: Parts, cti: Cti
) -> None:
    in_groups(parts, leader01="一组", agent01="二组")
    assert leader.get("/api/session").json["user"]["group_id"] == 1
    for path, body in [
        ("floor/seats/8001/force", {"verb": "ready"}),
        ("floor/seats/8001/take-help", {}),
        ("floor/seats/8001/queues", {"queue": "complaint", "add": False, "reason": "原因"}),
        ("supervision/watch", {"seat": "8001"}),
    ]:
        answer = leader.post(f"/api/{path}", body)
        assert (answer.status_code, answer.json["error"]) == (403, "not_your_group"), path
    assert cti.commands == []
    assert noted(parts) == []
    assert force(supervisor, "ready").status_code == 202
    in_groups(parts, leader01="三组", agent01="三组")
    assert force(leader, "ready").status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "floor/queues/complaint/switch", {"state": "closed", "reason": "原因"}),
        ("PUT", "floor/queues/complaint/overflow", {"then": None}),
        ("PUT", "floor/settings", {"wall_notice": "x"}),
    ],
)
def test_what_concerns_the_whole_floor_is_not_for_shift_leaders(
    leader: Browser, method: str, path: str, body: dict[str, Any]
) -> None:
    assert leader.send(method, f"/api/{path}", body).status_code == 403


# --- forcing ---------------------------------------------------------------------------------------------


def test_each_verb_is_noted_with_its_reason_and_reaches_the_cti(
    leader: Browser, cti: Cti, parts: Parts
) -> None:
    cti.call()
    cti.seat("8001", call="pbx1-1.1", activity="talking")
    assert force(leader, "ready", reason="").status_code == 202
    assert force(leader, "not_ready", reason_code="meeting").status_code == 202
    assert force(leader, "hang_up", expects={"agent": "agent01", "uid": "pbx1-1.1"}).status_code == 202
    assert force(leader, "sign_out").status_code == 202
    expects = {"agent": "agent01"}
    assert cti.commands == [
        {"name": "ready", "seat": "8001", "expects": expects},
        {"name": "not_ready", "seat": "8001", "expects": expects, "reason": "meeting"},
        {"name": "hang_up", "seat": "8001", "expects": expects | {"uid": "pbx1-1.1"}},
        {"name": "sign_out", "seat": "8001", "expects": expects},
    ]
    assert noted(parts) == [
        ("force_ready", "8001 agent01", ""),
        ("force_not_ready", "8001 agent01", "会议：示例原因"),
        ("force_hang_up", "8001 agent01 pbx1-1.1", "示例原因"),
        ("force_sign_out", "8001 agent01", "示例原因"),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"verb": "not_ready", "reason": "", "reason_code": "meal"}, "reason"),
        ({"verb": "not_ready", "reason": "  一 ", "reason_code": "meal"}, "reason"),
        ({"verb": "not_ready", "reason": "原因", "reason_code": "nap"}, "reason_code"),
        ({"verb": "sign_out", "reason": ""}, "reason"),
        ({"verb": "hang_up"}, "reason"),
        ({"verb": "explode", "reason": "原因"}, "verb"),
    ],
)
def test_forcing_without_a_written_reason_is_refused(
    leader: Browser, cti: Cti, body: dict[str, Any], field: str
) -> None:
    answer = leader.post("/api/floor/seats/8001/force", body)
    assert (answer.status_code, list(answer.json["fields"])) == (422, [field])
    assert cti.commands == []


def test_the_agent_is_told_who_did_it_and_why(
    agent: Browser, leader: Browser, cti: Cti, parts: Parts
) -> None:
    page = parts.socketio.test_client(parts.app, flask_test_client=agent.client)
    page.get_received()
    force(leader, "not_ready", reason_code="meeting")
    [told] = [one["args"][0] for one in page.get_received() if one["name"] == "forced"]
    assert told == {"verb": "not_ready", "by_name": "姓名leader01", "reason": "示例原因"}


def test_a_call_with_somebody_brought_in_is_ended_for_all(leader: Browser, cti: Cti) -> None:
    cti.call(state="three_way", party={"kind": "seat", "seat": "8002", "label": "x", "state": "joined"})
    cti.seat("8001", call="pbx1-1.1", activity="talking")
    force(leader, "hang_up")
    cti.seat("8002", agent="agent02", presence="ready", call="pbx1-1.1", activity="talking")
    force(leader, "hang_up", seat="8002")
    assert [(one["name"], one["seat"]) for one in cti.commands] == [("end_all", "8001"), ("hang_up", "8002")]


def test_a_seat_that_changed_in_the_same_instant_is_left_alone(
    leader: Browser, cti: Cti, parts: Parts
) -> None:
    for expects in ({"agent": "agent02"}, {"agent": "agent01", "uid": "pbx1-9.9"}):
        answer = force(leader, "ready", expects=expects)
        assert (answer.status_code, answer.json["error"]) == (409, "changed")
    assert (cti.commands, noted(parts)) == ([], [])
    cti.answers["ready"] = {"ok": False, "error": "changed"}
    assert force(leader, "ready").json["error"] == "changed"
    assert [action for action, _, _ in noted(parts)] == ["force_ready", "force_ready_refused"]


def test_what_asterisk_refuses_is_noted_as_refused_and_said_in_a_supervisors_words(
    leader: Browser, cti: Cti, parts: Parts
) -> None:
    cti.answers["sign_out"] = {"ok": False, "error": "in_call"}
    answer = force(leader, "sign_out")
    assert (answer.status_code, answer.json["message"]) == (
        409,
        "该坐席还在通话中，请先等通话结束，或先强制挂断。",
    )
    assert noted(parts)[-1] == ("force_sign_out_refused", "8001 agent01", "in_call")
    cti.disconnect()
    assert force(leader, "ready").status_code == 503
    assert noted(parts)[-1] == ("force_ready_refused", "8001 agent01", "link_down")


def test_nobody_there_is_said(leader: Browser) -> None:
    assert force(leader, "ready", seat="8002").json["error"] == "not_signed_in"
    assert force(leader, "ready", seat="9999").status_code == 404


def test_who_was_signed_out_by_force_comes_back_by_a_log_in_only(
    agent: Browser, leader: Browser, cti: Cti
) -> None:
    assert force(leader, "sign_out").status_code == 202
    cti.answers["ready"] = {"ok": False, "error": "not_signed_in"}
    answer = agent.post("/api/seat/ready")
    assert (answer.status_code, answer.json["error"]) == (409, "forced_out")
    assert agent.log_in("agent01", "8001").status_code == 200
    cti.answers.clear()
    assert agent.post("/api/seat/ready").status_code == 202


# --- listening -------------------------------------------------------------------------------------------


def test_listening_is_noted_before_anything_is_heard(leader: Browser, cti: Cti, parts: Parts) -> None:
    cti.call()
    cti.seat("8001", call="pbx1-1.1", activity="talking")
    heard: list[list[tuple[str, str, str]]] = []
    ask = parts.desk.floor.ask

    def listening(socket: str, command: Any, answer: Any) -> None:
        heard.append(noted(parts))
        ask(socket, command, answer)

    parts.desk.floor.ask = listening
    body = {"seat": "8001", "mode": "whisper", "telephone": "8002", "follow": True}
    assert leader.post("/api/supervision/watch", body).status_code == 202
    assert heard == [[("watch", "8001 agent01 pbx1-1.1", "密语，话机 8002，跟随下一通")]]
    assert cti.commands == [
        {
            "name": "watch",
            "seat": "8001",
            "by": "leader01",
            "mode": "whisper",
            "telephone": "8002",
            "endpoint": "8002",
            "follow": True,
            "expects": {"agent": "agent01"},
        }
    ]


def test_a_browser_is_named_by_the_account(leader: Browser, cti: Cti) -> None:
    assert leader.post("/api/supervision/watch", {"seat": "8001"}).status_code == 202
    assert (cti.commands[0]["telephone"], cti.commands[0]["endpoint"]) == ("browser", "v3")


@pytest.mark.parametrize("error", ["no_call", "own_seat", "telephone_busy", "in_call", "telephone_silent"])
def test_a_refused_watch_says_what_to_do(leader: Browser, cti: Cti, parts: Parts, error: str) -> None:
    cti.answers["watch"] = {"ok": False, "error": error}
    answer = leader.post("/api/supervision/watch", {"seat": "8001"})
    assert (answer.status_code, answer.json["error"]) == (409, error)
    assert answer.json["message"].endswith("。")
    assert noted(parts)[-1] == ("watch_refused", "8001 agent01", error)


def test_mode_take_over_and_leaving_concern_the_own_watch(leader: Browser, cti: Cti, parts: Parts) -> None:
    for path, body in [("mode", {"mode": "barge"}), ("take-over", {"reason": "市民要求换人"})]:
        assert leader.post(f"/api/supervision/{path}", body).json["error"] == "not_watching"
    assert leader.post("/api/supervision/leave", {}).status_code == 202
    assert cti.commands == []
    watching(cti)
    assert leader.post("/api/supervision/mode", {"mode": "barge"}).status_code == 202
    assert leader.post("/api/supervision/take-over", {}).status_code == 422
    assert leader.post("/api/supervision/take-over", {"reason": "市民要求换人"}).status_code == 202
    assert leader.post("/api/supervision/leave", {}).status_code == 202
    assert cti.commands == [
        {"name": "watch_mode", "seat": "8001", "by": "leader01", "mode": "barge"},
        {"name": "take_over", "seat": "8001", "by": "leader01"},
        {"name": "unwatch", "seat": "8001", "by": "leader01"},
    ]
    assert [action for action, _, _ in noted(parts)] == ["watch_mode", "take_over", "unwatch"]


def test_the_agent_is_told_of_listeners_only_where_that_is_set(
    agent: Browser, leader: Browser, supervisor: Browser, cti: Cti, parts: Parts
) -> None:
    page = parts.socketio.test_client(parts.app, flask_test_client=agent.client)

    def told() -> list[Any]:
        return [one["args"][0] for one in page.get_received() if one["name"] == "watched"]

    watching(cti)
    assert told() == []
    supervisor.send("PUT", "/api/floor/settings", {"supervision_notice": True})
    watching(cti, state="calling")
    watching(cti, mode="whisper")
    watching(cti, by="admin", state="calling")
    cti.tell("watch", "leader01", None)
    assert told() == [{"modes": []}, {"modes": ["whisper"]}, {"modes": []}]


def test_desk_phones_that_are_free_to_listen_with(leader: Browser, cti: Cti) -> None:
    assert leader.get("/api/supervision/phones").json == {"phones": [{"seat": "8002", "label": "二号席"}]}
    watching(cti, by="admin", telephone="8002")
    assert leader.get("/api/supervision/phones").json == {"phones": []}


def test_a_supervisors_browser_telephone_is_held_by_one_page(leader: Browser, cti: Cti, parts: Parts) -> None:
    cti.answers["leader_phone"] = {"ok": True, "phone": {"user": "v3", "password": "p"}}
    made = leader.post("/api/supervision/phone", {"page": "one"})
    assert (made.json["user"], made.json["uri"]) == ("v3", "sip:v3@hotline")
    other = leader.post("/api/supervision/phone", {"page": "two"})
    assert (other.status_code, other.json["error"]) == (409, "phone_elsewhere")
    taken = leader.post("/api/supervision/phone", {"page": "two", "take_over": True})
    assert taken.status_code == 200
    assert leader.send("DELETE", "/api/supervision/phone").status_code == 204
    assert cti.commands[-1] == {"name": "leader_phone_gone", "user": 3}
    leader.post("/api/supervision/phone", {"page": "one"})
    leader.send("DELETE", "/api/session")
    assert cti.commands[-1] == {"name": "leader_phone_gone", "user": 3}
    assert not parts.desk.holders.is_held("user:3")


def test_help_is_taken_once(agent: Browser, leader: Browser, cti: Cti, parts: Parts) -> None:
    assert leader.post("/api/floor/seats/8001/take-help", {}).status_code == 202
    assert cti.commands[-1] == {"name": "take_help", "seat": "8001", "by": "leader01"}
    cti.answers["take_help"] = {"ok": False, "error": "not_asked"}
    answer = leader.post("/api/floor/seats/8001/take-help", {})
    assert (answer.status_code, answer.json["message"]) == (409, "该坐席的求助已由他人处理或已取消。")


# --- a seat's queues ---------------------------------------------------------------------------------------


def change_queue(browser: Browser, **body: Any) -> Any:
    return browser.post("/api/floor/seats/8001/queues", {"reason": "支援", **body})


def overrides(parts: Parts) -> list[tuple[int, str, int | None]]:
    with parts.desk.sessions() as db:
        return [(row.user_id, row.queue, row.penalty) for row in db.scalars(select(SkillOverride))]


def test_a_seat_is_taken_out_of_a_queue_and_put_back(leader: Browser, cti: Cti, parts: Parts) -> None:
    cti.answers["skills_changed"] = {"ok": True, "queues": ["consultation"]}
    answer = change_queue(leader, queue="complaint", add=False)
    assert (answer.status_code, answer.json["pending"]) == (202, False)
    assert timedelta(hours=11) < datetime.fromtimestamp(answer.json["until"] / 1000, UTC) - now()
    assert overrides(parts) == [(1, "complaint", None)]
    assert cti.commands == [{"name": "skills_changed", "agent": "agent01"}]
    cti.answers["skills_changed"] = {"ok": True, "queues": ["consultation", "complaint"]}
    back = change_queue(leader, queue="complaint", add=True)
    assert (back.json["pending"], back.json["until"], overrides(parts)) == (False, None, [])
    assert [one[:2] for one in noted(parts)] == [
        ("queue_remove", "8001 agent01 complaint"),
        ("queue_add", "8001 agent01 complaint"),
    ]


def test_what_waits_for_a_call_to_end_is_said(leader: Browser, cti: Cti) -> None:
    cti.answers["skills_changed"] = {"ok": True, "queues": ["consultation", "complaint"]}
    answer = change_queue(leader, queue="complaint", add=False)
    assert (answer.json["pending"], answer.json["message"][-1]) == (True, "。")


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"queue": "complaint", "add": True}, 409, "unchanged"),
        ({"queue": "moon", "add": True}, 404, "not_found"),
        ({"queue": "complaint", "add": False, "until": 1}, 422, "invalid"),
        ({"queue": "complaint", "add": False, "until": 4_102_444_000_000}, 422, "invalid"),
        ({"queue": "complaint", "add": False, "reason": ""}, 422, "invalid"),
        ({"queue": "complaint"}, 422, "invalid"),
    ],
)
def test_a_queue_change_that_makes_no_sense_is_refused(
    leader: Browser, cti: Cti, parts: Parts, body: dict[str, Any], status: int, error: str
) -> None:
    answer = change_queue(leader, **body)
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert (cti.commands, overrides(parts), noted(parts)) == ([], [], [])


def test_the_last_queue_of_a_seat_stays(leader: Browser, cti: Cti, parts: Parts) -> None:
    cti.seat("8001", queues=["complaint"])
    assert change_queue(leader, queue="complaint", add=False).json["error"] == "last_queue"
    assert overrides(parts) == []


def test_an_override_that_is_over_counts_no_more(leader: Browser, cti: Cti, parts: Parts) -> None:
    with parts.desk.sessions.begin() as db:
        db.add(SkillOverride(user_id=1, queue="complaint", penalty=None, until=now() - timedelta(1)))
    assert change_queue(leader, queue="complaint", add=True).json["error"] == "unchanged"
    assert change_queue(leader, queue="complaint", add=False).status_code == 202


def test_a_change_that_the_telephone_has_not_confirmed_says_so_and_stays(
    leader: Browser, cti: Cti, parts: Parts
) -> None:
    cti.answers["skills_changed"] = {"ok": False, "error": "timeout"}
    answer = change_queue(leader, queue="complaint", add=False)
    assert (answer.status_code, answer.json["error"]) == (503, "not_confirmed")
    assert overrides(parts) != []
    cti.disconnect()
    assert change_queue(leader, queue="complaint", add=True).json["error"] == "link_down"


# --- callers -----------------------------------------------------------------------------------------------


def move(browser: Browser, to: str, target: str = "", uid: str = WAITING, **more: Any) -> Any:
    body = {"to": to, "target": target, "reason": "紧急求助", **more}
    return browser.post(f"/api/floor/callers/{uid}/move", body)


@pytest.fixture
def waiting(cti: Cti, leader: Browser) -> str:
    cti.call(WAITING, state="queue", seat=None)
    return WAITING


def test_a_caller_is_moved_three_ways(leader: Browser, waiting: str, cti: Cti, parts: Parts) -> None:
    assert move(leader, "front").status_code == 202
    assert move(leader, "queue", "complaint").status_code == 202
    assert move(leader, "seat", "8001").status_code == 202
    about = {"name": "move_caller", "uid": waiting, "by": "leader01"}
    assert cti.commands == [
        {**about, "to": "front", "target": "", "agent": None},
        {**about, "to": "queue", "target": "complaint", "agent": None},
        {**about, "to": "seat", "target": "8001", "agent": "agent01"},
    ]
    assert noted(parts)[0] == ("move_caller", f"{waiting} consultation", "→ 队首：紧急求助")


def test_a_caller_is_not_moved_to_where_nobody_is(
    leader: Browser, waiting: str, cti: Cti, parts: Parts
) -> None:
    assert move(leader, "queue", "moon").json["error"] == "bad_target"
    assert move(leader, "queue", "consultation").json["error"] == "bad_target"
    with parts.desk.sessions.begin() as db:
        db.add(QueueSwitch(queue="complaint", state="closed"))
    assert move(leader, "queue", "complaint").json["error"] == "queue_closed"
    assert move(leader, "seat", "8002").json["error"] == "not_signed_in"
    assert move(leader, "front", uid="pbx1-8.8").json["error"] == "call_gone"
    assert move(leader, "front", reason="").status_code == 422
    assert cti.commands == []
    cti.answers["move_caller"] = {"ok": False, "error": "ringing"}
    answer = move(leader, "front")
    assert (answer.status_code, noted(parts)[-1][0]) == (409, "move_caller_refused")
    assert "振铃" in answer.json["message"]


# --- queues ------------------------------------------------------------------------------------------------


def test_a_queue_is_closed_and_opened_over_its_periods(supervisor: Browser, cti: Cti, parts: Parts) -> None:
    path = "/api/floor/queues/complaint/switch"
    until = round((now() + timedelta(hours=2)).timestamp() * 1000)
    closed = supervisor.send("PUT", path, {"state": "closed", "reason": "系统演练", "until": until})
    assert closed.json == {
        "queue": "complaint",
        "open": False,
        "switch": {"state": "closed", "until": until, "by_name": "姓名supervisor01", "reason": "系统演练"},
    }
    assert [one["name"] for one in cti.commands] == ["skills_changed"]
    today = datetime.now(UTC).date()
    with parts.desk.sessions.begin() as db:
        db.add(
            SpecialDeskPeriod(
                queue="complaint", opens_on=today + timedelta(9), closes_on=today + timedelta(10)
            )
        )
    assert supervisor.send("PUT", path, {"state": None}).json == {
        "queue": "complaint",
        "open": False,
        "switch": None,
    }
    assert supervisor.send("PUT", path, {"state": "open"}).json["open"] is True
    assert [action for action, _, _ in noted(parts)] == ["queue_closed", "queue_as_planned", "queue_open"]


def test_the_main_queue_cannot_be_closed(supervisor: Browser, cti: Cti, parts: Parts) -> None:
    body = {"state": "closed", "reason": "系统演练"}
    answer = supervisor.send("PUT", "/api/floor/queues/consultation/switch", body)
    assert (answer.status_code, answer.json["error"]) == (409, "main_queue")
    unsaid = supervisor.send("PUT", "/api/floor/queues/complaint/switch", {"state": "closed"})
    assert (unsaid.status_code, list(unsaid.json["fields"])) == (422, ["reason"])
    assert supervisor.send("PUT", "/api/floor/queues/moon/switch", {"state": "open"}).status_code == 404
    assert (cti.commands, noted(parts)) == ([], [])


def test_an_overflow_rule_is_set_and_taken_back(supervisor: Browser, cti: Cti, parts: Parts) -> None:
    path = "/api/floor/queues/consultation/overflow"
    rule = {"after_seconds": 45, "then": "queue", "target": "complaint"}
    shown = supervisor.send("PUT", path, rule)
    assert shown.json == {"queue": "consultation", "overflow": {**rule, "by_name": "姓名supervisor01"}}
    with parts.desk.sessions() as db:
        assert floor_changes.overflows(db)["consultation"]["after_seconds"] == 45
    assert supervisor.send("PUT", path, {"then": None}).json["overflow"] is None
    with parts.desk.sessions() as db:
        assert db.scalars(select(OverflowRule)).all() == []
    assert noted(parts) == [
        ("overflow", "consultation", "45 秒后 queue complaint"),
        ("overflow", "consultation", "取消"),
    ]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"after_seconds": 45, "then": "queue", "target": "consultation"}, "target"),
        ({"after_seconds": 45, "then": "queue", "target": "moon"}, "target"),
        ({"after_seconds": 45, "then": "queue"}, "target"),
        ({"after_seconds": 45, "then": "duty"}, "then"),
        ({"then": "offer"}, "after_seconds"),
        ({"after_seconds": 4, "then": "offer"}, "after_seconds"),
        ({}, "then"),
    ],
)
def test_an_overflow_rule_that_leads_nowhere_is_refused(
    supervisor: Browser, cti: Cti, rule: dict[str, Any], field: str
) -> None:
    answer = supervisor.send("PUT", "/api/floor/queues/consultation/overflow", rule)
    assert (answer.status_code, list(answer.json["fields"])) == (422, [field])
    assert cti.commands == []


# --- settings and logs -------------------------------------------------------------------------------------


def test_settings_have_defaults_and_each_change_is_noted(supervisor: Browser, parts: Parts) -> None:
    assert supervisor.get("/api/floor/settings").json == dict(floor_settings.DEFAULTS)
    changed = supervisor.send("PUT", "/api/floor/settings", {"long_talk_seconds": 300, "wall_notice": "演练"})
    assert (changed.json["long_talk_seconds"], parts.desk.names.floor["wall_notice"]) == (300, "演练")
    assert noted(parts) == [
        ("floor_settings", "long_talk_seconds", "long_talk_seconds: 600 → 300"),
        ("floor_settings", "wall_notice", "wall_notice:  → 演练"),
    ]
    wrong = supervisor.send("PUT", "/api/floor/settings", {"long_talk_seconds": -1})
    assert wrong.status_code == 422


def test_the_audit_says_who_did_what_and_what_was_refused(leader: Browser, cti: Cti) -> None:
    force(leader, "ready")
    cti.answers["hang_up"] = {"ok": False, "error": "call_gone"}
    force(leader, "hang_up")
    rows = leader.get("/api/audit").json["rows"]
    assert [(row["action"], row["refused"]) for row in rows] == [
        ("force_hang_up", True),
        ("force_hang_up", False),
        ("force_ready", False),
    ]
    assert (rows[2]["by_name"], rows[2]["action_label"], rows[2]["object_label"]) == (
        "姓名leader01",
        "强制示闲",
        "一号席 姓名agent01",
    )
    assert len(leader.get("/api/audit?action=force_ready&by=leader01").json["rows"]) == 1
    assert leader.get(f"/api/audit?from={rows[0]['at'] + 60_000}").json["rows"] == []
    assert leader.get("/api/audit?action=moon").status_code == 422


def test_the_log_of_listening_is_the_ledgers(leader: Browser, parts: Parts) -> None:
    began = now() - timedelta(minutes=5)
    with parts.desk.sessions.begin() as db:
        db.add(
            Supervision(
                call_uid="pbx1-1.1",
                seat="8001",
                agent="agent01",
                supervisor="leader01",
                mode="whisper",
                telephone="browser",
                began_at=began,
                ended_at=began + timedelta(seconds=42),
                ended_as="left",
            )
        )
    [row] = leader.get("/api/supervision/log?agent=agent01").json["rows"]
    assert (row["supervisor_name"], row["mode_label"], row["seconds"], row["ended_as_label"]) == (
        "姓名leader01",
        "密语",
        42,
        "退出",
    )
    assert leader.get("/api/supervision/log?by=admin").json["rows"] == []
