"""What can go wrong on the line, each made to happen on the real PBX; afterwards all figures are right."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.request

import pytest

from hotline.phones.desk_phone import Habit
from hotline.phones.errors import PhoneTimeout
from hotline.phones.identity import Caller
from tests.line import Line, until

pytestmark = pytest.mark.pbx


def normal(caller: Caller) -> str:
    return "86" + caller.number


# --- the caller hangs up -------------------------------------------------------------------------------


def test_caller_hangs_up_in_the_greeting(line: Line) -> None:
    caller = Caller("13812350001")
    call = line.citizens().dial(caller=caller, listen=True)
    call.wait_for_answer()
    call.wait_for_sound(0.5)
    call.hang_up()
    call.wait_for_end()
    row = line.ended(normal(caller))
    assert (row.outcome, row.ended_by, row.menu_path) == ("abandoned_in_menu", "caller", [])


def test_caller_hangs_up_in_the_menu(line: Line) -> None:
    caller = Caller("13812350002")
    call = line.citizens().dial(caller=caller, keys="2")
    uid = until(lambda: line.ledger(normal(caller)), 5)[0].uid
    until(lambda: "MENUSTEP" in line.events(uid), 5, "a menu step")
    call.hang_up()
    call.wait_for_end()
    row = line.ended(normal(caller))
    assert row.outcome in ("abandoned_in_menu", "short_abandon", "overflowed")
    assert row.menu_path[0]["key"] == "2"


def test_caller_hangs_up_in_the_queue_at_once_and_later(line: Line) -> None:
    line.phones("8001", habit=Habit(on_ring="wait"))
    line.agent()
    busy = line.citizens().dial(caller=Caller("13812350009"), keys="0")
    until(lambda: line.desks[0].state()["activity"] == "ringing", 15)
    cases = (("13812350003", 0, "short_abandon"), ("13812350004", 6, "abandoned_in_queue"))
    for number, seconds, outcome in cases:
        caller = Caller(number)
        call = line.citizens().dial(caller=caller, keys="0")
        row = until(lambda c=caller: line.ledger(normal(c)), 5)[0]
        until(lambda u=row.uid: "TOPERSON" in line.events(u), 10, "on the way to a person")
        if seconds:
            # The wait itself is what is tested here: Asterisk's own clock decides between the two outcomes.
            until(lambda u=row.uid, s=seconds: _queued_for(line, u) >= s, seconds + 8, "waited long enough")
        call.hang_up()
        call.wait_for_end()
        assert line.ended(normal(caller)).outcome == outcome
    busy.hang_up()
    busy.wait_for_end()


def _queued_for(line: Line, uid: str) -> int:
    entries = [m for m in line.ami("QueueStatus") if m["Event"] == "QueueEntry" and m["Uniqueid"] == uid]
    return int(entries[0]["Wait"]) if entries else 0


def test_caller_hangs_up_while_ringing(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    caller = Caller("13812350005")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_ring(15)
    call.hang_up()
    call.wait_for_end()
    bank.phones["8001"].wait_for_idle()
    row = line.ended(normal(caller))
    assert (row.outcome, row.ended_by) == ("short_abandon", "caller")
    until(lambda: agent.state()["activity"] == "idle", 5, "seat idle again")
    assert agent.state()["presence"] == "ready"
    assert agent.call() is None


@pytest.mark.parametrize("attempt", range(3))
def test_caller_hangs_up_at_the_moment_of_answer(line: Line, attempt: int) -> None:
    bank = line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    caller = Caller(f"1381235001{attempt}")
    call = line.citizens().dial(caller=caller, keys="0")
    phone = bank.phones["8001"]
    phone.wait_for_ring(15)
    call.hang_up()
    # The caller may be faster.
    with contextlib.suppress(PhoneTimeout):
        phone.answer()
    call.wait_for_end()
    phone.wait_for_idle()
    row = line.ended(normal(caller))
    assert row.outcome in ("answered", "short_abandon")
    assert (row.answered_at is not None) == (row.outcome == "answered")
    until(lambda: agent.state()["activity"] == "idle", 5, "seat idle again")


# --- the agent's telephone -----------------------------------------------------------------------------


def test_a_telephone_that_is_unplugged_is_not_rung_and_said_so(line: Line) -> None:
    bank = line.phones("8001")
    agent = line.agent()
    bank.unplug()
    until(lambda: agent.state()["reachable"] is False, 30, "unreachable on the screen")
    caller = Caller("13812350020")
    call = line.citizens().dial(caller=caller, keys="0")
    row = until(lambda: line.ledger(normal(caller)), 5)[0]
    # Where Asterisk was started only now, seats have half a minute to come back.
    until(lambda: "OVERFLOW" in line.events(row.uid), 45, "overflow instead of waiting for nobody")
    call.hang_up()
    call.wait_for_end()
    assert line.ended(normal(caller)).outcome == "overflowed"


def test_a_telephone_unplugged_while_talking_does_not_leave_the_citizen_in_silence(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    other = line.phones("8002", habit=Habit(answer_after=0.1, talk=1))
    line.agent("agent01", "8001")
    caller = Caller("13812350021")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    second = line.agent("agent02", "8002")
    bank.unplug()
    other.phones["8002"].wait_for_calls(1, 40)
    call.wait_for_end(10)
    row = line.ended(normal(caller))
    assert (row.outcome, row.agent) == ("answered", "agent01")
    assert line.events(row.uid).count("CONNECT") == 2
    until(lambda: second.state()["activity"] == "idle", 5)
    until(lambda: line.desks[0].state()["activity"] == "idle", 5, "the first seat is not stuck talking")


# --- keys ----------------------------------------------------------------------------------------------


def test_a_key_pressed_during_the_greeting_counts(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.5))
    line.agent()
    caller = Caller("13812350030")
    line.citizens().dial(caller=caller, keys="1").wait_for_end(30)
    row = line.ended(normal(caller))
    assert (row.outcome, row.queue, row.menu_path[0]["key"]) == ("answered", "consultation", "1")


def test_wrong_keys_and_silence_lead_to_a_person(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.5))
    line.agent()
    caller = Caller("13812350031")
    line.citizens().dial(caller=caller, keys="7,w2,8,w2,7").wait_for_end(60)
    row = line.ended(normal(caller))
    assert row.outcome == "answered"
    assert {step["result"] for step in row.menu_path} == {"wrong"}


# --- numbers and names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("+8613812350040", "8613812350040"),
        ("008613812350041", "8613812350041"),
        ("013812350042", "8613812350042"),
        ("057187654321", "8657187654321"),
        ("87654322", "8657187654322"),
        ("057187654323-801", "8657187654323"),
        ("9" * 30, ""),
    ],
)
def test_numbers_are_kept_as_sent_and_in_normal_form(line: Line, sent: str, kept: str) -> None:
    call = line.citizens().dial(caller=Caller(sent), keys="0")
    row = until(lambda: [r for r in line.ledger() if r.caller_raw == sent], 8, f"{sent} in the ledger")[0]
    assert row.caller == kept
    call.hang_up()
    call.wait_for_end()


@pytest.mark.parametrize("how", ["anonymous", "privacy", "asserted"])
def test_a_withheld_number_is_nobodys_number(line: Line, how: str) -> None:
    before = len(line.ledger())
    call = line.citizens().dial(caller=Caller("13812350050", "谁", withheld=how))  # type: ignore[arg-type]
    until(lambda: len(line.ledger()) == before + 1, 8, "the call in the ledger")
    assert line.ledger()[-1].caller == ""
    call.hang_up()
    call.wait_for_end()


HOSTILE = [
    'O"Brien, Li | <b>x</b>',
    "a\r\nAction: Originate\r\nChannel: PJSIP/8002",
    "${SHELL(id)} ${HL_CALL}",
    "'; DROP TABLE calls; --",
    "王" * 60,
    "\\\\|NONE|NONE|CALLENDED|1|16|caller",
]


@pytest.mark.parametrize("name", HOSTILE, ids=["quotes", "newline", "dollar", "sql", "long", "pipes"])
def test_a_hostile_name_reaches_the_screen_as_text_and_nothing_else(line: Line, name: str) -> None:
    line.phones("8001", habit=Habit(on_ring="wait"))
    agent = line.agent()
    caller = Caller(f"1381235006{HOSTILE.index(name)}", name)
    call = line.citizens().dial(caller=caller, keys="0")
    ringing = until(agent.call, 15, "ringing")
    shown = agent.ask("GET", f"/api/calls/{ringing['uid']}/pop")["caller_name"]
    # Asterisk keeps 79 bytes of a name; a character cut in two at the end is no character.
    kept = shown.replace("%0D", "\r").replace("%0A", "\n").rstrip("\ufffd")
    assert name.startswith(kept)
    assert len(kept) >= min(len(name), 25)
    call.hang_up()
    call.wait_for_end()
    row = line.ended(normal(caller))
    assert row.outcome == "short_abandon"
    assert not [e for e in line.events(row.uid) if e == "UNREADABLE"]


# --- processes die ---------------------------------------------------------------------------------------


def test_the_cti_killed_in_a_call_costs_nothing(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    caller = Caller("13812350070")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    line.kill("cti")
    until(lambda: not _links(line)["pbx1"]["connected"], 5, "the desktop says that it is blind")
    assert call.state == "talking"
    line.start("cti")
    until(lambda: agent.state()["activity"] == "talking", 5, "talking on the screen again")
    assert agent.call()["answered_at"]
    bank.phones["8001"].hang_up()
    call.wait_for_end()
    row = line.ended(normal(caller))
    assert (row.outcome, line.events(row.uid).count("CALLENDED")) == ("answered", 1)
    until(lambda: agent.state()["presence"] == "ready", 8, "after-call work ends")


def test_a_call_that_ends_while_the_cti_is_dead_is_caught_up(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    caller = Caller("13812350071")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    line.kill("cti")
    call.hang_up()
    call.wait_for_end()
    until(lambda: not line.channels(), 5)
    line.start("cti")
    assert line.ended(normal(caller)).outcome == "answered"
    until(lambda: agent.state()["activity"] == "idle", 5, "the seat is not stuck")


def test_the_desktop_killed_in_a_call_comes_back_with_the_log_in(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    caller = Caller("13812350072")
    call = line.citizens().dial(caller=caller, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    uid = agent.call()["uid"]
    agent.ask("PUT", f"/api/calls/{uid}/draft", {"body": {"what": "水管爆裂"}})
    line.restart("desktop")
    assert call.state == "talking"
    assert agent.state()["activity"] == "talking"
    assert agent.ask("GET", f"/api/calls/{uid}/draft")["body"]["what"] == "水管爆裂"
    bank.phones["8001"].hang_up()
    call.wait_for_end()
    assert line.ended(normal(caller)).outcome == "answered"


def test_asterisk_killed_in_calls_closes_every_call_and_frees_every_seat(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1), refresh=1.0)
    agent = line.agent()
    talking, waiting = Caller("13812350073"), Caller("13812350074")
    line.citizens().dial(caller=talking, keys="0")
    bank.phones["8001"].wait_for_talk(20)
    line.citizens().dial(caller=waiting, keys="0")
    row = until(lambda: line.ledger(normal(waiting)), 5)[0]
    until(lambda: "ENTERQUEUE" in line.events(row.uid), 15)
    line.kill("pbx")
    line.start("pbx")
    line.wait_until_linked()
    assert line.ended(normal(talking)).outcome == "answered"
    lost = line.ended(normal(waiting))
    assert (lost.outcome, lost.reason) == ("failed", "pbx_died")
    until(lambda: agent.state()["activity"] == "idle", 5, "the seat is free")
    assert agent.state()["agent"] == "agent01"
    bank.phones["8001"].hang_up()
    bank.phones["8001"].wait_for_registration()
    until(lambda: agent.state()["reachable"], 15, "the telephone is back")


def test_who_calls_right_after_a_start_of_asterisk_waits_for_the_seats_to_be_back(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    bank.unplug()
    until(lambda: agent.state()["reachable"] is False, 30, "unreachable")
    line.kill("pbx")
    line.start("pbx")
    caller = Caller("13812350076")
    call = line.citizens().dial(caller=caller, keys="0")
    row = until(lambda: line.ledger(normal(caller)), 15)[0]
    until(lambda: "TOPERSON" in line.events(row.uid), 10, "wants a person")
    # Nobody's telephone is there yet; the music, not the offer, is what he hears.
    until(lambda: _app_of(line) == "MusicOnHold", 10, "waits for the seats")
    bank.plug_in()
    bank.phones["8001"].wait_for_talk(25)
    bank.phones["8001"].hang_up()
    call.wait_for_end()
    found = line.ended(normal(caller))
    assert (found.outcome, found.agent) == ("answered", "agent01")
    assert "OVERFLOW" not in line.events(row.uid)


def _app_of(line: Line) -> str:
    """What the dialplan does with the only citizen."""
    channels = [m for m in line.ami("CoreShowChannels") if m["Event"] == "CoreShowChannel"]
    return next((one["Application"] for one in channels if one["Channel"].startswith("PJSIP/trunk")), "")


def test_a_locked_database_delays_the_ledger_and_loses_nothing(line: Line) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.3))
    agent = line.agent()
    caller = Caller("13812350075")
    lock = sqlite3.connect(line.var / "hotline.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        call = line.citizens().dial(caller=caller, keys="0")
        bank.phones["8001"].wait_for_talk(20)
        until(lambda: agent.state()["activity"] == "talking", 5, "talking on the screen")
        pop = agent.ask("GET", f"/api/calls/{agent.call()['uid']}/pop")
        assert pop["number"]["masked"] == "138****0075"
        bank.phones["8001"].hang_up()
        call.wait_for_end()
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    row = line.ended(normal(caller), timeout=20)
    assert (row.outcome, line.events(row.uid).count("CALLENDED")) == ("answered", 1)


def _links(line: Line) -> dict:  # type: ignore[type-arg]
    with urllib.request.urlopen(line.address + "/api/health", timeout=3) as answer:
        return dict(json.load(answer)["links"])
