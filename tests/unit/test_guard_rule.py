"""Who is shut out: read from lines of a real security log, counted, and put into the kernel's words."""

from __future__ import annotations

import configparser
import re
import struct
from pathlib import Path

import pytest

from hotline.guard import doors
from hotline.guard.rule import Guard, Seen, Terms, counted, networks, read
from hotline.guard.watch import Lines

FILTERS = Path(__file__).resolve().parents[2] / "docs" / "fail2ban"
HEAD = "[2026-11-22 12:52:30.116] SECURITY[13046] res_security_log.c: "
TAIL = 'EventTV="2026-11-22T12:52:30.116+0800",Severity="Error",Service="PJSIP",EventVersion="1",'
OURS = 'LocalAddress="IPV4/UDP/127.0.0.1/6926",'
REAL = f"""\
{HEAD}SecurityEvent="InvalidAccountID",{TAIL}AccountID="13800000000",SessionID="c1@x",{OURS}RemoteAddress="IPV4/UDP/127.0.0.9/34278"
{HEAD}SecurityEvent="ChallengeSent",{TAIL}AccountID="<unknown>",SessionID="c1@x",{OURS}RemoteAddress="IPV4/UDP/127.0.0.9/34278",Challenge=""
{HEAD}SecurityEvent="ChallengeResponseFailed",{TAIL}AccountID="8001",SessionID="c16@x",{OURS}RemoteAddress="IPV4/UDP/127.0.0.9/34278",Challenge="1795323150/587907f2",Response="11c5dd78",ExpectedResponse=""
{HEAD}SecurityEvent="SuccessfulAuth",{TAIL}AccountID="8001",SessionID="c38@x",{OURS}RemoteAddress="IPV4/TCP/127.0.0.8/34278",UsingPassword="1"
{HEAD}SecurityEvent="SuccessfulAuth",EventTV="2026",Severity="Informational",Service="AMI",EventVersion="1",AccountID="cti",SessionID="0x5",LocalAddress="IPV4/TCP/127.0.0.1/6746",RemoteAddress="IPV4/TCP/127.0.0.1/44164",UsingPassword="0",SessionTV="2026"
""".splitlines()
FORGED = f'{HEAD}SecurityEvent="InvalidAccountID",{TAIL}AccountID="x",RemoteAddress="IPV4/UDP/127.0.0.2/1",X="",SessionID="c1",{OURS}RemoteAddress="IPV4/UDP/127.0.0.9/3"'  # noqa: E501
FORGED_BEHIND = f'{HEAD}SecurityEvent="ChallengeResponseFailed",{TAIL}AccountID="8001",SessionID="c",{OURS}RemoteAddress="IPV4/UDP/127.0.0.9/3",Challenge="x",RemoteAddress="IPV4/UDP/127.0.0.2/1",Response="",ExpectedResponse=""'  # noqa: E501


def test_lines_of_a_real_log_are_read() -> None:
    assert [read(line) for line in REAL] == [
        Seen("InvalidAccountID", "127.0.0.9"),
        Seen("ChallengeSent", "127.0.0.9"),
        Seen("ChallengeResponseFailed", "127.0.0.9"),
        Seen("SuccessfulAuth", "127.0.0.8"),
        None,
    ]
    assert read("") is None


def test_nobody_can_write_another_address_into_the_log() -> None:
    assert read(FORGED) == Seen("InvalidAccountID", "127.0.0.9")
    assert read(FORGED_BEHIND) is None


def test_fail2bans_filter_matches_what_the_rule_counts() -> None:
    filters = configparser.ConfigParser(interpolation=None)
    filters.read(FILTERS / "filter-hotline-sip.conf")
    host = r"(?P<host>[0-9A-Fa-f.:]+)"
    patterns = [
        re.compile(line.strip().replace("<HOST>", host))
        for line in filters["Definition"]["failregex"].splitlines()
    ]
    found: dict[str, int] = {}
    lines = [*REAL, FORGED, FORGED_BEHIND]
    for line in lines:
        # fail2ban takes the time stamp out before it looks.
        rest = re.sub(r"^\[[^]]+\]", "", line)
        hits = [match["host"] for pattern in patterns if (match := pattern.search(rest))]
        for address in hits:
            found[address] = found.get(address, 0) + 1
    assert found == counted(lines) == {"127.0.0.9": 3}


