"""The pop, drafts, lists and reveals: the right facts, masked, for the right people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from desktop_parts import MOBILE, Browser, Cti, past_call
from sqlalchemy import event, select

from agent_desktop.app import Parts
from db.models import AccessLog, Call, JournalEvent, now

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
FORM = {"request_type": "help", "category_id": 1, "title": "停水", "what": "昨晚起没有水"}


def ringing(cti: Cti, uid: str = "pbx1-1.1", **facts: object) -> None:
    cti.call(uid, **facts)
    cti.seat("8001", activity="ringing", call=uid)


def remember(parts: Parts, *calls: Call) -> None:
    with parts.desk.sessions.begin() as session:
        session.add_all(calls)


def test_a_pop_says_who_calls_and_what_is_open(agent: Browser, cti: Cti, parts: Parts) -> None:
    remember(parts, past_call("pbx1-0.1"), past_call("pbx1-0.2", arrived_at=now() - timedelta(days=3)))
    ringing(cti)
    made = agent.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1", "citizen": {"id": 1}})
    assert made.status_code == 201
    pop = agent.get("/api/calls/pbx1-1.1/pop").json
    assert pop["number"]["masked"] == "138****5678"
    assert [(one["name"], one["open_tickets"]) for one in pop["candidates"]] == [("王女士", 1)]
    assert [one["uid"] for one in pop["recent_calls"]] == ["pbx1-0.1", "pbx1-0.2"]
    assert [one["number"] for one in pop["tickets"]] == [made.json["number"]]
    assert pop["repeat"] == {"calls_24h": 1, "calls_7d": 2, "flag": False}
    assert pop["path_labels"] == ["1 咨询"]
    assert MOBILE[2:] not in str(pop)


def test_a_caller_who_tries_again_and_again_is_flagged(agent: Browser, cti: Cti, parts: Parts) -> None:
    remember(parts, past_call("pbx1-0.1"), past_call("pbx1-0.2"))
    ringing(cti)
    assert agent.get("/api/calls/pbx1-1.1/pop").json["repeat"]["flag"] is True


def test_a_withheld_number_finds_nobody(agent: Browser, cti: Cti, parts: Parts) -> None:
    remember(parts, past_call("pbx1-0.1", caller=""))
    ringing(cti, caller="anonymous")
    pop = agent.get("/api/calls/pbx1-1.1/pop").json
    assert (pop["withheld"], pop["candidates"], pop["recent_calls"]) == (True, [], [])


def test_a_pop_asks_the_database_few_questions(agent: Browser, cti: Cti, parts: Parts) -> None:
    remember(parts, *(past_call(f"pbx1-0.{n}") for n in range(30)))
    ringing(cti)
    asked: list[str] = []

    @event.listens_for(parts.desk.sessions.kw["bind"], "before_cursor_execute")
    def _count(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    assert agent.get("/api/calls/pbx1-1.1/pop").status_code == 200
    assert len(asked) <= 9, "\n".join(asked)


def test_another_agents_call_is_not_mine_to_see(agent: Browser, cti: Cti, open_browser: Open) -> None:
    ringing(cti)
    other = open_browser()
    other.log_in("agent02", "8002")
    assert other.get("/api/calls/pbx1-1.1/pop").status_code == 403
    assert other.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1"}).status_code == 422


def test_a_call_that_has_ended_before_the_ledger_knows_is_still_mine(agent: Browser, cti: Cti) -> None:
    ringing(cti)
    cti.tell("call", "pbx1-1.1", None)
    cti.seat("8001", activity="idle", call=None)
    assert agent.get("/api/calls/pbx1-1.1/pop").status_code == 200
    made = agent.post("/api/tickets", FORM | {"call_uid": "pbx1-1.1"})
    assert made.json["contact"]["masked"] == "138****5678"


def test_a_call_passed_on_to_me_is_mine_in_the_ledger_too(agent: Browser, parts: Parts) -> None:
    remember(parts, past_call("pbx1-9.9", agent="agent02"))
    assert agent.get("/api/calls").json["total"] == 0
    with parts.desk.sessions.begin() as session:
        session.add(
            JournalEvent(
                pbx="pbx1",
                file="f",
                offset=1,
                at=now(),
                call_uid="pbx1-9.9",
                agent="agent01",
                event="CONNECT",
                data=[],
            )
        )
    assert agent.get("/api/calls").json["rows"][0]["uid"] == "pbx1-9.9"
    assert agent.get("/api/calls/pbx1-9.9/pop").status_code == 200


def test_calls_are_found_by_whole_number_last_digits_and_name(
    cti: Cti, parts: Parts, open_browser: Open
) -> None:
    remember(
        parts,
        past_call("pbx1-0.1"),
        past_call("pbx1-0.2", caller="8657187654321", outcome="short_abandon", agent=None),
    )
    leader = open_browser()
    leader.log_in("leader01")

    def found(query: str) -> set[str]:
        return {row["uid"] for row in leader.get(f"/api/calls?{query}").json["rows"]}

    assert found("") == {"pbx1-0.1", "pbx1-0.2"}
    assert found("q=138 1234 5678") == {"pbx1-0.1"}
    assert found("q=4321") == {"pbx1-0.2"}
    assert found("q=1381234") == set()
    assert found("q=agent01") == {"pbx1-0.1"}
    assert found("outcome=short_abandon") == {"pbx1-0.2"}
    assert found("date=2001-01-01") == set()
    assert leader.get("/api/calls?date=2001-13-01").status_code == 422
    assert leader.get("/api/calls?page=x").status_code == 422
    assert leader.get("/api/calls?page=99").json["page"] == 1


def test_a_number_is_revealed_with_a_reason_and_noted(agent: Browser, parts: Parts) -> None:
    remember(parts, past_call("pbx1-0.1"))
    short = agent.post("/api/calls/pbx1-0.1/reveal-number", {"reason": "看看"})
    assert (short.status_code, list(short.json["fields"])) == (422, ["reason"])
    told = agent.post("/api/calls/pbx1-0.1/reveal-number", {"reason": "市民要求回拨"})
    assert told.json == {"number": "13812345678"}
    with parts.desk.sessions() as session:
        noted = session.scalars(select(AccessLog).where(AccessLog.action == "reveal_number")).all()
    assert [(one.object, one.reason, one.user_id) for one in noted] == [("call pbx1-0.1", "市民要求回拨", 1)]


def test_a_draft_is_kept_shown_listed_and_dropped(agent: Browser) -> None:
    path = "/api/calls/pbx1-1.1/draft"
    assert agent.get(path).json is None
    agent.send("PUT", path, {"body": {"title": "停"}})
    agent.send("PUT", path, {"body": {"title": "停水", "what": "\x00"}})
    assert agent.get(path).json["body"] == {"title": "停水", "what": ""}
    assert [one["call_uid"] for one in agent.get("/api/drafts").json] == ["pbx1-1.1"]
    assert agent.send("DELETE", path).status_code == 204
    assert agent.get("/api/drafts").json == []


def test_a_draft_is_the_writers_own(agent: Browser, open_browser: Open) -> None:
    agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {"title": "停水"}})
    leader = open_browser()
    leader.log_in("leader01")
    assert leader.get("/api/calls/pbx1-1.1/draft").json is None


def test_what_is_too_large_or_no_json_is_refused_in_words(agent: Browser) -> None:
    long = agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {"what": "水" * 70_000}})
    assert (long.status_code, list(long.json["fields"])) == (422, ["body"])
    huge = agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {"what": "x" * 1_100_000}})
    assert (huge.status_code, huge.json["error"]) == (413, "too_large")
    broken = agent.client.post(
        "/api/seat/ready", data="{", content_type="application/json", headers={"X-CSRF-Token": agent.csrf}
    )
    assert broken.status_code in (202, 400)
    broken = agent.client.put(
        "/api/calls/a/draft", data="{", content_type="application/json", headers={"X-CSRF-Token": agent.csrf}
    )
    assert broken.status_code in (400, 422)
    assert broken.json["message"].endswith("。")


def test_a_strange_uid_is_not_found(agent: Browser) -> None:
    assert agent.get("/api/calls/..%2F..%2Fetc/draft").status_code == 404
    assert agent.get("/api/calls/nobody-1.1/pop").status_code == 404


def test_text_that_no_database_keeps_is_made_keepable(agent: Browser, parts: Parts) -> None:
    odd = agent.client.post(
        "/api/tickets",
        data='{"request_type": "help", "category_id": 1, "title": "a\\u0000b\\ud800", "what": "x"}',
        content_type="application/json",
        headers={"X-CSRF-Token": agent.csrf},
    )
    assert (odd.status_code, odd.json["title"]) == (201, "ab?")


def test_json_without_an_end_to_its_depth_is_refused(agent: Browser) -> None:
    deep = '{"body": {"a": ' + "[" * 30_000 + "]" * 30_000 + "}}"
    answer = agent.client.put(
        "/api/calls/a/draft",
        data=deep,
        content_type="application/json",
        headers={"X-CSRF-Token": agent.csrf},
    )
    assert answer.status_code in (400, 422)
