"""An agent's own day: journals pasted as text and folded, and what holds for any of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.agent_day import (
    AgentDay,
    Line,
    Presence,
    Talked,
    clipped,
    figures,
    midnight,
    presence,
    seconds,
    union,
)
from reports.definitions import DEFINITIONS

MIDNIGHT = datetime(2026, 11, 20, 16, tzinfo=UTC)
"""Of 21 November in the city."""


def at(clock: str, day: int = 0) -> datetime:
    """A time of the city's day, "09:30" or "09:30:05"."""
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return MIDNIGHT + timedelta(days=day, hours=hour, minutes=minute, seconds=second[0] if second else 0)


BEGINS = MIDNIGHT - timedelta(hours=24)


def lines(text: str) -> list[Line]:
    """Each as "09:00 ADDMEMBER consultation" or "09:00 PAUSE - after_call"; with -1 first: yesterday."""
    found = []
    for row in text.strip().splitlines():
        fields = row.split()
        day = int(fields.pop(0)) if fields[0].startswith("-") else 0
        clock, event, queue, data = (*fields, "-", "", "")[:4]
        found.append(Line(at(clock, day), event, None if queue == "-" else queue, data))
    return found


def signed(text: str, until: str = "18:00") -> list[tuple[str, str]]:
    """Stretches signed in, as clock times of the city."""
    spans = presence(lines(text), BEGINS, at(until)).signed_in
    return [(clock(began), clock(ended)) for began, ended in clipped(spans, (MIDNIGHT, at(until)))]


def clock(moment: datetime) -> str:
    return f"{(moment + timedelta(hours=8)):%H:%M}"


SHIFT = """
09:00 ADDMEMBER consultation PAUSED
09:00 ADDMEMBER complaint PAUSED
09:00 SIGNIN - 8001
09:01 UNPAUSE consultation
12:00 REMOVEMEMBER consultation
12:00 REMOVEMEMBER complaint
12:00 SIGNOUT - 8001
"""


def test_a_shift_is_from_sign_in_to_sign_out() -> None:
    assert signed(SHIFT) == [("09:00", "12:00")]


def test_the_pause_of_signing_in_tells_of_no_earlier_presence() -> None:
    real = """
        09:00:01 PAUSEALL - signed_in
        09:00:01 PAUSE consultation signed_in
        09:00:02 SIGNIN
        09:05 UNPAUSEALL
    """
    assert signed(real, "10:00") == [("09:00", "10:00")]


def test_several_sign_ins_add_up_and_the_last_one_is_open() -> None:
    assert signed(SHIFT + "13:30 ADDMEMBER consultation\n13:30 SIGNIN - 8002") == [
        ("09:00", "12:00"),
        ("13:30", "18:00"),
    ]


def test_a_queue_that_is_left_or_joined_during_the_shift_is_no_sign_out() -> None:
    text = "09:00 ADDMEMBER a\n09:00 SIGNIN - 8001\n10:00 ADDMEMBER b\n11:00 REMOVEMEMBER a\n"
    assert signed(text) == [("09:00", "18:00")]
    assert signed(text + "12:00 REMOVEMEMBER b") == [("09:00", "12:00")]


def test_a_shift_over_midnight_counts_from_midnight() -> None:
    assert signed("-1 22:00 ADDMEMBER a\n-1 22:00 SIGNIN - 8001\n06:00 SIGNOUT - 8001") == [
        ("00:00", "06:00")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:00 UNPAUSE a\n11:00 SIGNOUT - 8001", [("00:00", "11:00")]),
        ("11:00 SIGNOUT - 8001", [("00:00", "11:00")]),
        ("09:00 SIGNIN - 8001\n12:00 SIGNIN - 8001\n13:00 SIGNOUT - 8001", [("09:00", "13:00")]),
        ("09:00 ADDMEMBER a\n12:00 REMOVEMEMBER a", [("09:00", "12:00")]),
        ("", []),
    ],
    ids=["no sign-in", "only a sign-out", "a sign-out missing", "the cti died in between", "nothing"],
)
def test_missing_lines_are_survived(text: str, expected: list[tuple[str, str]]) -> None:
    assert signed(text) == expected


