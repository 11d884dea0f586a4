"""The PBX as laid out: rotation, menus of a city's own, a carrier that wants a registration,
and what nobody may do over its wires."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from cti.ami import ActionRefused
from hotline import pbx
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from hotline.worker import rotate_journal
from tests.line import Line, pbx_tree, until

pytestmark = pytest.mark.pbx


def test_the_journal_rotated_in_a_call_loses_nothing(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    line.agent()
    caller = Caller("13812370001")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    ancient = line.settings.journal.with_name("queue_log.99")
    ancient.write_text("1700000000|NONE|NONE|NONE|CONFIGRELOAD|\n")
    os.utime(ancient, (1_700_000_000, 1_700_000_000))
    assert rotate_journal(line.sessions, line.settings) in (["queue_log.99"], ["queue_log.100"])
    assert list(line.settings.journal.parent.glob("queue_log.*")), "yesterday's journal is kept"
    bank.phones["8001"].hang_up()
    call.wait_for_end()
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.agent) == ("answered", "agent01")
    assert line.events(row.uid).count("CALLARRIVED") == line.events(row.uid).count("CALLENDED") == 1


def test_the_zero_menu_leads_to_a_person_without_a_key_and_is_put_on_air_without_a_restart(
    line: Line,
) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.5))
    line.agent()
    caller = Caller("13812370002")
    pbx.reload_menu(line.settings.model_copy(update={"menu_profile": "zero_menu"}))
    try:
        line.citizens().dial(caller=caller).wait_for_end(40)
    finally:
        pbx.reload_menu(line.settings)
    row = line.ended("86" + caller.number)
    assert (row.outcome, row.menu_path) == ("answered", [])


def test_a_menu_with_a_mistake_is_not_put_on_air(line: Line, tmp_path: Path) -> None:
    wrong = tmp_path / "menu.yaml"
    wrong.write_text("profile: normal\nprofiles: {normal: nowhere}\n")
    before = (line.settings.pbx / "etc/generated/menu.conf").read_text()
    with pytest.raises(ValueError, match=r"menu\.yaml"):
        pbx.reload_menu(line.settings.model_copy(update={"menu": wrong}))
    assert (line.settings.pbx / "etc/generated/menu.conf").read_text() == before


@pytest.mark.parametrize(
    "action", ["Originate", "Command", "GetConfig", "MixMonitor", "ModuleLoad", "UpdateConfig"]
)
def test_the_cti_may_not_do_over_ami_what_it_never_needs(line: Line, action: str) -> None:
    headers = {
        "Channel": "PJSIP/8001",
        "Command": "core show channels",
        "Filename": "pjsip.conf",
        "Module": "x",
    }
    with pytest.raises(ActionRefused, match=r"(?i)permission"):
        line.ami(action, **headers)


def test_a_stranger_on_the_network_gets_no_call_and_no_hint(line: Line) -> None:
    """127.0.0.3 is neither the carrier nor a seat."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.3", 0))
        stranger.settimeout(5)
        port = stranger.getsockname()[1]
        invite = (
            f"INVITE sip:12345@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3:{port};branch=z9hG4bKx\r\n"
            f"From: <sip:8001@127.0.0.3>;tag=a\r\nTo: <sip:12345@127.0.0.1>\r\nCall-ID: stranger\r\n"
            f"CSeq: 1 INVITE\r\nContact: <sip:x@127.0.0.3:{port}>\r\nMax-Forwards: 70\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        stranger.sendto(invite.encode(), line.sip)
        first = stranger.recv(4096).decode()
    assert first.split(" ", 2)[1] in ("401", "403", "404")
    assert not line.channels()


def test_a_carrier_that_wants_a_registration_gets_one() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as carrier:
        carrier.bind(("127.0.0.4", 0))
        carrier.settimeout(20)
        line = Line(
            pbx_tree(),
            trunk_register=True,
            trunk_server=f"127.0.0.4:{carrier.getsockname()[1]}",
            trunk_user="city12345",
            trunk_password="f" * 24,
            trunk_match="127.0.0.4",
        )
        try:
            line.start("pbx")
            request, peer = _next(carrier, "REGISTER")
            assert "sip:city12345@127.0.0.4" in request
            assert "sip:12345@127.0.0.1" in request, "the contact is the hotline's number"
            carrier.sendto(
                _answer(request, "401 Unauthorized", 'WWW-Authenticate: Digest realm="carrier",nonce="n1"'),
                peer,
            )
            proven, peer = _next(carrier, "REGISTER")
            assert 'username="city12345"' in proven
            carrier.sendto(_answer(proven, "200 OK", "Expires: 300"), peer)
            until(
                lambda: "Registered" in pbx.console(line.settings, "pjsip show registrations"),
                10,
                "registered",
            )
        finally:
            line.stop()


def _next(carrier: socket.socket, method: str) -> tuple[str, tuple[str, int]]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        data, peer = carrier.recvfrom(8192)
        text = data.decode()
        if text.startswith(method):
            return text, peer
        carrier.sendto(_answer(text, "200 OK", "Accept: application/sdp"), peer)
    raise AssertionError(f"no {method} came")


def _answer(request: str, status: str, more: str) -> bytes:
    kept = [
        line
        for line in request.split("\r\n")
        if line.split(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq", "Contact")
    ]
    return ("\r\n".join([f"SIP/2.0 {status}", *kept, more, "Content-Length: 0"]) + "\r\n\r\n").encode()
