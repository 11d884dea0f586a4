"""What a journal adds up to: real lines, as Asterisk 22 wrote them, pasted and folded."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import ledger
from cti.journal import parse
from cti.ledger import Outcome

NOW = datetime(2026, 11, 21, tzinfo=UTC)

ANSWERED = """\
1795289075|pbx1-1795289075.0|NONE|NONE|CALLARRIVED|1795289075764|13812345678|12345|A%2Cb%7Cc%20%24%7BX%7D%20%3Ci%3E|inbound
1795289082|pbx1-1795289075.0|NONE|NONE|MENUSTEP|1795289082272|main||silence
1795289087|pbx1-1795289075.0|NONE|NONE|MENUSTEP|1795289087276|main|1|pressed
1795289092|pbx1-1795289075.0|NONE|NONE|TOPERSON|1795289092281|consultation|0|main:/main:1
1795289093|pbx1-1795289075.0|consultation|NONE|ENTERQUEUE||13812345678|1
1795289094|pbx1-1795289075.0|NONE|NONE|AGENTANSWERED|1795289094787|8001
1795289094|pbx1-1795289075.0|consultation|agent01|CONNECT|1|pbx1-1795289093.1|1
1795289110|pbx1-1795289075.0|consultation|agent01|COMPLETEAGENT|1|15|1
1795289110|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289110786|16|agent|queue
"""
OVERFLOWED = """\
1795288423|pbx1-1795288423.0|NONE|NONE|CALLARRIVED|1795288423203|13812345678|12345||inbound
1795288427|pbx1-1795288423.0|NONE|NONE|TOPERSON|1795288427707|consultation|0|
1795288428|pbx1-1795288423.0|NONE|NONE|OVERFLOW|1795288428706|no-seat|consultation
1795288432|pbx1-1795288423.0|NONE|NONE|CALLENDED|1795288432211|0|caller|overflow
"""
IN_MENU = """\
1795289032|pbx1-1795289032.0|NONE|NONE|CALLARRIVED|1795289032663|anonymous|12345||inbound
1795289039|pbx1-1795289032.0|NONE|NONE|MENUSTEP|1795289039168|main||silence
1795289041|pbx1-1795289032.0|NONE|NONE|CALLENDED|1795289041670|0|caller|menu
"""


def fold(text: str) -> ledger.CallFacts:
    facts = None
    for line in text.splitlines():
        entry = parse(line, NOW)
        assert entry.understood, line
        facts = ledger.apply(facts or ledger.begin(entry), entry)
    assert facts is not None
    return facts


def test_an_answered_call_knows_who_when_and_how_long() -> None:
    facts = fold(ANSWERED)
    assert facts.outcome is Outcome.ANSWERED
    assert (facts.agent, facts.seat, facts.queue) == ("agent01", "8001", "consultation")
    assert (facts.wait_ms, facts.talk_ms, facts.ended_by, facts.cause) == (2506, 15999, "agent", 16)
    assert [(s.node, s.key, s.result) for s in facts.menu_path] == [
        ("main", "", "silence"),
        ("main", "1", "pressed"),
    ]


def test_a_hostile_name_comes_out_as_it_was_sent() -> None:
    assert fold(ANSWERED).caller_name == "A,b|c ${X} <i>"


def test_a_call_that_nobody_could_take_overflowed() -> None:
    facts = fold(OVERFLOWED)
    assert (facts.outcome, facts.reason) == (Outcome.OVERFLOWED, "no-seat")


def test_a_caller_who_hangs_up_in_the_menu_abandoned_there() -> None:
    assert fold(IN_MENU).outcome is Outcome.ABANDONED_IN_MENU


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [("1795289094281", Outcome.SHORT_ABANDON), ("1795289099281", Outcome.ABANDONED_IN_QUEUE)],
)
def test_a_caller_who_gives_up_waiting_is_told_apart_by_the_threshold(ended: str, outcome: Outcome) -> None:
    waiting = "\n".join(ANSWERED.splitlines()[:5])
    end = f"1795289099|pbx1-1795289075.0|NONE|NONE|CALLENDED|{ended}|0|caller|queue"
    assert fold(f"{waiting}\n{end}").outcome is outcome


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("CALLBACKASKED|1795288430000||consultation", Outcome.CALLBACK_REQUESTED),
        ("MESSAGELEFT|1795288430000|4200", Outcome.VOICEMAIL_LEFT),
        ("SELFSERVED|1795288430000|progress", Outcome.SELF_SERVED),
        ("CALLCLOSED|1795288430000|", Outcome.CLOSED),
        ("CALLREFUSED|1795288430000|", Outcome.REFUSED),
    ],
)
def test_what_the_caller_chose_after_overflow_is_the_outcome(line: str, outcome: Outcome) -> None:
    lines = OVERFLOWED.splitlines()
    lines.insert(3, f"1795288430|pbx1-1795288423.0|NONE|NONE|{line}")
    assert fold("\n".join(lines)).outcome is outcome


def test_a_call_that_goes_back_from_overflow_into_the_queue_can_still_be_abandoned_there() -> None:
    lines = OVERFLOWED.splitlines()
    lines.insert(3, "1795288430|pbx1-1795288423.0|consultation|NONE|ENTERQUEUE||13812345678|1")
    lines[-1] = "1795288450|pbx1-1795288423.0|NONE|NONE|CALLENDED|1795288450000|0|caller|queue"
    assert fold("\n".join(lines)).outcome is Outcome.ABANDONED_IN_QUEUE


def test_a_death_of_the_pbx_closes_an_answered_call_as_answered_and_a_waiting_one_as_failed() -> None:
    talking = fold("\n".join(ANSWERED.splitlines()[:7]))
    waiting = fold("\n".join(ANSWERED.splitlines()[:5]))
    at = datetime.fromtimestamp(1795289200, UTC)
    assert ledger.close_at_restart(talking, at).outcome is Outcome.ANSWERED
    assert ledger.close_at_restart(waiting, at).outcome is Outcome.FAILED


def test_a_caller_whose_audio_stopped_is_not_our_failure() -> None:
    waiting = "\n".join(ANSWERED.splitlines()[:5])
    end = "1795289199|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289199000|44|system|queue"
    assert fold(f"{waiting}\n{end}").outcome is Outcome.ABANDONED_IN_QUEUE


def test_talk_is_what_was_talked_not_the_wait_between_two_agents() -> None:
    lines = ANSWERED.splitlines()[:-2]
    lines += [
        "1795289100|pbx1-1795289075.0|NONE|NONE|TRANSFERRED|1795289100787|queue|dialect",
        "1795289101|pbx1-1795289075.0|consultation|agent01|COMPLETECALLER|1|6|1",
        "1795289101|pbx1-1795289075.0|dialect|NONE|ENTERQUEUE||13812345678|1",
        "1795289160|pbx1-1795289075.0|NONE|NONE|AGENTANSWERED|1795289160000|8002",
        "1795289160|pbx1-1795289075.0|dialect|agent02|CONNECT|59|pbx1-1795289159.4|1",
        "1795289170|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289170500|16|agent|queue",
    ]
    facts = fold("\n".join(lines))
    assert facts.talk_ms == 6000 + 10_500
    assert (facts.agent, facts.seat, facts.ended_by) == ("agent01", "8001", "agent")


def test_a_transfer_does_not_make_the_first_agents_end_the_calls_end() -> None:
    lines = ANSWERED.splitlines()
    lines.insert(8, "1795289110|pbx1-1795289075.0|NONE|NONE|TRANSFERRED|1795289110500|queue|dialect")
    lines[-1] = "1795289130|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289130000|0|caller|queue"
    facts = fold("\n".join(lines))
    assert (facts.outcome, facts.transfers, facts.ended_by, facts.agent) == (
        Outcome.ANSWERED,
        1,
        "caller",
        "agent01",
    )


@given(st.lists(st.sampled_from(ANSWERED.splitlines() + OVERFLOWED.splitlines()), max_size=30))
def test_lines_repeated_or_out_of_order_never_break_the_ledger(lines: list[str]) -> None:
    facts = None
    for line in lines:
        entry = parse(line, NOW)
        facts = ledger.apply(facts or ledger.begin(entry), entry)
    ended = any("CALLENDED" in line for line in lines)
    assert facts is None or (facts.outcome is not None) == ended


@given(st.text(max_size=300))
def test_any_line_is_read_or_kept(text: str) -> None:
    entry = parse(text, NOW)
    assert entry.understood or entry.data or entry.event


@pytest.mark.parametrize("line", ["", "x", "12|a|b", "1795288423|u|NONE|NONE|NEWEVENT|x", "|||||"])
def test_a_line_that_is_not_understood_is_kept_and_counted(line: str) -> None:
    assert not parse(line, NOW).understood


# --- moved by a supervisor, given on by a rule ---------------------------------------------------------

MOVED_TO_A_SEAT = """\
1795313889|pbx1-1795313889.1|NONE|NONE|CALLARRIVED|1795313889302|13812374004|12345||inbound
1795313890|pbx1-1795313889.1|NONE|NONE|TOPERSON|1795313890091|consultation|0|main:0
1795313892|pbx1-1795313889.1|consultation|NONE|ENTERQUEUE||13812374004|1
1795313897|pbx1-1795313889.1|consultation|NONE|WITHDRAW|1|1|5|seat:8001:supervisor01:agent01
1795313897|pbx1-1795313889.1|NONE|NONE|MOVED|1795313897768|seat|8001|supervisor01
1795313897|pbx1-1795313889.1|NONE|agent01|AGENTANSWERED|1795313897775|8001
1795313898|pbx1-1795313889.1|NONE|NONE|CALLENDED|1795313898278|16|agent|queue
"""
NOT_TAKEN_THERE = """\
1795313902|pbx1-1795313902.4|NONE|NONE|CALLARRIVED|1795313902271|13812374006|12345||inbound
1795313903|pbx1-1795313902.4|NONE|NONE|TOPERSON|1795313903062|consultation|0|main:0
1795313905|pbx1-1795313902.4|consultation|NONE|ENTERQUEUE||13812374006|2
1795313911|pbx1-1795313902.4|consultation|NONE|WITHDRAW|2|2|6|seat:8001:supervisor01:agent01
1795313911|pbx1-1795313902.4|NONE|NONE|MOVED|1795313911256|seat|8001|supervisor01
1795313914|pbx1-1795313902.4|consultation|NONE|ENTERQUEUE||13812374006|1
1795313914|pbx1-1795313902.4|consultation|NONE|ABANDON|1|1|0
1795313914|pbx1-1795313902.4|NONE|NONE|CALLENDED|1795313914723|17|caller|queue
"""
TO_A_QUEUE = "1795313911|pbx1-1795313902.4|NONE|NONE|MOVED|1795313911256|queue|complaint|supervisor01"
GIVEN_ON = (
    "1795313911|pbx1-1795313902.4|NONE|NONE|OVERFLOW|1795313911256|waited-long|consultation|queue|complaint"
)
GONE = "1795313914|pbx1-1795313902.4|NONE|NONE|CALLENDED|1795313914723|17|caller|queue"


def test_a_caller_moved_to_a_seat_is_answered_there_after_the_whole_wait() -> None:
    facts = fold(MOVED_TO_A_SEAT)
    assert (facts.outcome, facts.agent, facts.seat, facts.queue) == (
        Outcome.ANSWERED,
        "agent01",
        "8001",
        "consultation",
    )
    assert (facts.wait_ms, facts.talk_ms, facts.transfers) == (7_684, 503, 0)
    assert [(part.kind, part.agent) for part in facts.parts] == [("agent", "agent01")]


def test_a_caller_whom_the_seat_did_not_take_still_waits() -> None:
    facts = fold(NOT_TAKEN_THERE)
    assert (facts.outcome, facts.agent, facts.wait_ms) == (Outcome.ABANDONED_IN_QUEUE, None, 11_661)


@pytest.mark.parametrize(("line", "queue"), [(TO_A_QUEUE, "complaint"), (GIVEN_ON, "consultation")])
def test_who_hangs_up_on_the_way_to_another_queue_has_given_up_waiting(line: str, queue: str) -> None:
    facts = fold("\n".join([*NOT_TAKEN_THERE.splitlines()[:3], line, GONE]))
    assert (facts.outcome, facts.queue, facts.wait_ms) == (Outcome.ABANDONED_IN_QUEUE, queue, 11_661)