def test_members_that_asterisk_kept_over_its_restart_go_on() -> None:
    text = "09:00 ADDMEMBER a\n09:00 SIGNIN - 8001\n10:00 QUEUESTART\n10:05 UNPAUSE a\n12:00 SIGNOUT - 8001"
    assert signed(text) == [("09:00", "12:00")]


def test_a_seat_that_the_restart_forgot_was_away_until_it_signed_in_again() -> None:
    text = (
        "09:00 ADDMEMBER a\n09:00 SIGNIN - 8001\n09:30 PAUSE a after_call\n10:00 QUEUESTART\n"
        "10:20 ADDMEMBER a\n10:20 SIGNIN - 8001\n12:00 SIGNOUT - 8001"
    )
    assert signed(text) == [("09:00", "10:00"), ("10:20", "12:00")]
    assert seconds(presence(lines(text), BEGINS, at("18:00")).after_call) == 1800


def test_after_call_work_ends_by_ready_by_another_reason_and_by_sign_out() -> None:
    text = """
09:00 SIGNIN - 8001
09:10:00 PAUSE a after_call
09:10:00 PAUSE b after_call
09:10:20 UNPAUSE a
09:10:20 UNPAUSE b
09:20:00 PAUSE a after_call:meal:1795300000000
09:20:10 PAUSE a after_call:meal:1795300060000
09:20:40 PAUSE a meal
10:00:00 PAUSEALL - after_call:break
10:00:30 SIGNOUT - 8001
"""
    work = presence(lines(text), BEGINS, at("18:00")).after_call
    assert [(ended - began).total_seconds() for began, ended in work] == [20, 40, 30]


def test_after_call_work_that_goes_on_counts_until_now() -> None:
    work = presence(lines("09:00 SIGNIN - 8001\n09:10 PAUSE a after_call"), BEGINS, at("09:12"))
    assert seconds(work.after_call) == 120


def test_whole_seconds_beside_milliseconds_do_not_turn_time_back() -> None:
    exact = Line(at("09:00") + timedelta(milliseconds=900), "SIGNIN", None, "8001")
    rounded = Line(at("09:00"), "UNPAUSE", "a")
    spans = presence([exact, rounded], BEGINS, at("10:00")).signed_in
    assert spans == ((exact.at, at("10:00")),)


# --- figures -------------------------------------------------------------------------------------------


def talk(began: str, until: str, **facts: object) -> Talked:
    return Talked(spans=((at(began), at(until)),), began=at(began), **facts)  # type: ignore[arg-type]


def test_the_figures_of_a_morning() -> None:
    shift = Presence(
        signed_in=((at("09:00"), at("10:00")),),
        after_call=((at("09:13"), at("09:14")), (at("09:24"), at("09:25"))),
    )
    calls = [
        talk("09:10", "09:13", wait_ms=4_000, rating=1),
        talk("09:20", "09:24", wait_ms=8_000, rating=3),
        talk("09:30", "09:32", direction="outbound"),
        Talked(direction="outbound", began=at("09:40"), answered=False),
    ]
    day = figures([shift], calls, (MIDNIGHT, at("12:00")), direct=3, accepted=4)
    assert day == AgentDay(
        answered=2,
        outbound=2,
        talk_seconds=540,
        average_talk_seconds=180,
        average_wait_seconds=6,
        after_call_seconds=120,
        average_after_call_seconds=40,
        signed_in_seconds=3600,
        utilisation=660 / 3600,
        direct_rate=0.75,
        rated=2,
        satisfied=1,
        satisfaction=0.5,
    )


def test_a_call_over_midnight_is_yesterdays_and_its_time_is_todays() -> None:
    over = Talked(spans=((at("23:50", -1), at("00:10")),), began=at("23:50", -1), rating=1)
    day = figures([], [over], (MIDNIGHT, at("01:00")))
    assert (day.answered, day.rated, day.talk_seconds) == (0, 0, 600)
    assert (day.average_talk_seconds, day.utilisation) == (None, 1.0)


