"""Every answered call has its recording: two channels, checked, playable by who may; and what follows."""

from __future__ import annotations

import io
import signal
import time
from datetime import datetime

import numpy as np
import pytest
import soundfile
from sqlalchemy import select

from db import models
from hotline.phones import alaw
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx


def recording_of(line: Line, uid: str, timeout: float = 15) -> models.Recording:
    """The row of the call's recording, once the worker has kept it."""

    def found() -> models.Recording | None:
        with line.sessions() as session:
            return session.query(models.Recording).filter_by(call_uid=uid).one_or_none()

    row: models.Recording = until(found, timeout, f"recording of {uid}")
    return row


def loudest(samples: np.ndarray) -> float:
    """The strongest frequency in Hz of one channel at 8 kHz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 8000 / len(samples))


def talk(line: Line, caller: Caller, seconds: float = 3.0) -> tuple[Desk, models.Call]:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=seconds), speech=alaw.tone(1000, 1))
    agent = line.agent()
    call = line.citizens(speech=alaw.tone(440, 1)).dial(caller=caller, keys="1", speak=True)
    call.wait_for_end(40)
    return agent, line.ended("86" + caller.number)


def test_both_voices_are_kept_apart_and_played_to_those_who_may(line: Line) -> None:
    agent, row = talk(line, Caller("13812360001"))
    kept = recording_of(line, row.uid)
    assert (kept.state, kept.problem) == ("kept", None)
    assert kept.seconds == pytest.approx(3.0, abs=0.7)
    status, audio, headers = agent.raw("GET", f"/api/recordings/{kept.id}/audio")
    assert status == 200
    assert headers["Content-Type"].startswith("audio/flac")
    samples, rate = soundfile.read(io.BytesIO(audio))
    assert (rate, samples.shape[1]) == (8000, 2)
    middle = samples[4000:16000]
    assert loudest(middle[:, 0]) == pytest.approx(440, abs=4), "the citizen is on the first channel"
    assert loudest(middle[:, 1]) == pytest.approx(1000, abs=4), "the agent is on the second channel"

    status, part, headers = agent.raw("GET", f"/api/recordings/{kept.id}/audio", Range="bytes=100-299")
    assert (status, len(part)) == (206, 200)
    assert part == audio[100:300]

    listed = agent.ask("GET", "/api/recordings")["rows"]
    assert [r["id"] for r in listed if r["call_uid"] == row.uid] == [kept.id]
    other = line.desk("agent02", "8002")
    with pytest.raises(Refused) as refusal:
        other.ask("GET", f"/api/recordings/{kept.id}/audio")
    assert refusal.value.status == 403
    line.desk("inspector01").raw("GET", f"/api/recordings/{kept.id}/audio", Range="bytes=0-99")
    with line.sessions() as session:
        listens = session.query(models.AccessLog).filter_by(action="listen").all()
    assert any(str(kept.id) in log.object or row.uid in log.object for log in listens)
    assert not list(line.settings.monitor.glob(f"{row.uid}*")), "the raw file is gone once it is kept"


def test_a_ticket_written_in_the_call_finds_call_and_recording(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    caller = Caller("13812360002")
    call = line.citizens().dial(caller=caller, keys="2,w1,1")
    until(lambda: agent.state()["activity"] == "talking", 30, "talking")
    uid = agent.call()["uid"]
    catalogue = agent.ask("GET", "/api/catalogue")
    leaf = catalogue["categories"][0]
    while leaf["children"]:
        leaf = leaf["children"][0]
    agent.ask("PUT", f"/api/calls/{uid}/draft", {"body": {"title": "水"}})
    form = {
        "call_uid": uid, "request_type": "complaint", "category_id": leaf["id"], "region_id": None,
        "title": "小区停水两天", "who": "李先生", "when": "昨天起", "where": "云州市演示路1号",
        "what": "整个小区停水", "asked_for": "尽快恢复供水",
        "urgency": "urgent", "confidential": False, "disposition": "dispatch",
        "answer": None, "unit_id": leaf["unit_id"] or catalogue["units"][0]["id"], "citizen": None,
    }  # fmt: skip
    once = {"Idempotency-Key": "0b5c7e0e-1111-4222-8333-444455556666"}
    ticket = agent.ask("POST", "/api/tickets", form, **once)
    again = agent.ask("POST", "/api/tickets", form, **once)
    assert again["number"] == ticket["number"], "a repeated save writes one ticket"
    assert agent.ask("GET", f"/api/calls/{uid}/draft") is None
    call.hang_up()
    call.wait_for_end()
    kept = recording_of(line, uid)
    detail = agent.ask("GET", f"/api/tickets/{ticket['number']}")
    assert [r["id"] for r in detail["recordings"]] == [kept.id]
    assert [step["action"] for step in detail["timeline"]]
    rows = agent.ask("GET", "/api/calls?mine=1")["rows"]
    assert next(r for r in rows if r["uid"] == uid)["ticket_numbers"] == [ticket["number"]]

    # The citizen asks for progress from the same telephone (# instead of its last four digits) and hears it.
    second = line.citizens().dial(caller=caller, keys=f"3,w1,{ticket['number']}#", listen=True)
    second.wait_for_end(60)
    asked = line.ended("86" + caller.number, 2)
    assert (asked.outcome, asked.reason) == ("self_served", "progress")
    # Somebody else's telephone and wrong digits: no state is read out, a person is next.
    stranger = Caller("13812360012")
    third = line.citizens().dial(caller=stranger, keys=f"3,w1,{ticket['number']},w1,9999,w2,9998")
    until(lambda: agent.state()["activity"] == "talking", 60, "a person after two wrong answers")
    third.hang_up()
    third.wait_for_end()
    assert line.ended("86" + stranger.number).outcome == "answered"


@pytest.mark.parametrize("how", ["dead", "hung"])
def test_a_progress_step_without_python_goes_to_a_person(line: Line, how: str) -> None:
    """A cti that hangs is worse than a dead one: Asterisk still hands it the citizen."""
    line.phones("8001", habit=Habit(answer_after=0.1, talk=1))
    line.agent()
    caller = Caller("13812360003" if how == "dead" else "13812360013")
    process = line.running["cti"]
    if how == "dead":
        line.kill("cti")
    else:
        process.send_signal(signal.SIGSTOP)
    try:
        call = line.citizens().dial(caller=caller, keys="3,w1,261121000010,w1,0003")
        call.wait_for_end(60)
    finally:
        if how == "dead":
            line.start("cti")
        else:
            process.send_signal(signal.SIGCONT)
            line.wait_until_linked()
    row = line.ended("86" + caller.number)
    assert row.outcome == "answered"
    assert "STEPFAILED" in line.events(row.uid)
    asked, person = (_journalled(line, row.uid, event) for event in ("MENUSTEP", "TOPERSON"))
    assert (person - asked).total_seconds() < 14, "the rest is what the citizen hears and presses"


def _journalled(line: Line, uid: str, event: str) -> datetime:
    """When the last such line of a call was journalled."""
    with line.sessions() as session:
        query = select(models.JournalEvent.at).where(
            models.JournalEvent.call_uid == uid, models.JournalEvent.event == event
        )
        return list(session.scalars(query.order_by(models.JournalEvent.id)))[-1]


def test_a_voice_message_is_kept_when_nobody_is_there(line: Line) -> None:
    caller = Caller("13812360004")
    call = line.citizens(speech=alaw.tone(600, 1)).dial(caller=caller, keys="0", speak=True)
    row = until(lambda: line.ledger("86" + caller.number), 8)[0]
    until(lambda: "OVERFLOW" in line.events(row.uid), 20)
    call.press("2")
    message = line.settings.voicemail / f"{row.uid}.wav"
    until(message.exists, 25, "the message is being recorded")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 3, 5, "three seconds of speech, by the clock")
    call.press("#")
    call.wait_for_end(30)
    assert line.ended("86" + caller.number).outcome == "voicemail_left"
    kept = recording_of(line, row.uid)
    assert (kept.kind, kept.state) == ("message", "kept")


def test_a_caller_who_hangs_up_while_leaving_a_message_has_left_it(line: Line) -> None:
    caller = Caller("13812360014")
    call = line.citizens(speech=alaw.tone(600, 1)).dial(caller=caller, keys="0", speak=True)
    row = until(lambda: line.ledger("86" + caller.number), 8)[0]
    until(lambda: "OVERFLOW" in line.events(row.uid), 20)
    call.press("2")
    until((line.settings.voicemail / f"{row.uid}.wav").exists, 25, "the message is being recorded")
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 2.5, 5, "speech")
    call.hang_up()
    call.wait_for_end()
    assert line.ended("86" + caller.number).outcome == "voicemail_left"
    assert recording_of(line, row.uid).kind == "message"


def test_a_transfer_to_another_queue_is_one_call_and_one_recording(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1), speech=alaw.tone(1000, 1))
    second_bank = line.phones("8002", habit=Habit(answer_after=0.1, talk=2), speech=alaw.tone(1500, 1))
    first = line.agent("agent01", "8001")
    caller = Caller("13812360005")
    call = line.citizens(speech=alaw.tone(440, 1)).dial(caller=caller, keys="0", speak=True)
    until(lambda: first.state()["activity"] == "talking", 30, "talking")
    line.agent("agent02", "8002")
    with pytest.raises(Refused):
        first.ask("POST", "/api/seat/transfer", {"kind": "queue", "target": "nowhere"})
    first.ask("POST", "/api/seat/not-ready", {"reason": "break"})
    first.ask("POST", "/api/seat/transfer", {"kind": "queue", "target": "consultation"})
    until(lambda: first.state()["activity"] == "idle", 5, "the first seat is free")
    second_bank.phones["8002"].wait_for_calls(1, 40)
    call.wait_for_end(10)
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.agent, row.transfers) == ("answered", "agent01", 1)
    kept = recording_of(line, row.uid)
    assert (kept.state, kept.problem) == ("kept", None), "the wait between two agents is not missed in it"
    assert kept.seconds
    assert kept.seconds > 1.8
    _, audio, _ = first.raw("GET", f"/api/recordings/{kept.id}/audio")
    samples, _ = soundfile.read(io.BytesIO(audio))
    assert loudest(samples[-8000:-2000, 1]) == pytest.approx(1500, abs=6), "the second agent too"


def test_a_transfer_to_an_outside_number_goes_through_the_trunk_as_12345(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1))
    outside = line.phones(
        own_address="127.0.0.2",
        port=line.settings.trunk_port,
        register=False,
        habit=Habit(answer_after=0.1, talk=4),  # who hangs up at once would have helped nobody
    )
    agent = line.agent()
    caller = Caller("13812360006")
    call = line.citizens().dial(caller=caller, keys="0")
    until(lambda: agent.state()["activity"] == "talking", 30, "talking")
    agent.ask("POST", "/api/seat/transfer", {"kind": "number", "target": "057188889999"})
    rung = until(
        lambda: [c for phone in outside.phones.values() for c in phone.calls], 15, "the unit's telephone"
    )
    assert rung[0].caller_number == "12345"
    call.wait_for_end(20)
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.transfers) == ("answered", 1)
    assert "OUTSIDEANSWERED" in line.events(row.uid)


def test_the_agent_hangs_up_from_the_screen(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    caller = Caller("13812360007")
    call = line.citizens().dial(caller=caller, keys="0")
    until(lambda: agent.state()["activity"] == "talking", 30, "talking")
    agent.ask("POST", "/api/seat/hang-up", {})
    call.wait_for_end(5)
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.ended_by) == ("answered", "agent")
    with pytest.raises(Refused) as gone:
        agent.ask("POST", "/api/seat/hang-up", {})
    assert gone.value.body["error"] == "call_gone"
    agent.ask("POST", "/api/seat/finish-after-call", {})
    until(lambda: agent.state()["presence"] == "ready", 5, "ready at once")
