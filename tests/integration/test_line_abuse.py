"""SIP abuse of the real line from addresses that are neither trunk nor seat: shut out, and nothing let in."""

from __future__ import annotations

from hotline.abuse import sip
from hotline.abuse.message import invite
from hotline.guard import doors
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from hotline.secrets import seat_password
from hotline.soak import judge
from hotline.soak.look import look
from tests.line import Line, until


def test_who_guesses_a_seats_password_is_answered_no_more_while_citizens_are(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.2))
    line.agent()
    right = seat_password(line.settings.seat_key, "8001")
    with sip.Abuser(line.sip, "127.9.0.1") as abuser, sip.Abuser(line.sip, "127.9.0.2") as other:
        answered, seconds = sip.tries_until_shut_out(lambda: abuser.guess("8001", "wrong"), most=2000)
        assert answered is not None
        assert seconds < 5
        assert abuser.guess("8001", right) is None, "not even the right password is answered now"
        assert other.ask(invite(other.place)) == 401, "others are"
    citizens = line.citizens()
    call = citizens.dial(caller=Caller("13812345678"), keys="1").wait_for_answer(10)
    until(lambda: line.desks[0].call(), 10, "the call at the desk")
    call.hang_up()
    line.ended("8613812345678")
    registered = [one for one in line.ari("endpoints") if one["resource"] == "8001"]
    assert registered[0]["state"] == "online", "the seat's own telephone has kept its registration"


def test_whom_nobody_knows_is_shut_out_too(line: Line) -> None:
    with sip.Abuser(line.sip, "127.9.0.3") as abuser:
        answered, _ = sip.tries_until_shut_out(lambda: abuser.guess("1001", "1001"), most=2000)
        assert answered is not None
    with sip.Abuser(line.sip, "127.9.0.4") as flood:
        for _ in range(200):
            flood.send(invite(flood.place, "8002"))
        until(lambda: flood.ask(invite(flood.place, "8002")) is None, 10, "a flood in a seat's name ends")


def test_torture_messages_and_garbage_let_nothing_in(line: Line) -> None:
    running, rows = doors.asterisk(line.settings), len(line.ledger())
    source = sip.addresses("127.10")
    answers = sip.tortured(line.sip, source)
    assert len(answers) == 49
    assert set(answers.values()) & {400, 401}, "some are understood, and refused"
    assert not [section for section, status in answers.items() if status == 200 and section != "3.1.1.10"]
    sip.tortured(line.sip, source, "TCP")
    for made in (sip.garbage, sip.an_invite):
        with sip.Flood(line.sip, made, rate=2000, source=source, each=5) as flood:
            until(lambda f=flood: f.sent > 500, 10, "500 messages sent")  # type: ignore[misc]
        assert not set(flood.answers) - {
            "none",
            "400",
            "401",
            "405",
            "415",
            "416",
            "420",
            "481",
            "483",
            "500",
            "501",
            "505",
        }
    assert line.channels() == []
    assert len(line.ledger()) == rows
    seats = [one for one in line.ari("endpoints") if one["resource"] != "trunk"]
    assert not [one for one in seats if one["state"] == "online" or one["channel_ids"]]
    assert doors.asterisk(line.settings) == running


def test_after_some_calls_nothing_is_left_but_rows(line: Line) -> None:
    line.phones("8001", habit=Habit(answer_after=0.1, talk=0.3))
    line.agent()
    citizens = line.citizens()
    before = look(line, 0, 0.0)
    made = citizens.dial_many(2, 0.5, callers=[Caller("13812345679")], keys="1", timeout=20)
    line.ended("8613812345679", 2)
    until(lambda: not any(line.settings.monitor.iterdir()), 20, "recordings kept")
    after = look(line, made.made, 10.0)
    assert made.answered == 2
    assert all(row["met"] for row in judge.left(after)), after["left"]
    assert after["rows"]["calls"] == before["rows"]["calls"] + 2
    assert after["parts"]["desktop"]["pss"] > 10e6
    assert abs(after["parts"]["pbx"]["fds"] - before["parts"]["pbx"]["fds"]) < 10
