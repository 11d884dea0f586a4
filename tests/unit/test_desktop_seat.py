"""Commands of the seat: sent, acknowledged, refused in words; the floor told to the pages in order."""

from __future__ import annotations

from typing import Any

import pytest
from desktop_parts import Browser, Cti, call_fact, past_call

from agent_desktop.app import Parts
from db.models import now

pytest_plugins = ["desktop_fixtures"]


def received(page: Any, name: str) -> list[dict[str, Any]]:
    return [one["args"][0] for one in page.get_received() if one["name"] == name]


def page_of(parts: Parts, browser: Browser) -> Any:
    return parts.socketio.test_client(parts.app, flask_test_client=browser.client)


def test_each_command_reaches_the_cti(agent: Browser, cti: Cti) -> None:
    for path, body in [
        ("ready", {}),
        ("not-ready", {"reason": "meal"}),
        ("finish-after-call", {}),
        ("hang-up", {}),
        ("more-time", {}),
        ("cancel-consult", {}),
        ("complete-transfer", {}),
        ("three-way", {}),
        ("drop-party", {}),
        ("leave", {}),
        ("end-all", {}),
    ]:
        answer = agent.post(f"/api/seat/{path}", body)
        assert (answer.status_code, answer.json) == (202, {"ok": True})
    assert cti.commands[1:] == [
        {"name": "ready", "seat": "8001"},
        {"name": "not_ready", "seat": "8001", "reason": "meal"},
        {"name": "finish_after_call", "seat": "8001"},
        {"name": "hang_up", "seat": "8001"},
        {"name": "more_time", "seat": "8001"},
        {"name": "cancel_consult", "seat": "8001"},
        {"name": "complete_transfer", "seat": "8001"},
        {"name": "three_way", "seat": "8001"},
        {"name": "drop_party", "seat": "8001"},
        {"name": "leave", "seat": "8001"},
        {"name": "end_all", "seat": "8001"},
    ]


@pytest.mark.parametrize(
    ("error", "status"),
    [("call_gone", 409), ("unreachable", 409), ("bad_target", 422), ("pbx_down", 503), ("refused", 409)],
)
def test_a_refusal_of_the_cti_is_said_in_words(agent: Browser, cti: Cti, error: str, status: int) -> None:
    cti.answers["hang_up"] = {"ok": False, "error": error, "detail": "english"}
    answer = agent.post("/api/seat/hang-up")
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert answer.json["message"].endswith("。")
    assert "english" not in answer.text


