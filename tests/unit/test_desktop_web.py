"""The browser application is served with the right caching; figures stay on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_desktop.app import Parts

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build of the browser application with one hashed file."""
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>12345</title>")
    (dist / "assets" / "main-abc123.js").write_text("1")
    monkeypatch.setattr("agent_desktop.browser_files.DIST", dist)
    return dist


@pytest.mark.parametrize("path", ["/", "/desk", "/tickets/261121000016", "/index.html"])
def test_every_page_of_the_application_is_index_html_and_never_cached(
    path: str, build: Path, parts: Parts
) -> None:
    answer = parts.app.test_client().get(path)
    assert (answer.status_code, answer.text) == (200, "<title>12345</title>")
    assert answer.headers["Cache-Control"] == "no-cache"


def test_hashed_files_are_kept_for_ever_and_missing_ones_are_missed(build: Path, parts: Parts) -> None:
    client = parts.app.test_client()
    kept = client.get("/assets/main-abc123.js")
    assert "immutable" in kept.headers["Cache-Control"]
    assert client.get("/assets/main-old.js").status_code == 404


def test_a_path_cannot_leave_the_build(build: Path, parts: Parts) -> None:
    (build.parent / "secret").write_text("secret")
    for path in ("/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret"):
        assert "secret" not in parts.app.test_client().get(path).text


def test_a_missing_build_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: Parts
) -> None:
    monkeypatch.setattr("agent_desktop.browser_files.DIST", tmp_path / "nothing")
    answer = parts.app.test_client().get("/")
    assert answer.status_code == 503
    assert "make run" in answer.text


def test_scripts_come_only_from_here_and_nobody_frames_us(build: Path, parts: Parts) -> None:
    headers = parts.app.test_client().get("/").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"


def test_figures_are_for_this_machine_only(parts: Parts) -> None:
    client = parts.app.test_client()
    assert "desktop_requests_total" in client.get("/metrics").text
    far = client.get("/metrics", environ_base={"REMOTE_ADDR": "10.1.2.3"})
    assert far.status_code == 404


def test_a_crash_is_told_in_words_without_a_trace(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash() -> None:
        raise RuntimeError("secret detail")

    parts.app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(parts.desk.floor, "links", crash)
    answer = parts.app.test_client().get("/api/health")
    assert (answer.status_code, answer.json["error"]) == (500, "internal")
    assert "secret" not in answer.text
