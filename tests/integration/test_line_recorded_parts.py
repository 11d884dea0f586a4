"""One recording through consultation and three-way, with its parts known; a paused stretch is silence."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
import soundfile
from sqlalchemy import select

from db import models
from hotline.phones import alaw
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from recordings import parts as recorded_parts
from tests.hearing import level
from tests.integration.test_line_recording import recording_of
from tests.line import Desk, Line, until

pytestmark = pytest.mark.pbx

CITIZEN, AGENT, EXPERT = 440, 1000, 1500
LONG_ENOUGH = 1.5
"""Seconds of a stretch in which a tone can be measured."""


def lasts(desk: Desk, state: str, seconds: float = LONG_ENOUGH) -> int:
    """Wait until the call has been in this state so long; when that stretch began (epoch ms)."""

    def long_enough() -> int | None:
        call = desk.call() or {}
        since = call.get("event_at")
        now = desk.ask("GET", "/api/session")["server_time"]
        return since if call.get("state") == state and now - since > seconds * 1000 else None

    began: int = until(long_enough, seconds + 8, f"{state} for {seconds} s")
    return began


def test_one_recording_through_everything(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1), speech=alaw.tone(AGENT, 1))
    line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.1),
        speech=alaw.tone(EXPERT, 1),
    )
    agent = line.agent()
    citizen = line.citizens(speech=alaw.tone(CITIZEN, 1)).dial(
        caller=Caller("13812361101"), keys="0", speak=True
    )
    until(lambda: (agent.call() or {}).get("state") == "talking", 25, "talking")
    uid = (agent.call() or {})["uid"]
    began = {"talk": lasts(agent, "talking")}
    agent.ask("POST", "/api/seat/pause-recording", {})
    began["paused"] = until(lambda: (agent.call() or {}).get("paused_since"), 5, "paused")
    lasts(agent, "talking")
    agent.ask("POST", "/api/seat/resume-recording", {})
    until(lambda: (agent.call() or {}).get("recording") == "on", 5, "on again")
    began["again"] = lasts(agent, "talking")
    agent.ask("POST", "/api/seat/consult", {"kind": "number", "target": "19900010001"})
    began["consult"] = lasts(agent, "consulting")
    agent.ask("POST", "/api/seat/three-way", {})
    began["three"] = lasts(agent, "three_way")
    agent.ask("POST", "/api/seat/end-all", {})
    citizen.wait_for_end(8)
    bank.phones["8001"].wait_for_idle()
    row = line.ended("8613812361101")
    kept = recording_of(line, uid)
    assert kept.state == "kept", kept.problem
    sound, rate = soundfile.read(
        io.BytesIO(agent.raw("GET", f"/api/recordings/{kept.id}/audio")[1]), always_2d=True
    )
    assert row.outcome == "answered"
    parts = parts_of(line, uid)
    spans = recorded_parts.recorded(parts)

    def heard(stretch: str) -> dict[str, float]:
        start = int(recorded_parts.position(spans, moment(began[stretch])) * rate) + rate // 4
        part = sound[start : start + rate]
        both = {"citizen": part[:, 0], "house": part[:, 1]}
        return {
            f"{side} {tone}": level(both[side], tone) for side in both for tone in (CITIZEN, AGENT, EXPERT)
        }

    loud = heard("talk")
    assert loud[f"citizen {CITIZEN}"] > 0.05
    assert loud[f"house {AGENT}"] > 0.05
    assert max(heard("paused").values()) < 0.001, "nothing of a paused stretch is kept"
    assert heard("again")[f"house {AGENT}"] > 0.05
    three = heard("three")
    assert three[f"citizen {CITIZEN}"] > 0.05
    assert min(three[f"house {AGENT}"], three[f"house {EXPERT}"]) > 0.02, "both are heard"
    assert {part.kind for part in parts} >= {"agent", "recording_paused", "consult", "party"}
    asked = next(part for part in parts if part.kind == "consult")
    assert recorded_parts.position(spans, asked.began_at) == pytest.approx(
        recorded_parts.position(spans, asked.ended_at), abs=0.01
    ), "what agent and expert say alone is not on the citizen's recording"


def moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def parts_of(line: Line, uid: str) -> list[Any]:
    with line.sessions() as session:
        query = select(models.CallPart).where(models.CallPart.call_uid == uid)
        found = list(session.scalars(query.order_by(models.CallPart.position)))
    assert all(isinstance(part.ended_at, datetime) for part in found)
    return found
