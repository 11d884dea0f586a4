"""Recordings over HTTP: by Range, for those who may, each listening noted once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from desktop_parts import Browser, keep_recording, past_call
from sqlalchemy import func, select

from agent_desktop.app import Parts
from agent_desktop.listening import ONE_PLAY_SECONDS, ONE_SITTING_SECONDS, Plays
from db.models import AccessLog, Recording

pytest_plugins = ["desktop_fixtures"]


@pytest.fixture(autouse=True)
def _no_play_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_desktop.listening._plays", Plays())


def listenings(parts: Parts) -> int:
    with parts.desk.sessions() as session:
        return session.scalar(select(func.count()).where(AccessLog.action == "listen")) or 0


def test_a_part_is_served_and_one_play_is_noted_once(agent: Browser, parts: Parts) -> None:
    number = keep_recording(parts, past_call("pbx1-5.5"))
    path = f"/api/recordings/{number}/audio"
    whole = agent.get(path)
    assert (whole.status_code, whole.mimetype, whole.data[:4]) == (200, "audio/flac", b"fLaC")
    part = agent.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.data) == (206, whole.data[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.data)}"
    assert agent.get(path, headers={"Range": f"bytes={len(whole.data) + 1}-"}).status_code == 416
    assert agent.client.head(path).status_code == 200
    assert listenings(parts) == 1


def test_skipping_the_beginning_is_noted_too(agent: Browser, parts: Parts) -> None:
    number = keep_recording(parts, past_call("pbx1-5.5"))
    agent.get(f"/api/recordings/{number}/audio", headers={"Range": "bytes=50-"})
    assert listenings(parts) == 1


def test_what_is_one_listening() -> None:
    plays = Plays()
    assert plays.begins(1, 7, True, now=0)
    assert not plays.begins(1, 7, True, now=1)
    assert not plays.begins(1, 7, False, now=600)
    assert plays.begins(1, 7, True, now=ONE_PLAY_SECONDS + 600)
    assert plays.begins(2, 7, True, now=601)
    assert plays.begins(1, 7, False, now=ONE_PLAY_SECONDS + 600 + ONE_SITTING_SECONDS)


def test_a_gap_and_a_lost_file_are_not_found(agent: Browser, parts: Parts) -> None:
    lost = keep_recording(parts, past_call("pbx1-5.5"))
    (parts.desk.settings.recordings / "pbx1-5.5.flac").unlink()
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx1-6.6"))
        session.flush()
        session.add(Recording(call_uid="pbx1-6.6", state="gap", problem="没有文件"))
    rows = {row["call_uid"]: row for row in agent.get("/api/recordings").json["rows"]}
    assert rows["pbx1-6.6"]["listenable"] is False
    for number in (lost, rows["pbx1-6.6"]["id"], 999_999, 2**70):
        answer = agent.get(f"/api/recordings/{number}/audio")
        assert (answer.status_code, answer.json["error"]) == (404, "no_recording")
    assert listenings(parts) == 0


def test_a_path_that_leads_outside_is_not_followed(agent: Browser, parts: Parts) -> None:
    number = keep_recording(parts, past_call("pbx1-5.5"))
    (parts.desk.settings.var / "secret.flac").write_bytes(b"fLaC")
    with parts.desk.sessions.begin() as session:
        session.get_one(Recording, number).path = "../secret.flac"
    assert agent.get(f"/api/recordings/{number}/audio").status_code == 404


def test_peaks_show_both_voices(agent: Browser, parts: Parts) -> None:
    number = keep_recording(parts, past_call("pbx1-5.5"), seconds=2.0)
    told = agent.get(f"/api/recordings/{number}/peaks").json
    assert told["seconds"] == 2.0
    assert [len(channel) for channel in told["peaks"]] == [800, 800]
    assert max(told["peaks"][0]) == pytest.approx(9000 / 32768, abs=0.01)


def test_a_dispatcher_hears_only_what_a_ticket_was_written_in(
    agent: Browser, parts: Parts, open_browser: Callable[[], Browser]
) -> None:
    number = keep_recording(parts, past_call("pbx1-5.5"))
    dispatcher = open_browser()
    dispatcher.log_in("dispatcher01")
    assert dispatcher.get(f"/api/recordings/{number}/audio").status_code == 403
    form = {"request_type": "help", "category_id": 1, "title": "停水", "what": "没水", "call_uid": "pbx1-5.5"}
    made = agent.post("/api/tickets", form).json
    assert [row["id"] for row in made["recordings"]] == [number]
    assert dispatcher.get(f"/api/recordings/{number}/audio").status_code == 200


def test_lists_are_filtered(agent: Browser, parts: Parts) -> None:
    keep_recording(parts, past_call("pbx1-5.5"))
    assert agent.get("/api/recordings?state=kept").json["total"] == 1
    assert agent.get("/api/recordings?state=gap").json["total"] == 0
    assert agent.get("/api/recordings?date=0001-01-01").status_code == 422
    assert agent.get("/api/recordings?state=moon").status_code == 422
