"""The parts of a call, from journals as the dialplan and the cti write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti import ledger, parts
from cti.journal import parse
from cti.ledger import CallFacts, Outcome
from cti.parts import Kind, Part

NOW = datetime(2026, 11, 21, tzinfo=UTC)
DUTY = "%E5%B8%82%E4%BD%8F%E5%BB%BA%E5%B1%80%E5%80%BC%E7%8F%AD"

LONG_CALL = f"""\
1795289075|pbx1-1795289075.0|NONE|NONE|CALLARRIVED|1795289075000|13812345678|12345||inbound
1795289080|pbx1-1795289075.0|NONE|NONE|TOPERSON|1795289080000|consultation|0|
1795289081|pbx1-1795289075.0|consultation|NONE|ENTERQUEUE||13812345678|1
1795289090|pbx1-1795289075.0|NONE|NONE|AGENTANSWERED|1795289090250|8001w
1795289090|pbx1-1795289075.0|consultation|agent01|CONNECT|9|pbx1-1795289089.1|1
1795289100|pbx1-1795289075.0|NONE|agent01|HELD|1795289100250|8001
1795289110|pbx1-1795289075.0|NONE|agent01|RESUMED|1795289110250|8001
1795289120|pbx1-1795289075.0|NONE|agent01|RECORDINGPAUSED|1795289120250|8001
1795289128|pbx1-1795289075.0|NONE|agent01|RECORDINGRESUMED|1795289128250|8001
1795289130|pbx1-1795289075.0|NONE|NONE|CONSULTBEGAN|1795289130250|8001w|target|057188000009|{DUTY}
1795289150|pbx1-1795289075.0|NONE|NONE|CONSULTANSWERED|1795289150250|
1795289170|pbx1-1795289075.0|NONE|NONE|THREEWAY|1795289170250|
1795289300|pbx1-1795289075.0|NONE|NONE|PARTYLEFT|1795289300250|
1795289300|pbx1-1795289075.0|NONE|NONE|PARTYLEFT|1795289300251|
1795289320|pbx1-1795289075.0|NONE|NONE|AGENTLEFT|1795289320250|8001w
1795289320|pbx1-1795289075.0|NONE|NONE|SURVEYBEGAN|1795289320250|
1795289326|pbx1-1795289075.0|NONE|NONE|SURVEYED|1795289326000|3|
1795289331|pbx1-1795289075.0|NONE|NONE|SURVEYED|1795289331000|3|2
1795289333|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289333000|16|agent|survey
"""
DIALLED = """\
1795289400|pbx1-out.1|NONE|agent01|DIALLED|1795289400000|8001w|13812345678|ticket:261121000017|dial_out|
1795289407|pbx1-out.1|NONE|NONE|OUTSIDEANSWERED|1795289407500|13812345678
1795289437|pbx1-out.1|NONE|NONE|CALLENDED|1795289437500|16|agent|talk
"""
CALLED_BACK = """\
1795289500|pbx1-1795289075.0b|NONE|NONE|DIALLED|1795289500000||%2B8613812345678||callback|pbx1-1795289075.0
1795289500|pbx1-1795289075.0b|consultation|NONE|ENTERQUEUE||13812345678|1
1795289520|pbx1-1795289075.0b|NONE|NONE|AGENTANSWERED|1795289520100|8002
1795289520|pbx1-1795289075.0b|consultation|agent02|CONNECT|20|pbx1-1795289519.7|1
1795289531|pbx1-1795289075.0b|NONE|NONE|OUTSIDEANSWERED|1795289531000|%2B8613812345678
1795289561|pbx1-1795289075.0b|NONE|NONE|CALLENDED|1795289561000|16|caller|talk
"""
BLIND_TO_A_SEAT = """\
1795289110|pbx1-1795289075.0|NONE|NONE|TRANSFERRED|1795289110250|seat|8002w
1795289118|pbx1-1795289075.0|NONE|agent02|AGENTANSWERED|1795289118250|8002w
1795289138|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289138250|16|agent|queue
"""
HANDED_OVER_TO_A_SEAT = """\
1795289110|pbx1-1795289075.0|NONE|NONE|CONSULTBEGAN|1795289110250|8001w|seat|8002w|%E4%BA%8C%E5%8F%B7%E5%B8%AD
1795289115|pbx1-1795289075.0|NONE|NONE|CONSULTANSWERED|1795289115250|
1795289120|pbx1-1795289075.0|NONE|NONE|TRANSFERRED|1795289120250|consult|8002w|%E4%BA%8C%E5%8F%B7%E5%B8%AD
1795289120|pbx1-1795289075.0|NONE|agent02|AGENTANSWERED|1795289120251|8002w
1795289140|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289140250|16|agent|talk
"""
TELEPHONE_GONE = """\
1795289110|pbx1-1795289075.0|consultation|agent01|COMPLETEAGENT|9|20|1
1795289117|pbx1-1795289075.0|NONE|NONE|RETURNED|1795289117250|8001w|same_seat
1795289118|pbx1-1795289075.0|NONE|agent01|AGENTANSWERED|1795289118250|8001w
1795289138|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289138250|16|agent|queue
"""
TALKING = "".join(LONG_CALL.splitlines(keepends=True)[:5])


def fold(text: str) -> CallFacts:
    facts = None
    for line in text.splitlines():
        entry = parse(line, NOW)
        assert entry.understood, line
        facts = ledger.apply(facts or ledger.begin(entry), entry)
    assert facts is not None
    return facts


def seconds(part: Part) -> float:
    assert part.ended_at
    return (part.ended_at - part.began_at).total_seconds()


def told(facts: CallFacts) -> list[tuple[str, str | None, str, float]]:
    return [(part.kind.value, part.agent, part.who, seconds(part)) for part in facts.parts]


def test_a_call_with_everything_in_it_has_its_parts_and_sums() -> None:
    facts = fold(LONG_CALL)
    assert told(facts) == [
        ("agent", "agent01", "", 230.0),
        ("hold", "agent01", "", 10.0),
        ("recording_paused", "agent01", "", 8.0),
        ("consult", "agent01", "057188000009", 40.0),
        ("party", "agent01", "057188000009", 130.0),
        ("survey", "agent01", "", 12.75),
    ]
    consult, party = facts.parts[3:5]
    assert (consult.label, party.label) == ("市住建局值班",) * 2
    assert consult.answered_at == consult.began_at + timedelta(seconds=20)
    assert (facts.outcome, facts.seat, facts.wait_ms) == (Outcome.ANSWERED, "8001", 10_250)
    assert (facts.talk_ms, facts.hold_ms) == (230_000, 50_000), "the rating is no talk"
    assert (facts.rating, facts.rating_reason, facts.rated_agent) == (3, 2, "agent01")


def test_whoever_is_alone_with_the_citizen_after_the_agent_left_goes_on_outside() -> None:
    lines = [line for line in LONG_CALL.splitlines() if "PARTYLEFT" not in line]
    facts = fold("\n".join(lines).replace("AGENTLEFT|1795289320250", "AGENTLEFT|1795289290250"))
    assert ("outside", None, "057188000009", 30.0) in told(facts)
    assert (facts.talk_ms, facts.rated_agent) == (230_000, "agent01")


def test_a_call_dialled_by_an_agent_is_answered_when_the_citizen_picks_up() -> None:
    facts = fold(DIALLED)
    assert (facts.direction, facts.caller_raw, facts.about) == (
        "outbound",
        "13812345678",
        "ticket:261121000017",
    )
    assert (facts.agent, facts.seat, facts.talk_ms, facts.wait_ms) == ("agent01", "8001", 30_000, None)
    assert facts.outcome is Outcome.ANSWERED
    assert told(facts) == [("agent", "agent01", "", 30.0)]


def test_a_call_back_begins_with_the_citizen_not_with_the_agent_who_took_it() -> None:
    facts = fold(CALLED_BACK)
    assert (facts.agent, facts.seat, facts.callback_of) == ("agent02", "8002", "pbx1-1795289075.0")
    assert (facts.caller_raw, facts.talk_ms) == ("+8613812345678", 30_000)
    assert told(facts) == [("agent", "agent02", "", 30.0)]


@pytest.mark.parametrize(
    ("status", "by", "outcome"),
    [
        ("NOANSWER", "agent", Outcome.NO_ANSWER),
        ("BUSY", "agent", Outcome.BUSY),
        ("CONGESTION", "system", Outcome.UNREACHABLE),
        ("CHANUNAVAIL", "agent", Outcome.UNREACHABLE),
        ("CANCEL", "agent", Outcome.CANCELLED),
        ("INVALIDARGS", "agent", Outcome.FAILED),
        (None, "agent", Outcome.CANCELLED),
        (None, "system", Outcome.FAILED),
    ],
)
def test_what_became_of_dialling_is_the_outcome(status: str | None, by: str, outcome: Outcome) -> None:
    lines = DIALLED.splitlines()[:1]
    if status:
        lines.append(f"1795289420|pbx1-out.1|NONE|NONE|DIALENDED|1795289420000|{status}")
    lines.append(f"1795289421|pbx1-out.1|NONE|NONE|CALLENDED|1795289421000|16|{by}|dial")
    facts = fold("\n".join(lines))
    assert (facts.outcome, facts.talk_ms, facts.parts) == (outcome, None, ())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (BLIND_TO_A_SEAT, [("agent", "agent01", "", 20.0), ("agent", "agent02", "", 20.0)]),
        (
            HANDED_OVER_TO_A_SEAT,
            [
                ("agent", "agent01", "", 30.0),
                ("consult", "agent01", "8002", 10.0),
                ("agent", "agent02", "", 20.0),
            ],
        ),
        (
            TELEPHONE_GONE,
            [
                ("agent", "agent01", "", 19.75),
                ("returned", "agent01", "", 8.25),
                ("agent", "agent01", "", 20.0),
            ],
        ),
    ],
    ids=["blind to a seat", "consulted, then handed over", "telephone gone and back"],
)
def test_the_next_agent_has_the_next_stretch(lines: str, expected: list[object]) -> None:
    facts = fold(TALKING + lines)
    assert told(facts) == expected
    assert facts.talk_ms == 1000 * sum(seconds(part) for part in facts.parts if part.kind is Kind.AGENT)
    assert (facts.agent, facts.rated_agent, facts.transfers) == (
        "agent01",
        None,
        1 if "TRANSFERRED" in lines else 0,
    )


def test_a_telephone_that_is_gone_long_after_a_queues_word_was_there_until_the_line_that_says_so() -> None:
    lines = TELEPHONE_GONE.splitlines(keepends=True)
    hold = [line for line in LONG_CALL.splitlines(keepends=True) if "HELD" in line or "RESUMED" in line]
    early = lines[0].replace("1795289110", "1795289095")
    facts = fold(TALKING + early + "".join(hold) + "".join(lines[1:]))
    assert told(facts)[0] == ("agent", "agent01", "", 27.0)


def test_a_transfer_outside_is_talk_from_the_answer_there() -> None:
    facts = fold(
        TALKING
        + f"""\