def test_eight_misses_in_a_minute_shut_out_and_time_lets_in_again() -> None:
    guard = Guard(Terms(misses=8, window=60, closed=600))
    miss = Seen("InvalidAccountID", "192.0.2.9")
    assert [guard.heard(miss, second) for second in range(8)] == [False] * 7 + [True]
    assert guard.let_in(500) == []
    assert guard.let_in(607) == ["192.0.2.9"]
    for second in range(608, 615):
        assert not guard.heard(miss, second)
    assert guard.heard(miss, 615)
    assert guard.out["192.0.2.9"] == 615 + 2400, "the second time four times as long"


def test_slow_misses_shut_nobody_out() -> None:
    guard = Guard(Terms(misses=8, window=60))
    assert not any(guard.heard(Seen("ChallengeResponseFailed", "192.0.2.9"), n * 10.0) for n in range(100))


def test_forged_packets_shut_no_seat_out_but_wrong_passwords_there_do() -> None:
    guard = Guard(Terms(misses=8, misses_where_trusted=40))
    guard.heard(Seen("SuccessfulAuth", "10.0.0.7"), 0)
    assert not any(guard.heard(Seen("InvalidAccountID", "10.0.0.7"), 1 + n / 100) for n in range(500))
    wrong = [guard.heard(Seen("ChallengeResponseFailed", "10.0.0.7"), 10 + n / 100) for n in range(40)]
    assert wrong == [False] * 39 + [True]


def test_telephones_that_register_are_not_taken_for_a_flood() -> None:
    guard = Guard(Terms(asked=60))
    for n in range(300):
        assert not guard.heard(Seen("ChallengeSent", "10.0.0.7"), n / 100)
        assert not guard.heard(Seen("SuccessfulAuth", "10.0.0.7"), n / 100)
    assert any(guard.heard(Seen("ChallengeSent", "10.0.0.8"), n / 100) for n in range(60))


def test_carrier_and_own_machine_are_never_shut_out() -> None:
    guard = Guard(Terms(), networks("127.0.0.2,10.1.0.0/16, carrier.example.cn,"))
    assert len(guard.never) == 2
    for address in ("127.0.0.2", "10.1.2.3"):
        assert not any(guard.heard(Seen("ChallengeResponseFailed", address), n / 10) for n in range(100))


def test_what_is_remembered_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hotline.guard.rule.REMEMBERED", 50)
    guard = Guard()
    for n in range(500):
        guard.heard(Seen("InvalidAccountID", f"192.0.{n // 250}.{n % 250}"), n / 1000)
    assert len(guard._misses) == 50


def test_the_filter_compares_each_address_and_accepts_the_rest() -> None:
    steps = list(struct.iter_unpack("HBBI", doors.program(["127.0.0.9", "2001:db8::1", "192.0.2.1"])))
    assert steps == [
        (0x20, 0, 0, 0xFFF0000C),
        (0x15, 0, 1, 0x7F000009),
        (0x06, 0, 0, 0),
        (0x15, 0, 1, 0xC0000201),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    ]
    assert doors.acl(["192.0.2.1"]) == "deny = 192.0.2.1\n"


def test_the_log_is_followed_across_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "security.log"
    path.write_text("before\n")
    lines = Lines(path)
    with path.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert lines.new() == ["one"]
        file.write("o\n")
    path.rename(tmp_path / "security.log.0")
    path.write_text("three\n")
    assert lines.new() == ["two", "three"]
    lines.close()
