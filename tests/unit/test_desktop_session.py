"""Log-in takes a seat, log-out gives it back; tokens, limits and a database that is away."""

from __future__ import annotations

import configparser
import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from desktop_parts import Browser, Cti, seat_fact
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from agent_desktop import session
from agent_desktop.app import Parts, create_app
from agent_desktop.people import People
from agent_desktop.server import log_to_stderr
from db.models import AccessLog, User
from hotline.settings import Settings

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
FILTER = Path(__file__).resolve().parents[2] / "docs" / "fail2ban" / "filter-hotline-desktop.conf"


def accesses(parts: Parts) -> list[str]:
    with parts.desk.sessions() as session:
        return list(session.scalars(select(AccessLog.action).order_by(AccessLog.id)))


def test_an_agent_takes_a_seat_with_the_queues_served(cti: Cti, open_browser: Open, parts: Parts) -> None:
    answer = open_browser().log_in("agent01", "8001")
    assert (answer.status_code, answer.json["seat"], answer.json["user"]["role"]) == (200, "8001", "agent")
    assert cti.commands == [
        {
            "name": "sign_in",
            "seat": "8001",
            "agent": "agent01",
            "queues": [["complaint", 2], ["consultation", 0]],
            "telephone": "desk",
        }
    ]
    assert accesses(parts) == ["log_in"]


def test_a_wrong_password_is_refused_in_words_and_noted(cti: Cti, open_browser: Open, parts: Parts) -> None:
    answer = open_browser().log_in("agent01", "8001", password="wrong")
    assert (answer.status_code, answer.json["error"]) == (401, "bad_credentials")
    assert open_browser().log_in("nobody", "8001").status_code == 401
    assert accesses(parts) == ["log_in_refused", "log_in_refused"]
    assert cti.commands == []