def test_a_cti_that_does_not_answer_is_a_timeout(
    agent: Browser, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_desktop.floor.COMMAND_SECONDS", 0.01)
    parts.desk.floor.ask = lambda *_: None
    assert agent.post("/api/seat/ready").json["error"] == "timeout"


def test_a_link_that_drops_during_a_command_is_told_at_once(agent: Browser, cti: Cti, parts: Parts) -> None:
    parts.desk.floor.ask = lambda *_: cti.disconnect()
    assert agent.post("/api/seat/ready").json["error"] == "link_down"


def test_a_seat_that_the_pbx_forgot_is_signed_in_again(agent: Browser, cti: Cti) -> None:
    answers = iter([{"ok": False, "error": "not_signed_in"}, {"ok": True}, {"ok": True}])
    cti.obeys = False

    class Scripted(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            return next(answers)

    cti.answers = Scripted()
    assert agent.post("/api/seat/ready").status_code == 202
    assert [c["name"] for c in cti.commands[1:]] == ["ready", "sign_in", "ready"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("not-ready", {"reason": "nap"}, "reason"),
        ("not-ready", {}, "reason"),
        ("transfer", {"kind": "queue", "target": "a b\r\nAction: x"}, "target"),
        ("transfer", {"kind": "moon", "target": "1"}, "kind"),
        ("consult", {"kind": "queue", "target": "consultation"}, "kind"),
        ("consult", {"kind": "group", "target": "专家组\n"}, "target"),
        ("dial", {}, "number"),
        ("dial", {"number": "13800000000", "redial": True}, "number"),
        ("dial", {"call": "a|b"}, "call"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_field_by_field(
    agent: Browser, cti: Cti, path: str, body: dict[str, str], field: str
) -> None:
    answer = agent.post(f"/api/seat/{path}", body)
    assert answer.status_code == 422
    assert answer.json["fields"][field].endswith("。")
    assert [c["name"] for c in cti.commands] == ["sign_in"]


def test_a_page_gets_a_snapshot_then_numbered_changes(agent: Browser, cti: Cti, parts: Parts) -> None:
    page = page_of(parts, agent)
    [snapshot] = received(page, "snapshot")
    assert snapshot["seat"]["agent"] == "agent01"
    cti.call()
    cti.seat("8001", activity="ringing", call="pbx1-1.1")
    cti.call("pbx1-1.1", state="talking", answered_at=9_000)
    pushes = received(page, "seat")
    assert [push["n"] - snapshot["n"] for push in pushes] == [1, 2, 3]
    assert pushes[-1]["call"] == {
        "uid": "pbx1-1.1",
        "state": "talking",
        "queue": "consultation",
        "queue_label": "综合咨询",
        "arrived_at": 1_000,
        "queued_at": 2_000,
        "ringing_at": 5_000,
        "answered_at": 9_000,
        "event_at": 5_000,
        "direction": None,
        "kind": None,
        "recording": None,
        "paused_since": None,
        "about": None,
        "callback_of": None,
        "seat": "8001",
        "party": None,
        "role": "agent",
    }


def test_pushes_carry_no_personal_data_and_stay_in_their_room(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Any
) -> None:
    other = open_browser()
    other.log_in("agent02", "8002")
    mine, theirs = page_of(parts, agent), page_of(parts, other)
    theirs.get_received()
    cti.call()
    assert "13812345678" not in str(mine.get_received())
    assert received(theirs, "seat") == []


def test_a_call_that_moves_to_another_seat_leaves_the_first(agent: Browser, cti: Cti, parts: Parts) -> None:
    cti.call()
    page = page_of(parts, agent)
    received(page, "seat")
    cti.call(seat="8002")
    assert received(page, "seat")[-1]["call"] is None


def test_a_lost_link_is_told_to_everybody_and_healed_by_the_next_snapshot(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    page = page_of(parts, agent)
    page.get_received()
    cti.disconnect()
    [blind] = received(page, "link")
    assert (blind["connected"], blind["desktop_blind"]) == (False, True)
    assert blind["blind_since"] == agent.get("/api/session").json["links"]["pbx1"]["blind_since"]
    cti.connect()
    events = page.get_received()
    assert [event["name"] for event in events] == ["link", "seat"]
    assert events[0]["args"][0]["connected"] is True


def test_a_pbx_that_the_cti_cannot_see_is_told_too(agent: Browser, cti: Cti, parts: Parts) -> None:
    page = page_of(parts, agent)
    page.get_received()
    cti.tell("link", "pbx1", {"connected": False, "blind_since": 77})
    assert received(page, "link") == [
        {"pbx": "pbx1", "connected": False, "blind_since": 77, "desktop_blind": False}
    ]


def test_somebody_who_is_not_logged_in_gets_no_page(parts: Parts, open_browser: Any) -> None:
    page = page_of(parts, open_browser())
    assert not page.is_connected()


def test_too_many_pages_are_refused_so_that_requests_still_find_a_thread(
    agent: Browser, parts: Parts
) -> None:
    parts.desk.pages.limit = 1
    assert page_of(parts, agent).is_connected()
    assert not page_of(parts, agent).is_connected()


def test_a_page_that_pings_learns_the_time_and_a_closed_account(agent: Browser, parts: Parts) -> None:
    page = page_of(parts, agent)
    assert page.emit("ping_screen", {}, callback=True)["server_time"] > 0
    parts.desk.people.find = lambda _: None  # type: ignore[method-assign]
    assert page.emit("ping_screen", {}, callback=True)["error"] == "not_logged_in"


def test_the_seat_shows_the_call_with_its_path_in_words(agent: Browser, cti: Cti) -> None:
    cti.call()
    shown = agent.get("/api/seat").json["call"]
    assert shown["path_labels"] == ["1 咨询"]
    assert shown["number"]["masked"] == "138****5678"
    assert not {"caller", "caller_name", "called"} & shown.keys()


def test_a_wrong_token_is_no_cti(parts: Parts) -> None:
    wire = parts.socketio.test_client(parts.app, namespace="/cti", auth={"token": "x", "pbx": "pbx1"})
    assert not wire.is_connected("/cti")
    right = {"token": parts.desk.settings.link_token}
    stranger = parts.socketio.test_client(parts.app, namespace="/cti", auth=right | {"pbx": "pbx9"})
    assert not stranger.is_connected("/cti")


def test_a_gap_is_answered_by_asking_for_a_snapshot(parts: Parts) -> None:
    auth = {"token": parts.desk.settings.link_token, "pbx": "pbx1"}
    wire = parts.socketio.test_client(parts.app, namespace="/cti", auth=auth)
    wire.emit("floor_change", {"pbx": "pbx1", "epoch": "e", "seq": 3, "changes": []}, namespace="/cti")
    wire.emit("floor_snapshot", "nonsense", namespace="/cti")
    assert [one["name"] for one in wire.get_received("/cti")] == ["snapshot_please"]
    wire.emit(
        "floor_snapshot",
        {
            "pbx": "pbx1",
            "epoch": "e",
            "seq": 3,
            "connected": True,
            "blind_since": None,
            "seats": [],
            "calls": [call_fact()],
            "queues": [],
        },
        namespace="/cti",
    )
    assert parts.desk.floor.live_call("pbx1-1.1") is not None
    wire.disconnect("/cti")
    assert parts.desk.floor.links()["pbx1"]["connected"] is False


def test_the_figures_of_the_day_are_counted_once_in_two_seconds(
    agent: Browser, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with parts.desk.sessions.begin() as db:
        db.add(past_call("pbx1-7.7", arrived_at=now(), answered_at=now(), ended_at=now(), talk_ms=0))
    first = agent.get("/api/seat").json["today"]
    assert (first["answered"], first["average_wait_seconds"], first["direct_rate"]) == (1, 4, None)
    assert first["satisfaction"] == {"rated": 0, "satisfied": 0, "rate": None}
    monkeypatch.setattr("agent_desktop.today.agent_day", lambda *_: pytest.fail("counted again"))
    assert agent.get("/api/seat").json["today"] == first
