"""The telephones we play, against the PBX as shipped: they are heard, and nothing of them stays."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hotline.phones import alaw
from hotline.phones.citizen import Citizens
from hotline.phones.desk_phone import DeskPhone, Habit
from hotline.phones.errors import NobodyListens, NotRegistered
from hotline.phones.identity import Caller
from tests.line import Line

pytestmark = pytest.mark.pbx

CITIZEN_HERTZ, AGENT_HERTZ = 440, 1000


def test_citizen_and_agent_hear_each_other_by_their_tones(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1, listen=True), speech=alaw.tone(AGENT_HERTZ, 1))
    line.agent()
    citizens = line.citizens(speech=alaw.tone(CITIZEN_HERTZ, 1))
    call = citizens.dial(caller=Caller("13812349001"), keys="0", speak=True, listen=True)
    rung = bank.phones["8001"].wait_for_talk(30)
    before = len(call.heard) / alaw.RATE
    last_second = call.wait_for_sound(before + 2)[-alaw.RATE :]
    assert alaw.share_of(AGENT_HERTZ, last_second) > 0.9
    assert rung.ear is not None
    assert rung.ear.wait_for(1.5, 5)
    assert alaw.share_of(CITIZEN_HERTZ, rung.heard[-4000:]) > 0.9
    call.hang_up()
    assert bank.phones["8001"].wait_for_idle().end == "pbx"  # type: ignore[union-attr]


def test_a_citizen_whom_sipp_plays_is_recorded_with_the_agents_tone_beside(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1, listen=True), speech=alaw.tone(AGENT_HERTZ, 1))
    line.agent()
    call = line.citizens(speech=alaw.tone(CITIZEN_HERTZ, 1)).dial(
        caller=Caller("13812349002"), keys="0", speak=True
    )
    rung = bank.phones["8001"].wait_for_talk(30)
    assert rung.ear is not None
    assert rung.ear.wait_for(2, 5)
    assert alaw.share_of(CITIZEN_HERTZ, rung.heard[-4000:]) > 0.9
    call.hang_up()
    call.wait_for_end()
    assert call.pressed == "0"


def test_an_unplugged_phone_registers_again_when_it_is_plugged_in(line: Line) -> None:
    bank = line.phones("8001")
    bank.unplug()
    assert bank.phones["8001"].state == "unplugged"
    bank.plug_in()
    assert bank.phones["8001"].state == "idle"


def test_a_wrong_password_is_said_in_one_line(line: Line) -> None:
    with pytest.raises(NotRegistered, match="8002"):
        DeskPhone("8002", line.sip, "wrong")


def test_a_closed_port_is_said_in_one_line_with_the_remedy(line: Line) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NobodyListens, match="make run"):
        Citizens(("127.0.0.1", port))


def test_telephones_leave_no_process_no_file_and_no_port(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Citizens(line.sip) as citizens:
        call = citizens.dial("12345", Caller("13812349003")).wait_for_answer()
        assert list(tmp_path.iterdir())
    assert call.end == "citizen"
    assert not citizens.sipp.running
    assert not list(tmp_path.iterdir())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(citizens.sipp.address)
