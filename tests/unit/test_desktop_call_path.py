"""A call's way in words, and an agent's day in states."""

from __future__ import annotations

from typing import Any

from agent_desktop.call_path import JournalLine, path
from agent_desktop.labels import Names
from agent_desktop.seat_history import Stretch, Turn, history

PEOPLE = {"agent01": "李静", "agent02": "王强", "leader01": "赵班长"}


def names() -> Names:
    known = Names()
    known.queues = {"consultation": "综合咨询", "heating": "供热专席"}
    known.steps = {("main", "1"): "咨询"}
    return known


def lines(text: str) -> list[JournalLine]:
    """Rows of "at event agent queue datum|datum"; the datum of our own lines begins with their time."""
    found = []
    for row in text.strip().splitlines():
        at, event, agent, queue, *data = row.split()
        told = data[0].split("|") if data else []
        found.append(
            JournalLine(
                int(at), event, None if agent == "-" else agent, None if queue == "-" else queue, tuple(told)
            )
        )
    return found


TALK = """
1000 CALLARRIVED - - 1000|13812345678|12345||inbound
2000 MENUSTEP - - 2000|main|1|pressed
3000 TOPERSON - - 3000|heating|0|main
3100 ENTERQUEUE - heating
9000 RINGNOANSWER agent02 heating 5000
12000 AGENTANSWERED - - 12000|8001w
12000 CONNECT agent01 heating 9
20000 HELD - - 20000|8001
26000 RESUMED - - 26000|8001
30000 WATCHBEGAN leader01 - 30000|8001|whisper|browser
40000 CONSULTBEGAN agent01 - 40000|8001|number|02085551234|热力公司02085551234
50000 CONSULTENDED agent01 - 50000
60000 WATCHENDED leader01 - 60000|8001|left
61000 COMPLETECALLER agent01 heating
62000 CALLENDED - - 62000|16|caller
"""


def test_the_whole_way_of_a_call() -> None:
    steps = path(lines(TALK), None, names(), PEOPLE)
    assert [(step["kind"], step["detail"], step["agent_name"], step["ms"]) for step in steps] == [
        ("arrived", None, None, None),
        ("menu", "1 咨询", None, None),
        ("to_person", "供热专席", None, None),
        ("queued", "供热专席", None, 8_900),
        ("rung", None, "王强", 5_000),
        ("answered", None, "李静", 49_000),
        ("hold", None, None, 6_000),
        ("watch", "密语", "赵班长", 30_000),
        ("consult", "热力公司020****1234", "李静", 10_000),
        ("ended", "市民挂断", None, None),
    ]
    assert [step["seat"] for step in steps if step["kind"] in ("answered", "watch")] == ["8001", "8001"]
    assert "138" not in str(steps)


def test_what_goes_on_has_no_length_yet_and_a_ring_is_known_before_the_ledger() -> None:
    live: dict[str, Any] = {
        "state": "ringing",
        "seat": "8002",
        "agent": "agent02",
        "ringing_at": 9_500,
        "event_at": 9_500,
    }
    steps = path(lines(TALK)[:5], live, names(), PEOPLE)
    assert (steps[-2]["kind"], steps[-1]["kind"], steps[-1]["agent_name"]) == ("rung", "ringing", "王强")
    assert next(step for step in steps if step["kind"] == "queued")["ms"] is None


def test_a_member_of_two_queues_is_rung_once() -> None:
    twice = "9000 RINGNOANSWER agent02 heating 5000\n9000 RINGNOANSWER agent02 heating 5000"
    assert len(path(lines(twice), None, names(), PEOPLE)) == 1


def test_lines_that_are_not_known_or_come_alone_break_nothing() -> None:
    odd = "1 DID - - \n2 CONNECT agent01 heating 9\n3 RESUMED - - 3\n4 SURVEYED - - 4|x|y\n5 HELD - - \n"
    assert [step["kind"] for step in path(lines(odd), None, names(), PEOPLE)] == ["rated", "hold"]


def label(reason: str) -> str:
    return {"break": "小休", "after_call": "话后处理", "signed_in": "刚签入"}.get(reason, reason)


def test_an_agents_day_in_states() -> None:
    turns = [
        Turn(0, "PAUSE", "signed_in"),
        Turn(0, "PAUSEALL", "signed_in"),
        Turn(1, "SIGNIN", "8001"),
        Turn(10_000, "UNPAUSE"),
        Turn(10_000, "UNPAUSE"),
        Turn(50_000, "PAUSE", "after_call"),
        Turn(60_000, "PAUSE", "after_call:break:90000"),
        Turn(70_000, "PAUSE", "break"),
        Turn(90_000, "SIGNOUT"),
    ]
    talks = [
        Stretch("agent", 20_000, 50_000),
        Stretch("hold", 30_000, 35_000),
        Stretch("consult", 36_000, 37_000),
    ]
    found = history(turns, talks, 100_000, label)
    assert [(one["state"], one["label"], one["at"], one["ms"]) for one in found] == [
        ("not_ready", "刚签入", 0, 10_000),
        ("ready", "示闲", 10_000, 10_000),
        ("talking", "通话中", 20_000, 10_000),
        ("holding", "保持中", 30_000, 5_000),
        ("talking", "通话中", 35_000, 1_000),
        ("consulting", "咨询中", 36_000, 1_000),
        ("talking", "通话中", 37_000, 13_000),
        ("after_call", "话后处理", 50_000, 20_000),
        ("not_ready", "小休", 70_000, 20_000),
        ("signed_out", "未签入", 90_000, None),
    ]


def test_a_talk_that_goes_on_is_the_state_of_now() -> None:
    found = history([Turn(0, "UNPAUSE")], [Stretch("agent", 5_000, None)], 9_000, label)
    assert [(one["state"], one["ms"]) for one in found] == [("ready", 5_000), ("talking", None)]
    assert history([], [], 9_000, label) == []
