"""The state machine of an alarm: hold, hysteresis, quiet hours, what cannot be seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_desktop.alarm_rules import (
    CALM,
    CITY_TIME,
    KINDS,
    NEXT,
    Condition,
    Happened,
    Rule,
    State,
    Zone,
    amount,
    apply,
    at_least,
    bound,
    faults,
    gone,
    is_quiet,
    quiet_until,
    taken_over,
    worse,
    zone,
)
from db.alarm_defaults import DEFAULTS, NORM

WAIT = Rule(1, "longest_wait", threshold=60, clear_at=15, hold_seconds=3, clear_seconds=5)
RATE = Rule(2, "in_15_rate", threshold=80, clear_at=85, hold_seconds=3, clear_seconds=5)


def run(
    rule: Rule, values: list[float | None], condition: Condition = CALM, at: int = 0
) -> tuple[Condition, list[tuple[int, Happened]]]:
    """A reading each second; what happened, with the second."""
    happened = []
    for second, value in enumerate(values, at):
        condition, what = apply(rule, condition, value, second * 1000)
        if what:
            happened.append((second, what))
    return condition, happened


def test_alarm_is_raised_after_the_hold_time_and_over_after_the_clear_time() -> None:
    condition, happened = run(WAIT, [10, 59, 60, 61, 62, 63, 64, 40, 14, 13, 12, 11, 10, 9])
    assert happened == [(5, Happened.RAISED), (13, Happened.CLEARED)]
    assert condition.state is State.CALM


def test_a_dip_begins_the_hold_time_anew() -> None:
    _, happened = run(WAIT, [60, 60, 60, 59, 60, 60, 60, 60])
    assert happened == [(7, Happened.RAISED)]


def test_without_hold_and_clear_time_it_goes_at_once() -> None:
    rule = replace(WAIT, hold_seconds=0, clear_seconds=0)
    _, happened = run(rule, [60, 15])
    assert happened == [(0, Happened.RAISED), (1, Happened.CLEARED)]


def test_a_rate_is_bad_downwards() -> None:
    assert [zone(RATE, value) for value in (79, 80, 82, 85, 99)] == [
        Zone.BAD,
        Zone.BAD,
        Zone.BETWEEN,
        Zone.GOOD,
        Zone.GOOD,
    ]
    condition, happened = run(RATE, [70, 65, 72, 70, 71])
    assert happened == [(3, Happened.RAISED)]
    assert (condition.worst, condition.value) == (65, 71)


def test_the_worst_is_of_this_alarm_only() -> None:
    rule = replace(WAIT, hold_seconds=0, clear_seconds=0)
    condition, _ = run(rule, [90, 300, 10, 70, 80])
    assert condition.worst == 80


def test_what_cannot_be_seen_neither_raises_nor_ends() -> None:
    blind: list[float | None] = [None] * 30
    assert run(WAIT, [70, 70, *blind])[1] == []
    raised, _ = run(WAIT, [70] * 5)
    assert run(WAIT, blind, raised, 5)[0] == raised


def test_after_a_time_without_sight_the_hold_time_begins_anew() -> None:
    blind: list[float | None] = [None] * 30
    _, happened = run(WAIT, [70, 70, *blind, 70, 70, 70, 70])
    assert happened == [(35, Happened.RAISED)]


def test_a_clock_set_back_does_not_stop_the_machine() -> None:
    condition, _ = run(WAIT, [70, 70], at=1_000_000)
    _, happened = run(WAIT, [70, 70, 70, 70], condition, at=100)
    assert happened == [(103, Happened.RAISED)]


def test_what_is_not_there_any_more_is_fine() -> None:
    raised, _ = run(WAIT, [70] * 5)
    at, what = 5, None
    while what is None:
        raised, what = gone(WAIT, raised, at * 1000)
        at += 1
    assert (what, at) == (Happened.CLEARED, 11)


def test_an_alarm_taken_over_goes_on_and_is_not_raised_again() -> None:
    condition = taken_over(raised_at=0, value=70, worst=200, now=50_000)
    condition, happened = run(WAIT, [70, 80, 40, 90], condition, at=50)
    assert (happened, condition.open, condition.worst, condition.raised_at) == ([], True, 200, 0)
    _, happened = run(WAIT, [1] * 6, condition, at=54)
    assert happened == [(59, Happened.CLEARED)]


def test_part_of_the_sight_counts_where_it_decides() -> None:
    assert [at_least(WAIT, value) for value in (70, 10)] == [70, None]
    ready = Rule(3, "no_seat_ready", threshold=0, clear_at=1)
    assert [at_least(ready, value) for value in (2, 0)] == [2, None]


VALUES = st.lists(st.floats(0, 200), min_size=1, max_size=120)


@given(VALUES, st.sampled_from([WAIT, RATE, replace(WAIT, hold_seconds=0, clear_seconds=0)]))
def test_raised_and_cleared_alternate_and_each_is_earned(values: list[float], rule: Rule) -> None:
    _, happened = run(rule, list(values))
    assert [what for _, what in happened] == [Happened.RAISED, Happened.CLEARED] * (len(happened) // 2) + [
        Happened.RAISED
    ] * (len(happened) % 2)
    for second, what in happened:
        seconds = rule.hold_seconds if what is Happened.RAISED else rule.clear_seconds
        earned = Zone.BAD if what is Happened.RAISED else Zone.GOOD
        assert all(zone(rule, value) is earned for value in values[second - seconds : second + 1])


@given(st.lists(st.floats(15.01, 59.99), max_size=200), st.booleans())
def test_nothing_happens_inside_the_hysteresis(values: list[float], on: bool) -> None:
    start = run(WAIT, [70] * 5)[0] if on else CALM
    condition, happened = run(WAIT, list(values), start, at=5)
    assert (happened, condition.open) == ([], on)


@given(VALUES)
def test_a_restart_in_the_middle_raises_nothing_twice(values: list[float]) -> None:
    """A desktop that takes over what it finds open: no second raising before the alarm is over."""
    condition, _ = run(WAIT, list(values))
    if condition.open:
        again = taken_over(condition.raised_at, condition.value, condition.worst, len(values) * 1000)
        _, later = run(WAIT, list(values), again, at=len(values))
        assert not later or later[0][1] is Happened.CLEARED


def test_the_table_says_only_what_a_reading_can_do() -> None:
    assert {state for state, _ in NEXT} == set(State)
    assert State.RAISED not in {to for (state, _), to in NEXT.items() if state in (State.CALM, State.RISING)}


# --- quiet hours ---------------------------------------------------------------------------------------


def at(clock: str) -> int:
    return round(datetime.fromisoformat(f"2026-11-21T{clock}").replace(tzinfo=CITY_TIME).timestamp() * 1000)


@pytest.mark.parametrize(
    ("clock", "quiet"),
    [
        ("21:59:59", False),
        ("22:00:00", True),
        ("23:59:59", True),
        ("00:00:00", True),
        ("06:59:59", True),
        ("07:00:00", False),
        ("12:00:00", False),
    ],
)
def test_quiet_hours_go_over_midnight(clock: str, quiet: bool) -> None:
    rule = replace(WAIT, quiet_from="22:00", quiet_to="07:00")
    assert is_quiet(rule, at(clock)) is quiet
    ends = quiet_until(rule, at(clock))
    assert not is_quiet(rule, ends)
    assert (ends == at(clock)) is not quiet
    assert ends - at(clock) <= 9 * 3_600_000


def test_quiet_hours_of_one_day() -> None:
    rule = replace(WAIT, quiet_from="12:00", quiet_to="14:00")
    assert [is_quiet(rule, at(clock)) for clock in ("11:59:59", "12:00:00", "13:59:59", "14:00:00")] == [
        False,
        True,
        True,
        False,
    ]
    assert not is_quiet(WAIT, at("12:00:00"))


# --- rules as typed --------------------------------------------------------------------------------------


def test_the_defaults_are_right() -> None:
    for facts in DEFAULTS:
        assert faults(Rule(0, **(NORM | facts))) == {}
    assert {facts["kind"] for facts in DEFAULTS} == set(KINDS)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"clear_at": 60.0}, "clear_at"),
        ({"kind": "in_15_rate", "threshold": 80, "clear_at": 70}, "clear_at"),
        ({"kind": "in_15_rate", "threshold": 101, "clear_at": 102}, "threshold"),
        ({"threshold": -1, "clear_at": -2}, "threshold"),
        ({"kind": "disk", "threshold": 90, "clear_at": 80, "queue": "consultation"}, "queue"),
        ({"kind": "weather"}, "kind"),
        ({"quiet_from": "22:00"}, "quiet_from"),
        ({"quiet_from": "22:00", "quiet_to": "22:00"}, "quiet_from"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_at_its_field(facts: dict[str, object], field: str) -> None:
    assert field in faults(replace(WAIT, **facts))  # type: ignore[arg-type]


def test_values_in_words() -> None:
    assert [amount("longest_wait", value) for value in (9.4, 65, 3725)] == [
        "9 秒",
        "1 分 05 秒",
        "1 小时 02 分",
    ]
    assert (amount("in_15_rate", 82.5), amount("disk", 90.0)) == ("82.5%", "90%")
    assert (bound("in_15_rate", 80), bound("no_seat_ready", 0)) == ("≤ 80%", "≤ 0 席")
    assert worse(RATE, 70, 90) == 70
