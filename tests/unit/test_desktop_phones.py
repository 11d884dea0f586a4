"""The telephone in the browser over HTTP: one page at a time, made for the log-in; the citizen page's too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from desktop_parts import Browser, Cti
from flask_socketio.test_client import SocketIOTestClient
from sqlalchemy import select

from agent_desktop import browser_files
from agent_desktop.app import Parts, create_app
from agent_desktop.session import limiter
from db.models import User
from hotline.settings import Settings

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
PHONE = {"ok": True, "phone": {"user": "8001w", "password": "made-for-this-log-in"}}


@pytest.fixture
def at_browser(cti: Cti, open_browser: Open) -> Browser:
    """agent01 at 8001 with a headset."""
    cti.answers["phone"] = PHONE
    browser = open_browser()
    answer = log_in(browser, telephone="browser")
    assert answer.json["telephone"] == "browser"
    return browser


def log_in(browser: Browser, seat: str = "8001", **more: Any) -> Any:
    form = {"login": "agent01", "password": "one of the demo passwords", "seat": seat, **more}
    answer = browser.post("/api/session", form)
    browser.csrf = answer.json["csrf"]
    return answer


def page_of(parts: Parts, browser: Browser, page: str) -> SocketIOTestClient:
    return parts.socketio.test_client(parts.app, flask_test_client=browser.client, auth={"page": page})


def taken(page: SocketIOTestClient) -> list[str]:
    return [said["args"][0]["page"] for said in page.get_received() if said["name"] == "phone_taken"]


def test_the_telephone_comes_with_where_to_connect(at_browser: Browser) -> None:
    answer = at_browser.post("/api/seat/phone", {"page": "p1"})
    assert (answer.status_code, answer.json) == (
        200,
        {
            "uri": "sip:8001w@hotline",
            "user": "8001w",
            "password": "made-for-this-log-in",
            "ws": "ws://127.0.0.1:8088/ws",
            "ice": [],
        },
    )


def test_a_second_tab_is_told_since_when_and_takes_it_over_only_when_it_says_so(
    at_browser: Browser, parts: Parts
) -> None:
    first, second = page_of(parts, at_browser, "p1"), page_of(parts, at_browser, "p2")
    assert at_browser.post("/api/seat/phone", {"page": "p1"}).status_code == 200
    refused = at_browser.post("/api/seat/phone", {"page": "p2"})
    assert (refused.status_code, refused.json["error"]) == (409, "phone_elsewhere")
    assert "另一个页面" in refused.json["message"]
    first.get_received(), second.get_received()
    assert at_browser.post("/api/seat/phone", {"page": "p2", "take_over": True}).status_code == 200
    assert (taken(first), taken(second)) == (["p2"], ["p2"])
    first.disconnect()
    second.disconnect()
    assert at_browser.post("/api/seat/phone", {"page": "p3"}).status_code == 200, "free when the page is gone"


def test_a_second_computer_resumes_the_seat_and_may_take_the_telephone(
    at_browser: Browser, parts: Parts, open_browser: Open
) -> None:
    first = page_of(parts, at_browser, "p1")
    at_browser.post("/api/seat/phone", {"page": "p1"})
    other = open_browser()
    assert log_in(other, telephone="browser").json["seat"] == "8001"
    assert other.post("/api/seat/phone", {"page": "q1"}).status_code == 409
    first.get_received()
    assert other.post("/api/seat/phone", {"page": "q1", "take_over": True}).status_code == 200
    page_of(parts, other, "q1")
    assert taken(first) == ["q1"]
    first.disconnect()
    assert taken(page_of(parts, at_browser, "p1")) == ["q1"], "told again when it comes back"


def test_a_seat_that_the_pbx_has_forgotten_is_signed_in_again_with_its_telephone(
    at_browser: Browser, cti: Cti
) -> None:
    cti.seat("8001", agent=None, presence="signed_out", queues=[])
    cti.commands.clear()
    forgotten = iter([{"ok": False, "error": "not_signed_in"}, PHONE])
    cti.answers = Answers({"phone": forgotten})
    assert at_browser.post("/api/seat/phone", {"page": "p1"}).status_code == 200
    said = [(one["name"], one.get("telephone")) for one in cti.commands]
    assert said == [("phone", None), ("sign_in", "browser"), ("phone", None)]


class Answers(dict[str, Any]):
    """Answers in a row for one command, {"ok": true} for the others."""

    def get(self, name: str, default: Any = None) -> Any:
        return next(self[name]) if name in self else default


def test_an_agent_who_is_at_another_seat_meanwhile_is_not_pulled_back_by_an_old_page(
    at_browser: Browser, cti: Cti
) -> None:
    cti.seat("8001", agent=None, presence="signed_out", queues=[])
    cti.seat("8002", agent="agent01", presence="ready")
    cti.answers["phone"] = {"ok": False, "error": "not_signed_in"}
    cti.commands.clear()
    assert at_browser.post("/api/seat/phone", {"page": "p1"}).json["error"] == "not_signed_in"
    assert [one["name"] for one in cti.commands] == ["phone"]


def test_at_a_desk_phone_there_is_no_softphone(cti: Cti, agent: Browser) -> None:
    cti.seat("8001", telephone="desk")
    assert agent.post("/api/seat/phone", {"page": "p1"}).json["error"] == "desk_telephone"
    assert agent.get("/api/session").json["telephone"] == "desk"


@pytest.mark.parametrize("form", [{}, {"page": ""}, {"page": "a b"}, {"page": "x" * 65}, {"page": 7}])
def test_a_page_without_a_name_gets_none(at_browser: Browser, form: dict[str, Any]) -> None:
    assert at_browser.post("/api/seat/phone", form).status_code == 422


def test_the_choice_is_kept_for_the_next_log_in_and_changes_at_it(
    at_browser: Browser, cti: Cti, parts: Parts
) -> None:
    def kept() -> str | None:
        with parts.desk.sessions() as session:
            return session.scalar(select(User.telephone).where(User.login == "agent01"))

    assert kept() == "browser"
    assert cti.commands[-1]["telephone"] == "browser"
    cti.seat("8001", telephone="browser")
    assert log_in(at_browser, telephone="desk").status_code == 200
    assert (kept(), cti.commands[-1]["telephone"]) == ("desk", "desk"), "moved to the other one"
    cti.seat("8001", telephone="desk", activity="talking")
    sent = len(cti.commands)
    assert log_in(at_browser, telephone="browser").json["telephone"] == "desk", "a call goes on as it is"
    assert len(cti.commands) == sent
    cti.seat("8001", activity="idle")
    assert at_browser.send("DELETE", "/api/session").status_code == 204
    assert at_browser.get("/api/session").json["telephone"] == "browser"


# --- the citizen page ----------------------------------------------------------------------------------


def served(parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Browser:
    """Another desktop on the same database, with settings of its own and a built citizen page."""
    dist = settings.var / "dist"
    dist.mkdir(exist_ok=True)
    for name in ("index.html", "citizen.html"):
        (dist / name).write_text(name)
    monkeypatch.setattr(browser_files, "DIST", dist)
    made = create_app(settings.model_copy(update=more), clock=False)
    cti = Cti(made)
    cti.answers["citizen_phone"] = {"ok": True, "phone": {"user": "citizen1", "password": "p"}}
    made.desk.floor.ask = cti.ask
    cti.connect()
    limiter.reset()
    browser = Browser(made.app.test_client())
    browser.cti = cti  # type: ignore[attr-defined]
    return browser


def test_the_citizen_page_is_not_there_unless_it_is_wanted(
    parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = served(parts, settings, monkeypatch)
    assert city.get("/citizen").status_code == city.get("/citizen.html").status_code == 404
    assert city.post("/api/citizen/phone").status_code == 404
    refused = served(parts, settings, monkeypatch, demo_password="demo", citizen_page=False)
    assert refused.get("/citizen").status_code == 404
    demo = served(parts, settings, monkeypatch, demo_password="demo")
    assert (demo.get("/citizen").text, demo.get("/citizen.html").status_code) == ("citizen.html", 404)


def test_a_visit_gets_a_telephone_and_gives_it_back(
    parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = served(parts, settings, monkeypatch, citizen_page=True)
    account = visitor.post("/api/citizen/phone").json
    assert (account["uri"], account["password"]) == ("sip:citizen1@hotline", "p")
    assert visitor.send("DELETE", "/api/citizen/phone?user=citizen2").status_code == 204
    assert visitor.send("DELETE", "/api/citizen/phone?user=citizen1").status_code == 204
    commands = visitor.cti.commands  # type: ignore[attr-defined]
    assert commands == [{"name": "citizen_phone"}, {"name": "citizen_phone_gone", "user": "citizen1"}]


def test_a_visitor_in_a_hurry_is_slowed_down(
    parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = served(parts, settings, monkeypatch, citizen_page=True)
    assert [visitor.post("/api/citizen/phone").status_code for _ in range(21)] == [200] * 20 + [429]


# --- behind HTTPS --------------------------------------------------------------------------------------


def test_behind_a_proxy_the_cookie_is_secure_and_pages_connect_only_where_they_must(
    parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = served(
        parts,
        settings,
        monkeypatch,
        secure_cookies=True,
        trusted_proxies=1,
        sip_ws_url="wss://desk.example.cn/sip",
    )
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    answer = city.client.get("/api/session", headers=headers)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert "connect-src 'self' wss://desk.example.cn;" in answer.headers["Content-Security-Policy"] + ";"
    assert city.client.get("/metrics", headers=headers).status_code == 404, "not for whom the proxy serves"
    assert city.client.get("/metrics").status_code == 200
