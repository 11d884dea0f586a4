"""Tickets over HTTP: saved once, moved by the table, told to the writer's pages."""

from __future__ import annotations

from collections.abc import Callable

from desktop_parts import Browser, Cti
from sqlalchemy import func, select

from agent_desktop.app import Parts
from db.models import Draft, Ticket

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
FORM = {"request_type": "help", "category_id": 1, "title": "停水", "what": "昨晚起没有水"}


def count(parts: Parts, table: type[Ticket] | type[Draft]) -> int:
    with parts.desk.sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_saving_takes_the_number_from_the_call_and_the_draft_away(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    cti.call()
    agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": FORM})
    page = parts.socketio.test_client(parts.app, flask_test_client=agent.client)
    page.get_received()
    made = agent.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1", "contact_number": "8613900000000"})
    assert made.status_code == 201
    assert made.json["contact"]["masked"] == "138****5678"
    assert made.json["state"] == "pre_review"
    assert [one["action"] for one in made.json["timeline"]] == ["create", "accept"]
    assert count(parts, Draft) == 0
    assert [one["args"] for one in page.get_received()] == [[{"number": made.json["number"]}]]


def test_a_form_sent_twice_is_one_ticket(agent: Browser, parts: Parts) -> None:
    first = agent.post("/api/tickets", FORM, **{"Idempotency-Key": "a-b-c"})
    second = agent.post("/api/tickets", FORM, **{"Idempotency-Key": "a-b-c"})
    assert (first.status_code, first.json["number"]) == (second.status_code, second.json["number"])
    assert count(parts, Ticket) == 1


def test_a_form_with_faults_says_each_and_keeps_the_draft(agent: Browser, cti: Cti, parts: Parts) -> None:
    cti.call()
    agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": FORM})
    answer = agent.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1", "disposition": "dispatch"})
    assert (answer.status_code, answer.json["fields"]) == (422, {"unit_id": "转派需要选择承办单位。"})
    unknown = agent.post("/api/tickets", FORM | {"category_id": 99})
    assert unknown.json["fields"] == {"category_id": "没有这个诉求分类。"}
    assert (count(parts, Draft), count(parts, Ticket)) == (1, 0)


def test_a_direct_answer_closes_the_matter_at_once(agent: Browser) -> None:
    made = agent.post("/api/tickets", FORM | {"disposition": "direct", "answer": "今晚恢复供水"}).json
    assert (made["state_label"], made["open"], made["answer"]) == ("直办已答复", False, "今晚恢复供水")


def test_actions_follow_the_table_and_the_version(agent: Browser, cti: Cti, open_browser: Open) -> None:
    made = agent.post("/api/tickets", FORM).json
    path = f"/api/tickets/{made['number']}"
    assert "dispatch" in made["actions"]
    refused = agent.post(f"{path}/not_accept", {"note": "重复"})
    assert (refused.status_code, refused.json["error"]) == (403, "not_your_role")
    missing = agent.post(f"{path}/dispatch", {"version": made["version"]})
    assert (missing.status_code, list(missing.json["fields"])) == (422, ["unit_id"])
    sent = agent.post(f"{path}/dispatch", {"unit_id": 1, "version": made["version"]})
    assert (sent.status_code, sent.json["state_label"], sent.json["unit"]) == (200, "待签收", "市水务局")
    stale = agent.post(f"{path}/remark", {"note": "催办", "version": made["version"]})
    assert (stale.status_code, stale.json["error"]) == (409, "stale")
    wrong = agent.post(f"{path}/close", {"version": sent.json["version"]})
    assert (wrong.status_code, wrong.json["error"]) == (409, "not_allowed_in_state")
    assert agent.post(f"{path}/fly", {}).status_code == 404
    dispatcher = open_browser()
    dispatcher.log_in("dispatcher01")
    assert "sign" in dispatcher.get(path).json["actions"]


def test_the_list_knows_mine_and_words(agent: Browser, open_browser: Open) -> None:
    agent.post("/api/tickets", FORM)
    leader = open_browser()
    leader.log_in("leader01")
    assert agent.get("/api/tickets?mine=1&q=停水").json["total"] == 1
    assert leader.get("/api/tickets?mine=1").json["total"] == 0
    assert leader.get("/api/tickets?state=open").json["rows"][0]["title"] == "停水"


def test_a_number_that_is_none_is_not_found(agent: Browser) -> None:
    assert agent.get("/api/tickets/261121000010").json["message"] == "没有这张工单。"
    assert agent.get("/api/tickets/x").status_code == 404


def test_only_the_own_tickets_number_is_revealed_to_an_agent(
    agent: Browser, cti: Cti, open_browser: Open
) -> None:
    cti.call()
    made = agent.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1"}).json
    path = f"/api/tickets/{made['number']}/reveal-number"
    assert agent.post(path, {"reason": "核实地址"}).json == {"number": "13812345678"}
    other = open_browser()
    other.log_in("agent02", "8002")
    assert other.post(path, {"reason": "核实地址"}).status_code == 403