def test_a_call_that_goes_on_counts_and_is_no_part_of_the_average() -> None:
    day = figures([], [talk("09:00", "09:30", ended=False)], (MIDNIGHT, at("09:30")))
    assert (day.answered, day.talk_seconds, day.average_talk_seconds) == (1, 1800, None)


def test_a_call_that_ended_with_its_answer_counts() -> None:
    day = figures([], [Talked(began=at("09:00"))], (MIDNIGHT, at("10:00")))
    assert (day.answered, day.average_talk_seconds, day.utilisation) == (1, 0, None)


def test_nobody_has_no_figures() -> None:
    assert figures([], [], (MIDNIGHT, at("09:00"))) == AgentDay()


def test_the_city_has_its_own_midnight() -> None:
    assert midnight(datetime(2026, 11, 20, 16, 0, tzinfo=UTC)) == MIDNIGHT
    assert midnight(datetime(2026, 11, 20, 15, 59, tzinfo=UTC)) == MIDNIGHT - timedelta(days=1)


RATES = (
    *("utilisation", "direct_rate", "satisfaction", "adherence", "conformance"),
    *("answer_rate", "in_15_rate", "abandon_rate", "estimated_wait_seconds", "day_forecast", "day_seats"),
)


def test_every_figure_has_its_definition() -> None:
    shown = {name for name in AgentDay.__dataclass_fields__ if name not in ("rated", "satisfied", "sums")}
    assert shown <= DEFINITIONS.keys()
    for one in DEFINITIONS.values():
        assert one.name
        assert one.numerator
        assert one.source
        rate = "average" in one.code or one.code.removeprefix("queue_") in RATES
        assert bool(one.denominator) == rate, one.code


# --- for any day ---------------------------------------------------------------------------------------

MOMENTS = st.integers(-24 * 60, 24 * 60).map(lambda minute: MIDNIGHT + timedelta(minutes=minute))
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda pair: (min(pair), max(pair))), max_size=8)
LINES = st.lists(
    st.builds(
        Line,
        at=MOMENTS,
        event=st.sampled_from(
            ("SIGNIN", "SIGNOUT", "ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "QUEUESTART", "CONNECT")
        ),
        queue=st.sampled_from((None, "a", "b")),
        data=st.sampled_from(("", "meal", "after_call", "after_call:meal:1795300000000")),
    ),
    max_size=25,
)


@given(SPANS)
def test_a_union_covers_the_same_moments_without_overlap(spans: list[tuple[datetime, datetime]]) -> None:
    merged = union(spans)
    assert all(one[1] < other[0] for one, other in pairwise(merged))
    for moment in (MIDNIGHT + timedelta(minutes=minute + 0.5) for minute in range(-24 * 60, 24 * 60, 37)):
        inside = any(began <= moment < ended for began, ended in spans)
        assert inside == any(began <= moment < ended for began, ended in merged)


@given(LINES, SPANS, st.integers(0, 24 * 60))
def test_any_journal_gives_figures_that_can_be_true(
    journal: list[Line], talked: list[tuple[datetime, datetime]], minutes: int
) -> None:
    now = MIDNIGHT + timedelta(minutes=minutes)
    seen = presence(journal, BEGINS, now)
    calls = [Talked(spans=tuple(union([span])), began=span[0]) for span in talked]
    day = figures([seen, seen], calls, (MIDNIGHT, now))
    assert day.after_call_seconds >= 0
    assert 0 <= day.talk_seconds <= day.signed_in_seconds <= minutes * 60
    assert day.utilisation is None or 0 <= day.utilisation <= 1
    assert all(BEGINS <= began <= ended <= now for began, ended in (*seen.signed_in, *seen.after_call))
    assert figures([seen], calls, (MIDNIGHT, now)) == day
