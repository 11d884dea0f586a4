"""Schemathesis throws what fits the OpenAPI document, and what does not, at the API: never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
import schemathesis
from argon2 import PasswordHasher
from hypothesis import HealthCheck, Phase, given, settings

from agent_desktop.app import create_app
from agent_desktop.session import limiter
from db import seed
from db.engine import open_engine, sessions
from hotline.settings import Settings

PASSWORD = "a demo password"
EXAMPLES = 6
"""Of each operation: there are some hundred and forty, and two databases."""


@pytest.fixture
def app(tmp_path: Path, database_url: str):  # type: ignore[no-untyped-def]
    """The desktop on the demo city, without a cti."""
    chosen = Settings(var=tmp_path, database_url=database_url, session_key="k" * 40, link_token="t" * 40)
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


@pytest.fixture
def cookie_and_token(app) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """A leader's session: may write tickets and see all calls, and needs no seat."""
    client = app.test_client()
    token = client.get("/api/session").json["csrf"]
    body = {"login": "leader01", "password": PASSWORD}
    answer = client.post("/api/session", json=body, headers={"X-CSRF-Token": token})
    assert answer.status_code == 200, answer.text
    return client.get_cookie("hotline").value, answer.json["csrf"]


def test_nothing_that_is_sent_crashes_the_api(app, cookie_and_token) -> None:  # type: ignore[no-untyped-def]
    cookie, token = cookie_and_token
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 25
    for operation in operations:
        if (operation.method.upper(), operation.path) == ("DELETE", "/api/session"):
            continue  # it would end the session that the others need

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            # What breaks is told as it was found: to look for something smaller would take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def throw(case) -> None:  # type: ignore[no-untyped-def]
            case.cookies = {"hotline": cookie}
            case.headers = {**(case.headers or {}), "X-CSRF-Token": token}
            answer = case.call()
            told = answer.json() if answer.content and answer.status_code != 200 else {}
            assert answer.status_code < 500 or told.get("error") == "link_down", (case, answer.status_code)
            if answer.status_code >= 400:
                assert told["message"], case

        throw()
