"""Schemathesis throws what fits the OpenAPI document, and what does not, at the API: never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from agent_desktop.app import create_app
from agent_desktop.session import limiter
from db import seed
from db.engine import open_engine, sessions
from db.migrate import upgrade
from hotline.settings import Settings

PASSWORD = "a demo password"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The desktop on the demo city, without a cti."""
    var: Path = tmp_path_factory.mktemp("schema")
    chosen = Settings(var=var, session_key="k" * 40, link_token="t" * 40)
    upgrade(chosen.database)
    engine = open_engine(chosen.database)
    known = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with sessions(engine).begin() as session:
        seed.seed(session, lambda *_: known)
    engine.dispose()
    parts = create_app(chosen, clock=False)
    limiter.enabled = False
    yield parts.app
    limiter.enabled = True
    parts.close()
    parts.desk.sessions.kw["bind"].dispose()


@pytest.fixture(scope="module")
def cookie_and_token(app) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """A leader's session: may write tickets and see all calls, and needs no seat."""
    client = app.test_client()
    token = client.get("/api/session").json["csrf"]
    body = {"login": "leader01", "password": PASSWORD}
    answer = client.post("/api/session", json=body, headers={"X-CSRF-Token": token})
    assert answer.status_code == 200, answer.text
    return client.get_cookie("hotline").value, answer.json["csrf"]


@pytest.fixture(scope="module")
def described(app):  # type: ignore[no-untyped-def]
    return schemathesis.openapi.from_wsgi("/api/openapi.json", app)


schema = schemathesis.pytest.from_fixture("described")


@schema.exclude(path="/api/session", method="DELETE").parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_nothing_that_is_sent_crashes_the_api(case, cookie_and_token) -> None:  # type: ignore[no-untyped-def]
    cookie, token = cookie_and_token
    case.cookies = {"hotline": cookie}
    case.headers = {**(case.headers or {}), "X-CSRF-Token": token}
    answer = case.call()
    known_refusals = {"link_down"}
    if answer.status_code == 503:
        assert answer.json()["error"] in known_refusals
        return
    case.validate_response(answer, checks=[CHECKS.get_one("not_a_server_error")])
    if answer.status_code >= 400:
        assert answer.json()["message"]