def test_fail2bans_filter_reads_a_refused_log_in(
    cti: Cti, open_browser: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before, level, configured = root.handlers[:], root.level, structlog.get_config()
    try:
        log_to_stderr()
        # The module's own logger was bound to what the tests had before.
        structlog.get_logger("desktop").warning("log_in_refused", address="192.0.2.9")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.configure(**configured)
    line = next(one for one in capfd.readouterr().err.splitlines() if "log_in_refused" in one)
    rules = configparser.RawConfigParser()
    rules.read(FILTER)
    rule = rules["Definition"]["failregex"].strip().replace("<HOST>", r"(?P<host>\S+)")
    # fail2ban takes the time stamp out before it looks.
    found = re.search(rule, re.sub(r"^timestamp=\S+", "", line))
    assert found is not None, line
    assert found["host"] == "192.0.2.9"
    with structlog.testing.capture_logs() as told:
        open_browser().log_in("agent01", "8001", password="wrong")
    assert [(one["event"], one["address"]) for one in told if one["event"] == "log_in_refused"] == [
        ("log_in_refused", "127.0.0.1")
    ]


def test_a_closed_account_cannot_log_in(cti: Cti, open_browser: Open, parts: Parts) -> None:
    with parts.desk.sessions.begin() as session:
        session.scalars(select(User).where(User.login == "agent01")).one().active = False
    assert open_browser().log_in("agent01", "8001").status_code == 401


def test_guessing_is_slowed_down_for_that_account_only(cti: Cti, open_browser: Open) -> None:
    guesses = [open_browser().log_in("agent01", "8001", password="x").status_code for _ in range(11)]
    assert guesses == [401] * 10 + [429]
    assert open_browser().log_in("agent02", "8002").status_code == 200


def test_passwords_are_verified_one_at_a_time_and_who_is_too_many_is_told(
    open_browser: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes 64 MB and a core; and each that waits holds a thread."""
    goes_on, begun, at_once = threading.Event(), threading.Semaphore(0), []

    class Slow:
        def verify(self, _hash: str, _password: str) -> bool:
            at_once.append(1)
            begun.release()
            goes_on.wait(10)
            at_once.pop()
            return True

    monkeypatch.setattr(session, "_hasher", Slow())
    many = 1 + session.HASHES_WAITING
    with ThreadPoolExecutor(many) as others:
        answers = [others.submit(session._fits, "", "") for _ in range(many)]
        assert begun.acquire(timeout=10)
        full = time.monotonic() + 10
        while session._in_line._value:
            assert time.monotonic() < full
        assert at_once == [1]
        refused = open_browser().log_in("agent01", "8001")
        assert (refused.status_code, refused.json["error"]) == (503, "busy")
        goes_on.set()
        assert all(answer.result(10) for answer in answers)
    monkeypatch.undo()
    assert open_browser().log_in("agent01", "8001", password="wrong").status_code == 401


def test_an_agent_must_name_a_seat_that_exists(cti: Cti, open_browser: Open) -> None:
    assert open_browser().log_in("agent01").json["fields"] == {"seat": "请选择坐席。"}
    assert open_browser().log_in("agent01", "9999").json["fields"] == {"seat": "没有这个坐席。"}


def test_a_seat_held_by_another_agent_is_refused(agent: Browser, open_browser: Open) -> None:
    answer = open_browser().log_in("agent02", "8001")
    assert (answer.status_code, answer.json["error"]) == (409, "seat_taken")


def test_logging_in_again_at_the_own_seat_resumes(agent: Browser, cti: Cti, open_browser: Open) -> None:
    agent.post("/api/seat/ready")
    sent = len(cti.commands)
    assert open_browser().log_in("agent01", "8001").json["seat"] == "8001"
    assert len(cti.commands) == sent
    assert cti.seats["8001"]["presence"] == "ready"


def test_a_second_tab_does_not_spoil_the_token_of_the_first(agent: Browser) -> None:
    token = agent.csrf
    assert agent.log_in("agent01", "8001").json["csrf"] == token


def test_moving_to_another_seat_gives_the_first_one_back(
    agent: Browser, cti: Cti, open_browser: Open
) -> None:
    assert open_browser().log_in("agent01", "8002").status_code == 200
    assert [c["name"] for c in cti.commands] == ["sign_in", "sign_out", "sign_in"]
    assert cti.seats["8001"]["agent"] is None


def test_without_the_cti_nobody_can_take_a_seat_but_a_leader_can_log_in(
    parts: Parts, open_browser: Open
) -> None:
    refused = open_browser().log_in("agent01", "8001")
    assert (refused.status_code, refused.json["error"]) == (503, "link_down")
    leader = open_browser().log_in("leader01")
    assert (leader.status_code, leader.json["seat"]) == (200, None)


def test_a_cti_that_refuses_the_seat_leaves_nobody_logged_in(cti: Cti, open_browser: Open) -> None:
    cti.answers["sign_in"] = {"ok": False, "error": "unreachable", "detail": "no contact"}
    browser = open_browser()
    refused = browser.log_in("agent01", "8001")
    assert (refused.status_code, refused.json["error"]) == (409, "unreachable")
    assert browser.get("/api/session").json["user"] is None


def test_log_out_signs_the_seat_out(agent: Browser, cti: Cti, parts: Parts) -> None:
    assert agent.send("DELETE", "/api/session").status_code == 204
    assert cti.commands[-1] == {"name": "sign_out", "seat": "8001"}
    assert agent.get("/api/session").json["user"] is None
    assert agent.get("/api/seat").status_code == 401
    assert accesses(parts) == ["log_in", "log_out"]


def test_log_out_closes_the_pages_of_that_person_only(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Open
) -> None:
    other = open_browser()
    other.log_in("agent02", "8002")
    mine = parts.socketio.test_client(parts.app, flask_test_client=agent.client)
    theirs = parts.socketio.test_client(parts.app, flask_test_client=other.client)
    agent.send("DELETE", "/api/session")
    assert (mine.is_connected(), theirs.is_connected()) == (False, True)
    assert len(parts.desk.pages) == 1


def test_log_out_in_a_call_is_refused(agent: Browser, cti: Cti) -> None:
    cti.seat("8001", activity="talking")
    answer = agent.send("DELETE", "/api/session")
    assert (answer.status_code, answer.json["error"]) == (409, "in_call")


def test_log_out_of_a_seat_that_the_pbx_forgot_goes_through(agent: Browser, cti: Cti) -> None:
    cti.answers["sign_out"] = {"ok": False, "error": "not_signed_in"}
    assert agent.send("DELETE", "/api/session").status_code == 204


def test_a_change_without_the_pages_token_is_refused(agent: Browser, open_browser: Open) -> None:
    bare = agent.client.post("/api/seat/ready", json={})
    assert (bare.status_code, bare.json["error"]) == (403, "csrf")
    login = open_browser().client.post("/api/session", json={"login": "a", "password": "b"})
    assert (login.status_code, login.json["error"]) == (403, "csrf")


def test_names_of_those_at_the_seats_are_for_people_who_are_logged_in(
    agent: Browser, open_browser: Open
) -> None:
    outside = open_browser().get("/api/seats").json
    assert outside[0] == {"number": "8001", "label": "一号席", "taken": True}
    assert agent.get("/api/seats").json[0]["agent"] == "agent01"


def test_a_session_survives_a_restart_of_the_desktop(agent: Browser, settings: Settings) -> None:
    cookie = agent.client.get_cookie("hotline")
    assert cookie is not None
    again = create_app(settings, clock=False)
    client = again.app.test_client()
    client.set_cookie("hotline", cookie.value)
    told = client.get("/api/session").json
    assert (told["user"]["login"], told["seat"]) == ("agent01", "8001")
    again.close()
    again.desk.sessions.kw["bind"].dispose()


def test_only_a_wall_prolongs_its_log_in(open_browser: Open) -> None:
    leader = open_browser()
    leader.log_in("leader01")
    for path, prolonged in (("/api/session", False), ("/api/board", False), ("/api/wall", True)):
        answer = leader.get(path)
        assert answer.status_code == 200
        assert ("Set-Cookie" in answer.headers) is prolonged, path


def away(*_: object, **__: object) -> None:
    raise OperationalError("select", {}, Exception("away"))


def test_a_database_minute_away_logs_nobody_out(
    agent: Browser, cti: Cti, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.get("/api/seat")
    cti.call()
    cti.seat("8001", activity="ringing", call="pbx1-1.1")
    monkeypatch.setattr("agent_desktop.today.FRESH_SECONDS", 0)
    monkeypatch.setattr("sqlalchemy.engine.Connection.execute", away)
    parts.desk.people._clock = lambda: 60.0 + time.monotonic()
    assert agent.get("/api/session").json["user"]["login"] == "agent01"
    seat = agent.get("/api/seat").json
    assert (seat["call"]["uid"], seat["today"]) == ("pbx1-1.1", None)
    pop = agent.get("/api/calls/pbx1-1.1/pop")
    assert pop.status_code == 200
    assert pop.json["database"] is False
    assert pop.json["number"]["masked"] == "138****5678"
    assert pop.json["candidates"] == []
    assert agent.post("/api/seat/ready").status_code == 202
    draft = agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {}})
    assert (draft.status_code, draft.json["error"]) == (503, "database_away")
    assert "Traceback" not in draft.text
    assert agent.get("/api/health").json["database"] is False


def test_a_person_unknown_while_the_database_is_away_is_an_error_not_a_log_out(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = People(parts.desk.sessions)
    monkeypatch.setattr("sqlalchemy.engine.Connection.execute", away)
    with pytest.raises(OperationalError):
        people.find(1)


def test_a_closed_account_is_noticed_within_the_short_memory(parts: Parts) -> None:
    clock = [0.0]
    people = People(parts.desk.sessions, lambda: clock[0])
    assert people.find(1) is not None
    with parts.desk.sessions.begin() as session:
        session.get_one(User, 1).active = False
    clock[0] = 5.0
    assert people.find(1) is not None
    clock[0] = 11.0
    assert people.find(1) is None


def test_those_who_were_asked_for_are_read_together(parts: Parts) -> None:
    clock = [0.0]
    people = People(parts.desk.sessions, lambda: clock[0])
    with parts.desk.sessions() as db:
        ids = sorted(db.scalars(select(User.id).where(User.active)))[:5]
    for user_id in [*ids, *ids]:
        assert people.find(user_id) is not None
    with parts.desk.sessions.begin() as db:
        db.get_one(User, ids[-1]).active = False
    clock[0] = 11.0
    read = []
    engine = parts.desk.sessions.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *told: read.append(told[2]))
    found = [people.find(user_id) for user_id in ids]
    assert [one is not None for one in found] == [True] * 4 + [False]
    assert len([one for one in read if "FROM users" in one]) == 2, "together; the one who is gone again"


def test_a_seat_taken_by_somebody_else_is_no_longer_mine(agent: Browser, cti: Cti) -> None:
    cti.tell("seat", "8001", seat_fact("8001", agent="agent02", presence="ready"))
    assert agent.get("/api/session").json["seat"] is None
    assert agent.get("/api/seat").json["error"] == "seat_taken"


def test_secrets_must_be_there(settings: Settings) -> None:
    with pytest.raises(ValueError, match="HOTLINE_LINK_TOKEN"):
        create_app(settings.model_copy(update={"link_token": ""}), clock=False)