1795289110|pbx1-1795289075.0|NONE|NONE|TRANSFERRED|1795289110250|number|057188000009|{DUTY}
1795289115|pbx1-1795289075.0|NONE|NONE|OUTSIDEANSWERED|1795289115250|057188000009
1795289145|pbx1-1795289075.0|NONE|NONE|CALLENDED|1795289145250|16|agent|queue
"""
    )
    assert told(facts)[1:] == [("outside", None, "057188000009", 30.0)]
    assert (facts.parts[1].label, facts.talk_ms) == ("市住建局值班", 50_000)


def test_a_death_of_the_pbx_ends_every_part() -> None:
    facts = fold("".join(LONG_CALL.splitlines(keepends=True)[:8]))
    closed = ledger.close_at_restart(facts, datetime.fromtimestamp(1795289200, UTC))
    assert told(closed)[-1] == ("recording_paused", "agent01", "", 79.75)
    assert (closed.talk_ms, closed.hold_ms) == (109_750, 10_000)


def test_a_colleague_is_named_by_who_sat_at_the_seat() -> None:
    colleague = HANDED_OVER_TO_A_SEAT.replace("NONE|agent02|AGENTANSWERED", "NONE|NONE|AGENTANSWERED")
    named = ledger.named(fold(TALKING + colleague), lambda seat, at: {"8002": "agent02"}.get(seat))
    assert told(named)[1:] == [("consult", "agent01", "agent02", 10.0), ("agent", "agent02", "", 20.0)]


EVERY_LINE = (
    LONG_CALL + DIALLED + CALLED_BACK + BLIND_TO_A_SEAT + HANDED_OVER_TO_A_SEAT + TELEPHONE_GONE
).splitlines()


@given(st.lists(st.sampled_from(EVERY_LINE), max_size=40))
def test_whatever_the_order_parts_of_a_kind_never_overlap_and_all_end(lines: list[str]) -> None:
    facts = None
    for line in [*lines, LONG_CALL.splitlines()[-1]]:
        entry = parse(line, NOW)
        facts = ledger.apply(facts or ledger.begin(entry), entry)
    assert facts is not None
    assert facts.outcome is not None
    for kind in Kind:
        ends = [edge for part in facts.parts if part.kind is kind for edge in (part.began_at, part.ended_at)]
        assert None not in ends
        assert ends == sorted(ends)  # type: ignore[type-var]
    assert min(facts.hold_ms, facts.talk_ms or 0) >= 0
    outbound = {Outcome.NO_ANSWER, Outcome.BUSY, Outcome.UNREACHABLE, Outcome.CANCELLED}
    assert (facts.outcome in outbound) <= (facts.direction == "outbound")


@given(
    st.lists(st.tuples(st.sampled_from([True, False]), st.integers(0, 50), st.sampled_from(list(Kind)[:3])))
)
def test_opening_and_closing_in_any_order_keeps_a_kind_apart(moves: list[tuple[bool, int, Kind]]) -> None:
    found: parts.Parts = ()
    for opens, second, kind in moves:
        at = NOW + timedelta(seconds=second)
        found = parts.opened(found, Part(kind, at)) if opens else parts.closed(found, at, kind)
    for kind in Kind:
        own = [part for part in found if part.kind is kind]
        assert all(part.ended_at for part in own[:-1])
        for one, following in pairwise(own):
            assert one.ended_at
            assert one.ended_at <= following.began_at


def test_time_that_two_parts_share_counts_once() -> None:
    def part(kind: Kind, began: int, ended: int) -> Part:
        return Part(kind, NOW + timedelta(seconds=began), ended_at=NOW + timedelta(seconds=ended))

    shared = (
        part(Kind.HOLD, 0, 10),
        part(Kind.CONSULT, 5, 20),
        part(Kind.AGENT, 0, 99),
        part(Kind.HOLD, 30, 31),
    )
    assert parts.milliseconds(shared, Kind.HOLD, Kind.CONSULT) == 21_000
