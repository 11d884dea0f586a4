"""The torture messages and the verdicts on abuse: built and judged without a PBX."""

from __future__ import annotations

import random
from typing import Any

from hotline.abuse import judge, sip, torture
from hotline.abuse.message import Place, challenge_of, invite, request, status_of
from hotline.abuse.report import section

PLACE = Place(("127.9.0.1", 40000), ("127.0.0.1", 5060))
BY = {one.section: one for one in torture.ALL}


def test_there_are_all_49_messages_of_the_rfc() -> None:
    counts = {
        part: sum(name.startswith(part + ".") for name in BY)
        for part in ("3.1.1", "3.1.2", "3.2", "3.3", "3.4")
    }
    assert counts == {"3.1.1": 13, "3.1.2": 19, "3.2": 1, "3.3": 15, "3.4": 1}
    assert len(BY) == len(torture.ALL) == 49


def test_each_is_aimed_at_the_pbx_and_fits_into_a_datagram() -> None:
    for one in torture.ALL:
        made = one.make(PLACE)
        assert 100 < len(made) < 65_000, one.section
        assert b"\r\n\r\n" in made
        assert one.make(PLACE) != made, f"{one.section} has a Call-ID of its own each time"


def test_the_spoilt_ones_are_spoilt_where_the_rfc_says() -> None:
    assert b"Content-Length: -999" in BY["3.1.2.3"].make(PLACE)
    assert b"Content-Length: 9999" in BY["3.1.2.2"].make(PLACE)
    assert BY["3.1.2.16"].make(PLACE).split(b"\r\n")[0].endswith(b"SIP/7.0")
    assert b'"Mr. J. User <sip:' in BY["3.1.2.6"].make(PLACE)
    assert b"\r\nCall-ID" not in BY["3.3.1"].make(PLACE)
    assert BY["3.3.9"].make(PLACE).count(b"Content-Length") == 2
    assert b";branch=z9hG4bK\r\n" in BY["3.2.1"].make(PLACE)
    assert BY["3.1.1.13"].make(PLACE).startswith(b"SIP/2.0 100 \r\n")
    assert BY["3.1.1.8"].make(PLACE).count(b"SIP/2.0\r\n") == 2


def test_a_proper_request_says_how_long_it_is() -> None:
    made = invite(PLACE).encode()
    head, _, body = made.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert request(PLACE, "OPTIONS").header("Max-Forwards", None).encode().count(b"Max-Forwards") == 0


def test_answers_are_read() -> None:
    assert status_of(b"SIP/2.0 401 Unauthorized\r\n") == 401
    assert status_of(b"OPTIONS sip:x SIP/2.0\r\n") is None
    assert status_of(b"") is None
    assert challenge_of(b'SIP/2.0 401 x\r\nwww-authenticate: Digest realm="a"\r\n\r\n') == 'Digest realm="a"'


def test_garbage_is_the_same_for_the_same_seed() -> None:
    made = [len(sip.garbage(PLACE, random.Random(5))) for _ in range(2)]
    assert made[0] == made[1]
    assert all(len(sip.garbage(PLACE, random.Random(seed))) <= sip.OVERSIZED for seed in range(60))


def test_addresses_are_loopback_and_each_once() -> None:
    source = sip.addresses()
    some = [next(source) for _ in range(600)]
    assert len(set(some)) == 600
    assert all(one.startswith("127.9.") for one in some)


def _phase(kind: str, answered: int = 20, p99: float = 100.0, memory: float = 400.0) -> dict[str, Any]:
    spread = {"n": 20, "p50": 50.0, "p99": p99, "max": p99}
    return {
        "kind": kind,
        "calls": 20,
        "answered": answered,
        "post_dial_ms": spread,
        "pop_ms": spread,
        "memory_mb": {"pbx": 90.0, "desktop": memory},
        "abuse": {"sent": 5, "answers": {"401": 3, "none": 2}},
    }


def _result(*phases: dict[str, Any], rows: int = 0, answered: int | None = 20) -> dict[str, Any]:
    return {
        "date": "2026-11-22T05:00:00+00:00",
        "machine": {"processor": "p", "cores": 2},
        "load_average_before": 1.0,
        "versions": {"asterisk": "22"},
        "plan": {"seats": 12, "rate": 2.0, "seconds": 10.0, "messages": 500.0},
        "phases": [_phase("quiet"), *phases],
        "guesses": {"a seat": {"answered": answered, "seconds": 0.2, "right_password_after": None}},
        "inside": {
            "channels_left": 0,
            "ledger_rows_beyond_calls": rows,
            "registered_strangers": 0,
            "parts_alive": {"pbx": True},
            "log_mb": 1.0,
        },
    }


def test_service_that_goes_on_is_good_and_what_was_let_in_is_not() -> None:
    assert all(one["met"] for one in judge.verdicts(_result(_phase("idle"))))
    bad = judge.verdicts(
        _result(_phase("idle", answered=19, p99=5000.0, memory=1200.0), rows=1, answered=None)
    )
    assert sum(not one["met"] for one in bad) == 6


def test_the_section_names_what_was_missed() -> None:
    result = _result(_phase("idle", answered=19))
    result["verdicts"] = judge.verdicts(result)
    text = section(result)
    assert "| idle | 19 of 20 | 50 / 100 | 50 / 100 | 400 | 5 sent; 3 × 401, 2 × none |" in text
    assert "Missed: idle: calls answered, of all (0.95)." in text
