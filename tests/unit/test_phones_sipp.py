"""Orders to SIPp, its log lines as events, the scenarios against the orders, digest authentication."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from hotline.phones.alaw import KEYS, key_file
from hotline.phones.digest import authorization, read_challenge
from hotline.phones.plan import ORDERS
from hotline.phones.sipp_process import SCENARIOS, Event, order, read_event, read_failure
from hotline.secrets import make_secret, seat_password

LOG = """\
INVITED fcd5740f-2206-4a5e 8001 "a\\"b,c|d;e%0A${EXTEN}<b>" <sip:13812345678@127.0.0.1>;tag=8d9
ANSWERED fcd5740f-2206-4a5e 127.0.0.1 15252
PRESSED fcd5740f-2206-4a5e #
ENDED fcd5740f-2206-4a5e pbx
"""
ERRORS = """\
The following events occurred:
2026-11-21	19:20:53.836057	1795288853.836057: Aborting call on UDP retransmission timeout for Call-ID 'cid1'
2026-11-21	19:10:45.282710	1795288245.282710: Dead call cid2 received a UDP message
"""


def test_a_log_is_read_line_by_line() -> None:
    events = [read_event(line, 1.0) for line in LOG.splitlines()]
    assert [event and event.name for event in events] == ["INVITED", "ANSWERED", "PRESSED", "ENDED"]
    assert events[2] == Event("PRESSED", "fcd5740f-2206-4a5e", "#", 1.0)
    assert events[0] is not None
    assert events[0].rest.startswith('8001 "a\\"b')
    assert read_event("no event", 1.0) is None


def test_a_call_that_sipp_gave_up_is_lost() -> None:
    lost = [event for line in ERRORS.splitlines() if (event := read_failure(line, 2.0))]
    assert [(event.name, event.call_id) for event in lost] == [("LOST", "cid1")]


def test_an_order_is_a_sip_request_whose_headers_cannot_break_out() -> None:
    text = order("DIAL", "cid", ("127.0.0.2", 9), {"X-From": '"张" <sip:1@h>'}).decode()
    assert text.startswith("DIAL sip:phone@127.0.0.2 SIP/2.0\r\n")
    assert '\r\nX-From:"张" <sip:1@h>\r\n' in text
    with pytest.raises(ValueError, match="X-From"):
        order("DIAL", "cid", ("127.0.0.2", 9), {"X-From": "a\r\nX-Uri: b"})


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.xml")), ids=lambda path: path.stem)
def test_scenarios_know_every_order_and_jump_only_to_labels(path: object) -> None:
    root = ElementTree.parse(str(path)).getroot()
    heard = {element.get("request") for element in root.iter("recv")}
    assert {*ORDERS.values(), "SPEAK", "QUIET", "HANGUP", "BYE"} <= heard
    labels = [element.get("id") for element in root.iter("label")]
    assert len(labels) == len(set(labels))
    jumps = {element.get(name) for element in root.iter() for name in ("next", "ontimeout")} - {None}
    assert jumps <= set(labels)
    played = {(element.get("rtp_stream") or "").split(",")[0] for element in root.iter("exec")}
    assert played == {"silence.al", "speech.al", *(key_file(key) for key in KEYS)}
    for log in root.iter("log"):
        assert re.match(r"[A-Z]+ \[call_id\]", log.get("message") or "")


def test_the_example_of_rfc_7616_is_answered_as_printed_there() -> None:
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    line = authorization(
        challenge, "Mufasa", "Circle of Life", "GET", "/dir/index.html",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )  # fmt: skip
    assert read_challenge(line)["response"] == "8ca523f5e9506fed4657c9700eebdbec"
    with pytest.raises(ValueError, match="cannot answer"):
        authorization('Digest realm="x", nonce="y", algorithm=AKAv1', "u", "p", "GET", "/")


def test_seat_passwords_differ_by_seat_and_by_key_and_need_a_key() -> None:
    key = make_secret()
    assert seat_password(key, "8001") == seat_password(key, "8001")
    assert (
        len({seat_password(key, "8001"), seat_password(key, "8002"), seat_password(make_secret(), "8001")})
        == 3
    )
    assert re.fullmatch(r"[0-9a-f]{24}", seat_password(key, "8001"))
    with pytest.raises(ValueError, match="seat_key"):
        seat_password("", "8001")
